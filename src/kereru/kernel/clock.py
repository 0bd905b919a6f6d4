"""Time, injected: nothing in Kererū asks the operating system for the time except through a `Clock`."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back, whatever happens to the wall clock, and never stands still."""
        ...


# It goes on while the machine sleeps, as the database's time does elsewhere: a laptop that wakes up must not believe in a lease of yesterday (G13).
# Linux has a name of its own for that; macOS' CLOCK_MONOTONIC does it.
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, the machine's sleep included; never goes back."""
        return time.clock_gettime(_SINCE_BOOT)


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """The instant this clock was last moved to."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Seconds since this clock's start."""
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._elapsed_s += seconds
