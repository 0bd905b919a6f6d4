"""The sender: holds platforms by lease, claims their texts, hands each part to the carrier once, and writes down how that ended.

Promises (design §6): the attempt is committed open before a connection is made (G10); an outcome is never guessed: what cannot be told is `unknown`
(G11); a sender that slept past its lease hands nothing over and overwrites nothing (G13); an outcome that could not be written yet is kept and
written when the database answers again.
"""

import asyncio
import contextlib
import hashlib
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import psycopg
from msgspec.structs import replace

from kereru.carriers.contract import CarrierAdapter, OutboundPart, PlatformAccess
from kereru.kernel.breath import Breath
from kereru.kernel.clock import Clock
from kereru.kernel.db import INSTALLATION, Database, Row
from kereru.kernel.errors import Unavailable
from kereru.kernel.faults import Faults
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import Codes, counter, gauge
from kereru.messaging.delivery import store
from kereru.messaging.delivery.gate import Gate
from kereru.messaging.delivery.look_up import look_up_due
from kereru.messaging.delivery.outcomes import UNWRITTEN, broken, settlement, surely_refused, unsent, unwritten
from kereru.messaging.delivery.pace import Circuit, TokenBucket, retry_delay_s
from kereru.messaging.delivery.part_reference import PartName, put_together
from kereru.messaging.delivery.store import ClaimedPart, Settlement
from kereru.messaging.trouble import Fault, fault_of

_log = get_logger("messaging.delivery")
_handovers = counter("handovers_total", "Hand-overs to carriers by how they ended.", ("carrier", "outcome"))
_reasons = counter("handover_errors_total", "Hand-overs that were not accepted, by why.", ("carrier", "code"))
_codes = Codes()
_in_flight = gauge("handovers_in_flight", "Hand-overs now at carriers.", ("carrier",))

WINDOW = 128
CLAIM_MOST = 100
SETTLE_MOST = 200
ROUND_EVERY_S = 0.02
"""Claims that follow closely, and outcomes, are gathered for so long; nobody waits for a fiftieth of a second."""

POLL_S = 1.0
LOOK_UP_EVERY_S = 2.0
LOOK_UP_MOST = 20
DATABASE_RETRY_S = 0.5
UNWRITTEN_RETRY_S = 30.0
LEASE_MARGIN = 0.2
"""A hand-over is not begun in the last fifth of a lease's life: the next holder must not meet an open attempt of ours that it cannot see."""


@dataclass(frozen=True, slots=True)
class OpenPlatform:
    """A leased platform with its secrets opened: how to call it, and the address its callbacks come to (without the part's path)."""

    access: PlatformAccess
    adapter: CarrierAdapter
    callback_base: str


OpenPlatformRow = Callable[[Row], OpenPlatform]
"""Opens a row of `take_leases`; provisioning knows how (entrypoints wire it)."""


class Sender:
    """One sender process."""

    def __init__(
        self, database: Database, open_platform: OpenPlatformRow, *, holder: str, clock: Clock, lease_s: float, faults: Faults | None = None
    ) -> None:
        self.database = database
        self.holder = holder
        self.clock = clock
        self.faults = faults or Faults()
        self.gate = Gate(database, clock, self.wake)
        self.dice = random.Random()  # noqa: S311 - jitter, not secrets
        self._open_platform = open_platform
        self._lease_s = lease_s
        self._lines: dict[tuple[int, int], Line] = {}
        self._ending: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._stop = asyncio.Event()
        self._look = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`; then finish what is in flight, write it down and let the leases go."""
        asking = asyncio.create_task(self.gate.run())
        while not self._stop.is_set():
            try:
                await self._renew()
            except Exception as error:  # noqa: BLE001 - one bad round must not end the process; leases outlive several
                _log.warning("leases.not_renewed", error=repr(error))
                self.gate.doubt()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), self._lease_s / 4)
            self._look.clear()
        for key in list(self._lines):
            self._end(key)
        await asyncio.gather(*self._ending.values())
        asking.cancel()
        with contextlib.suppress(psycopg.Error, Unavailable):
            async with self.database.transaction(INSTALLATION) as tx:
                await store.drop_leases(tx, self.holder)

    def stop(self) -> None:
        """Begin an orderly end."""
        self._stop.set()
        self._look.set()

    def look_again(self) -> None:
        """A platform may have changed: renew now, which opens it anew."""
        self._look.set()

    def wake(self, platform_id: int | None = None) -> None:
        """There may be work: for one platform, or for all (None)."""
        for (_, platform), line in self._lines.items():
            if platform_id is None or platform == platform_id:
                line.wake()

    @property
    def platforms(self) -> int:
        """How many platforms this sender holds."""
        return len(self._lines)

    async def _renew(self) -> None:
        asked_at = self.clock.monotonic()
        async with self.database.transaction(INSTALLATION) as tx:
            rows = await store.take_leases(tx, self.holder, self._lease_s)
        valid_until = asked_at + self._lease_s * (1 - LEASE_MARGIN)
        held = {(row.provider_id, row.platform_id): row for row in rows}
        for key, line in list(self._lines.items()):
            if key not in held or held[key].epoch != line.epoch:
                self._end(key)
        for key, row in held.items():
            # A line that still finishes knows of hand-overs that the next one must not touch: one platform, one line.
            if key not in self._ending:
                self._keep(key, row, valid_until)

    def _keep(self, key: tuple[int, int], row: Row, valid_until: float) -> None:
        line = self._lines.get(key)
        try:
            if line is None:
                line = Line(self, self._open_platform(row), row)
                self._lines[key] = line
                line.start()
            elif line.opened_from != _secrets_of(row):
                line.platform, line.opened_from, line.credentials = self._open_platform(row), _secrets_of(row), _fingerprint(row)
        except Exception as error:  # noqa: BLE001 - one tenant's broken credentials must not stop the others (G6); its texts end at their deadline
            _log.error("platform.not_opened", platform=row.platform_id, error=type(error).__name__)
            return
        line.valid_until = valid_until
        line.bucket.rate_per_s = row.sends_per_second

    def _end(self, key: tuple[int, int]) -> None:
        self._ending[key] = ending = asyncio.create_task(self._lines.pop(key).finish())
        ending.add_done_callback(lambda _: self._ending.pop(key, None))


def _fingerprint(row: Row) -> str:
    return hashlib.sha256(bytes(row.credentials_sealed)).hexdigest()


def _secrets_of(row: Row) -> tuple[object, ...]:
    """Whatever a change of must reach the next hand-over."""
    return (row.credentials_sealed, row.endpoints, row.takes_long_texts, row.ingress_token_sealed)


class Line:
    """The work on one leased platform under one epoch."""

    def __init__(self, sender: Sender, platform: OpenPlatform, row: Row) -> None:
        self.epoch: int = row.epoch
        self.valid_until = 0.0
        self.opened_from = _secrets_of(row)
        self.credentials = _fingerprint(row)
        self.bucket = TokenBucket(row.sends_per_second, sender.clock.monotonic())
        self.platform = platform
        self.sender = sender
        self._circuit = Circuit()
        self._provider, self._platform_id = row.provider_id, row.platform_id
        self._woken = asyncio.Event()
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._settled: deque[Settlement] = deque()
        self._settling: asyncio.Task[None] | None = None
        self._in_hand: Counter[int] = Counter()
        self._claim_in_doubt = False
        self._claiming, self._writing = Breath(ROUND_EVERY_S), Breath(ROUND_EVERY_S)

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._look_up())]

    def wake(self) -> None:
        """There may be something in the outbox."""
        self._woken.set()

    async def finish(self) -> None:
        """Claim nothing more, let what is in flight end, write it down."""
        self._ending = True
        self._woken.set()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._flights:
            await asyncio.wait(self._flights)
        while self._settling is not None:
            await asyncio.wait([self._settling])

    async def _work(self) -> None:
        await self._until_done(self._disown)
        while not self._ending:
            await self._claiming.take()
            self._woken.clear()
            claimed = 0
            try:
                if self._claim_in_doubt:
                    await self._give_back()
                claimed = await self._claim()
            except Exception as error:  # noqa: BLE001 - a line that ends by itself would leave its platform silent
                _log.warning("outbox.not_claimed", error=repr(error))
                self.sender.gate.doubt()
                await asyncio.sleep(DATABASE_RETRY_S)
            if not claimed:
                await self._rest()

    async def _rest(self) -> None:
        now = self.sender.clock.monotonic()
        pause = self._circuit.pause_s(now)
        if pause:
            await asyncio.sleep(min(pause, POLL_S))
            return
        if self.bucket.available(now) < 1:
            await asyncio.sleep(self.bucket.wait_s())
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), POLL_S)

    async def _claim(self) -> int:
        now = self.sender.clock.monotonic()
        if self._circuit.pause_s(now) or now >= self.valid_until:
            return 0
        most = min(WINDOW - len(self._flights), self.bucket.available(now), CLAIM_MOST)
        if most < 1:
            return 0
        await self.sender.faults.reach("delivery.before_claim")
        since, turn = self.sender.gate.look()
        if since is None:
            return 0
        # From here until the answer is in our hands the claim may be committed without our knowing.
        self._claim_in_doubt = True
        async with self.sender.database.statement() as tx:
            rows = await store.claim(tx, self._provider, self._platform_id, self.sender.holder, self.epoch, most, since)
        await self.sender.faults.reach("delivery.claimed")
        self._claim_in_doubt = False
        if self.sender.gate.look()[1] != turn:
            # The database was silent while this was under way: a STOP may lie in an intake log that this claim knew nothing of.
            self._write([unsent(row) for row in rows])
            return 0
        self.bucket.take(len(rows))
        for message_id, parts in groupby(rows, key=attrgetter("message_id")):
            self._in_hand[message_id] += 1
            flight = asyncio.create_task(self._fly(list(parts)))
            self._flights.add(flight)
            flight.add_done_callback(self._landed)
        return len(rows)

    async def _give_back(self) -> None:
        in_hand = list(self._in_hand)
        async with self.sender.database.transaction(INSTALLATION) as tx:
            await store.give_back(tx, self._provider, self._platform_id, self.epoch, in_hand)
        self._claim_in_doubt = False

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        self._woken.set()

    async def _fly(self, parts: list[ClaimedPart]) -> None:
        """One text: its parts in order; the rest waits (or is given up) as soon as one was not taken.

        A STOP that came while the carrier took its time over an earlier part is heard before the next one (G17): half a text is better than one word
        after that. What is not handed over goes back to the queue, where the claim that follows ends it with its reason. Both carriers of today
        take the longest text whole, so the look costs them nothing.
        """
        settled = None
        for position, part in enumerate(parts):
            if position and not await self._still_goes(part):
                self._write([unsent(left) for left in parts[position:]])
                break
            settled = await self._hand_over(part)
            rest = [] if settled.outcome == "accepted" else [unsent(left) for left in parts[position + 1 :]]
            self._write([settled, *rest])
            if settled.outcome != "accepted":
                break
        self._release(parts[0].message_id)
        if settled is not None and settled.stop_account:
            _log.error("platform.stopped", platform=self._platform_id, code=settled.code)

    async def _hand_over(self, part: ClaimedPart) -> Settlement:
        """One part, once. Whatever goes wrong with us in between is an outcome too, or the text would stay `sending`."""
        platform, credentials = self.platform, self.credentials
        carrier = platform.adapter.kind
        begun = False
        try:
            name = put_together(PartName(part.message_id, part.attempt, part.part))
            path = platform.adapter.status_path(name)
            callback = platform.callback_base + path if path else None
            outbound = OutboundPart(name, part.from_number, part.to_number, part.text, part.media, callback)
            await self.sender.faults.reach("delivery.before_handover")
            # The last look at the clock: a process that was stopped past its lease wakes up here.
            if self.sender.clock.monotonic() >= self.valid_until:
                return unsent(part)
            begun = True
            with _in_flight.labels(carrier).track_inprogress():
                outcome = await platform.adapter.send_part(platform.access, outbound)
                as_links = part.fallback is not None and surely_refused(outcome) and await self._may_go_again(part)
                if as_links:
                    # The carrier surely did not take the MMS: the same text with links instead, and the screen says so (P27).
                    linked = OutboundPart(name, part.from_number, part.to_number, part.fallback or "", (), callback)
                    outcome = await platform.adapter.send_part(platform.access, linked)
                await self.sender.faults.reach("delivery.after_handover")
            settled = replace(settlement(part, outcome, self.sender.dice), credentials=credentials, as_links=as_links)
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("handover.broken", message=part.message_id, begun=begun, error=repr(error))
            settled = broken(part) if begun else replace(unsent(part), retry_s=retry_delay_s(part.deferrals, None, self.sender.dice))
        _handovers.labels(carrier, settled.outcome).inc()
        if settled.code:
            _reasons.labels(carrier, _codes.label(settled.code)).inc()
        self._circuit.record(taken=settled.outcome in ("accepted", "refused"), now=self.sender.clock.monotonic())
        return settled

    async def _may_go_again(self, part: ClaimedPart) -> bool:
        """Another hand-over, so another look (G17). Where nobody can tell, the refusal stands."""
        await self.sender.faults.reach("delivery.before_links")
        return await self._still_goes(part)

    async def _still_goes(self, part: ClaimedPart) -> bool:
        """A look at consent as it stands now, then at the clock (G13)."""
        try:
            async with self.sender.database.statement() as tx:
                allowed = await store.may_still_go(tx, self._provider, part.message_id)
        except (psycopg.Error, Unavailable):
            self.sender.gate.doubt()
            return False
        return allowed and self.sender.gate.look()[0] is not None and self.sender.clock.monotonic() < self.valid_until

    def _write(self, settlements: list[Settlement]) -> None:
        self._in_hand.update(settlement.message for settlement in settlements)
        self._enqueue(settlements)

    def _enqueue(self, settlements: list[Settlement]) -> None:
        self._settled.extend(settlements)
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle())

    def _release(self, message_id: int) -> None:
        self._in_hand[message_id] -= 1
        if not self._in_hand[message_id]:
            del self._in_hand[message_id]

    async def _settle(self) -> None:
        try:
            while self._settled:
                await self._writing.take()
                await self.sender.faults.reach("delivery.before_settle")
                batch = [self._settled.popleft() for _ in range(min(SETTLE_MOST, len(self._settled)))]
                await self._store(batch)
                await self.sender.faults.reach("delivery.settled")
                self._woken.set()
        finally:
            self._settling = None

    async def _store(self, batch: list[Settlement]) -> None:
        async def write() -> None:
            async with self.sender.database.batch(INSTALLATION, alone=not any(item.opted_out or item.as_links for item in batch)) as tx:
                await store.settle(tx, self._provider, self._platform_id, batch)

        try:
            await self._until_done(write)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other outcomes must still be written
            await self._store_around(batch, error)
        else:
            for settlement in batch:
                self._release(settlement.message)

    async def _store_around(self, batch: list[Settlement], error: Exception) -> None:
        """One outcome the database refuses must not take the others with it (G6); its text ends as unknown, which people see.

        While the fault is ours, the outcome is kept and tried again.
        """
        _log.error("outcome.refused", error=repr(error), settlements=len(batch))
        if len(batch) > 1:
            for one in batch:
                await self._store([one])
            return
        [refused] = batch
        if fault_of(error) is Fault.ITEM and refused.code != UNWRITTEN:
            await self._store([unwritten(refused)])
        else:
            # It stays in hand meanwhile, so that nothing gives the text back to the queue.
            asyncio.get_running_loop().call_later(UNWRITTEN_RETRY_S, self._enqueue, [refused])

    async def _disown(self) -> None:
        async with self.sender.database.transaction(INSTALLATION) as tx:
            await store.disown_open(tx, self._provider, self._platform_id, self.epoch)

    async def _until_done(self, write: Callable[[], Awaitable[None]]) -> None:
        """Run a write until the database takes it: an outcome that is only in memory must not be dropped."""
        while True:
            try:
                await write()
            except (psycopg.Error, Unavailable) as error:
                if fault_of(error) is not Fault.MOMENT:
                    raise
                _log.warning("outcome.not_written", error=repr(error))
                await asyncio.sleep(DATABASE_RETRY_S)
            else:
                return

    async def _look_up(self) -> None:
        while not self._ending:
            await asyncio.sleep(LOOK_UP_EVERY_S)
            try:
                await look_up_due(self.sender.database, self.platform, self._provider, self._platform_id, LOOK_UP_MOST, self._write)
            except Exception as error:  # noqa: BLE001 - asking is tried again, whatever came in between
                _log.warning("look_up.failed", error=repr(error))
