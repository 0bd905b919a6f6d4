"""A lean HTTP/1.1 client: raw asyncio protocols that know only what a benchmark needs, so that the load takes little of the machine."""

import asyncio
from collections.abc import Callable
from typing import cast

Answered = Callable[["Connection", int, bytes], None]
"""Called with the status and the body of each answer; it may `send` the next request at once."""


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time. Answers have a Content-Length (or no body, as 204), or come in chunks."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.lost = False
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to send."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        assert self._transport is not None
        self.busy = True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Gather an answer, hand it on when it is whole."""
        data = self._buffer + data if self._buffer else data
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            status = int(data[9:12])
            whole = _whole(data, end)
            if not 0 < whole <= len(data):
                break
            body, data = data[end + 4 : whole], data[whole:]
            self.busy = False
            self._answered(self, status, body)
        self._buffer = data

    def connection_lost(self, exc: Exception | None) -> None:
        """The server went away."""
        self.lost = True

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _whole(data: bytes, end: int) -> int:
    """Where the answer whose head ends here ends itself; 0 while that is not known. Chunks are taken whole, with their lengths among the body."""
    if b"ransfer-" in data[:end] and b"chunked" in data[:end]:
        last = data.find(b"\r\n0\r\n\r\n", end)
        return last + 7 if last >= 0 else 0
    return end + 4 + _content_length(data[:end])


def _content_length(head: bytes) -> int:
    at = head.find(b"ontent-length:")
    if at < 0:
        at = head.find(b"ontent-Length:")
    if at < 0:
        return 0
    end = head.find(b"\r\n", at)
    return int(head[at + 14 : end if end >= 0 else None])


def request(method: str, path: str, port: int, body: bytes = b"", *, kind: str = "", cookie: str = "") -> bytes:
    """A whole request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}", "User-Agent: bench", "Accept: */*"]
    if cookie:
        lines.append(f"Cookie: kereru_session={cookie}")
    if kind:
        lines.append(f"Content-Type: {kind}")
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def connect(port: int, answered: Answered) -> Connection:
    """A connection to this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(answered), "127.0.0.1", port)
    return connection


async def answers(port: int, path: str) -> bool:
    """Whether this address answers 200."""
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def note(_: Connection, status: int, __: bytes) -> None:
        if not done.done():
            done.set_result(status)

    try:
        connection = await connect(port, note)
    except OSError:
        return False
    try:
        connection.send(request("GET", path, port))
        return await asyncio.wait_for(done, 5.0) == 200
    except TimeoutError:
        return False
    finally:
        connection.close()
