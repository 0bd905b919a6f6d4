"""Outgoing webhooks: how the carriers call the system under test.

Owns the one HTTP client of the simulators. Promises: a deadline on connecting and on every read (waiting for a free connection has none, so that
a busy receiver loses nothing), at most 64 KiB of an answer read, never an exception to the caller; the newest 5,000 calls can be looked at.
"""

import time
from collections import deque
from itertools import islice
from typing import NamedTuple

import aiohttp

from kereru.simulators.times import iso

LARGEST_ANSWER = 64 * 1024
KEPT = 5_000


class Call(NamedTuple):
    """One webhook to make."""

    carrier: str
    what: str
    method: str
    url: str
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    follow: bool = False


class Result(NamedTuple):
    """What came back; status 0 means that nothing did, and `problem` says why."""

    status: int
    content_type: str
    body: bytes
    problem: str

    def good(self) -> bool:
        """Whether the receiver took it (2xx)."""
        return 200 <= self.status < 300


class Hooks:
    """Makes webhook calls and remembers the newest of them."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_seconds, sock_read=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._made: deque[dict[str, object]] = deque(maxlen=KEPT)
        self._number = 0

    async def make(self, call: Call) -> Result:
        """Make one call."""
        began = time.time()
        result = await self._attempt(call, LARGEST_ANSWER)
        self._note(call, result, began)
        return result

    def _note(self, call: Call, result: Result, began: float) -> None:
        self._number += 1
        self._made.append(
            {
                "id": self._number,
                "at": iso(began),
                "carrier": call.carrier,
                "what": call.what,
                "method": call.method,
                "url": call.url,
                "status": result.status or None,
                "body": call.body.decode("utf-8", "replace"),
                "problem": result.problem,
                "ms": int((time.time() - began) * 1000),
            }
        )

    async def _attempt(self, call: Call, most: int) -> Result:
        if self._session is None:
            # Idle connections go before a receiver closes them (uvicorn after 5 s): a POST on a dying one would be lost, and is never repeated.
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=64, ttl_dns_cache=60, keepalive_timeout=3)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        headers = dict(call.headers)
        if call.body:
            headers["Content-Type"] = call.content_type
        try:
            async with self._session.request(
                call.method,
                call.url,
                data=call.body or None,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=call.follow,
            ) as answer:
                body = b""
                while len(body) < most and (piece := await answer.content.read(most - len(body))):
                    body += piece
                return Result(answer.status, answer.content_type, body, "")
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            return Result(0, "", b"", f"{type(error).__name__}: {error}".rstrip(": "))

    async def fetch(self, carrier: str, url: str, most: int) -> Result:
        """Fetch a file of at most `most` bytes, without credentials; a larger one comes back as a problem."""
        began = time.time()
        result = await self._attempt(Call(carrier, "media", "GET", url, b"", "", follow=True), most + 1)
        if len(result.body) > most:
            result = Result(0, "", b"", f"The file is larger than {most} bytes.")
        self._note(Call(carrier, "media", "GET", url, b"", ""), result, began)
        return result

    def made(self, after: int = 0, limit: int | None = None) -> list[dict[str, object]]:
        """The newest calls, newest first; `after` leaves out those up to that number. One is listed when its answer is in, or will not come."""
        newer = self._number - after
        return list(islice(reversed(self._made), newer if limit is None else min(newer, limit)))

    async def close(self) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()
            self._session = None
