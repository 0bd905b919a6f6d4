"""The outermost application: plain ASGI, so that webhooks and sockets pay for no framework (design §4).

`/ingress/` and the socket go straight to their applications, `/api/` through the checks of the door to the routes, `/m/` to the links of files, the
rest to the web app.
"""

import asyncio
import secrets
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import msgspec
import structlog

from kereru.api.asgi import App, Message, Receive, Scope, Send, answer
from kereru.api.body import read_json_body
from kereru.api.doors import Doors, is_local
from kereru.api.errors import HeadersTooLarge, MethodNotAllowed, RepeatedParameter
from kereru.api.headers import SecurityHeaders
from kereru.api.health import Readiness
from kereru.api.problems import MEDIA_TYPE, body_and_headers
from kereru.kernel.errors import Malformed, NotFound
from kereru.kernel.limits import HEADER_BYTES
from kereru.kernel.metrics import exposition

API = "/api/"
SOCKET = "/api/v1/socket"
INGRESS = "/ingress/"
LINKS = "/m/"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_READING = frozenset({"GET", "HEAD"})
_JSON = "application/json"


@dataclass(frozen=True)
class Mounts:
    """What stands behind the door. None: there is no such thing in this process."""

    routes: App
    ingress: App | None = None
    socket: App | None = None
    pages: App | None = None
    links: App | None = None
    streams: frozenset[str] = frozenset()
    """Paths below /api/ whose routes read their body themselves."""


class Dispatcher:
    """See the module."""

    def __init__(self, mounts: Mounts, doors: Doors, headers: SecurityHeaders, readiness: Readiness) -> None:
        self._mounts = mounts
        self._doors = doors
        self._headers = headers
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "http":
            if scope["path"].startswith(INGRESS) and self._mounts.ingress is not None:
                await self._mounts.ingress(scope, receive, send)
            else:
                await self._answering(scope, receive, send)
        elif kind == "websocket":
            await self._socket(scope, receive, send)
        elif kind == "lifespan":
            await self._mounts.routes(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        welcome = self._doors.is_our_host(scope) and self._doors.from_our_page(scope)
        if scope["path"] == SOCKET and self._mounts.socket is not None and welcome:
            await self._mounts.socket(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    async def _answering(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; whatever goes wrong before its first byte is answered as a problem."""
        request_id = secrets.token_hex(8)
        is_page = not scope["path"].startswith((API, LINKS, "/health/", "/metrics", INGRESS))
        send = self._headers.on_pages(send) if is_page else self._headers.on_data(send, (b"x-request-id", request_id.encode()))
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id, method=scope["method"]):
            try:
                await self._dispatch(scope, receive, watching)
            except Exception as error:
                ours, body, headers = body_and_headers(error)
                if started:
                    raise
                await answer(watching, ours.status, body, MEDIA_TYPE, [(name.encode(), value.encode()) for name, value in headers])

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if method not in _METHODS:
            raise MethodNotAllowed
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            raise HeadersTooLarge
        if path.startswith("/health/"):
            await self._health(path, send)
            return
        if path.startswith(LINKS) and self._mounts.links is not None:
            self._doors.check_media_host(scope)
            if method not in _READING:
                raise MethodNotAllowed
            await self._mounts.links(scope, receive, send)
            return
        self._doors.check_host(scope)
        if path.startswith(API):
            await self._routes(scope, receive, send)
        elif path == "/metrics":
            await self._metrics(scope, send)
        elif self._mounts.pages is None or path.startswith(INGRESS):
            raise NotFound
        elif method not in _READING:
            raise MethodNotAllowed
        else:
            await self._mounts.pages(scope, receive, send)

    async def _routes(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._doors.check_site(scope)
        check_address(scope)
        if scope["path"] in self._mounts.streams and scope["method"] == "POST":
            await self._mounts.routes(scope, receive, send)
            return
        body = await read_json_body(scope, receive)
        delivered = False

        async def replay() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._mounts.routes(scope, replay, send)

    async def _health(self, path: str, send: Send) -> None:
        if path == "/health/live":
            await answer(send, 200, b'{"ok":true}', _JSON)
            return
        if path != "/health/ready":
            raise NotFound
        checks = await self._readiness.checks()
        ok = all(check.ok for check in checks)
        await answer(send, 200 if ok else 503, msgspec.json.encode({"ok": ok, "checks": checks}), _JSON)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        # Foreign looks like missing: strangers need not know that there are figures.
        if not is_local(scope):
            raise NotFound
        await answer(send, 200, await asyncio.to_thread(exposition), "text/plain; version=0.0.4; charset=utf-8")


def check_address(scope: Scope) -> None:
    """Raise for an address that parsers read differently: RepeatedParameter (bad input 51), Malformed for NUL or broken UTF-8 (52)."""
    if "\0" in scope["path"] or "\ufffd" in scope["path"]:
        raise NotFound
    query: bytes = scope.get("query_string", b"")
    if not query:
        return
    if not query.isascii() or b"%00" in query:
        raise Malformed
    names = [unquote_to_bytes(piece.partition(b"=")[0].replace(b"+", b" ")) for piece in query.split(b"&") if piece]
    if len(set(names)) != len(names):
        raise RepeatedParameter
