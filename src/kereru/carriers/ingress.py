"""Where carriers' webhooks arrive: a plain ASGI app for `/ingress/{carrier}/{token}/...`, without a framework.

Promises: nothing is answered 2xx before the sink has it durably; what is not genuine costs a counter and nothing else; what is genuine but
unreadable is kept raw (G5) and answered 2xx, since several carriers never send again; every limit below is held before memory is spent.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

import msgspec

from kereru.carriers.arrivals import (
    Arrival,
    ArrivalBatch,
    Asked,
    Exchange,
    InboundText,
    Unrecognised,
    WebhookAnswer,
    WebhookProof,
    WebhookRequest,
)
from kereru.carriers.contract import CarrierAdapter
from kereru.carriers.exchange import SECRET_HEADERS, masked
from kereru.kernel import limits
from kereru.kernel.clock import Clock
from kereru.kernel.faults import Faults
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import counter, seconds
from kereru.kernel.secrets import MASK

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PREFIX = "/ingress/"
BODY_SECONDS = 10.0
RETRY_AFTER_S = 5
NONCES_MAX = 65_536
NONCE_SECONDS = 15 * 60.0

REQUESTS = counter("ingress_requests", "Webhooks by carrier and what became of them.", ("carrier", "outcome"))
ITEMS = counter("ingress_items", "Texts, receipts and unreadable events taken in.", ("carrier", "kind"))
SECONDS = seconds("ingress_seconds", "Time from a webhook's last byte to its answer.", ("carrier",))

_log = get_logger("carriers.ingress")


class NotDurable(Exception):
    """The sink could not make a batch durable; the carrier is asked to come again."""


@dataclass(frozen=True, slots=True)
class IngressPlatform:
    """What the ingress needs to know of a platform. Build it once per platform and configuration: its proof is indexed."""

    provider_id: int
    platform_id: int
    carrier: str
    proof: WebhookProof


class PlatformDirectory(Protocol):
    """Which platform a token names. Its cache is its own affair; a stale entry must be gone within seconds of a change."""

    async def find(self, carrier: str, token: str) -> IngressPlatform | None:
        """The platform of `carrier` with that token, or None."""
        ...


class InboundSink(Protocol):
    """Where arrivals go."""

    async def put(self, batch: ArrivalBatch) -> None:
        """Return when the batch is durable. Raises NotDurable when it cannot be made so in time."""
        ...


class _Refusal(Exception):
    """A request that is answered without being taken in."""

    def __init__(self, outcome: str, status: int) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.status = status


_REFUSAL_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0"), (b"cache-control", b"no-store")]
_CLOSE = [*_REFUSAL_HEADERS, (b"connection", b"close")]
_RETRY = [*_REFUSAL_HEADERS, (b"retry-after", str(RETRY_AFTER_S).encode())]
_METHODS = frozenset({"POST", "GET"})
_LABELS = ("taken", "unknown_token", "not_genuine", "too_large", "bad_request", "not_durable", "failed", "method", "encoded", "slow")


class _Carrier:
    """One carrier's adapter with everything that can be computed beforehand."""

    __slots__ = ("acknowledgement", "adapter", "counts", "items", "needs_body_for_proof", "seconds")

    def __init__(self, adapter: CarrierAdapter) -> None:
        self.adapter = adapter
        answer: WebhookAnswer = adapter.acknowledge()
        self.acknowledgement = (
            {"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)},
            {"type": "http.response.body", "body": answer.body},
        )
        self.counts = {label: REQUESTS.labels(adapter.kind, label) for label in _LABELS}
        self.items = {kind: ITEMS.labels(adapter.kind, kind) for kind in ("InboundText", "ReceiptReport", "Unrecognised")}
        self.seconds = SECONDS.labels(adapter.kind)
        self.needs_body_for_proof = "account_id" in adapter.capabilities.webhook_proof


class Ingress:
    """The ASGI app. `carriers` are the registry's adapters; request ids come from `new_id`."""

    def __init__(
        self,
        carriers: Iterable[CarrierAdapter],
        directory: PlatformDirectory,
        sink: InboundSink,
        clock: Clock,
        new_id: Callable[[], UUID] = uuid4,
        *,
        body_bytes_max: int = limits.REQUEST_BYTES,
        body_seconds: float = BODY_SECONDS,
        faults: Faults | None = None,
    ) -> None:
        self._carriers = {str(adapter.kind): _Carrier(adapter) for adapter in carriers}
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._new_id = new_id
        self._body_bytes_max = body_bytes_max
        self._body_seconds = body_seconds
        self._nonces = Nonces(clock)
        self._faults = faults or Faults()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one webhook."""
        if scope["type"] != "http":
            return
        parts = cast("str", scope["path"]).split("/", 4)
        carrier = self._carriers.get(parts[2]) if len(parts) == 5 and parts[1] == "ingress" else None
        if carrier is None:
            await _answer(send, 404, _REFUSAL_HEADERS)
            return
        try:
            await self._take(carrier, parts[3], "/" + parts[4], scope, receive)
        except _Refusal as refusal:
            carrier.counts[refusal.outcome].inc()
            await _answer(send, refusal.status, _CLOSE if refusal.status in (408, 413, 431) else _REFUSAL_HEADERS)
        except NotDurable:
            carrier.counts["not_durable"].inc()
            await _answer(send, 503, _RETRY)
        except Exception:  # noqa: BLE001 (a process edge: the carrier is asked to come again, the fault is on record)
            carrier.counts["failed"].inc()
            _log.exception("a webhook could not be taken in", carrier=str(carrier.adapter.kind))
            await _answer(send, 503, _RETRY)
        else:
            carrier.counts["taken"].inc()
            await self._faults.reach("ingress.before_answer")
            start, body = carrier.acknowledgement
            await send(start)
            await send(body)

    async def _take(self, carrier: _Carrier, token: str, tail: str, scope: Scope, receive: Receive) -> None:
        headers = _headers(scope)
        method = cast("str", scope["method"])
        if method not in _METHODS:
            raise _Refusal("method", 405)
        if "content-encoding" in headers:
            raise _Refusal("encoded", 415)
        platform = await self._directory.find(str(carrier.adapter.kind), token)
        if platform is None:
            raise _Refusal("unknown_token", 404)
        body = await self._body(headers, receive)
        started = self._clock.monotonic()
        query = cast("bytes", scope["query_string"]).decode("latin-1")
        request = WebhookRequest(platform.provider_id, platform.platform_id, method, tail, query, headers, body, self._clock.now())
        items = self._genuine_items(carrier, platform, request)
        await self._faults.reach("ingress.before_sink")
        await self._sink.put(self._batch(carrier, platform, request, items, started))
        carrier.seconds.observe(self._clock.monotonic() - started)
        for item in items:
            carrier.items[type(item).__name__].inc()

    def _genuine_items(self, carrier: _Carrier, platform: IngressPlatform, request: WebhookRequest) -> tuple[Arrival, ...]:
        """What the webhook brings. Raises _Refusal where it is not the carrier's, or proves itself with another number's secret."""
        adapter = carrier.adapter
        proved = adapter.authenticate(request, platform.proof)
        if not proved.genuine:
            raise _Refusal("not_genuine", _unproved_status(carrier, request))
        if proved.nonce is not None and not self._nonces.fresh(platform.platform_id, proved.nonce, request.body):
            raise _Refusal("not_genuine", 403)
        items = adapter.parse(request)
        allowed = for_number(items, proved.number)
        if items and not allowed:
            raise _Refusal("not_genuine", 403)
        if any(isinstance(item, Unrecognised) for item in allowed):
            asked = Asked(str(adapter.kind), request.method, request.path_tail, request.at, proved.number)
            return tuple(msgspec.structs.replace(item, asked=asked) if isinstance(item, Unrecognised) else item for item in allowed)
        return allowed

    def _batch(
        self, carrier: _Carrier, platform: IngressPlatform, request: WebhookRequest, items: tuple[Arrival, ...], started: float
    ) -> ArrivalBatch:
        answer = carrier.acknowledgement[0]
        exchange = Exchange(
            direction="in",
            at=request.at,
            duration_ms=round((self._clock.monotonic() - started) * 1000),
            request_head=_head(carrier, request),
            request_body=masked(request.body),
            answer_head=str(answer["status"]),
            answer_body=b"",
        )
        kind = str(carrier.adapter.kind)
        return ArrivalBatch(self._new_id(), platform.provider_id, platform.platform_id, kind, request.at, items, exchange)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The whole body within its limits of size and time (bad inputs 42 and 57)."""
        declared = headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self._body_bytes_max:
            raise _Refusal("too_large", 413)
        try:
            async with asyncio.timeout(self._body_seconds):
                first = await receive()
                if first["type"] == "http.disconnect":
                    raise _Refusal("bad_request", 400)
                body = cast("bytes", first.get("body", b""))
                if not first.get("more_body", False):
                    if len(body) > self._body_bytes_max:
                        raise _Refusal("too_large", 413)
                    return body
                return await self._rest(bytearray(body), receive)
        except TimeoutError as error:
            raise _Refusal("slow", 408) from error

    async def _rest(self, body: bytearray, receive: Receive) -> bytes:
        while True:
            if len(body) > self._body_bytes_max:
                raise _Refusal("too_large", 413)
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refusal("bad_request", 400)
            body += message.get("body", b"")
            if not message.get("more_body", False):
                if len(body) > self._body_bytes_max:
                    raise _Refusal("too_large", 413)
                return bytes(body)


def for_number(items: tuple[Arrival, ...], number: str | None) -> tuple[Arrival, ...]:
    """What one number's secret may bring: no text for another number. None: the proof serves the whole platform."""
    return items if number is None else tuple(item for item in items if not isinstance(item, InboundText) or item.to == number)


class Nonces:
    """Random tokens of token-hash proofs seen lately, in this process: a token proves one body only, its repetition is a retry (§2A.8)."""

    def __init__(self, clock: Clock, most: int = NONCES_MAX, keep_s: float = NONCE_SECONDS) -> None:
        self._clock = clock
        self._most = most
        self._keep_s = keep_s
        self._seen: OrderedDict[tuple[int, str], tuple[bytes, float]] = OrderedDict()

    def fresh(self, platform_id: int, nonce: str, body: bytes) -> bool:
        """Whether the token is new, or comes again with the very body it came with."""
        now = self._clock.monotonic()
        digest = hashlib.sha256(body).digest()
        known = self._seen.get((platform_id, nonce))
        if known is not None and now - known[1] <= self._keep_s:
            return known[0] == digest
        self._seen[platform_id, nonce] = (digest, now)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name. Raises _Refusal for too many bytes of them (bad input 60)."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in cast("Iterable[tuple[bytes, bytes]]", scope["headers"]):
        size += len(name) + len(value)
        headers[name.decode("latin-1").lower()] = value.decode("latin-1")
    if size > limits.HEADER_BYTES:
        raise _Refusal("bad_request", 431)
    return headers


def _unproved_status(carrier: _Carrier, request: WebhookRequest) -> int:
    """401 where proof stands in a header, 403 where it stands in the body; 415 where the body's kind is one no proof can be read from."""
    if not carrier.needs_body_for_proof:
        return 401
    kind = request.headers.get("content-type", "")
    return 415 if kind and not kind.lower().startswith("application/x-www-form-urlencoded") else 403


def _head(carrier: _Carrier, request: WebhookRequest) -> str:
    """The request's first line and headers for the log; the token is not in it, since only the path's tail is known here."""
    query = "?" + request.query if request.query else ""
    lines = [f"{request.method} {PREFIX}{carrier.adapter.kind}/{MASK}{request.path_tail}{query}"]
    lines.extend(f"{name}: {MASK if name in SECRET_HEADERS else value}" for name, value in request.headers.items())
    return "\n".join(lines)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
