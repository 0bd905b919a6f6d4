"""Whether this process lives, and whether it should get traffic (reliability.md §6). A carrier's outage makes nobody unready."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import psycopg

from kereru.kernel.db import Database
from kereru.kernel.errors import KereruError

LEAST_WEEKS_AHEAD = 2
PROBE_EVERY_S = 5.0
"""Writing is tried no oftener than this while it goes well, however often somebody asks; after a failure soon again."""

_AGAIN_S = 0.5
_ANSWER_S = 2.0


class Check(msgspec.Struct, frozen=True):
    """One thing that must be so."""

    name: str
    ok: bool
    words: str


class Probe:
    """A question that costs something: asked now and then; in between one hears the last answer. `ask` says what is wrong; empty: nothing."""

    def __init__(self, ask: Callable[[], Awaitable[str]], silent: str, monotonic: Callable[[], float]) -> None:
        self._ask, self._silent, self._monotonic = ask, silent, monotonic
        self._asked_at = 0.0
        self._task: asyncio.Future[str] | None = None

    async def problem(self) -> str:
        """What is wrong, as far as the last answer goes; `silent` while there is none within 2 s."""
        task = self._task
        if task is None or (task.done() and self._monotonic() - self._asked_at >= (_AGAIN_S if task.result() else PROBE_EVERY_S)):
            self._asked_at = self._monotonic()
            self._task = task = asyncio.ensure_future(self._ask())
        # Not cancelled when it takes too long: that would wait for a frozen server, and so would whoever asks.
        done, _ = await asyncio.wait([task], timeout=_ANSWER_S)
        return task.result() if done else self._silent


class Readiness:
    """Asks the database, and tries now and then whether what must be written can be.

    `schema`: this program's migration; empty: any. `draining`: the process is about to stop. `intake_problem` says why the intake log could not take
    a webhook now; empty: it could.
    """

    def __init__(
        self,
        database: Database,
        schema: str,
        draining: Callable[[], bool],
        monotonic: Callable[[], float],
        intake_problem: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._database = database
        self._schema = schema
        self._draining = draining
        self._intake = None if intake_problem is None else Probe(intake_problem, "the intake log's disk does not answer", monotonic)
        self._writing = Probe(self._try_writing, "the database takes no writing", monotonic)

    async def checks(self) -> list[Check]:
        """What was found, in the order in which an operator would look."""
        draining = self._draining()
        found = [Check("draining", not draining, "stopping; send nobody here" if draining else "taking requests")]
        writing = asyncio.ensure_future(self._writing.problem())
        if self._intake is not None:
            problem = await self._intake.problem()
            found.append(Check("intake", not problem, problem or "the intake log can be written"))
        asking = asyncio.create_task(self._database.autocommit("SELECT schema_version() AS version, weeks_ahead() AS weeks"))
        # Not cancelled when it takes too long: that would wait for a frozen server, and so would whoever asks.
        done, _ = await asyncio.wait([asking], timeout=_ANSWER_S)
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        error = asking.exception() if done else None
        if not done or error is not None:
            words = error.detail if isinstance(error, KereruError) else "the database does not answer"
            await writing
            return [*found, Check("database", ok=False, words=words)]
        row = asking.result()[0]
        problem = await writing
        right = not self._schema or row.version == self._schema
        words = "the database has this version's shape" if right else f"the database stands at {row.version}, this program at {self._schema}; migrate"
        return [
            *found,
            Check("database", ok=True, words="the database answers"),
            Check("writing", not problem, problem or "the database can be written"),
            Check("schema", right, words),
            Check("partitions", row.weeks >= LEAST_WEEKS_AHEAD, f"partitions for {row.weeks} weeks ahead, at least {LEAST_WEEKS_AHEAD} are needed"),
        ]

    async def _try_writing(self) -> str:
        try:
            await self._database.autocommit("SELECT probe_writing()")
        except psycopg.errors.DiskFull:
            return "the database's disk is full"
        except psycopg.errors.ReadOnlySqlTransaction:
            return "the database is read-only"
        except (psycopg.Error, KereruError) as error:
            return f"the database cannot be written: {type(error).__name__}"
        return ""
