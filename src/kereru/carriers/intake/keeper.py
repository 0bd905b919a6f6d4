"""A web process's share in the intake logs: its own slot, what it tells the senders about it, and slots whose process never came back.

Promises: a report says what was true after the database had answered the one before, so that none that was under way during an outage opens the
senders' gate; a slot nobody holds is replayed by whoever finds it; a process that starts while the database is silent takes webhooks all the same,
into a slot that senders know of already (decision 0013).
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from kereru.carriers.arrivals import ArrivalBatch
from kereru.carriers.ingress import InboundSink
from kereru.carriers.intake.log import BYTES_MAX, IntakeLog, Slot, forget_set_aside, left_behind, take_slot, try_slot
from kereru.carriers.intake.sink import LoggedSink, answers_within
from kereru.kernel.clock import Clock, SystemClock
from kereru.kernel.db import Database
from kereru.kernel.errors import Unavailable
from kereru.kernel.faults import Faults
from kereru.kernel.limits import RETENTION_DAYS
from kereru.kernel.logging import get_logger

REPORT_EVERY_S = 1.0
ADOPT_EVERY_S = 20.0
ANSWER_S = 1.0
_NOW = "SELECT clock_timestamp() AS at"
_REPORT = "SELECT report_intake(%(holder)s, %(holding)s, %(entries)s, %(bytes)s, %(known_at)s) AS at"
_RETIRE = "SELECT retire_intake(%(holder)s)"
_log = get_logger("carriers.intake")


@dataclass(frozen=True, slots=True)
class _Held:
    slot: Slot
    sink: LoggedSink
    reports: "Reports"


class Reports:
    """What one slot tells the senders, about once a second and whenever it changes."""

    def __init__(self, database: Database, slot: Slot, sink: LoggedSink, *, every_s: float = REPORT_EVERY_S) -> None:
        self._database, self._slot, self._sink, self._every_s = database, slot, sink, every_s
        self._holder = f"{os.uname().nodename}:{slot.folder}"
        sink.announced = slot.announced
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._known_at: datetime | None = None
        sink.on_change = self._changed.set

    async def begin(self) -> bool:
        """Say it once, before anything is taken in, and go on saying it; False when the database gave no answer in time."""
        said = await answers_within(self._say, ANSWER_S)
        self._task = asyncio.create_task(self._run())
        return said

    async def stop(self, *, retire: bool) -> None:
        """Say no more; with `retire`, be forgotten."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if retire and await answers_within(self._say, ANSWER_S):
            # First the mark: a slot that senders might no longer know of must not look as if they did.
            self._slot.forget_announced()
            with contextlib.suppress(psycopg.Error, Unavailable):
                await self._database.autocommit(_RETIRE, {"holder": self._holder})

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._changed.wait()
            self._changed.clear()
            with contextlib.suppress(psycopg.Error, Unavailable):
                await self._say()

    async def _say(self) -> None:
        # An older report that overtook a newer one would open the gate too early.
        async with self._one_at_a_time:
            if self._known_at is None:
                self._known_at = (await self._database.autocommit(_NOW))[0].at
            holding = self._sink.holding
            facts: dict[str, object] = {
                "holder": self._holder,
                "holding": holding.open,
                "entries": holding.entries,
                "bytes": holding.size,
                "known_at": self._known_at,
            }
            self._known_at = (await self._database.autocommit(_REPORT, facts))[0].at
            if not self._sink.announced:
                self._slot.note_announced()
                self._sink.announced = True


class Keeper:
    """Everything about intake logs in one web process. `sink` is what the ingress is given, between `start` and `stop`."""

    def __init__(
        self,
        root: Path,
        inner: InboundSink,
        database: Database,
        urgent: Callable[[ArrivalBatch], bool],
        *,
        bytes_max: int = BYTES_MAX,
        adopt_every_s: float = ADOPT_EVERY_S,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._root, self._inner, self._database, self._urgent = root, inner, database, urgent
        self._clock = clock or SystemClock()
        self._bytes_max, self._adopt_every_s = bytes_max, adopt_every_s
        self._faults = faults or Faults()
        self._own: _Held | None = None
        self._adopting: asyncio.Task[None] | None = None

    @property
    def sink(self) -> LoggedSink:
        """The sink in front of the database."""
        assert self._own is not None  # noqa: S101 - started before it is used
        return self._own.sink

    async def start(self) -> bool:
        """Take a slot, report it, begin to replay; False when the database is silent. Raises OSError where the folder cannot be used."""
        slot = await asyncio.to_thread(take_slot, self._root)
        self._own = self._hold(slot)
        answered = await self._own.reports.begin()
        if not answered:
            _log.warning("intake.starts_without_database", announced=self._own.sink.announced)
        self._own.sink.start(silent=not answered)
        self._adopting = asyncio.create_task(self._adopt())
        return answered

    async def stop(self) -> None:
        """Leave; what is still in the log stays for whoever takes the slot next, and senders go on waiting for it."""
        if self._adopting is not None:
            self._adopting.cancel()
            await asyncio.gather(self._adopting, return_exceptions=True)
        if self._own is not None:
            await self._let_go(self._own)

    async def problem(self) -> str:
        """Why the log could not take a webhook now; empty when it could (for readiness)."""
        return await self.sink.log.writable()

    def _hold(self, slot: Slot) -> _Held:
        log = IntakeLog(slot.folder, bytes_max=self._bytes_max, clock=self._clock, faults=self._faults)
        sink = LoggedSink(self._inner, log, database_answers=self._answers, urgent=self._urgent, faults=self._faults)
        return _Held(slot, sink, Reports(self._database, slot, sink))

    async def _answers(self) -> bool:
        return await answers_within(lambda: self._database.autocommit(_NOW), ANSWER_S)

    @staticmethod
    async def _let_go(held: _Held) -> None:
        await held.sink.stop()
        await held.reports.stop(retire=held.sink.log.empty)
        held.slot.release()

    async def _adopt(self) -> None:
        """Look now and then for slots that nobody holds: a machine may be set to fewer web processes than before. And for what is too old."""
        while True:
            await asyncio.sleep(self._adopt_every_s)
            try:
                await asyncio.to_thread(forget_set_aside, self._root, (self._clock.now() - timedelta(days=RETENTION_DAYS)).date())
            except OSError as error:
                _log.warning("intake.not_forgotten", error=repr(error))
            for folder in list(left_behind(self._root, self.sink.log.folder)):
                try:
                    slot = try_slot(folder)
                    if slot is not None:
                        await self._replay_foreign(slot)
                except (OSError, psycopg.Error, Unavailable) as error:
                    _log.warning("intake.not_adopted", folder=str(folder), error=repr(error))

    async def _replay_foreign(self, slot: Slot) -> None:
        held = self._hold(slot)
        try:
            if await held.reports.begin() and not held.sink.log.empty:
                _log.warning("intake.adopted", folder=str(slot.folder), entries=held.sink.log.entries)
                held.sink.start()
                await held.sink.emptied()
        finally:
            await self._let_go(held)
