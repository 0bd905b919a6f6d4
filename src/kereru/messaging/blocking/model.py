"""What the portal sees of a block; pure."""

from datetime import datetime

import msgspec

REASON_CHARACTERS = 200
_ENDING = 4


class Blocked(msgspec.Struct, frozen=True):
    """A number that one of our users blocked, until `ends_at` where the block has an end (P63).

    `texts` of it were kept from him in the last 90 days, the last one at `last_text_at`.
    """

    remote: str
    display: str
    at: datetime
    blocked_by: str
    reason: str
    ends_at: datetime | None
    texts: int
    last_text_at: datetime | None


def ending(remote: str) -> str:
    """How history and evidence name a remote number, since they outlive what is deleted of it (P57): by its last digits."""
    return f"…{remote[-_ENDING:]}"
