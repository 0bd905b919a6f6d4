"""What stands on both sides of a peer: an SMSC of SMPP 3.4 that takes and brings texts, and an HTTP address that texts are passed on to."""

import asyncio
import itertools
import struct
from collections.abc import Callable
from typing import cast

_BINDS = (0x01, 0x02, 0x09)
_SUBMIT, _DELIVER, _ENQUIRE, _UNBIND = 0x04, 0x05, 0x15, 0x06
_RESPONSE = 0x80000000
_HEAD = struct.Struct(">IIII")
UNDER_WAY = 64
"""How many texts the SMSC brings before it waits for an answer, as many as mo_ingest has connections."""

BACKLOG = 2_000
"""How many texts may wait inside a peer; one that answers before it has done its work would otherwise pile up minutes of it."""


class Smsc:
    """Takes each `submit_sm` at once with an id of its own; brings texts while `more` gives some."""

    def __init__(self) -> None:
        self.taken = 0
        self.last_taken_at = 0.0
        self.port = 0
        self.more: Callable[[], bytes | None] = lambda: None
        self.bound: list[_Session] = []
        self._server: asyncio.Server | None = None
        self._ids = itertools.count(1)
        self._now = asyncio.get_running_loop().time

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Session(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()

    def bring(self) -> None:
        """Bring texts over whatever binds are there."""
        for session in self.bound:
            session.bring()

    def took(self) -> bytes:
        """The id of a text just taken."""
        self.taken += 1
        self.last_taken_at = self._now()
        return b"%016x" % next(self._ids)


class _Session(asyncio.Protocol):
    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc
        self._buffer = b""
        self._sequence = itertools.count(1)
        self._unanswered = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._smsc.bound:
            self._smsc.bound.remove(self)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        at, out = 0, bytearray()
        while len(data) - at >= 16:
            length, command, _, sequence = _HEAD.unpack_from(data, at)
            if len(data) - at < length:
                break
            self._unit(command, sequence, out)
            at += length
        self._buffer = data[at:]
        if out and self._transport is not None:
            self._transport.write(bytes(out))
        self.bring()

    def _unit(self, command: int, sequence: int, out: bytearray) -> None:
        if command == _SUBMIT:
            out += _answer(command, sequence, self._smsc.took() + b"\0")
        elif command == _DELIVER | _RESPONSE:
            self._unanswered -= 1
        elif command in _BINDS:
            out += _answer(command, sequence, b"bench\0")
            if command != 0x02:
                self._smsc.bound.append(self)
        elif command in (_ENQUIRE, _UNBIND):
            out += _answer(command, sequence, b"")

    def bring(self) -> None:
        out = bytearray()
        while self._unanswered < UNDER_WAY and (text := self._smsc.more()) is not None:
            self._unanswered += 1
            out += _HEAD.pack(16 + len(text), _DELIVER, 0, next(self._sequence)) + text
        if out and self._transport is not None:
            self._transport.write(bytes(out))


def _answer(command: int, sequence: int, body: bytes) -> bytes:
    return _HEAD.pack(16 + len(body), command | _RESPONSE, 0, sequence) + body


def deliver(made: tuple[str, str, str, str]) -> bytes:
    """The body of a `deliver_sm` with this text (SMPP 3.4 §4.6.1)."""
    _, to, remote, text = made
    words = text.encode("ascii")[:254]
    address = b"\x01\x01%b\0"
    return b"\0" + address % remote[1:].encode() + address % to[1:].encode() + b"\0\0\0\0\0\0\0\0\0" + bytes([len(words)]) + words


class Sink:
    """An HTTP server that counts what it is sent and answers `ACK/Jasmin`, which says to both peers that the text was taken."""

    def __init__(self) -> None:
        self.received = 0
        self.last_at = 0.0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._now = asyncio.get_running_loop().time

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Counting(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()

    def count(self) -> None:
        """One more."""
        self.received += 1
        self.last_at = self._now()


class _Counting(asyncio.Protocol):
    _ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nACK/Jasmin"

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            whole = end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._sink.count()
            if self._transport is not None:
                self._transport.write(self._ANSWER)
