"""How fast a platform may send, and how long to wait after it said no."""

import random

BURST_S = 0.1
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
TRIP_AFTER = 5
LONGEST_PAUSE_S = 30.0
_DOUBLINGS = 10


class TokenBucket:
    """An exact rate: over any second at most `rate` plus a tenth of it go out (G14). Time is handed in, in seconds of a monotonic clock."""

    def __init__(self, rate_per_s: float, now: float) -> None:
        self.rate_per_s = rate_per_s
        self._capacity = max(1.0, rate_per_s * BURST_S)
        self._tokens = self._capacity
        self._at = now

    def available(self, now: float) -> int:
        """How many may go now."""
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self.rate_per_s)
        self._at = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        """Use `count` of what `available` answered."""
        self._tokens -= count

    def wait_s(self) -> float:
        """Seconds until the next one may go."""
        return max(0.0, (1.0 - self._tokens) / self.rate_per_s)


class Circuit:
    """Pauses a platform after several hand-overs in a row that its carrier did not take; each further one doubles the pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0

    def record(self, *, taken: bool, now: float) -> None:
        """One hand-over ended; `taken` when the carrier answered for it, whatever it said of the text."""
        if taken:
            self._failures = 0
            self._open_until = 0.0
            return
        self._failures += 1
        if self._failures >= TRIP_AFTER:
            self._open_until = now + min(LONGEST_PAUSE_S, 2.0 ** min(self._failures - TRIP_AFTER, _DOUBLINGS))

    def pause_s(self, now: float) -> float:
        """Seconds to wait before the next claim."""
        return max(0.0, self._open_until - now)


def retry_delay_s(deferrals: int, retry_after_s: float | None, dice: random.Random) -> float:
    """How long a text waits after the carrier surely did not take it: the carrier's own word, else doubling with jitter (G14)."""
    if retry_after_s is not None:
        return retry_after_s + dice.uniform(0, 0.5)
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(deferrals, _DOUBLINGS)) * dice.uniform(0.5, 1.0)
