"""The two doors: what counts as surely not sent, the caps, and the addresses that are never dialled (bad inputs 73, 88 to 92)."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from kereru.kernel.http_client import Answered, CarrierClient, Interrupted, NotSent, Outgoing, Result, StrangerClient, is_public

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def listening(behaviour: Behaviour) -> AsyncGenerator[int, None]:
    """A raw server on a free port that does `behaviour` with each connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await behaviour(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(raw: bytes, *, reset: bool = False, hold_s: float = 0.0) -> Behaviour:
    """Read one request, write `raw`, then close, reset or wait."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        await reader.readexactly(length)
        writer.write(raw)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        await asyncio.sleep(hold_s)

    return behaviour


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer that never stops."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One byte now and then."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _by_carrier_door(port: int, deadline_s: float = 5.0) -> Result:
    async with CarrierClient(allow_private_hosts=(f"127.0.0.1:{port}",)) as client:
        return await client.send(Outgoing("POST", f"http://127.0.0.1:{port}/api", "/x?y=1", {"X-A": "b"}, b"hello", deadline_s))


async def _by_stranger_door(port: int, deadline_s: float = 5.0) -> Result:
    async with StrangerClient(allow_private_hosts=(f"127.0.0.1:{port}",)) as client:
        return await client.send("POST", f"http://127.0.0.1:{port}/api/x?y=1", headers={"X-A": "b"}, body=b"hello", deadline_s=deadline_s)


DOORS = pytest.mark.parametrize("send", [_by_carrier_door, _by_stranger_door], ids=["carriers", "strangers"])
Send = Callable[[int, float], Awaitable[Result]]


@DOORS
async def test_a_complete_answer_is_given_whole(send: Send):
    """Status, lower-case header names, body."""
    async with listening(answering(OK)) as port:
        found = await send(port, 5.0)
    assert isinstance(found, Answered)
    assert (found.status, found.headers["content-type"], found.body) == (200, "text/plain", b"ok")


@DOORS
async def test_a_refused_connection_was_surely_not_sent(send: Send):
    """Reliability table, first row."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await send(taken.getsockname()[1], 5.0)
    assert isinstance(found, NotSent)
    assert found.code == "unreachable"


@DOORS
@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        pytest.param(answering(b"", reset=True), "reset", id="reset after the body"),
        pytest.param(answering(b""), "reset", id="closed after the body"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Le"), "reset", id="half a head"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), "cut", id="half a body"),
        pytest.param(answering(b"", hold_s=5), "timeout", id="no answer"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", hold_s=5), "timeout", id="an answer that stops"),
        pytest.param(dripping, "timeout", id="an answer that drips"),
        pytest.param(endless, "too_large", id="an answer without end"),
        pytest.param(answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), None, id="another protocol"),
    ],
)
async def test_whatever_happens_after_the_request_began_may_have_been_taken(send: Send, behaviour: Behaviour, code: str | None):
    """G11 and bad input 73: never NotSent once a connection stood, deadline and cap held."""
    async with listening(behaviour) as port:
        found = await send(port, 0.6)
    assert isinstance(found, Interrupted)
    assert code is None or found.code == code
    assert len(found.body) <= 1024 * 1024


async def test_headers_that_came_before_the_cut_are_kept_for_the_log():
    """What did come is evidence."""
    async with listening(answering(b"HTTP/1.1 201 Created\r\nX-Id: 7\r\nContent-Length: 100\r\n\r\nabc")) as port:
        found = await _by_carrier_door(port)
    assert isinstance(found, Interrupted)
    assert (found.status, found.headers["x-id"], found.body) == (201, "7", b"abc")


@DOORS
async def test_redirects_are_answers_and_are_not_followed(send: Send):
    """Bad inputs 73 and 89."""
    asked: list[int] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await answering(OK)(reader, writer)

    async with listening(elsewhere) as other:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(answering(moved)) as port:
            found = await send(port, 5.0)
    assert isinstance(found, Answered)
    assert found.status == 302
    assert not asked


@DOORS
async def test_compressed_answers_stay_compressed(send: Send):
    """Bad input 73: garbage or a bomb in gzip is never unpacked."""
    async with listening(answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde")) as port:
        found = await send(port, 5.0)
    assert isinstance(found, Answered)
    assert found.body == b"abcde"


async def test_a_connection_that_hangs_while_being_made_was_not_sent():
    """A TLS handshake that never ends is cut by the connect deadline, before any request exists."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        await asyncio.sleep(5)

    async with listening(silent) as port, CarrierClient(allow_private_hosts=(f"127.0.0.1:{port}",), connect_s=0.3) as client:
        found = await client.send(Outgoing("POST", f"https://127.0.0.1:{port}", "/", {}, b"x", 5.0))
    assert isinstance(found, NotSent)
    assert found.code == "unreachable"


async def test_a_name_that_does_not_resolve_was_not_sent():
    """Reliability table, first row: DNS."""
    async with CarrierClient() as client:
        found = await client.send(Outgoing("POST", "https://carrier.invalid", "/x", {}, b"x"))
    assert isinstance(found, NotSent)


async def test_a_request_that_dies_on_a_kept_connection_is_not_sent_again():
    """G10: the door itself never repeats a request that may have been read."""
    heads: list[bytes] = []

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(5)
            if turn == 0:
                writer.write(OK)
                await writer.drain()
        writer.transport.abort()

    async with listening(behaviour) as port, CarrierClient(allow_private_hosts=(f"127.0.0.1:{port}",)) as client:
        request = Outgoing("POST", f"http://127.0.0.1:{port}", "/x", {}, b"hello")
        assert isinstance(await client.send(request), Answered)
        assert isinstance(await client.send(request), Interrupted)
    assert len(heads) == 2


@pytest.mark.parametrize(
    "base",
    [
        "http://carrier.example/api",
        "https://127.0.0.1/api",
        "https://10.0.0.8/api",
        "https://[::1]/api",
        "https://[::ffff:127.0.0.1]/api",
        "https://user:word@carrier.example",
        "https://carrier.example/api?x=1",
        "https://carrier.example\\@evil.example",
        "ftp://carrier.example",
        "carrier.example",
        "https://",
        "https://carrier.example:99999",
        "",
    ],
)
async def test_the_carriers_door_calls_only_addresses_that_an_operator_could_mean(base: str):
    """Plain http and private addresses only where they are listed; no user names, no queries."""
    async with CarrierClient(allow_private_hosts=("127.0.0.1:1",)) as client:
        found = await client.send(Outgoing("GET", base, "/x"))
    assert isinstance(found, NotSent)
    assert found.code == "not_allowed"


async def test_what_goes_wrong_is_told_without_the_address():
    """G33: the address may hold a token."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with CarrierClient(allow_private_hosts=(f"127.0.0.1:{port}",)) as client:
            found = await client.send(Outgoing("GET", f"http://127.0.0.1:{port}", "/canary-token"))
    assert isinstance(found, NotSent)
    assert "canary" not in found.detail
    assert "refused" in found.detail.lower()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.192", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "192.0.2.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "fec0::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1", "a.example", "",
    ],
)  # fmt: skip
def test_private_and_transition_addresses_are_not_public(address: str):
    """Bad input 88, with the four that Python 3.11 calls public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_ordinary_addresses_are_public(address: str):
    """The guard must let the world through."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest",
        "http://100.64.0.1/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fec0::1]/", "http://192.0.0.192/", "http://localhost/",
        "http://good.example@127.0.0.1/", "http://good.example\\@127.0.0.1/", "http://good.example:22/", "file:///etc/passwd", "gopher://good.example/",
        "http://good.example/a b", "http://good.example/\r\nX: y", "//good.example/", "", "http://", "http://[::1", "http://user:word@good.example/",
    ],
)  # fmt: skip
async def test_strangers_cannot_lead_us_inside(url: str):
    """Bad inputs 88, 89, 91: nothing private is dialled, one parser decides, only ports 80 and 443."""
    async with StrangerClient() as client:
        found = await client.send("GET", url, deadline_s=3.0)
    assert isinstance(found, NotSent)
    assert found.code in ("not_allowed", "unreachable")
    assert found.code == "not_allowed" or "2130706433" in url or "0x7f" in url


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1", "93.184.216.34"]])
async def test_a_name_with_any_private_address_is_refused(addresses: list[str]):
    """Bad input 90: mixed answers are refused whole."""

    async def lookup(host: str, port: int) -> list[str]:
        return addresses

    async with StrangerClient(lookup=lookup) as client:
        found = await client.send("GET", "http://rebinding.example/", deadline_s=3.0)
    assert isinstance(found, NotSent)
    assert found.code == "not_allowed"


async def test_the_address_checked_is_the_address_dialled():
    """Bad input 90: a name is looked up once for a request; a second answer cannot lead elsewhere."""
    asked: list[str] = []

    async with listening(answering(OK)) as port:

        async def lookup(host: str, wanted: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"]

        async with StrangerClient(lookup=lookup, allow_private_hosts=(f"simulator.example:{port}",)) as client:
            found = await client.send("GET", f"http://simulator.example:{port}/")
    assert isinstance(found, Answered)
    assert asked == ["simulator.example"]


async def test_a_smaller_cap_can_be_asked_for():
    """Media has a cap of its own."""
    async with listening(endless) as port, StrangerClient(allow_private_hosts=(f"127.0.0.1:{port}",)) as client:
        found = await client.send("GET", f"http://127.0.0.1:{port}/", answer_bytes_max=1000)
    assert isinstance(found, Interrupted)
    assert (found.code, len(found.body)) == ("too_large", 1000)
