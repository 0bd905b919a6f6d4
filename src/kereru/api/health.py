"""Whether this process lives, and whether it should get traffic (reliability.md §6). A carrier's outage makes nobody unready."""

import asyncio
from collections.abc import Callable

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
    """Asks the database, and remembers nothing. `schema`: this program's migration; empty: any. `draining`: the process is about to stop."""

    def __init__(self, database: Database, schema: str, draining: Callable[[], bool]) -> None:
        self._database = database
        self._schema = schema
        self._draining = draining

    async def checks(self) -> list[Check]:
        """What was found, in the order in which an operator would look."""
        draining = self._draining()
        found = [Check("draining", not draining, "stopping; send nobody here" if draining else "taking requests")]
        try:
            async with asyncio.timeout(_ANSWER_S):
                rows = await self._database.autocommit("SELECT schema_version() AS version, weeks_ahead() AS weeks")
        except Exception as error:  # noqa: BLE001 - whatever it is, the database does not answer
            words = error.detail if isinstance(error, KereruError) else "the database does not answer"
            return [*found, Check("database", ok=False, words=words)]
        row = rows[0]
        right = not self._schema or row.version == self._schema
        words = "the database has this version's shape" if right else f"the database stands at {row.version}, this program at {self._schema}; migrate"
        return [
            *found,
            Check("database", ok=True, words="the database answers"),
            Check("schema", right, words),
            Check("partitions", row.weeks >= LEAST_WEEKS_AHEAD, f"partitions for {row.weeks} weeks ahead, at least {LEAST_WEEKS_AHEAD} are needed"),
        ]
