"""mo_ingest: webhook → committed with its raw exchange → on the owner's socket, beside the same batch function on one bare connection.

64 connections, 2,000 numbers whose owners all have a socket open, 2 % of the webhooks come twice. A round ends when the last text was pushed.
Afterwards the database is asked whether anything is missing or double.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncGenerator

import msgspec
import psycopg

from bench.load import Connection, connect
from bench.machine import Meter
from bench.options import Options
from bench.rounds import Figures, Result, in_turns, say
from bench.sockets import Listener, SocketClient, open_sockets
from bench.texts import Texts, batches, webhook
from bench.world import Server, World, running_world, serving

CONNECTIONS = 64
BATCH = 50
PUSHED_WITHIN_S = 20.0
_INGEST = "SELECT ordinal, outcome, message_id, feed_id, feed_number FROM ingest_texts(%s::text::jsonb)"


class Flood:
    """Closed-loop webhooks: each connection sends its next one as soon as the last was answered."""

    def __init__(self, texts: Texts, port: int) -> None:
        self._texts = texts
        self._port = port
        self._connections: list[Connection] = []
        self._until = 0.0
        self.answered = 0
        self.refused = 0

    async def run(self, seconds: float) -> None:
        """Connect, send for so long, then wait for the last answers."""
        # The server hangs up on connections that idle while the ruler is at work.
        self.close()
        self._connections = [await connect(self._port, self._answered) for _ in range(CONNECTIONS)]
        now = asyncio.get_running_loop().time
        self._until = now() + seconds
        for connection in self._connections:
            connection.send(self.next_for(connection))
        await asyncio.sleep(seconds)
        while any(connection.busy and not connection.lost for connection in self._connections):
            await asyncio.sleep(0.002)

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()

    def next_for(self, connection: Connection) -> bytes:
        """The next webhook."""
        return self._made(self._texts.next())

    def note(self, connection: Connection, status: int) -> None:
        """An answer came."""

    def _made(self, made: tuple[str, str, str, str]) -> bytes:
        return webhook(self._texts.company, self._port, made)

    def _answered(self, connection: Connection, status: int, _: bytes) -> None:
        if status == 200:
            self.answered += 1
        else:
            self.refused += 1
        self.note(connection, status)
        if asyncio.get_running_loop().time() < self._until:
            connection.send(self.next_for(connection))


class Ingest:
    """The subject and its ruler in one world."""

    def __init__(self, world: World, server: Server, listener: Listener, texts: Texts, flood: Flood, seconds: float) -> None:
        self._world, self._server, self._listener, self._texts, self._flood = world, server, listener, texts, flood
        self._seconds = seconds
        self._seeds = itertools.count(0x800000)
        self.port = server.port
        self._meter = self.meter()

    def meter(self) -> Meter:
        """One of its own for our processes, the database and the load."""
        return Meter(server=[self._server.process.pid], database=[self._world.engine_pid], load=[os.getpid()])

    async def subject(self) -> Figures:
        """One round through the product; the rate counts distinct texts from the first webhook to the last push."""
        listener, flood = self._listener, self._flood
        distinct, received, answered = len(self._texts.distinct), listener.received, flood.answered
        start = asyncio.get_running_loop().time()
        self._meter.start()
        await flood.run(self._seconds)
        wanted = len(self._texts.distinct) - distinct
        acknowledged = asyncio.get_running_loop().time()
        while listener.received - received < wanted and asyncio.get_running_loop().time() - acknowledged < PUSHED_WITHIN_S:
            await asyncio.sleep(0.002)
        usage = self._meter.stop()
        end = max(listener.last_at, acknowledged)
        return Figures(
            (listener.received - received) / (end - start),
            wanted,
            usage,
            {"answered_per_s": (flood.answered - answered) / (acknowledged - start), "push_lag_ms": max(0.0, end - acknowledged) * 1000},
        )

    async def ruler(self) -> Figures:
        """The same function, batches of 50 made beforehand, one connection."""
        return await asyncio.to_thread(self._ruler)

    def _ruler(self) -> Figures:
        texts = Texts(self._world.company, next(self._seeds))
        meter = Meter(database=[self._world.engine_pid], load=[os.getpid()])
        made = [msgspec.json.encode(batch).decode() for batch in batches(self._world.company, texts, int(self._seconds * 20_000 / BATCH), BATCH)]
        with psycopg.connect(self._world.ruler_url, user="kereru_ingest", autocommit=True, prepare_threshold=0) as connection:
            # The first batches plan and fill caches, as the subject has done long ago.
            for batch in made[:20]:
                connection.execute(_INGEST, [batch]).fetchall()
            meter.start()
            start, count, spent = time.perf_counter(), 0, 0.0
            for batch in made[20:]:
                connection.execute(_INGEST, [batch]).fetchall()
                count += BATCH
                spent = time.perf_counter() - start
                if spent >= self._seconds:
                    break
            usage = meter.stop()
        return Figures(count / spent, count, usage)


@contextlib.asynccontextmanager
async def ingesting(
    options: Options, *, people: int = 2000, environment: dict[str, str] | None = None, program: str = ""
) -> AsyncGenerator[tuple[Ingest, World, Texts, Listener]]:
    """World, server, sockets, connections: everything warm."""
    with running_world(people=people, environment=environment) as world:
        async with serving(world, program) as server:
            texts = Texts(world.company, int(time.time()) & 0x7FFFFF)
            listener = Listener()
            sockets = await open_sockets(server.port, (person.session for person in world.company.people), listener)
            flood = Flood(texts, server.port)
            try:
                ingest = Ingest(world, server, listener, texts, flood, options.seconds)
                await flood.run(1.0)
                while listener.received < len(texts.distinct):
                    await asyncio.sleep(0.01)
                yield ingest, world, texts, listener
                lost = sum(socket.lost for socket in sockets)
                if lost:
                    say(f"{lost} sockets were closed by the server")
            finally:
                flood.close()
                for socket in sockets:
                    socket.close()


def verdict(world: World, texts: Texts, listener: Listener) -> dict[str, int]:
    """What the database says of what was answered: nothing may be missing, double, or out of a feed's row."""
    rows = world.query("SELECT carrier_id, count(*) FROM message WHERE NOT outbound GROUP BY 1")
    stored = {str(cid): int(str(count)) for cid, count in rows}
    exchanges = world.query("SELECT count(*) FROM exchange WHERE kind = 1")
    gaps = world.query(
        "SELECT count(*) FROM (SELECT c.feed_id FROM change c JOIN feed f ON f.provider_id = c.provider_id AND f.id = c.feed_id"
        " GROUP BY c.feed_id, f.head HAVING count(*) <> f.head OR max(c.number) <> f.head) g"
    )
    return {
        "texts": len(texts.distinct),
        "lost": sum(cid not in stored for cid in texts.distinct),
        "doubled": sum(count > 1 for count in stored.values()),
        "without_exchange": len(stored) - int(str(exchanges[0][0])),
        "feeds_with_gaps": int(str(gaps[0][0])),
        "pushed": listener.received,
        "socket_gaps": listener.gaps,
        "resyncs": listener.resyncs,
    }


def clean(checked: dict[str, int]) -> bool:
    """Nothing lost or doubled anywhere."""
    return not any(checked[name] for name in ("lost", "doubled", "without_exchange", "feeds_with_gaps", "socket_gaps")) and (
        checked["pushed"] == checked["texts"]
    )


async def run(options: Options) -> list[Result]:
    """The benchmark."""
    async with ingesting(options) as (ingest, world, texts, listener):
        result = await in_turns("mo_ingest", ingest.subject, ingest.ruler, goal=0.60, rounds=options.rounds)
        checked = verdict(world, texts, listener)
    result.extra.update(checked)
    result.holds = result.holds and clean(checked)
    return [result]


__all__ = ["Flood", "Ingest", "SocketClient", "ingesting", "run", "verdict"]
