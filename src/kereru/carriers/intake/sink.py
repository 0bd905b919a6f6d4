"""The sink in front of the database's: where the database gives no answer in time, the log takes the batch and the carrier still hears 2xx.

Promises: a batch is answered for only when it is committed or on disk (G1), within seconds (G2); what is in the log is replayed when the database
answers again, consent words first; from the first unanswered batch until the log is empty everything goes through the log, so that nothing overtakes
a STOP; an entry that cannot be replayed is kept aside and blocks nobody (G6).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from kereru.carriers.arrivals import ArrivalBatch
from kereru.carriers.ingress import InboundSink, NotDurable
from kereru.carriers.intake.log import IntakeFailed, IntakeLog, Segment, decode
from kereru.kernel.faults import Faults
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import counter, gauge

ANSWER_WITHIN_S = 2.0
LOOK_EVERY_S = 0.5
AT_ONCE = 100
MOST_WAITING = 2_000
TRIES = 5
"""How often the database may refuse one entry while it takes others, before the entry is set aside."""

_log = get_logger("carriers.intake")
_logged = counter("intake_logged", "Webhooks that went to the intake log, by why.", ("why",))
_replayed = counter("intake_replayed", "Entries of the intake log by what became of them.", ("outcome",))
_entries = gauge("intake_entries", "Entries in the intake log.")


@dataclass(frozen=True, slots=True)
class Holding:
    """What a web process holds back from the database; `open` while new batches go through the log."""

    open: bool
    entries: int
    size: int


class LoggedSink:
    """Implements `carriers.ingress.InboundSink`. `database_answers` asks for a sign of life and never takes long; `urgent` finds consent words."""

    def __init__(
        self,
        inner: InboundSink,
        log: IntakeLog,
        *,
        database_answers: Callable[[], Awaitable[bool]],
        urgent: Callable[[ArrivalBatch], bool],
        answer_within_s: float = ANSWER_WITHIN_S,
        look_every_s: float = LOOK_EVERY_S,
        faults: Faults | None = None,
    ) -> None:
        self.log = log
        self._inner, self._database_answers, self._urgent = inner, database_answers, urgent
        self._answer_within_s, self._look_every_s = answer_within_s, look_every_s
        self._faults = faults or Faults()
        self._straight = log.empty
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._tries: dict[UUID, int] = {}
        self._done: set[UUID] = set()
        self._wake = asyncio.Event()
        self._replaying: asyncio.Task[None] | None = None
        self._rest = asyncio.Event()
        self.announced = True
        """Whether senders would wait for this log. Nothing is kept in one that they do not know of."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def holding(self) -> Holding:
        """How it stands."""
        return Holding(not self._straight or not self.log.empty, self.log.entries, self.log.size)

    def start(self, *, silent: bool = False) -> None:
        """Begin to replay whatever lies in the log, now and later. `silent`: the database gives no answer as it is."""
        self._straight = self._straight and not silent
        self._wake.set()
        self._replaying = asyncio.create_task(self._run())

    async def emptied(self) -> None:
        """Wait until what lay in the log at the start is replayed."""
        await self._rest.wait()

    async def stop(self) -> None:
        """Stop replaying; what is left stays in the log for the next process."""
        if self._replaying is not None:
            self._replaying.cancel()
            await asyncio.gather(self._replaying, return_exceptions=True)
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=self._answer_within_s)
        self.log.close()

    async def put(self, batch: ArrivalBatch) -> None:
        """As InboundSink."""
        if not self._straight:
            await self._to_log(batch, "outage")
            return
        if len(self._under_way) >= MOST_WAITING:
            raise NotDurable
        task = self._begin(batch)
        done, _ = await asyncio.wait([task], timeout=self._answer_within_s)
        if done and task.exception() is None:
            return
        if done and not isinstance(task.exception(), NotDurable):
            task.result()
        if self._straight and not await self._database_answers() and self._straight:
            self._straight = False
            _log.warning("intake.outage_begins")
        await self._to_log(batch, "slow" if self._straight else "outage")
        # It goes on; if it ends well, the replay need not do it again.
        task.add_done_callback(lambda _: None if task.cancelled() or task.exception() else self._done.add(batch.request_id))

    def _begin(self, batch: ArrivalBatch) -> asyncio.Task[None]:
        """Hand a batch to the database; it goes on whatever becomes of whoever waits."""
        task = asyncio.create_task(self._inner.put(batch))
        self._under_way[batch.request_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            self._under_way.pop(batch.request_id, None)
            if not task.cancelled():
                task.exception()

        task.add_done_callback(ended)
        return task

    async def _to_log(self, batch: ArrivalBatch, why: str) -> None:
        if not self.announced:
            raise NotDurable
        try:
            await self.log.append(batch)
        except IntakeFailed as error:
            _logged.labels("failed").inc()
            raise NotDurable from error
        _logged.labels(why).inc()
        _entries.set(self.log.entries)
        self._wake.set()
        self.on_change()
        await self._faults.reach("intake.before_answer")

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while not await self._emptied():
                # Not wait_for: on Python 3.11 it swallows a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._look_every_s):
                        await self._wake.wait()
                self._wake.clear()

    async def _emptied(self) -> bool:
        """One round of replaying; True when nothing is left and batches go straight again."""
        if not self.log.empty:
            if not await self._database_answers():
                return False
            try:
                for segment in await self._replay_all():
                    await self.log.drop(segment)
            except NotDurable:
                return False
            except OSError as error:
                _log.error("intake.not_read", error=repr(error))
                return False
            _entries.set(self.log.entries)
        elif not self._straight and not await self._database_answers():
            return False
        if self.log.empty:
            if not self._straight:
                _log.warning("intake.outage_over")
            self._straight = True
            self._rest.set()
            self._done.clear()
            self._tries.clear()
            self.on_change()
            return True
        return False

    async def _replay_all(self) -> Sequence[Segment]:
        """Replay every sealed segment: first the entries with consent words, one after the other, then the rest in their order. Raises NotDurable."""
        segments = await self.log.seal()
        for segment in segments:
            for line in await self.log.read(segment):
                batch = await self._read(line, quietly=True)
                if batch is not None and self._urgent(batch):
                    await self._replay([(line, batch)])
        for segment in segments:
            waiting: list[tuple[bytes, ArrivalBatch]] = []
            for line in await self.log.read(segment):
                batch = await self._read(line)
                if batch is not None:
                    waiting.append((line, batch))
                if len(waiting) >= AT_ONCE:
                    await self._replay(waiting)
                    waiting = []
            await self._replay(waiting)
        return segments

    async def _read(self, line: bytes, *, quietly: bool = False) -> ArrivalBatch | None:
        """The batch of a line, or None for one that is done or cannot be read."""
        try:
            batch = decode(line)
        except ValueError as error:
            if not quietly and line:
                _log.error("intake.unreadable", error=repr(error))
                _replayed.labels("unreadable").inc()
                await self.log.set_aside(line)
            return None
        return None if batch.request_id in self._done else batch

    async def _replay(self, entries: Sequence[tuple[bytes, ArrivalBatch]]) -> None:
        await self._faults.reach("intake.before_replay")
        tasks = [(line, batch, self._under_way.get(batch.request_id) or self._begin(batch)) for line, batch in entries]
        if tasks:
            # No limit: a database that freezes meanwhile keeps them waiting, and nothing may overtake them.
            await asyncio.wait([task for *_, task in tasks])
        failed = False
        for line, batch, task in tasks:
            error = task.exception()
            if error is None:
                self._done.add(batch.request_id)
                _replayed.labels("stored").inc()
            elif isinstance(error, NotDurable) and (self._tries.get(batch.request_id, 0) < TRIES or not await self._database_answers()):
                self._tries[batch.request_id] = self._tries.get(batch.request_id, 0) + 1
                failed = True
            else:
                _log.error("intake.poison", request=str(batch.request_id), error=repr(error))
                await self.log.set_aside(line)
                self._done.add(batch.request_id)
                _replayed.labels("set_aside").inc()
        await self._faults.reach("intake.replayed")
        if failed:
            raise NotDurable


async def answers_within(ask: Callable[[], Awaitable[object]], seconds: float) -> bool:
    """Whether `ask` ends well in time. It is left to itself when it does not: cancelling a query on a frozen server waits for the server."""
    task = asyncio.ensure_future(ask())
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        task.add_done_callback(_forget)
        return False
    return task.exception() is None


def _forget(task: "asyncio.Future[object]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
