"""The small HTTP vocabulary of the simulators: a request read whole, an answer, and the ways an answer can go wrong on purpose.

Owns the edge to ASGI. Promises: bodies over 4 MiB are refused, and an outcome that is not an answer (silence, reset, cut) really
happens on the connection, through the transport that the wire protocol puts into the scope.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import NamedTuple, TypeAlias, cast
from urllib.parse import parse_qsl, unquote

import msgspec

Scope: TypeAlias = MutableMapping[str, object]
Event: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

LARGEST_BODY = 4 * 1024 * 1024
WIRE = "kereru.transport"

JSON = b"application/json"
XML = b"application/xml"
TEXT = b"text/plain; charset=utf-8"


class Answer(NamedTuple):
    """A whole HTTP answer."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: Headers = ()


class Hold(NamedTuple):
    """No answer for so many seconds, then the connection is closed without one."""

    seconds: float


class Reset(NamedTuple):
    """The connection is torn down with a TCP reset."""


class Cut(NamedTuple):
    """The answer is promised whole and ends in its middle."""

    answer: Answer


class Stream(NamedTuple):
    """An answer that never ends by itself; `run` writes pieces through the function it is given."""

    content_type: bytes
    run: Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]


Outcome: TypeAlias = Answer | Hold | Reset | Cut | Stream


class TooLarge(Exception):
    """The request's body is over the cap."""


class BrokenOff(Exception):
    """The caller went away before the end of its body: there is nobody to answer, and half a request is none."""


class Request:
    """One HTTP request, its body read to the end."""

    __slots__ = ("body", "headers", "method", "path", "query", "raw_path")

    def __init__(self, method: str, raw_path: bytes, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.method = method
        self.raw_path = raw_path
        self.path = raw_path.decode("latin-1")
        self.query = query
        self.headers = headers
        self.body = body

    def header(self, name: bytes) -> str:
        """The first header of that (lower case) name, or an empty string."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return ""

    def segments(self) -> list[str]:
        """The path cut at its slashes, each part percent-decoded (so `%2B` is `+`)."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    def queries(self) -> dict[str, str]:
        """The query string's fields; the last of a repeated name wins."""
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))

    def target(self) -> str:
        """Path and query as they came, for the ledger."""
        return self.path + ("?" + self.query.decode("latin-1") if self.query else "")


_encode = msgspec.json.Encoder().encode


def as_json(value: object, status: int = 200, headers: Headers = ()) -> Answer:
    """A JSON answer."""
    return Answer(status, _encode(value), JSON, headers)


def problem(status: int, code: str, title: str) -> Answer:
    """A refusal by the control API, in the shape the product's own API uses."""
    return Answer(status, _encode({"type": "about:blank", "title": title, "status": status, "code": code}), b"application/problem+json")


async def read_request(scope: Scope, receive: Receive) -> Request:
    """Read one request to its end. Raises TooLarge over 4 MiB, BrokenOff when the end does not come."""
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise BrokenOff
        body += cast("bytes", event.get("body", b""))
        more = bool(event.get("more_body", False))
        if len(body) > LARGEST_BODY:
            raise TooLarge
    return Request(
        cast("str", scope["method"]),
        cast("bytes", scope.get("raw_path") or cast("str", scope["path"]).encode("latin-1", "replace")),
        cast("bytes", scope["query_string"]),
        cast("Sequence[tuple[bytes, bytes]]", scope["headers"]),
        bytes(body),
    )


async def perform(outcome: Outcome, scope: Scope, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
    """Carry an outcome out on the connection."""
    if isinstance(outcome, Answer):
        await _answer(outcome, send)
    elif isinstance(outcome, Hold):
        await _hold(outcome.seconds, receive, stopping)
        await _drop(scope, receive, reset=False)
    elif isinstance(outcome, Reset):
        await _drop(scope, receive, reset=True)
    elif isinstance(outcome, Cut):
        await _cut(outcome.answer, scope, receive)
    else:
        await _stream(outcome, receive, send, stopping)


async def _answer(answer: Answer, send: Send) -> None:
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _gone(receive: Receive) -> None:
    while (await receive()).get("type") != "http.disconnect":
        pass


async def _hold(seconds: float, receive: Receive, stopping: asyncio.Event) -> None:
    waits = {asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(stopping.wait())}
    _done, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


def _transport(scope: Scope) -> asyncio.Transport | None:
    extensions = cast("MutableMapping[str, object] | None", scope.get("extensions"))
    return cast("asyncio.Transport | None", extensions.get(WIRE)) if extensions else None


async def _drop(scope: Scope, receive: Receive, *, reset: bool) -> None:
    transport = _transport(scope)
    if transport is None:
        raise RuntimeError("Breaking connections needs the simulators' own wire protocol.")
    if reset:
        _linger_zero(transport)
        transport.abort()
    else:
        transport.close()
    await _gone(receive)


def _linger_zero(transport: asyncio.Transport) -> None:
    """Closing a socket that lingers for zero seconds sends RST in place of FIN (RFC 9293 §3.10.7.4, SO_LINGER)."""
    held = cast("socket.socket | None", transport.get_extra_info("socket"))
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _cut(answer: Answer, scope: Scope, receive: Receive) -> None:
    transport = _transport(scope)
    if transport is not None:
        head = b"HTTP/1.1 %d OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (answer.status, answer.content_type, len(answer.body))
        transport.write(head + answer.body[: len(answer.body) // 2])
    await _drop(scope, receive, reset=False)


async def _stream(stream: Stream, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
    headers = [(b"content-type", stream.content_type), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})

    waits = {
        asyncio.ensure_future(stream.run(write)),
        asyncio.ensure_future(_gone(receive)),
        asyncio.ensure_future(stopping.wait()),
    }
    _done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
