"""The two ways out of Kererū by HTTP.

*Carriers* (`CarrierClient`, pyreqwest): hosts an operator configured; https with checked certificates, except hosts listed as private.
*Strangers* (`StrangerClient`, aiohttp): addresses other people can influence; every address is checked by the resolver whose answer is dialled.

Both promise: no redirects, no proxy unless given, one deadline over the whole exchange, a cap on the answer, and never an exception for what
the other side does. A failure says whether the first byte of the request may have left, since a text that may have left must not be sent again.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, PoolTimeoutError, PyreqwestError, RequestError, RequestTimeoutError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import Response
from yarl import URL

from kereru.kernel import limits
from kereru.kernel.faults import Faults

CONNECT_SECONDS = 5.0
DEADLINE_SECONDS = 15.0
STRANGER_SECONDS = 20.0
CONNECTIONS_MAX = 200
_USER_AGENT = "Kereru"
_PORTS = frozenset({80, 443})

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request. `path` (with its query) is appended to `base_url`, so that a request cannot leave the configured host.

    `deadline_s` overrides the door's own.
    """

    method: Method
    base_url: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    deadline_s: float | None = None

    @property
    def url(self) -> str:
        """The whole address."""
        return self.base_url.rstrip("/") + self.path


@dataclass(frozen=True, slots=True)
class Answered:
    """A complete answer; header names are lower case, `body` is at most the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request surely did not leave: trying again cannot double anything."""

    code: Literal["not_allowed", "unreachable", "busy"]
    detail: str
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The request may have left and no complete answer came; what did come is kept for the log."""

    code: Literal["timeout", "reset", "cut", "too_large", "unreadable"]
    detail: str
    duration_ms: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Result = Answered | NotSent | Interrupted


class Door(Protocol):
    """What adapters need of the carriers' door."""

    async def send(self, request: Outgoing) -> Result:
        """Send one request once."""
        ...


def is_public(address: str) -> bool:
    """Whether an IP address is one that strangers' requests may reach.

    Stricter than `ipaddress.is_global` of Python 3.11, which calls several transition ranges public (bad input 88).
    """
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in _REFUSED_V6):
            return False
    elif any(ip in network for network in _REFUSED_V4):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


_REFUSED_V4 = tuple(ipaddress.IPv4Network(text) for text in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4"))
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/9",
        "fec0::/10",
    )
)


class CarrierClient:
    """The carriers' door. One per process; use as an async context manager or call `close`.

    `allow_private_hosts` holds host:port pairs that may be called by plain http (the demo's and the tests' simulators). `connect_s` bounds
    name look-up, connecting and TLS; `deadline_s` the whole exchange.
    """

    def __init__(
        self,
        *,
        allow_private_hosts: tuple[str, ...] = (),
        ca_bundle: str = "",
        proxy: str = "",
        connect_s: float = CONNECT_SECONDS,
        deadline_s: float = DEADLINE_SECONDS,
        answer_bytes_max: int = limits.CARRIER_ANSWER_BYTES,
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults or Faults()
        self._private = frozenset(host.lower() for host in allow_private_hosts)
        self._ca_bundle = ca_bundle
        self._proxy = proxy
        self._connect_s = connect_s
        self._deadline_s = deadline_s
        self._answer_bytes_max = answer_bytes_max
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; the next `send` opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def send(self, request: Outgoing) -> Result:
        """Send one request once. Never raises for what the network or the carrier does."""
        refusal = self._refusal(request.base_url)
        if refusal:
            return NotSent("not_allowed", refusal)
        if self._client is None:
            self._client = self._build()
        started = time.monotonic()
        head: tuple[int, dict[str, str]] | None = None
        received = bytearray()
        try:
            builder = self._client.request(request.method, request.url).headers(dict(request.headers))
            if request.method in ("POST", "PUT"):
                builder = builder.body_bytes(request.body)
            builder = builder.timeout(timedelta(seconds=request.deadline_s or self._deadline_s)).streamed_read_buffer_limit(0)
            await self._faults.reach("carrier.before_request")
            async with builder.build_streamed() as response:
                head = (response.status, _lower(response))
                await self._faults.reach("carrier.answer_begun")
                while (chunk := await response.body_reader.read_chunk()) is not None:
                    received += memoryview(chunk)
                    if len(received) > self._answer_bytes_max:
                        kept = bytes(received[: self._answer_bytes_max])
                        return Interrupted("too_large", "the answer is larger than 1 MiB", _ms(started), head[0], head[1], kept)
        except BuilderError as error:
            return NotSent("not_allowed", _causes(error), _ms(started))
        except PoolTimeoutError as error:
            return NotSent("busy", _causes(error), _ms(started))
        except RequestError as error:
            return _failure(error, head, bytes(received), _ms(started))
        await self._faults.reach("carrier.answer_read")
        return Answered(head[0], head[1], bytes(received), _ms(started))

    def _refusal(self, base_url: str) -> str:
        try:
            parts = urlsplit(base_url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            return "the address of the carrier cannot be read"
        if not parts.hostname or parts.username is not None or parts.query or parts.fragment or "\\" in base_url:
            return "the address of the carrier cannot be read"
        if f"{parts.hostname.lower()}:{port}" in self._private:
            return "" if parts.scheme in ("http", "https") else "the address of the carrier must begin with https://"
        if parts.scheme != "https":
            return "the address of the carrier must begin with https://"
        if _literal(parts.hostname) and not is_public(parts.hostname):
            return "the address of the carrier lies in a private network"
        return ""

    def _build(self) -> Client:
        builder = (
            ClientBuilder()
            .follow_redirects(False)
            .referer(False)
            .no_proxy()
            .user_agent(_USER_AGENT)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .connect_timeout(timedelta(seconds=self._connect_s))
            .pool_timeout(timedelta(seconds=self._connect_s))
            .pool_idle_timeout(timedelta(seconds=20))
            .max_connections(CONNECTIONS_MAX)
        )
        if self._proxy:
            builder = builder.proxy(ProxyBuilder.all(self._proxy))
        for certificate in _certificates(self._ca_bundle):
            builder = builder.add_root_certificate_pem(certificate)
        return builder.build()


def _failure(error: PyreqwestError, head: tuple[int, dict[str, str]] | None, received: bytes, duration_ms: int) -> NotSent | Interrupted:
    """Which failure it was.

    The class of pyreqwest's errors names resets after the request "connect" errors too; only the cause `client error (Connect)` is
    raised before a connection exists. Everything else may have left.
    """
    detail = _causes(error)
    if head is None and "client error (Connect)" in detail:
        return NotSent("unreachable", detail, duration_ms)
    status, headers = head or (None, {})
    if isinstance(error, RequestTimeoutError):
        return Interrupted("timeout", detail, duration_ms, status, headers, received)
    if head is not None:
        return Interrupted("cut", detail, duration_ms, status, headers, received)
    if "connection" in detail:
        return Interrupted("reset", detail, duration_ms, status, headers, received)
    return Interrupted("unreadable", detail, duration_ms, status, headers, received)


def _causes(error: PyreqwestError) -> str:
    """The error's causes without its first, which repeats the address (and so may hold a token)."""
    details: object = getattr(error, "details", None)
    causes = details.get("causes") if isinstance(details, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    messages = [str(cause["message"]) for cause in causes or () if " for url (" not in str(cause["message"])]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "; ".join(messages) or error.message


def _lower(response: Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _certificates(ca_bundle: str) -> list[bytes]:
    if not ca_bundle:
        return []
    end = b"-----END CERTIFICATE-----"
    return [piece.strip() + b"\n" + end + b"\n" for piece in Path(ca_bundle).read_bytes().split(end) if b"BEGIN CERTIFICATE" in piece]


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return False
    return True


# --- Strangers -------------------------------------------------------------------------------------------------------------------

Lookup = Callable[[str, int], Awaitable[list[str]]]


async def system_lookup(host: str, port: int) -> list[str]:
    """The addresses the system's resolver gives for `host`."""
    loop = asyncio.get_running_loop()
    return [str(entry[4][0]) for entry in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses the whole name when any of its addresses is not public: the address checked is the address dialled."""

    def __init__(self, private_hosts: frozenset[str], lookup: Lookup) -> None:
        self._private = private_hosts
        self._lookup = lookup

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Addresses of `host` for aiohttp's connector. Raises AddressRefused for a private one."""
        addresses = list(dict.fromkeys(await self._lookup(host, port)))
        if f"{host.lower()}:{port}" not in self._private and not all(is_public(address) for address in addresses):
            raise AddressRefused(host)
        return [_resolved(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)


class AddressRefused(OSError):
    """The name leads into a private network."""


class StrangerClient:
    """The strangers' door: for media links, outgoing webhooks, CRMs. One per process; call `close` at the end."""

    def __init__(
        self,
        *,
        allow_private_hosts: tuple[str, ...] = (),
        ca_bundle: str = "",
        proxy: str = "",
        answer_bytes_max: int = limits.CARRIER_ANSWER_BYTES,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._private = frozenset(host.lower() for host in allow_private_hosts)
        self._ca_bundle = ca_bundle
        self._proxy = proxy or None
        self._answer_bytes_max = answer_bytes_max
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self,
        method: Method,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline_s: float = STRANGER_SECONDS,
        answer_bytes_max: int | None = None,
    ) -> Result:
        """Send one request once; redirects are answers like any other. Never raises for what the network or the other side does."""
        target = self._target(url)
        if isinstance(target, str):
            return NotSent("not_allowed", target)
        cap = answer_bytes_max if answer_bytes_max is not None else self._answer_bytes_max
        started = time.monotonic()
        sent = _Progress()
        head: tuple[int, dict[str, str]] | None = None
        received = bytearray()
        try:
            async with (
                asyncio.timeout(deadline_s),
                self._opened().request(
                    method, target, headers=headers, data=body, allow_redirects=False, proxy=self._proxy, trace_request_ctx=sent
                ) as response,
            ):
                head = (response.status, {name.lower(): value for name, value in response.headers.items()})
                async for chunk in response.content.iter_chunked(65536):
                    received += chunk
                    if len(received) > cap:
                        return Interrupted(
                            "too_large", f"the answer is larger than {cap} bytes", _ms(started), head[0], head[1], bytes(received[:cap])
                        )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _stranger_failure(error, sent, head, bytes(received), _ms(started))
        return Answered(head[0], head[1], bytes(received), _ms(started))

    def _target(self, url: str) -> URL | str:
        if "\\" in url or any(character <= " " or character == "\x7f" for character in url):
            return "the address holds characters that addresses do not have"
        try:
            target = URL(url)
            host, port = target.host or "", target.port or 0
        except ValueError:
            return "the address cannot be read"
        if target.scheme not in ("http", "https") or not host or target.user is not None or target.password is not None:
            return "only http and https addresses without a user name are fetched"
        if f"{host.lower()}:{port}" in self._private:
            return target
        if port not in _PORTS:
            return "only ports 80 and 443 are fetched"
        if _literal(host) and not is_public(host):
            return "the address lies in a private network"
        return target

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context()
            if self._ca_bundle:
                context.load_verify_locations(self._ca_bundle)
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._private, self._lookup),
                use_dns_cache=False,
                ssl=context,
                limit=CONNECTIONS_MAX,
                force_close=True,
            )
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_mark_begun)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                trace_configs=[trace],
            )
        return self._session


class _Progress:
    """How far one request came; `begun` is set just before its first byte is written."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


async def _mark_begun(_session: aiohttp.ClientSession, context: object, _params: object) -> None:
    progress = getattr(context, "trace_request_ctx", None)
    if isinstance(progress, _Progress):
        progress.begun = True


def _stranger_failure(
    error: Exception, sent: _Progress, head: tuple[int, dict[str, str]] | None, received: bytes, duration_ms: int
) -> NotSent | Interrupted:
    if _refused(error):
        return NotSent("not_allowed", "the address lies in a private network", duration_ms)
    detail = type(error).__name__
    if not sent.begun:
        return NotSent("unreachable", detail, duration_ms)
    status, headers = head or (None, {})
    if isinstance(error, TimeoutError):
        return Interrupted("timeout", detail, duration_ms, status, headers, received)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Interrupted("cut", detail, duration_ms, status, headers, received)
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return Interrupted("reset", detail, duration_ms, status, headers, received)
    return Interrupted("unreadable", detail, duration_ms, status, headers, received)


def _refused(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, AddressRefused):
            return True
        error = error.__cause__ or error.__context__
    return False
