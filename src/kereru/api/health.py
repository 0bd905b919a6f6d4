"""Whether this process lives, and whether it should get traffic (reliability.md §6). A carrier's outage makes nobody unready."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from kereru.kernel.db import Database
from kereru.kernel.errors import KereruError

LEAST_WEEKS_AHEAD = 2
_ANSWER_S = 2.0


class Check(msgspec.Struct, frozen=True):
    """One thing that must be so."""

    name: str
    ok: bool
    words: str


class Readiness:
    """Asks the database, and remembers nothing. `schema`: this program's migration; empty: any. `draining`: the process is about to stop.

    `intake_problem` says why the intake log could not take a webhook now; empty: it could.
    """

    def __init__(
        self, database: Database, schema: str, draining: Callable[[], bool], intake_problem: Callable[[], Awaitable[str]] | None = None
    ) -> None:
        self._database = database
        self._schema = schema
        self._draining = draining
        self._intake_problem = intake_problem

    async def checks(self) -> list[Check]:
        """What was found, in the order in which an operator would look."""
        draining = self._draining()
        found = [Check("draining", not draining, "stopping; send nobody here" if draining else "taking requests")]
        if self._intake_problem is not None:
            problem = await self._intake_problem()
            found.append(Check("intake", not problem, problem or "the intake log can be written"))
        asking = asyncio.create_task(self._database.autocommit("SELECT schema_version() AS version, weeks_ahead() AS weeks"))
        # Not cancelled when it takes too long: that would wait for a frozen server, and so would whoever asks.
        done, _ = await asyncio.wait([asking], timeout=_ANSWER_S)
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        error = asking.exception() if done else None
        if not done or error is not None:
            words = error.detail if isinstance(error, KereruError) else "the database does not answer"
            return [*found, Check("database", ok=False, words=words)]
        row = asking.result()[0]
        right = not self._schema or row.version == self._schema
        words = "the database has this version's shape" if right else f"the database stands at {row.version}, this program at {self._schema}; migrate"
        return [
            *found,
            Check("database", ok=True, words="the database answers"),
            Check("schema", right, words),
            Check("partitions", row.weeks >= LEAST_WEEKS_AHEAD, f"partitions for {row.weeks} weeks ahead, at least {LEAST_WEEKS_AHEAD} are needed"),
        ]
