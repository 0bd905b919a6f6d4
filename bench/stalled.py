"""ws_stalled (G25): five hundred of ten thousand sockets stop reading while they are told a lot; what that does to the others, and to memory."""

import asyncio
import os

import msgspec
import psycopg

from bench.latency import OpenLoop, Stopwatch
from bench.machine import Meter, pss_bytes, tree_of
from bench.options import Options
from bench.rounds import Figures, Result, by_rate, in_turns, percentile, say
from bench.sockets import Listener, SocketClient, open_sockets
from bench.texts import item
from bench.world import Company, Server, World, running_world, serving
from kereru.kernel.limits import SOCKET_BACKLOG_BYTES

SOCKETS, STALLED, OTHERS = 10_000, 500, 100
TEXTS, LETTERS, RATE = 80, 1_500, 200
_LETTER = "\N{BIRD}"  # four bytes: what the system's own buffers take must be exceeded
GIVEN_UP_S = 45.0
ROOM = 4096
RATIO = 1.5
_INGEST = "SELECT feed_id, feed_number FROM ingest_texts(%s::text::jsonb)"


async def run(options: Options) -> list[Result]:
    """p99 of others' texts while 500 do not read what they are told, beside the same while they read it."""
    count, silent = max(OTHERS * 2, round(SOCKETS * options.scale)), max(10, round(STALLED * options.scale))
    with running_world(people=count) as world:
        whole = world.company
        others = Company(whole.provider_id, whole.platform_id, whole.token, whole.people[-OTHERS:])
        loud = Company(whole.provider_id, whole.platform_id, whole.token, whole.people[:silent])
        async with serving(world) as server:
            listener = Listener()
            sockets = await open_sockets(server.port, (person.session for person in whole.people[silent:]), listener, at_once=100)
            watch = Stopwatch(world, listener, server.port, 93, others)
            bench = _Bench(world, server, watch, loud, options.seconds)
            result = await in_turns(
                "ws_stalled", bench.stalled, bench.reading, goal=RATIO, sense="at most", compare=by_rate, rounds=min(2, options.rounds)
            )
            for socket in sockets:
                socket.close()
    result.note = f"p99 to {OTHERS} of {count:,} sockets while {silent} do not read {TEXTS} long texts each, beside the same while they do"
    result.holds = result.holds and not bench.left and not watch.missing and not listener.gaps and bench.most_bytes <= silent * SOCKET_BACKLOG_BYTES
    return [result]


class _Bench:
    """Both sides, and what was seen of the ones that did not read."""

    def __init__(self, world: World, server: Server, watch: Stopwatch, loud: Company, seconds: float) -> None:
        self._world, self._server, self._watch, self._loud, self._seconds = world, server, watch, loud, seconds
        self._round = 0
        self.left = 0
        self.most_bytes = 0.0

    async def stalled(self) -> Figures:
        """They stop reading first; in the end the server must have closed each."""
        return await self._measured(pause=True)

    async def reading(self) -> Figures:
        """They read."""
        return await self._measured(pause=False)

    async def _measured(self, *, pause: bool) -> Figures:
        sockets = await open_sockets(
            self._server.port, (person.session for person in self._loud.people), Listener(), at_once=100, room=ROOM if pause else 0
        )
        web = max(tree_of(self._server.process.pid), key=lambda pid: pss_bytes([pid]))
        if pause:
            for socket in sockets:
                socket.pause()
        before = pss_bytes([web])
        meter = Meter(server=[self._server.process.pid], database=[self._world.engine_pid], load=[os.getpid()])
        self._watch.pushed_ms.clear()
        self._round += 1
        meter.start()
        flood = asyncio.create_task(asyncio.to_thread(self._flood, self._round))
        await OpenLoop(self._server.port).run(RATE, self._seconds, self._watch.make)
        await self._watch.settle()
        await flood
        usage = meter.stop()
        grown = pss_bytes([web]) - before
        extra = {"p50_ms": percentile(self._watch.pushed_ms, 0.5), "most_ms": max(self._watch.pushed_ms, default=0.0), "grown_mib": grown / 2**20}
        if pause:
            self.most_bytes = max(self.most_bytes, grown)
            extra["left_open"] = await self._closed(sockets)
        for socket in sockets:
            socket.close()
        return Figures(percentile(self._watch.pushed_ms, 0.99), len(self._watch.pushed_ms), usage, extra)

    async def _closed(self, sockets: list[SocketClient]) -> float:
        """How many of those that did not read are still open when their time is over."""
        await asyncio.sleep(GIVEN_UP_S)
        for socket in sockets:
            socket.resume()
        await asyncio.sleep(3)
        left = sum(not socket.lost for socket in sockets)
        self.left += left
        say(f"ws_stalled: {len(sockets) - left} of {len(sockets)} that stopped reading were closed")
        return float(left)

    def _flood(self, number: int) -> None:
        """Long texts for each of them, as the web process would store them."""
        people = self._loud.people
        with psycopg.connect(self._world.url, user="kereru_ingest", autocommit=True, prepare_threshold=0) as connection:
            for turn in range(TEXTS):
                for at in range(0, len(people), 50):
                    batch = [
                        item(self._loud, (f"ST{number}-{turn}-{at + n}", person.e164, "+12025550199", _LETTER * LETTERS))
                        for n, person in enumerate(people[at : at + 50])
                    ]
                    rows = connection.execute(_INGEST, [msgspec.json.encode(batch).decode()]).fetchall()
                    connection.execute("SELECT pg_notify('kereru_feed', %s)", [",".join(f"{feed}:{feed_number}" for feed, feed_number in rows)])
