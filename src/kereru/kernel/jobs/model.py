"""What a job is, and how one is written: a kind that a lower slice may declare and a higher slice may handle.

Writing a job needs neither Procrastinate nor a connection of its own: the listed function `put_job` inserts it in the caller's transaction, so that
the job exists exactly when the change that caused it does.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from kereru.kernel.db import Transaction

JOB_CHANNEL = "kereru_job"

Handler = Callable[[Mapping[str, int]], Awaitable[None]]
"""Does one job, given its ids. It may run twice (a worker can die between the work and the note of it), so it checks what is left to do."""


class GiveUp(Exception):
    """Trying this job again cannot help; it is kept as failed with this message."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How a job that raised is tried again: after `first_s`, then `factor` times longer each time, at most `most_s`, `tries` times in all."""

    first_s: float = 5.0
    factor: float = 2.0
    most_s: float = 3600.0
    tries: int = 100

    def pause_s(self, tries_made: int) -> float | None:
        """Seconds until the next try after `tries_made` of them (from 1), or None when that was the last."""
        if tries_made >= self.tries:
            return None
        # The power is bounded first: a large count would overflow a float.
        return min(self.most_s, self.first_s * self.factor ** min(tries_made - 1, 64))


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job: `name` is `slice.verb_noun` and stays for ever, since rows hold it."""

    name: str
    backoff: Backoff = Backoff()


async def defer(tx: Transaction, kind: JobKind, *, delay_s: float = 0.0, **ids: int) -> None:
    """Write a job in this transaction, to be run `delay_s` seconds later at the earliest; workers are woken after the commit."""
    await tx.run(
        "SELECT put_job(%(name)s, %(ids)s::jsonb, %(delay_s)s)",
        {"name": kind.name, "ids": msgspec.json.encode(ids).decode(), "delay_s": delay_s},
    )
    tx.notify(JOB_CHANNEL)
