"""A pooler between programs and PostgreSQL, in transaction mode: what a program may rely on behind PgBouncer, and nothing more.

A client gets a server connection when it speaks and loses it when the server is idle outside a transaction; the next transaction may be on any other,
with whatever earlier ones left there. There are fewer of them than clients. Prepared statements are nobody's, the process number a client hears
is not the server's, and cancel requests are passed on to whichever server works for the client then.
"""

import asyncio
import itertools
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_ASKING = frozenset(b"QSF")  # query, sync, function call: each is answered by one ReadyForQuery


@dataclass(eq=False)
class _Server:
    who: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes
    key: bytes
    cancelling: int = 0


@dataclass
class Pooler:
    """`socket` is the server's; `size` connections for each user and database."""

    socket: str
    size: int
    seed: int = 1
    port: int = 0
    transactions: int = 0
    _idle: dict[bytes, asyncio.Queue[_Server]] = field(default_factory=dict)
    working: dict[bytes, _Server] = field(default_factory=dict)
    _numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it goes."""
        try:
            start = await _first(reader)
            while struct.unpack("!I", start[4:8])[0] in (_SSL, _GSS):
                writer.write(b"N")
                start = await _first(reader)
            if struct.unpack("!I", start[4:8])[0] == _CANCEL:
                await self._cancel(start[8:])
                return
            key = struct.pack("!II", 900_000 + next(self._numbers), 7)
            servers = await self._servers(start)
            server = await servers.get()
            servers.put_nowait(server)
            writer.write(server.greeting + b"K" + struct.pack("!I", 12) + key + b"Z\x00\x00\x00\x05I")
            client = _Client(self, servers, key, writer)
            try:
                while (message := await _message(reader))[:1] != b"X":
                    await client.pass_on(message)
            finally:
                await client.leave()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # gone, or the test is over
        finally:
            writer.close()

    async def _servers(self, start: bytes) -> asyncio.Queue[_Server]:
        names = start[8:].split(b"\0")
        parameters = dict(zip(names[::2], names[1::2], strict=False))
        who = b"user\0" + parameters[b"user"] + b"\0database\0" + parameters[b"database"] + b"\0\0"
        if who not in self._idle:
            self._idle[who] = asyncio.Queue()
            made = [await self.open(who) for _ in range(self.size)]
            random.Random(self.seed).shuffle(made)
            for one in made:
                self._idle[who].put_nowait(one)
        return self._idle[who]

    async def open(self, who: bytes) -> _Server:
        """A new connection to the server."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        start = struct.pack("!I", 196608) + who
        writer.write(struct.pack("!I", len(start) + 4) + start)
        greeting, key = b"", b""
        while (message := await _message(reader))[:1] != b"Z":
            if message[:1] == b"E":
                raise ConnectionError(message)
            if message[:1] == b"K":
                key = message[5:]
            else:
                greeting += message
        return _Server(who, reader, writer, greeting, key)

    async def _cancel(self, key: bytes) -> None:
        server = self.working.get(key)
        if server is not None:
            server.cancelling += 1
            try:
                reader, writer = await asyncio.open_unix_connection(self.socket)
                writer.write(struct.pack("!II", 16, _CANCEL) + server.key)
                await reader.read()
                writer.close()
            finally:
                server.cancelling -= 1


@dataclass(eq=False)
class _Client:
    """One client between its greeting and its end."""

    pooler: Pooler
    servers: asyncio.Queue[_Server]
    key: bytes
    writer: asyncio.StreamWriter
    server: _Server | None = None
    owed: int = 0
    answering: asyncio.Task[None] | None = None

    async def pass_on(self, message: bytes) -> None:
        """To the server that works for it, or to the next that is free."""
        if self.server is None:
            if self.answering is not None:
                await self.answering
            self.server = self.pooler.working[self.key] = await self.servers.get()
            self.answering = asyncio.create_task(self._answer(self.server))
        self.owed += message[0] in _ASKING
        self.server.writer.write(message)

    async def _answer(self, server: _Server) -> None:
        """Pass answers on until the server is idle and owes none; then it is anybody's."""
        while True:
            message = await _message(server.reader)
            self.writer.write(message)
            if message[:1] == b"Z":
                self.owed -= 1
                if self.owed == 0 and message[5:6] == b"I":
                    break
        while server.cancelling:
            # A cancel request on its way would hit whoever had the connection next.
            await asyncio.sleep(0.001)
        self.server = None
        self.pooler.transactions += 1
        del self.pooler.working[self.key]
        self.servers.put_nowait(server)

    async def leave(self) -> None:
        """What it had begun is rolled back before anybody else gets a connection."""
        server, self.server = self.server, None
        if server is None or self.answering is None:
            return
        self.answering.cancel()
        with suppress(asyncio.CancelledError):
            await self.answering
        self.pooler.working.pop(self.key, None)
        server.writer.close()
        self.servers.put_nowait(await self.pooler.open(server.who))


async def _first(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("!I", head)[0] - 4)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


@asynccontextmanager
async def pooler(socket: str, *, size: int = 2) -> AsyncIterator[Pooler]:
    """A pooler in front of the server that listens at the path `socket`."""
    one = Pooler(socket, size)
    listening = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield one
