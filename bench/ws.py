"""ws_push and ws_idle: many signed-in sockets, beside servers that know nothing but sockets."""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec
import psycopg

from bench.machine import Meter, pss_bytes, tree_of
from bench.options import Options
from bench.rounds import Figures, Result, by_rate, in_turns, say, summed_up
from bench.sockets import Listener, open_sockets
from bench.texts import Texts, item
from bench.world import Server, World, launch, ready, running_world, serving, stop
from kereru.entrypoints import ports

OWNERS, WINDOWS, MESSAGES = 50, 20, 30
SOCKETS = OWNERS * WINDOWS
IDLE = 10_000
IDLE_RATIO, BACK_S = 1.6, 20.0
_INGEST = "SELECT feed_id, feed_number FROM ingest_texts(%s::text::jsonb)"

# The ruler of ws_push: raw protocols that shake hands and then write ready frames; nothing can push with less.
_BARE_PUSH = """
import asyncio, base64, hashlib, struct, sys, uvloop
class P(asyncio.Protocol):
    all = []
    def connection_made(self, t): self.t = t; self.shaken = False; self.buffer = b''
    def data_received(self, data):
        self.buffer += data
        if self.shaken or b'\\r\\n\\r\\n' not in self.buffer: return
        key = next(l.split(b':', 1)[1].strip() for l in self.buffer.split(b'\\r\\n') if l.lower().startswith(b'sec-websocket-key'))
        accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
        self.t.write(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept
            + b'\\r\\n\\r\\n' + frame(0))
        self.shaken = True; P.all.append(self)
def frame(n):
    items = '' if not n else '{"feed":"1","position":%d,"kind":"message.received","version":1,"message":{"id":"1","text":"%s"}}' % (n, 'x' * 900)
    payload = ('{"type":"changes","items":[%s],"cursor":"c"}' % items).encode()
    return (struct.pack('>BB', 0x81, len(payload)) if len(payload) < 126 else struct.pack('>BBH', 0x81, 126, len(payload))) + payload
async def main(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(P, '127.0.0.1', port, backlog=2048)
    reader = asyncio.StreamReader(); await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    n = 0
    while await reader.readline():
        for _ in range(30):
            n += 1; ready = frame(n)
            for p in P.all: p.t.write(ready)
            await asyncio.sleep(0)
uvloop.run(main(int(sys.argv[1])))
"""
_BARE_IDLE = """
import sys, uvicorn
async def app(scope, receive, send):
    if scope['type'] != 'websocket': return
    await receive(); await send({'type': 'websocket.accept'})
    await receive(); await send({'type': 'websocket.send', 'text': '{"type":"changes","items":[],"cursor":"c"}'})
    while (await receive())['type'] != 'websocket.disconnect': pass
uvicorn.run(app, port=int(sys.argv[1]), loop='uvloop', ws='websockets-sansio', ws_per_message_deflate=False, lifespan='off', log_config=None,
    access_log=False, backlog=2048)
"""


@contextlib.asynccontextmanager
async def _bare(program: str) -> AsyncGenerator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = ports.free_port()
    process = subprocess.Popen([sys.executable, "-c", program, str(port)], stdin=subprocess.PIPE)  # noqa: S603 - our own words
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        yield port, process
    finally:
        process.kill()
        process.wait()


async def push(options: Options) -> list[Result]:
    """Thirty texts to each of a thousand sockets, twenty an owner, written by the batch function; the ruler pushes frames of the same size."""
    with running_world(people=OWNERS) as world:
        async with serving(world) as server, _bare(_BARE_PUSH) as (bare_port, bare):
            listener, bare_listener = Listener(), Listener()
            sessions = [person.session for person in world.company.people] * WINDOWS
            ours = await open_sockets(server.port, sessions, listener)
            theirs = await open_sockets(bare_port, sessions, bare_listener)
            seeds = itertools.count(1)

            async def subject() -> Figures:
                made = _batches(world, next(seeds))
                meter = Meter(server=[server.process.pid], database=[world.engine_pid], load=[os.getpid()])
                return await _measured(listener, meter, lambda: asyncio.to_thread(_write, world, made))

            async def ruler() -> Figures:
                assert bare.stdin is not None
                stdin = bare.stdin

                async def go() -> None:
                    stdin.write(b"go\n")
                    stdin.flush()

                return await _measured(bare_listener, Meter(server=[bare.pid], load=[os.getpid()]), go)

            result = await in_turns("ws_push", subject, ruler, goal=0.55, rounds=options.rounds)
            result.extra["socket_gaps"] = listener.gaps
            result.note = "the ruler is a bare uvloop protocol that writes ready frames; ours also stores the texts and reads the feeds"
            for socket in [*ours, *theirs]:
                socket.close()
    return [result]


def _batches(world: World, seed: int) -> list[str]:
    texts = Texts(world.company, seed, doubles=0.0)
    return [
        msgspec.json.encode(
            [item(world.company, (cid, person.e164, remote, text)) for person in world.company.people for cid, _, remote, text in [texts.next()]]
        ).decode()
        for _ in range(MESSAGES)
    ]


def _write(world: World, made: list[str]) -> None:
    with psycopg.connect(world.url, user="kereru_ingest", autocommit=True, prepare_threshold=0) as connection:
        for batch in made:
            rows = connection.execute(_INGEST, [batch]).fetchall()
            pairs = [f"{feed}:{number}" for feed, number in rows]
            for at in range(0, len(pairs), 150):
                connection.execute("SELECT pg_notify('kereru_feed', %s)", [",".join(pairs[at : at + 150])])


async def _measured(listener: Listener, meter: Meter, go: Callable[[], Awaitable[None]]) -> Figures:
    now = asyncio.get_running_loop().time
    before, start = listener.received, now()
    wanted = before + SOCKETS * MESSAGES
    meter.start()
    await go()
    while listener.received < wanted and now() - start < 120:
        await asyncio.sleep(0.005)
    count = listener.received - before
    return Figures(count / (listener.last_at - start), count, meter.stop())


async def idle(options: Options) -> list[Result]:
    """Memory of ten thousand idle sockets, and how soon all are back after a restart."""
    count = round(IDLE * options.scale)
    with running_world(people=count) as world:
        sessions = [person.session for person in world.company.people]
        async with _bare(_BARE_IDLE) as (bare_port, bare):
            listener = Listener()
            empty = pss_bytes([bare.pid])
            theirs = await open_sockets(bare_port, sessions, listener)
            await asyncio.sleep(2)
            bare_kib = (pss_bytes([bare.pid]) - empty) / count / 1024
            for socket in theirs:
                socket.close()
        port = ports.free_port()
        settings = {"home": str(world.home / "kereru"), "database_url": world.url, "log_level": "error"}
        server = launch(port, **settings)
        try:
            await ready(server)
            kib, back_s, dropped = await _held(server, port, sessions, settings)
        finally:
            stop(server)
    meter = Meter(load=[os.getpid()])
    meter.start()
    usage = meter.stop()
    pair = (
        Figures(kib, 0, usage, {"kib_a_socket": kib, "bare_kib": bare_kib, "all_back_s": back_s, "dropped": dropped}),
        Figures(bare_kib, 0, usage),
    )
    result = summed_up("ws_idle", [pair], goal=IDLE_RATIO, sense="at most", compare=by_rate, unit="x")
    result.extra["sockets"] = count
    result.holds = result.holds and kib <= 32 and back_s <= BACK_S and not dropped
    return [result]


async def _held(server: Server, port: int, sessions: list[str], settings: dict[str, str]) -> tuple[float, float, float]:
    listener = Listener()
    web = _web(server)
    empty = pss_bytes([web])
    ours = await open_sockets(port, sessions, listener, at_once=100)
    await asyncio.sleep(30)
    kib = (pss_bytes([web]) - empty) / len(sessions) / 1024
    dropped = sum(socket.lost for socket in ours)
    say(f"ws_idle: {len(ours)} sockets, {kib:.1f} KiB each; now the restart")
    stop(server)
    again = launch(port, **settings)
    begun = asyncio.get_running_loop().time()
    try:
        await ready(again)
        back = await open_sockets(port, sessions, listener, at_once=200)
        back_s = asyncio.get_running_loop().time() - begun
        for socket in back:
            socket.close()
    finally:
        stop(again)
    return kib, back_s, float(dropped)


def _web(server: Server) -> int:
    """The web process: the child that listens and holds most memory."""
    return max(tree_of(server.process.pid)[1:], key=lambda pid: pss_bytes([pid]))
