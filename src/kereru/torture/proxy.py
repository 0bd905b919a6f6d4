"""A proxy that spoils connections by rule and seed, for TCP and Unix sockets (reliability.md §5).

Promises: without rules it changes nothing; what a rule does to the nth connection depends on the seed, the proxy's name and n alone; rules may be
changed while connections are open, and then bind those too; every bite is reported with the bytes that had passed.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["delay", "drop", "cut", "duplicate", "half_close", "throttle"]
Way = Literal["up", "down"]

PIECE_BYTES = 64 * 1024
REMEMBERED_BYTES = 1024 * 1024
REPLAY_S = 20.0


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong. `up` is from whoever connects to whom he connects; bytes are counted from when the rule came into force.

    delay: every piece waits `seconds`. drop: the connection is reset at once. cut: reset after `after_bytes`. half_close: after `after_bytes` this
    way ends in order while the other stays open. throttle: at most `bytes_per_s`. duplicate: each request (what went up until something came down)
    is sent once more on a connection of its own, whose answer nobody reads. `chance` is per connection.
    """

    kind: Kind
    way: Way = "up"
    chance: float = 1.0
    seconds: float = 0.0
    after_bytes: int = 0
    bytes_per_s: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen or connect: a port on loopback, or a Unix socket."""

    port: int = 0
    path: Path | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection. Raises OSError."""
        if self.path is not None:
            return await asyncio.open_unix_connection(str(self.path))
        return await asyncio.open_connection("127.0.0.1", self.port)


@dataclass(frozen=True, slots=True)
class Bite:
    """A rule that was applied; `passed` is what had gone that way on this connection, `data` what was sent twice."""

    proxy: str
    connection: int
    rule: Rule
    passed: int
    data: bytes = b""


class FaultProxy:
    """One hop. Use as an async context manager; `place` is where to connect to."""

    def __init__(self, name: str, target: Place, seed: int, *, listen: Place | None = None, on_bite: Callable[[Bite], None] = lambda _: None) -> None:
        self.name, self.target, self.seed = name, target, seed
        self.place = listen or Place()
        self.on_bite = on_bite
        self._rules: tuple[Rule, ...] = ()
        self._generation = 0
        self._connections: dict[int, _Connection] = {}
        self._next = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultProxy":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        self.cut_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Take connections (again)."""
        if self.place.path is not None:
            self.place.path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, str(self.place.path))
            self.place.path.chmod(0o777)
            return
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.place.port)
        self.place = Place(self._server.sockets[0].getsockname()[1])

    async def refuse(self) -> None:
        """Stop listening: who connects is refused by the system. Open connections go on."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await asyncio.sleep(0)

    def set_rules(self, *rules: Rule) -> None:
        """These rules and no others, for open connections too."""
        self._rules = rules
        self._generation += 1
        for connection in list(self._connections.values()):
            connection.plan(self._draw(connection.number))

    def cut_all(self) -> int:
        """Reset every open connection now; answers how many there were."""
        open_ones = list(self._connections.values())
        for connection in open_ones:
            connection.reset()
        return len(open_ones)

    @property
    def open_connections(self) -> int:
        """How many connections pass through."""
        return len(self._connections)

    def _draw(self, number: int) -> tuple[Rule, ...]:
        dice = random.Random(f"{self.seed}:{self.name}:{self._generation}:{number}")  # noqa: S311 - a schedule, not a secret
        return tuple(rule for rule in self._rules if dice.random() < rule.chance)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._next += 1
        connection = _Connection(self, self._next, writer)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._connections[connection.number] = connection
        try:
            await connection.run(reader, self._draw(connection.number))
        except (OSError, asyncio.CancelledError):
            connection.reset()
        finally:
            self._connections.pop(connection.number, None)

    def replay(self, connection: int, rule: Rule, request: bytes) -> None:
        """Send `request` on a connection of its own and read the answer away."""
        self.on_bite(Bite(self.name, connection, rule, len(request), request))
        task = asyncio.create_task(self._replayed(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replayed(self, request: bytes) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(REPLAY_S):
                reader, writer = await self.target.connect()
                try:
                    writer.write(request)
                    await writer.drain()
                    writer.write_eof()
                    while await reader.read(PIECE_BYTES):
                        pass
                finally:
                    writer.close()


class _Connection:
    """One connection: two pumps, the rules that bind it, and what it remembers for a replay."""

    def __init__(self, proxy: FaultProxy, number: int, client: asyncio.StreamWriter) -> None:
        self.proxy, self.number = proxy, number
        self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._rules: tuple[Rule, ...] = ()
        self._passed: dict[Way, int] = {"up": 0, "down": 0}
        self._request = bytearray()

    def plan(self, rules: tuple[Rule, ...]) -> None:
        """Be bound by these from now on."""
        self._rules = rules
        self._passed = {"up": 0, "down": 0}
        if any(rule.kind == "drop" for rule in rules):
            self._bite(next(rule for rule in rules if rule.kind == "drop"), "up")
            self.reset()

    def reset(self) -> None:
        """End both sides as a crash would: no orderly end, nothing flushed."""
        for writer in (self._client, self._server):
            if writer is not None:
                held = writer.get_extra_info("socket")
                if held is not None and held.family != socket.AF_UNIX:
                    with contextlib.suppress(OSError):
                        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    async def run(self, reader: asyncio.StreamReader, rules: tuple[Rule, ...]) -> None:
        """Carry bytes both ways until both ends have said all."""
        self.plan(rules)
        if any(rule.kind == "drop" for rule in rules):
            return
        down, self._server = await self.proxy.target.connect()
        pumps = [asyncio.create_task(self._pump("up", reader, self._server)), asyncio.create_task(self._pump("down", down, self._client))]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            for writer in (self._client, self._server):
                writer.close()

    async def _pump(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            if way == "up":
                self._remember(piece)
            else:
                self._repeat_request()
            for rule in self._of(way, "delay"):
                self._bite(rule, way)
                await asyncio.sleep(rule.seconds)
            end = self._ending(way, len(piece))
            if end is not None:
                piece = piece[: max(0, end.after_bytes - self._passed[way])]
            await self._write(way, writer, piece)
            if end is None:
                continue
            self._bite(end, way)
            if end.kind == "cut":
                self.reset()
                raise ConnectionResetError
            writer.write_eof()
            while await reader.read(PIECE_BYTES):
                pass
            return
        if not writer.is_closing() and writer.can_write_eof():
            writer.write_eof()

    async def _write(self, way: Way, writer: asyncio.StreamWriter, piece: bytes) -> None:
        slow = next(iter(self._of(way, "throttle")), None)
        if slow is None:
            writer.write(piece)
            await writer.drain()
        else:
            step = max(1, slow.bytes_per_s // 10)
            self._bite(slow, way)
            for at in range(0, len(piece), step):
                writer.write(piece[at : at + step])
                await writer.drain()
                await asyncio.sleep(min(len(piece) - at, step) / slow.bytes_per_s)
        self._passed[way] += len(piece)

    def _of(self, way: Way, kind: Kind) -> Iterable[Rule]:
        return [rule for rule in self._rules if rule.kind == kind and rule.way == way]

    def _ending(self, way: Way, coming: int) -> Rule | None:
        ends = [rule for rule in self._rules if rule.kind in ("cut", "half_close") and rule.way == way]
        first = min(ends, key=lambda rule: rule.after_bytes, default=None)
        return first if first is not None and self._passed[way] + coming > first.after_bytes else None

    def _remember(self, piece: bytes) -> None:
        if len(self._request) + len(piece) <= REMEMBERED_BYTES:
            self._request += piece

    def _repeat_request(self) -> None:
        request, self._request = bytes(self._request), bytearray()
        rule = next((rule for rule in self._rules if rule.kind == "duplicate"), None)
        if request and rule is not None:
            self.proxy.replay(self.number, rule, request)

    def _bite(self, rule: Rule, way: Way) -> None:
        self.proxy.on_bite(Bite(self.proxy.name, self.number, rule, self._passed[way]))
