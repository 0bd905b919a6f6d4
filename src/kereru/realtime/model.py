"""What travels through realtime: rows of a feed, the changes people's programs receive, and positions in several feeds at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from kereru.kernel.db import Transaction

Position = tuple[tuple[int, int], ...]
"""How far a reader has come: (feed id, number of the last change it holds), sorted by feed. Immutable, so that all followers in step share one."""


class ChangeRow(msgspec.Struct, frozen=True):
    """One stored entry of a feed; ids name what changed, `version` is that entity's own."""

    feed_id: int
    number: int
    id: int
    kind: int
    conversation_id: int | None
    message_id: int | None
    subject_id: int | None
    version: int


class PresentedChange(msgspec.Struct, frozen=True):
    """A change as one user's programs receive it (API: Change). A reader upserts by id when `version` is at least what it holds."""

    feed: str
    position: int
    kind: str
    version: int
    message: msgspec.Struct | msgspec.Raw | None = None
    conversation: msgspec.Struct | msgspec.Raw | None = None
    licence_number: msgspec.Struct | msgspec.Raw | None = None


class ChangePresenter(Protocol):
    """Filled by the slice that owns the entities: turns rows into what their users may see of them now.

    The answer keeps the rows' order and names each by `feed` and `position`; a row whose entity is gone is left out. It shows the present state,
    which may be newer than the change.
    """

    async def present(self, tx: Transaction, provider_id: int, wanted: Mapping[int, Sequence[ChangeRow]]) -> dict[int, list[PresentedChange]]:
        """The changes behind each user's rows as that user sees them, by user id; in as few statements as for one user."""
        ...


@dataclass(frozen=True, slots=True)
class SocketViewer:
    """Who is behind a socket or a long-poll, decided once when it opened (design §9)."""

    provider_id: int
    user_id: int
    feed_ids: tuple[int, ...]
    session_key: bytes

    @property
    def audience(self) -> tuple[int, int]:
        """Those who see the same changes in the same form."""
        return (self.provider_id, self.user_id)


def position_of(numbers: Mapping[int, int]) -> Position:
    """A position from numbers by feed."""
    return tuple(sorted(numbers.items()))


def is_behind(position: Position, heads: Mapping[int, int]) -> bool:
    """Whether any feed has gone on (or, after a restored backup, gone back) since `position`."""
    return any(heads.get(feed, number) != number for feed, number in position)
