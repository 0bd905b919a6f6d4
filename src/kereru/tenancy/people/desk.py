"""How a user's screen behaves: where texts open, and when it keeps quiet. Kept for all his devices; nothing on the server depends on it."""

from typing import Annotated, Any, Literal

import msgspec
from psycopg.types.json import Jsonb

from kereru.kernel.db import Transaction

Windows = Literal["docked", "windows"]
"""Conversations sit in the main window, or each has a window of its own."""
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
"""Hours and minutes in the user's time zone."""


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No sound and no notice from `begin` until `end`, over midnight where the end comes first; both the same: all day."""

    on: bool = False
    begin: ClockTime = "22:00"
    end: ClockTime = "07:00"


class Desk(msgspec.Struct, frozen=True):
    """R33, R34: texts and instant messages each have their own way, so that all four combinations work."""

    text_windows: Windows = "docked"
    chat_windows: Windows = "docked"
    quiet_hours: QuietHours = QuietHours()


_CHANGE = "UPDATE end_user SET desk = desk || %(changes)s WHERE provider_id = %(provider_id)s AND id = %(id)s"


def desk_of(stored: dict[str, Any] | None) -> Desk:
    """What is stored for a user, with the defaults for what he never set."""
    return msgspec.convert(stored or {}, Desk)


async def change_desk(tx: Transaction, provider_id: int, user_id: int, changes: dict[str, object]) -> None:
    """Set what `changes` names; the rest stays."""
    await tx.run(_CHANGE, {"provider_id": provider_id, "id": user_id, "changes": Jsonb(msgspec.to_builtins(changes))})
