"""The lean clients read what servers write, however it is cut into pieces."""

import asyncio
import struct

import pytest
from bench.load import Connection, request
from bench.sockets import Listener, SocketClient

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 11\r\n\r\n<Response/>"


class Wire:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_in_pieces(size: int):
    seen: list[tuple[int, bytes]] = []
    connection = Connection(lambda _, status, body: seen.append((status, body)))
    connection.connection_made(Wire())
    connection.send(request("POST", "/in", 80, b"Body=x", kind="text/plain"))
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    stream = ANSWER + chunks + ANSWER.replace(b"200 OK", b"503 No") + b"HTTP/1.1 204 No Content\r\n\r\n"
    for at in range(0, len(stream), size):
        connection.data_received(stream[at : at + size])
    # A peer's chunks are only waited for, not taken apart.
    assert seen == [(200, b"<Response/>"), (200, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), (503, b"<Response/>"), (204, b"")]
    assert not connection.busy


def test_a_request_says_how_long_it_is():
    assert request("POST", "/in", 8080, b"Body=x", cookie="c").endswith(b"Cookie: kereru_session=c\r\nContent-Length: 6\r\n\r\nBody=x")
    assert b"Content-Length" not in request("GET", "/in", 8080)


def frame(payload: bytes, code: int = 1) -> bytes:
    head = struct.pack(">BB", 0x80 | code, len(payload)) if len(payload) < 126 else struct.pack(">BBH", 0x80 | code, 126, len(payload))
    return head + payload


def changes(*positions: int) -> bytes:
    items = ",".join(f'{{"position":{number},"kind":"message.received","message":{{"id":"{number}"}}}}' for number in positions)
    return f'{{"type":"changes","items":[{items}],"cursor":"c{positions[-1] if positions else 0}"}}'.encode()


@pytest.mark.parametrize("size", [1, 5, 4000])
async def test_frames_in_pieces_pings_and_gaps(size: int):
    listener = Listener()
    client = SocketClient(8080, "session", listener, 0)
    wire = Wire()
    client.connection_made(wire)
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(changes()) + frame(changes(*range(4, 20))) + frame(b"hi", 9) + frame(changes(21))
    for at in range(0, len(stream), size):
        client.data_received(stream[at : at + size])
    assert (listener.received, listener.gaps, client.position, client.cursor) == (17, 1, 21, "c21")
    assert b'{"type":"follow"}' in wire.written
    assert wire.written.endswith(b"\x8a\x82\0\0\0\0hi")
    assert client.following.done()


async def test_a_refused_handshake_is_an_error():
    client = SocketClient(8080, "session", Listener(), 0)
    client.connection_made(Wire())
    client.data_received(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    with pytest.raises(ConnectionError, match="refused"):
        await asyncio.wait_for(client.following, 1)
