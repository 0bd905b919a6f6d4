"""The links to files that leave the house: no sign-in, so each holds 128 random bits; they live and die with their message (R194, design §9).

A link is `/m/{22 characters}.{ending}`, on a host of its own where `media_url` names one. Carriers fetch MMS there, people tap on it in a text.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.errors import NotFound
from kereru.kernel.http_client import is_public
from kereru.kernel.settings import Settings
from kereru.messaging.attachments import store
from kereru.messaging.attachments.intake import Files, key
from kereru.messaging.attachments.serving import serving

PREFIX = "/m/"
_PATH = re.compile(r"/m/([A-Za-z0-9_-]{22})(?:\.[a-z0-9]{1,5})?", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Links:
    """The application behind `/m/` (ASGI). Raises NotFound for whatever leads nowhere: wrong, unsent, deleted and aged look the same."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = _PATH.fullmatch(scope["path"])
        if found is None:
            raise NotFound
        async with self._database.transaction(INSTALLATION) as tx:
            row = await store.by_link(tx, urlsafe_b64decode(found[1] + "=="))
        if row is None:
            raise NotFound
        asked = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"range", b"if-none-match")}
        answer = serving(row.content_type, row.name, row.bytes, f'"{row.id}"', wanted=asked.get(b"range"), known=asked.get(b"if-none-match"))
        bodiless = scope["method"] == "HEAD" or answer.end == answer.start
        pieces = None if bodiless else await self._files.objects.read(key(row.provider_id, row.id), answer.start, answer.end)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if pieces is not None:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def reachable(settings: Settings) -> bool:
    """Whether carriers can fetch our links, as far as their address tells: not on a private address, except beside simulators (design §9)."""
    if settings.allow_private_hosts:
        return True
    host = (urlsplit(settings.media_base).hostname or "").lower()
    if host in _LOOPBACK or "." not in host:
        return False
    return is_public(host) if re.fullmatch(r"[0-9.]+", host) else True
