"""Lean WebSocket clients: thousands of signed-in sockets in one process, counting what they are told."""

import asyncio
import base64
import os
import struct
from collections.abc import Callable, Iterable
from socket import AF_INET, SO_RCVBUF, SOCK_STREAM, SOL_SOCKET
from socket import socket as Socket  # noqa: N812 - a name that does not hide the module's
from typing import cast

import msgspec

Told = Callable[["SocketClient", bytes], None]
"""Called with each text frame."""


class _Message(msgspec.Struct):
    id: str


class _Change(msgspec.Struct):
    position: int
    kind: str
    message: _Message | None = None


class Changes(msgspec.Struct):
    """What a benchmark reads of a frame."""

    type: str
    items: list[_Change] = []
    cursor: str = ""


_decode = msgspec.json.Decoder(Changes).decode


class SocketClient(asyncio.Protocol):
    """One socket. It follows from the present on and answers pings."""

    __slots__ = ("_buffer", "_port", "_session", "_shaken", "_told", "_transport", "cursor", "following", "lost", "name", "position")

    def __init__(self, port: int, session: str, told: Told, name: int, cursor: str = "") -> None:
        self._port, self._session, self._told = port, session, told
        self._buffer = b""
        self._shaken = False
        self._transport: asyncio.Transport | None = None
        self.name = name
        self.cursor = cursor
        self.position = -1
        self.following: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /api/v1/socket HTTP/1.1", f"Host: localhost:{self._port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Cookie: kereru_session={self._session}", "", "",
        ]  # fmt: skip
        self._transport.write("\r\n".join(lines).encode())

    def data_received(self, data: bytes) -> None:
        """Take frames apart (server frames are never masked)."""
        data = self._buffer + data if self._buffer else data
        if not self._shaken:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self._fail(f"the handshake was refused: {data[:60]!r}")
                return
            self._shaken = True
            data = data[end + 4 :]
            after = f',"after":"{self.cursor}"' if self.cursor else ""
            self._write(0x81, f'{{"type":"follow"{after}}}'.encode())
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if size - start < length:
                break
            self._frame(data[at] & 0x0F, data[start : start + length])
            at = start + length
        self._buffer = data[at:]

    def _frame(self, code: int, payload: bytes) -> None:
        if code == 1:
            self._told(self, payload)
            if not self.following.done():
                self.following.set_result(None)
        elif code == 9:
            self._write(0x8A, payload)
        elif code == 8:
            self._fail(f"the server closed: {payload!r}")

    def _write(self, first: int, payload: bytes) -> None:
        if self._transport is None or self.lost:
            return
        head = struct.pack(">BB", first, 0x80 | len(payload)) if len(payload) < 126 else struct.pack(">BBH", first, 0xFE, len(payload))
        # A mask of zeros is a mask.
        self._transport.write(head + b"\0\0\0\0" + payload)

    def _fail(self, words: str) -> None:
        self.lost = True
        if not self.following.done():
            self.following.set_exception(ConnectionError(words))

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._fail("the connection was lost")

    def pause(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def open_sockets(port: int, sessions: Iterable[str], told: Told, *, at_once: int = 50, room: int = 0) -> list[SocketClient]:
    """Open a socket for each session and wait until all follow. `room`: bytes that the system may take in for each; 0: what it likes."""
    loop = asyncio.get_running_loop()
    opened: list[SocketClient] = []
    gate = asyncio.Semaphore(at_once)

    async def one(name: int, session: str) -> None:
        async with gate:
            line = Socket(AF_INET, SOCK_STREAM)
            if room:
                line.setsockopt(SOL_SOCKET, SO_RCVBUF, room)
            line.setblocking(False)
            await loop.sock_connect(line, ("127.0.0.1", port))
            _, client = await loop.create_connection(lambda: SocketClient(port, session, told, name), sock=line)
            opened.append(client)
            await asyncio.wait_for(client.following, 60)

    await asyncio.gather(*(one(name, session) for name, session in enumerate(sessions)))
    return opened


class Listener:
    """Counts what arrives, checks that every feed is gapless, and keeps when each text was first seen if asked to."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.gaps = 0
        self.resyncs = 0
        self.last_at = 0.0
        self.frames = 0
        self.on_item: Callable[[SocketClient, bytes], None] | None = None
        self._now = asyncio.get_running_loop().time

    def __call__(self, client: SocketClient, payload: bytes) -> None:
        """One frame."""
        self.frames += 1
        if self.on_item is not None:
            self.on_item(client, payload)
        frame = _decode(payload)
        client.cursor = frame.cursor or client.cursor
        if frame.type == "resync":
            self.resyncs += 1
        if not frame.items:
            return
        self.last_at = self._now()
        for change in frame.items:
            if client.position >= 0 and change.position != client.position + 1:
                self.gaps += 1
            client.position = change.position
            if change.kind == "message.received":
                self.received += 1
