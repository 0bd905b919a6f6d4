"""The fault proxy: each kind of fault, both ways, over TCP and Unix sockets; the same seed bites the same connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kereru.torture.proxy import Bite, FaultProxy, Place, Rule


class Peer:
    """A server that keeps what each connection said and answers every line with it in capitals."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ended: list[bool] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at = len(self.heard)
        self.heard.append(b"")
        self.ended.append(False)
        answered = 0
        try:
            while piece := await reader.read(65536):
                self.heard[at] += piece
                if piece.endswith(b"\n"):
                    writer.write(self.heard[at][answered:].upper())
                    answered = len(self.heard[at])
                    await writer.drain()
            self.ended[at] = True
            if not self.heard[at].endswith(b"\n"):
                writer.write(b"half: " + self.heard[at])
            writer.close()
        except ConnectionError:
            pass


@pytest.fixture
async def peer() -> AsyncIterator[tuple[Peer, Place]]:
    """A running peer and where it is."""
    one = Peer()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    yield one, Place(server.sockets[0].getsockname()[1])
    server.close()


@asynccontextmanager
async def through(target: Place, *rules: Rule, seed: int = 1) -> AsyncIterator[tuple[FaultProxy, list[Bite]]]:
    """A proxy with rules."""
    bites: list[Bite] = []
    async with FaultProxy("hop", target, seed, on_bite=bites.append) as proxy:
        proxy.set_rules(*rules)
        yield proxy, bites


async def say(proxy: FaultProxy, words: bytes = b"hello\n") -> bytes | None:
    """One line and its answer; None when the connection was reset."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await proxy.place.connect()
            writer.write(words)
            await writer.drain()
            try:
                return await reader.readline()
            finally:
                writer.close()
    except ConnectionError:
        return None


async def test_without_rules_it_changes_nothing(peer: tuple[Peer, Place]) -> None:
    """Also 1 MiB, and an orderly end that the other side sees."""
    async with through(peer[1]) as (proxy, bites):
        assert await say(proxy) == b"HELLO\n"
        reader, writer = await proxy.place.connect()
        writer.write(b"x" * 2**20)
        writer.write_eof()
        assert len(await reader.read()) == 2**20 + 6
        assert not bites


async def test_delay_holds_every_piece(peer: tuple[Peer, Place]) -> None:
    """Both ways add up."""
    async with through(peer[1], Rule(kind="delay", seconds=0.1), Rule(kind="delay", way="down", seconds=0.1)) as (proxy, bites):
        began = asyncio.get_running_loop().time()
        assert await say(proxy) == b"HELLO\n"
        assert asyncio.get_running_loop().time() - began >= 0.19
        assert [bite.rule.way for bite in bites] == ["up", "down"]


async def test_drop_resets_before_a_byte_passes(peer: tuple[Peer, Place]) -> None:
    """The server hears nothing."""
    async with through(peer[1], Rule(kind="drop")) as (proxy, _):
        assert await say(proxy) in (None, b"")
        assert peer[0].heard == []


async def test_cut_after_n_bytes_up(peer: tuple[Peer, Place]) -> None:
    """Exactly so many bytes arrive (a cut after the request's head, or in its body)."""
    async with through(peer[1], Rule(kind="cut", after_bytes=3)) as (proxy, bites):
        assert await say(proxy) in (None, b"")
        assert peer[0].heard[0] in (b"hel", b"")
        assert bites[-1].passed == 3


async def test_cut_after_n_bytes_down(peer: tuple[Peer, Place]) -> None:
    """The request was taken, its answer is lost."""
    async with through(peer[1], Rule(kind="cut", way="down", after_bytes=0)) as (proxy, _):
        assert await say(proxy) in (None, b"")
        assert peer[0].heard == [b"hello\n"]


async def test_half_close_ends_one_way_in_order(peer: tuple[Peer, Place]) -> None:
    """The server sees an orderly end after two bytes, and its answer still comes."""
    async with through(peer[1], Rule(kind="half_close", after_bytes=2)) as (proxy, _):
        assert await say(proxy) == b"half: he"
        assert peer[0].ended == [True]


async def test_throttle_takes_its_time(peer: tuple[Peer, Place]) -> None:
    """600 bytes at 2,000 a second, in tenths of a second."""
    async with through(peer[1], Rule(kind="throttle", bytes_per_s=2000)) as (proxy, _):
        began = asyncio.get_running_loop().time()
        assert await say(proxy, b"x" * 599 + b"\n") == b"X" * 599 + b"\n"
        assert asyncio.get_running_loop().time() - began >= 0.19


async def test_duplicate_replays_each_request_on_a_connection_of_its_own(peer: tuple[Peer, Place]) -> None:
    """The asker gets one answer; the server hears the request twice; the bite says what was doubled."""
    async with through(peer[1], Rule(kind="duplicate")) as (proxy, bites):
        reader, writer = await proxy.place.connect()
        for words in (b"one\n", b"two\n"):
            writer.write(words)
            assert await reader.readline() == words.upper()
        async with asyncio.timeout(5):
            while sorted(peer[0].heard) != [b"one\n", b"one\ntwo\n", b"two\n"]:
                await asyncio.sleep(0.01)
        assert [bite.data for bite in bites] == [b"one\n", b"two\n"]
        writer.close()


async def test_rules_change_under_open_connections(peer: tuple[Peer, Place]) -> None:
    """Bytes count from the change on; clearing the rules heals."""
    async with through(peer[1]) as (proxy, _):
        reader, writer = await proxy.place.connect()
        writer.write(b"first\n")
        assert await reader.readline() == b"FIRST\n"
        proxy.set_rules(Rule(kind="cut", way="down", after_bytes=2))
        writer.write(b"again\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(6)
        proxy.set_rules()
        assert await say(proxy) == b"HELLO\n"


async def test_refusing_and_cutting_all(peer: tuple[Peer, Place]) -> None:
    """Refused by the system, then back on the same port."""
    async with through(peer[1]) as (proxy, _):
        reader, writer = await proxy.place.connect()
        writer.write(b"first\n")
        await reader.readline()
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await proxy.place.connect()
        assert proxy.cut_all() == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        await proxy.listen()
        assert await say(proxy) == b"HELLO\n"


async def test_a_unix_socket_in_front_of_a_unix_socket(tmp_path: Path) -> None:
    """As between the processes and PostgreSQL."""
    one = Peer()
    server = await asyncio.start_unix_server(one.serve, str(tmp_path / "a"))
    async with FaultProxy("db", Place(path=tmp_path / "a"), 1, listen=Place(path=tmp_path / "b")) as proxy:
        assert await say(proxy) == b"HELLO\n"
        proxy.set_rules(Rule(kind="cut", way="down"))
        assert await say(proxy) in (None, b"")
    server.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_seed_bites_the_same_connections(peer: tuple[Peer, Place], seed: int) -> None:
    """And another seed others."""

    async def bitten(its_seed: int) -> list[int]:
        async with through(peer[1], Rule(kind="cut", way="down", chance=0.5), seed=its_seed) as (proxy, bites):
            for _ in range(20):
                await say(proxy)
            return [bite.connection for bite in bites]

    first = await bitten(seed)
    assert first == await bitten(seed)
    assert first != await bitten(seed + 10)
    assert 0 < len(first) < 20
