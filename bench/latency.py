"""mo_latency: webhooks at fixed times, from the moment each was due to its arrival on the owner's socket, beside an endpoint that does nothing."""

import asyncio
import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable

import msgspec

from bench.load import Connection, connect, request
from bench.machine import Meter
from bench.mo_ingest import ingesting
from bench.options import Options
from bench.rounds import Figures, Result, by_difference, in_turns, percentile
from bench.sockets import Listener, SocketClient
from bench.texts import Texts, webhook
from bench.world import Company, World, ready
from kereru.entrypoints import ports

CONNECTIONS = 128
RATES = (500, 1500)
OVER_MS = 12.0


class OpenLoop:
    """Requests at fixed times, whatever became of the ones before; a late connection is queued for, and that counts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[Connection] = deque()
        self._due: deque[tuple[float, bytes]] = deque()
        self._under_way: dict[Connection, float] = {}
        self.answered_ms: list[float] = []
        self.refused = 0
        self._now = asyncio.get_running_loop().time

    async def run(self, rate: float, seconds: float, make: Callable[[float], bytes]) -> None:
        """Send `make(due)` every 1/rate seconds, then wait for the last answers (at most 10 s)."""
        connections = [await connect(self._port, self._answered) for _ in range(CONNECTIONS)]
        self._free = deque(connections)
        self.answered_ms = []
        start = self._now()
        for number in itertools.count():
            due = start + number / rate
            if due > start + seconds:
                break
            while (wait := due - self._now()) > 0:
                await asyncio.sleep(wait)
            self._due.append((due, make(due)))
            self._send()
        end = self._now() + 10
        while self._under_way and self._now() < end:
            await asyncio.sleep(0.002)
        for connection in connections:
            connection.close()

    def _send(self) -> None:
        while self._due and self._free:
            due, wanted = self._due.popleft()
            connection = self._free.popleft()
            self._under_way[connection] = due
            connection.send(wanted)

    def _answered(self, connection: Connection, status: int, _: bytes) -> None:
        self.answered_ms.append((self._now() - self._under_way.pop(connection)) * 1000)
        self.refused += status != 200
        self._free.append(connection)
        self._send()


class _Message(msgspec.Struct):
    text: str


class _Change(msgspec.Struct):
    message: _Message | None = None


class _Frame(msgspec.Struct):
    items: list[_Change] = []


_decode = msgspec.json.Decoder(_Frame).decode


class Stopwatch:
    """Knows when each text was due, by a number in it, and how long it took to a socket; `company` may be a part of the world's."""

    def __init__(self, world: World, listener: Listener, port: int, seed: int, company: Company | None = None) -> None:
        self._company = company or world.company
        self._port = port
        self._texts = Texts(self._company, seed, doubles=0.0, prefix="LT")
        self._due: dict[str, float] = {}
        self.pushed_ms: list[float] = []
        self._now = asyncio.get_running_loop().time
        self.dice = random.Random(3)  # noqa: S311 - repeatable, guards nothing
        listener.on_item = self._told

    @property
    def missing(self) -> int:
        """How many are still on their way."""
        return len(self._due)

    def make(self, due: float) -> bytes:
        """The next webhook."""
        cid, to, remote, text = self._texts.next()
        self._due[cid] = due
        return webhook(self._company, self._port, (cid, to, remote, f"{cid} {text}"))

    def _told(self, _: SocketClient, payload: bytes) -> None:
        now = self._now()
        for change in _decode(payload).items:
            if change.message is not None and (due := self._due.pop(change.message.text[:32].split(" ")[0], None)) is not None:
                self.pushed_ms.append((now - due) * 1000)

    async def settle(self, seconds: float = 10.0) -> None:
        """Wait for the last ones."""
        end = self._now() + seconds
        while self._due and self._now() < end:
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def doing_nothing() -> AsyncGenerator[tuple[int, int]]:
    """A bare uvicorn with an application that reads the body and answers 200; (port, process id)."""
    port = ports.free_port()
    code = (
        "import asyncio, uvicorn, uvloop\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http': return\n"
        "    while (await receive()).get('more_body'): pass\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'11')]})\n"
        "    await send({'type': 'http.response.body', 'body': b'<Response/>'})\n"
        f"uvicorn.run(app, port={port}, loop='uvloop', http='httptools', lifespan='off', log_config=None, access_log=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])  # noqa: S603 - our own words
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            await asyncio.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


async def run(options: Options) -> list[Result]:
    """The benchmark, at each rate."""
    results: list[Result] = []
    async with ingesting(options) as (ingest, world, _, listener), doing_nothing() as (bare_port, bare_pid):
        watch = Stopwatch(world, listener, ingest.port, 77)
        for rate in RATES:

            async def subject(rate: int = rate) -> Figures:
                loop, meter = OpenLoop(ingest.port), ingest.meter()
                watch.pushed_ms.clear()
                meter.start()
                await loop.run(rate, options.seconds, watch.make)
                await watch.settle()
                count = len(watch.pushed_ms)
                extra = {"p50_ms": percentile(watch.pushed_ms, 0.5), "most_ms": max(watch.pushed_ms, default=0.0),
                         "answer_p99_ms": percentile(loop.answered_ms, 0.99), "missing": float(watch.missing)}  # fmt: skip
                return Figures(percentile(watch.pushed_ms, 0.99), count, meter.stop(), extra)

            async def ruler(rate: int = rate) -> Figures:
                loop, meter = OpenLoop(bare_port), Meter(server=[bare_pid], load=[os.getpid()])
                meter.start()
                await loop.run(rate, options.seconds, lambda _: request("POST", "/in", bare_port, b"x" * 150, kind="text/plain"))
                return Figures(percentile(loop.answered_ms, 0.99), len(loop.answered_ms), meter.stop())

            result = await in_turns(
                f"mo_latency_{rate}", subject, ruler, goal=OVER_MS, sense="at most", compare=by_difference, unit="ms", rounds=options.rounds
            )
            result.note = "p99 from webhook to socket, less the p99 of an endpoint that does nothing"
            result.holds = result.holds and not watch.missing
            results.append(result)
    return results


__all__ = ["OpenLoop", "Stopwatch", "doing_nothing", "ready", "run"]
