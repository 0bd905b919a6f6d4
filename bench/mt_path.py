"""mt_path: a text sent by HTTP → durable → a carrier has it → its state committed and on the sender's socket.

The ruler is a hand-written asyncio client that does the same SQL with the same carrier: no HTTP in front, no policies, no lease, no sockets.
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import random
import time
from collections.abc import AsyncGenerator
from typing import Any, cast
from urllib.parse import quote_plus

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from bench.carrier import FakeCarrier
from bench.load import Connection, connect, request
from bench.machine import Meter
from bench.options import Options
from bench.rounds import Figures, Result, in_turns
from bench.sockets import Listener, SocketClient, open_sockets
from bench.world import ACCOUNT, Server, World, running_world, serving
from kereru.carriers.encoding import measure
from kereru.entrypoints import ports
from kereru.kernel.db.transaction import Transaction
from kereru.messaging import store as sending
from kereru.messaging.delivery import store as delivery
from kereru.messaging.delivery.store import Settlement

CONNECTIONS = 64
PEOPLE = 400
AREAS = (202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219)
"""Of one country: texts to dear destinations are refused."""
SETTLED_WITHIN_S = 30.0
_SETTLED = (b'"status":"sent"', b'"status":"delivered"')


class Texting:
    """The subject and its ruler in one world."""

    def __init__(self, world: World, server: Server, carrier: FakeCarrier, listener: Listener, seconds: float) -> None:
        self._world, self._server, self._carrier, self._listener = world, server, carrier, listener
        self._seconds = seconds
        self._until = 0.0
        self._numbers = itertools.count(1)
        self._run = f"{time.time_ns():x}"
        self._dice = random.Random(11)  # noqa: S311 - repeatable, guards nothing
        self.accepted = 0
        self.refused = 0
        self._settled: set[str] = set()
        self.last_settled = 0.0
        listener.on_item = self._told

    def _told(self, client: SocketClient, payload: bytes) -> None:
        if not any(word in payload for word in _SETTLED):
            return
        for change in _decode(payload).items:
            if change.message is not None and change.message.status in ("sent", "delivered"):
                self._settled.add(change.message.id)
                self.last_settled = asyncio.get_running_loop().time()

    def _next(self) -> bytes:
        number = next(self._numbers)
        person = self._world.company.people[number % PEOPLE]
        remote = f"+1{self._dice.choice(AREAS)}55501{self._dice.randrange(100):02}"
        body = msgspec.json.encode({"number_id": str(person.number_id), "to": remote, "text": f"Your order {number} is ready.", "attachments": []})
        return request("PUT", f"/api/v1/messages/{self._run}-{number:08}", self._server.port, body, kind="application/json", cookie=person.session)

    def _answered(self, connection: Connection, status: int, _: bytes) -> None:
        if status == 201:
            self.accepted += 1
        else:
            self.refused += 1
        if asyncio.get_running_loop().time() < self._until:
            connection.send(self._next())

    async def subject(self) -> Figures:
        """One round through the product, from the first request to the last socket told."""
        meter = Meter(server=[self._server.process.pid], database=[self._world.engine_pid], load=[os.getpid()])
        connections = [await connect(self._server.port, self._answered) for _ in range(CONNECTIONS)]
        now = asyncio.get_running_loop().time
        accepted, settled = self.accepted, len(self._settled)
        meter.start()
        start = now()
        self._until = start + self._seconds
        for connection in connections:
            connection.send(self._next())
        await asyncio.sleep(self._seconds)
        while any(connection.busy and not connection.lost for connection in connections):
            await asyncio.sleep(0.005)
        acknowledged = now()
        while len(self._settled) - settled < self.accepted - accepted and now() - acknowledged < SETTLED_WITHIN_S:
            await asyncio.sleep(0.005)
        usage = meter.stop()
        for connection in connections:
            connection.close()
        count = len(self._settled) - settled
        end = max(self.last_settled, acknowledged)
        extra = {"accepted_per_s": (self.accepted - accepted) / (acknowledged - start), "settle_lag_ms": (end - acknowledged) * 1000}
        return Figures(count / (end - start), count, usage, extra)

    async def ruler(self) -> Figures:
        """The same by hand."""
        meter = Meter(database=[self._world.engine_pid], load=[os.getpid()])
        async with by_hand(self._world, self._carrier) as hand:
            meter.start()
            start = time.perf_counter()
            count = await hand.run(self._seconds)
            spent = time.perf_counter() - start
            return Figures(count / spent, count, meter.stop())


class ByHand:
    """Senders, a claimer and raw connections to the carrier, on bare psycopg connections."""

    def __init__(self, world: World, connections: list[AsyncConnection[Any]], carrier: FakeCarrier) -> None:
        self._world = world
        self._connections = connections
        self._carrier = carrier
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        self._answers: dict[Connection, asyncio.Future[bytes]] = {}
        self._settlements: list[Settlement] = []
        self._sent = 0
        self._settled = 0
        self._numbers = itertools.count(1)
        self._run = f"{time.time_ns():x}"
        self._dice = random.Random(12)  # noqa: S311 - repeatable, guards nothing
        self._epoch = 0

    async def open(self) -> None:
        """A lease, and a hundred connections to the carrier."""
        for _ in range(100):
            self._free.put_nowait(await connect(self._carrier.port, self._answered))
        async with self._connections[-1].cursor() as cursor:
            await cursor.execute("SELECT epoch FROM take_leases('by hand', 600)")
            row = await cursor.fetchone()
            self._epoch = row.epoch if row else self._epoch

    def _answered(self, connection: Connection, _: int, body: bytes) -> None:
        self._answers.pop(connection).set_result(body)

    async def run(self, seconds: float) -> int:
        """Send for so long, then until all is settled; answers how many."""
        until = asyncio.get_running_loop().time() + seconds
        senders = [asyncio.create_task(self._send_until(connection, until)) for connection in self._connections[:-2]]
        done = asyncio.gather(*senders)
        delivering = asyncio.create_task(self._deliver(done))
        await done
        await delivering
        return self._settled

    async def _send_until(self, connection: AsyncConnection[Any], until: float) -> None:
        company = self._world.company
        while asyncio.get_running_loop().time() < until:
            number = next(self._numbers)
            person = company.people[number % PEOPLE]
            remote = f"+1{self._dice.choice(AREAS)}55501{self._dice.randrange(100):02}"
            await self._send(connection, person.user_id, person.number_id, remote, f"{self._run}-{number:08}", f"Your order {number} is ready.")

    async def _send(self, connection: AsyncConnection[Any], user: int, number: int, remote: str, key: str, text: str) -> None:
        tx, provider = Transaction(connection), self._world.company.provider_id
        found = await sending.facts_alone(tx, provider, user, number, remote, key)
        assert found is not None
        facts, measured = found[0], measure(text)
        queued = await sending.queue(
            tx,
            facts.feed_id,
            {
                "provider": provider, "user": user, "client_id": key, "hash": hashlib.sha256(text.encode()).digest(),
                "assignment": facts.assignment_id, "remote": remote, "text": text, "unicode": measured.encoding == "ucs2",
                "segments": measured.segments, "platform": facts.platform_id, "group": facts.group_id, "kind": 1, "parts": [text], "links": [],
                "fallback": None, "deadline_s": facts.queue_deadline_s, "files": [], "media": [],
            },
        )  # fmt: skip
        assert queued is not None
        self._sent += 1

    async def _deliver(self, sending_ends: "asyncio.Future[list[None]]") -> None:
        flights: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while not (sending_ends.done() and self._settled >= self._sent):
                parts = await self._claimed()
                for part in parts:
                    flight = group.create_task(self._hand_over(part))
                    flights.add(flight)
                    flight.add_done_callback(flights.discard)
                if flights and (not parts or len(flights) > 100):
                    await asyncio.wait(flights, return_when=asyncio.FIRST_COMPLETED)
                if self._settlements:
                    await self._settle()
                elif not parts:
                    await asyncio.sleep(0.001)

    async def _claimed(self) -> list[delivery.ClaimedPart]:
        company, claiming = self._world.company, self._connections[-2]
        await claiming.execute("BEGIN")
        parts = await delivery.claim(Transaction(claiming), company.provider_id, company.platform_id, "by hand", self._epoch, 100)
        await claiming.execute("COMMIT")
        return parts

    async def _settle(self) -> None:
        company, settling = self._world.company, self._connections[-1]
        batch, self._settlements = self._settlements, []
        await settling.execute("BEGIN")
        await delivery.settle(Transaction(settling), company.provider_id, company.platform_id, batch)
        await settling.execute("COMMIT")
        self._settled += len(batch)

    async def _hand_over(self, part: delivery.ClaimedPart) -> None:
        connection = await self._free.get()
        form = f"From={quote_plus(part.from_number)}&To={quote_plus(part.to_number)}&Body={quote_plus(part.text)}".encode()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[connection] = answer
        connection.send(request("POST", f"/Accounts/{ACCOUNT}/SMS/Messages.json", self._carrier.port, form, kind="application/x-www-form-urlencoded"))
        body = await answer
        self._free.put_nowait(connection)
        raw = f"POST {self._carrier.url}\ncontent-type: application/x-www-form-urlencoded\n\n{form.decode()}\n\n201\n\n{body.decode()}"
        self._settlements.append(
            Settlement(
                message=part.message_id,
                attempt=part.attempt,
                part=part.part,
                tries=part.tries,
                outcome="accepted",
                cid=msgspec.json.decode(body)["sid"],
                raw=raw,
            )
        )

    def close(self) -> None:
        """Hang up."""
        while not self._free.empty():
            self._free.get_nowait().close()


class _Message(msgspec.Struct):
    id: str
    status: str


class _Change(msgspec.Struct):
    message: _Message | None = None


class _Frame(msgspec.Struct):
    items: list[_Change] = []


_decode = msgspec.json.Decoder(_Frame).decode


@contextlib.asynccontextmanager
async def by_hand(world: World, carrier: FakeCarrier, senders: int = 8) -> AsyncGenerator[ByHand]:
    """The ruler, connected: as the app's role for sending, as the service's for delivering."""
    async with contextlib.AsyncExitStack() as stack:
        connections: list[AsyncConnection[Any]] = []
        for user in [*["kereru_app"] * senders, "kereru_service", "kereru_service"]:
            opened = await AsyncConnection.connect(
                world.ruler_url, user=user, autocommit=True, prepare_threshold=3, row_factory=cast("Any", namedtuple_row)
            )
            connections.append(await stack.enter_async_context(opened))
        hand = ByHand(world, connections, carrier)
        await hand.open()
        try:
            yield hand
        finally:
            hand.close()


@contextlib.asynccontextmanager
async def texting(options: Options) -> AsyncGenerator[tuple[Texting, World, Listener]]:
    """World, carrier, server, sockets: everything warm."""
    carrier = FakeCarrier()
    port = ports.free_port()
    await carrier.start(port)
    try:
        with running_world(people=PEOPLE, carrier=carrier.url) as world:
            async with serving(world, allow_private_hosts=f"127.0.0.1:{port}") as server:
                listener = Listener()
                sockets = await open_sockets(server.port, (person.session for person in world.company.people), listener)
                ours = Texting(world, server, carrier, listener, options.seconds)
                await ours.subject()
                yield ours, world, listener
                for socket in sockets:
                    socket.close()
    finally:
        carrier.stop()


async def run(options: Options) -> list[Result]:
    """The benchmark."""
    async with texting(options) as (ours, world, listener):
        result = await in_turns("mt_path", ours.subject, ours.ruler, goal=0.60, rounds=options.rounds)
        rows = world.query("SELECT count(*), count(*) FILTER (WHERE status = 3) FROM message WHERE outbound")
    result.extra.update({"texts": rows[0][0], "sent": rows[0][1], "refused": ours.refused, "socket_gaps": listener.gaps})
    result.holds = result.holds and rows[0][0] == rows[0][1] and not ours.refused
    return [result]


__all__ = ["Texting", "by_hand", "run", "texting"]
