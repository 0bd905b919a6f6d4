"""Ids: 63-bit, ordered by time, made by the database (`new_id()`), strings in JSON (design §6).

The upper 43 bits count milliseconds since 2024-01-01 UTC, the lower 20 bits tell ids of one millisecond apart. Ranges of ids are therefore ranges
of time, which is what partitions, retention and paging rest on.
"""

from datetime import UTC, datetime, timedelta

from kereru.kernel.errors import KereruError

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
SEQUENCE_BITS = 20
MAX_ID = 2**63 - 1


class InvalidId(KereruError):
    """This address is not one of ours. Go back and open the item from its list again."""

    code = "not_found"
    status = 404


def encode(value: int) -> str:
    """The id as it stands in JSON and in paths: JavaScript's numbers hold only 53 bits."""
    return str(value)


def decode(text: str) -> int:
    """The id that `text` names. Raises InvalidId for anything that cannot be one (bad input 50)."""
    if not (0 < len(text) <= 19 and text.isascii() and text.isdigit()):
        raise InvalidId
    value = int(text)
    if not 0 < value <= MAX_ID or text[0] == "0":
        raise InvalidId
    return value


def lowest_at(instant: datetime) -> int:
    """The smallest id that could have been made at `instant`; the ends of all ids for instants beyond them, which people may type."""
    return min(max(0, int((instant - EPOCH).total_seconds() * 1000) << SEQUENCE_BITS), MAX_ID)


def made_at(value: int) -> datetime:
    """The instant at which an id was made, to the millisecond."""
    return EPOCH + timedelta(milliseconds=value >> SEQUENCE_BITS)
