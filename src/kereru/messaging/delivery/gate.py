"""After a silence of the database, senders wait: a STOP may lie in a web process's intake log and must be heard first (design §6).

A sender cannot see that a web process wrote to its log, but both saw the same silence. The gate asks the database for the time again and again; after
each silence it takes the first quick answer as the instant since when reports count. A claim passes that instant on, and the database claims nothing
until every web process has reported its log empty since then, or an operator overrode that (`kereru admin resume-sending`).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import psycopg

from kereru.kernel.clock import Clock
from kereru.kernel.db import Database
from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger

SILENCE_S = 1.5
ASK_EVERY_S = 0.25
"""Web processes log what the database did not take within 2 s; asked this often, it cannot be silent for so long without our noticing."""

_log = get_logger("messaging.delivery")


class Gate:
    """One a sender process. `on_open` is called when claims may be tried again."""

    def __init__(self, database: Database, clock: Clock, on_open: Callable[[], None] = lambda: None) -> None:
        self._database, self._clock, self._on_open = database, clock, on_open
        self._since: datetime | None = None
        self._asked_at: float | None = None
        self._turn = 0

    def doubt(self) -> None:
        """The database failed or was silent: what was known of the logs is void."""
        if self._since is not None:
            _log.warning("gate.doubt")
        self._since = None
        self._turn += 1

    def look(self) -> tuple[datetime | None, int]:
        """(since when reports count, None: nothing may be claimed; a number that is another one after each doubt)."""
        if self._asked_at is not None and self._clock.monotonic() - self._asked_at >= SILENCE_S and self._since is not None:
            self.doubt()
        return self._since, self._turn

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            turn, self._asked_at = self._turn, self._clock.monotonic()
            try:
                rows = await self._database.autocommit("SELECT clock_timestamp() AS at")
            except (psycopg.Error, Unavailable):
                self.doubt()
            else:
                if self._clock.monotonic() - self._asked_at >= SILENCE_S:
                    self.doubt()
                    continue
                if self._since is None and turn == self._turn:
                    self._since = rows[0].at
                    self._on_open()
            self._asked_at = None
            await asyncio.sleep(ASK_EVERY_S)
