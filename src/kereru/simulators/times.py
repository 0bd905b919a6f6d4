"""How the simulated systems write instants. All are UTC."""

from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def iso(at: float) -> str:
    """ISO 8601 with milliseconds and Z, as Kererū's own API writes."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"


def rfc2822(at: float) -> str:
    """Restcomm's `date_created`: the day is not padded with a zero (carriers.md §1.1)."""
    return _rfc2822(int(at))


@lru_cache(maxsize=64)
def _rfc2822(second: int) -> str:
    when = datetime.fromtimestamp(second, UTC)
    return f"{_DAYS[when.weekday()]}, {when.day} {_MONTHS[when.month - 1]} {when:%Y %H:%M:%S} +0000"


def iso_offset(at: float) -> str:
    """Restcomm's `date_sent` (carriers.md §1.1)."""
    return iso(at)[:-1] + "+00:00"


def smpp(at: float) -> str:
    """YYMMDDhhmm, as in SMPP receipts (carriers.md §8.5)."""
    return datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M")
