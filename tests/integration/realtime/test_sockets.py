"""The socket, from outside: a real server, real clients, a real database (issue 2 §5; reliability.md G24 to G28, inputs 96 and 100)."""

import asyncio
import base64
import json
import socket
import struct
from contextlib import AsyncExitStack, suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from integration.realtime.world import CURSORS, PROVIDER, Process, change, collect, frame, make_feed, process, until
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.limits import SOCKET_BACKLOG_BYTES, SOCKET_FRAME_BYTES, SOCKETS_PER_USER
from kereru.realtime.live import has_live_socket
from kereru.realtime.wire import text_frame


async def closing(ws: ClientConnection, timeout_s: float = 5.0) -> tuple[int, str]:
    """The close code and reason, once they come."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                await ws.recv()
    except ConnectionClosed as error:
        return (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")


async def raw_socket(web: Process, user: int, feed: int, *, receive_buffer: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection after its handshake, to send and not to read what one likes."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", web.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    key = base64.b64encode(b"0123456789abcdef").decode()
    writer.write(
        f"GET /api/v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: {key}\r\n"
        f"X-User: {user}\r\nX-Feed: {feed}\r\nX-Session: raw\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b"permessage-deflate" not in head
    return reader, writer


def client_frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """A masked frame (mask of zeros)."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
    return bytes([opcode]) + length + b"\0\0\0\0" + payload


async def read_close(reader: asyncio.StreamReader, timeout_s: float = 5.0) -> int:
    """Read server frames until the close frame; its code."""
    async with asyncio.timeout(timeout_s):
        while True:
            opcode, size = await reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await reader.readexactly(8))
            payload = bytearray()
            while len(payload) < size:
                payload += await reader.readexactly(min(4096, size - len(payload)))
            if opcode == 0x88:
                return struct.unpack(">H", payload[:2])[0]


async def test_a_change_reaches_an_open_socket(database: Database, database_url: str) -> None:
    """Issue 2 §5: follow, then each change as it is committed, with the cursor to go on from."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        first = await frame(ws)
        assert (first["type"], first["items"]) == ("changes", [])
        await change(database, feed, 1)
        second = await frame(ws)
        assert second["items"] == [
            {
                "feed": str(feed),
                "position": 1,
                "kind": "message.changed",
                "version": 1,
                "message": {"id": "1001", "version": 1, "padding": ""},
                "conversation": None,
                "licence_number": None,
            }
        ]
        assert second["cursor"] == CURSORS.encode(PROVIDER, 1, ((feed, 1),))


async def test_one_user_s_sockets_share_one_reading(database: Database, database_url: str) -> None:
    """All windows of a user get the same bytes; the changes are presented once for all of them."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(web.socket(1, feed)) for _ in range(5)]
        for ws in sockets:
            await frame(ws)
        await change(database, feed, 1, 2, 3)
        got = [await asyncio.wait_for(ws.recv(), 5) for ws in sockets]
        assert len(set(got)) == 1
        assert web.presenter.calls == [(1, 3)]


async def test_ping_is_answered_and_a_thousand_are_refused(database: Database, database_url: str) -> None:
    """Input 100: a client's pings are answered, a flood of them closes with 1008, as messages and as control frames."""
    feed = await make_feed(database)
    async with process(database, database_url) as web:
        async with web.socket(1, feed) as ws:
            await frame(ws)
            await ws.send('{"type":"ping"}')
            assert await frame(ws) == {"type": "pong"}
            for _ in range(1000):
                try:
                    await ws.send('{"type":"ping"}')
                except ConnectionClosed:
                    break
            assert await closing(ws) == (1008, "too_many_frames")
        reader, writer = await raw_socket(web, 1, feed)
        writer.write(client_frame(b"x", 0x89) * 1000)
        assert await read_close(reader) == 1008
        writer.close()


NOT_OURS = (
    "{",
    "[]",
    '{"type":"subscribe","feed":"1"}',
    '{"type":"follow","after":1}',
    '{"type":"follow","feeds":["1"]}',
    '{"type":"ping","x":1}',
    '{"type":null}',
    "[" * 60_000,
    "\x00",
    '{"type":"follow","after":"AAAA"}',
    '{"type":"follow","after":""}',
    '{"type":"follow","after":"' + "A" * 60_000 + '"}',
    b"binary",
)


async def test_frames_that_are_not_ours_close_with_1008(database: Database, database_url: str) -> None:
    """Inputs 39 to 51 and 100 on the socket."""
    feed = await make_feed(database)
    async with process(database, database_url) as web:
        for bad in NOT_OURS:
            async with web.socket(1, feed, follow=False) as ws:
                await ws.send(bad)
                assert (await closing(ws))[0] == 1008, bad[:40]


async def test_somebody_else_s_cursor_closes_with_1008(database: Database, database_url: str) -> None:
    """Input 100, foreign topic: a cursor is good for its own user only."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed, CURSORS.encode(PROVIDER, 2, ((feed, 0),))) as ws:
        assert await closing(ws) == (1008, "bad_cursor")


async def test_a_frame_over_64_kib_closes_with_1009(database: Database, database_url: str) -> None:
    """Input 100: 10 MB frame."""
    feed = await make_feed(database)
    async with process(database, database_url) as web:
        for size in (SOCKET_FRAME_BYTES + 1, 10 * 1024 * 1024):
            async with web.socket(1, feed) as ws:
                await frame(ws)
                with suppress(ConnectionClosed):
                    await ws.send("x" * size)
                assert (await closing(ws))[0] == 1009, size


async def test_fragments_and_compression_cost_nothing(database: Database, database_url: str) -> None:
    """Input 100: 1-byte fragments close with 1008; a deflated frame, which was never agreed on, with 1002; a few fragments are fine."""
    feed = await make_feed(database)
    async with process(database, database_url) as web:
        reader, writer = await raw_socket(web, 1, feed)
        writer.write(client_frame(b'{"type":', 0x01) + client_frame(b'"ping"}', 0x80))
        assert await reader.readexactly(17) == text_frame(b'{"type":"pong"}')
        writer.write(client_frame(b"{", 0x01) + client_frame(b" ", 0x00) * 5000)
        assert await read_close(reader) == 1008
        writer.close()
        reader, writer = await raw_socket(web, 1, feed)
        writer.write(client_frame(b"\x00" * 100, 0xC1))
        assert await read_close(reader) == 1002
        writer.close()


async def test_who_may_not_open_one(database: Database, database_url: str) -> None:
    """Input 96: without a sign-in 4401 after the handshake, so that a browser can tell; from a foreign page no handshake at all."""
    async with process(database, database_url) as web:
        url = f"ws://127.0.0.1:{web.port}/api/v1/socket"
        async with connect(url) as ws:
            assert await closing(ws) == (4401, "not_signed_in")
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, origin="https://evil.example", additional_headers={"X-User": "1", "X-Feed": "1", "X-Session": "s"}):
                pass
        assert refused.value.response.status_code == 403


async def test_signing_out_closes_that_sign_in_s_sockets(database: Database, database_url: str) -> None:
    """G26: within seconds, and nobody else's."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed, session="a") as gone, web.socket(1, feed, session="b") as stays:
        await frame(gone)
        await frame(stays)
        web.signed_out.add(b"a")
        assert await closing(gone) == (4401, "not_signed_in")
        await change(database, feed, 1)
        assert (await collect(stays, 1))[0] == [1]


async def test_twenty_windows_and_no_more(database: Database, database_url: str) -> None:
    """reliability.md §4: 20 sockets a user; the others go on."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(web.socket(1, feed)) for _ in range(SOCKETS_PER_USER)]
        for ws in sockets:
            await frame(ws)
        async with web.socket(1, feed) as one_more:
            assert await closing(one_more) == (1008, "too_many_windows")
        async with web.socket(2, feed) as another_user:
            assert (await frame(another_user))["items"] == []
        await change(database, feed, 1)
        assert [(await collect(ws, 1))[0] for ws in sockets] == [[1]] * SOCKETS_PER_USER


async def test_a_client_that_stops_reading_is_closed_and_costs_the_others_nothing(database: Database, database_url: str) -> None:
    """G25: at most 1 MiB is kept for it, it is closed with 4408, and it may resume; a reading client beside it gets everything meanwhile."""
    feed = await make_feed(database)
    async with process(database, database_url, stalled_s=1.0) as web, web.socket(1, feed) as reading:
        web.presenter.padding = "x" * 8_000
        await frame(reading)
        reader, writer = await raw_socket(web, 1, feed, receive_buffer=4096)
        writer.write(client_frame(b'{"type":"follow"}'))
        await until(lambda: len(web.realtime.hub._audiences[PROVIDER, 1].followers) == 2)
        most = 0
        for version in range(1, 401, 50):
            await change(database, feed, *range(version, version + 50))
            await collect(reading, 50)
            most = max(most, *(connection.transport.get_write_buffer_size() for connection in web.server.server_state.connections))
        assert 0 < most <= SOCKET_BACKLOG_BYTES
        assert len(web.realtime.socket._stalled) == 1
        await until(lambda: not web.realtime.socket._stalled)
        assert await read_close(reader) == 4408
        writer.close()


async def test_a_slow_client_that_reads_again_gets_everything_once(database: Database, database_url: str) -> None:
    """G22 and G25: what was not kept for it is read again."""
    feed = await make_feed(database)
    async with process(database, database_url) as web:
        web.presenter.padding = "x" * 8_000
        async with web.socket(1, feed) as slow:
            await frame(slow)
            slow.transport.pause_reading()
            for version in range(1, 401, 50):
                await change(database, feed, *range(version, version + 50))
            await until(lambda: bool(web.realtime.socket._stalled))
            slow.transport.resume_reading()
            assert (await collect(slow, 400, 20))[0] == list(range(1, 401))


async def test_a_stop_says_when_to_come_back(database: Database, database_url: str) -> None:
    """G28, reliability.md §6 Stop: 1012 with a hint of its own for each; the row of live sockets goes; who comes meanwhile is sent back too."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        await web.realtime.drain()
        code, reason = await closing(ws)
        assert code == 1012
        assert reason.startswith("retry=")
        assert 200 <= int(reason.removeprefix("retry=")) <= 20_000
        async with web.socket(1, feed, follow=False) as late:
            assert (await closing(late))[0] == 1012


async def test_the_server_s_own_stop_says_the_same(database: Database, database_url: str) -> None:
    """As above when only the server is told to stop."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        web.server.should_exit = True
        code, reason = await closing(ws)
        assert (code, reason[:6]) == (1012, "retry=")


async def test_live_sockets_are_known_everywhere(database: Database, database_url: str) -> None:
    """Design §7, R14: a start is a load while there is no other live socket, on whichever process; a dead process's rows count no more."""
    feed = await make_feed(database)

    async def live(user: int) -> bool:
        async with database.transaction(ProviderScope(PROVIDER)) as tx:
            return await has_live_socket(tx, PROVIDER, user)

    async def becomes(wanted: bool) -> None:
        async with asyncio.timeout(5):
            while await live(1) is not wanted:
                await asyncio.sleep(0.01)

    assert not await live(1)
    async with process(database, database_url) as one, process(database, database_url) as other:
        async with one.socket(1, feed) as first, other.socket(1, feed) as second:
            await frame(first)
            await frame(second)
            await becomes(True)
            assert not await live(2)
            await first.close()
            await asyncio.sleep(0.05)
            assert await live(1)
            await second.close()
            await becomes(False)
        async with one.socket(1, feed) as first:
            await frame(first)
            await becomes(True)
            async with database.transaction(ProviderScope(PROVIDER)) as tx:
                await tx.run("UPDATE live_socket SET seen_at = seen_at - interval '1 minute'")
            await becomes(False)
            await one.realtime.live.beat()
            await becomes(True)
            async with database.transaction(ProviderScope(PROVIDER)) as tx:
                await tx.run("DELETE FROM live_socket")
            await one.realtime.live.beat()
            await becomes(True)
    await becomes(False)


def test_frames_are_what_the_standard_says() -> None:
    """RFC 6455 §5.2: the three lengths of a frame."""
    assert text_frame(b"a" * 125)[:2] == b"\x81\x7d"
    assert text_frame(b"a" * 126)[:4] == b"\x81\x7e\x00\x7e"
    assert text_frame(b"a" * 65536)[:10] == b"\x81\x7f" + (65536).to_bytes(8, "big")
    assert json.loads(text_frame(b'{"type":"pong"}')[2:]) == {"type": "pong"}
