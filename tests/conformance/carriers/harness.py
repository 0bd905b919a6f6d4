"""What the conformance suite needs to know of a carrier: its answers in literal bytes, its simulator's account, its webhooks.

Adding a carrier to the registry without a harness here turns `test_registry.py` red.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode

from kereru.carriers.arrivals import WebhookProof, WebhookSecret
from kereru.carriers.contract import (
    INTELIQUENT,
    RESTCOMM,
    Accepted,
    CarrierKind,
    Deferred,
    OutboundPart,
    Outcome,
    PlatformAccess,
    Refused,
    Unknown,
)
from kereru.kernel.secrets import Secret

ACCOUNT = "AC" + "5e0c" * 8
CANARY = "canary/Zk+9&x"
HOOK_SECRET = "canary-hook-secret"

Expected = Literal["accepted", "refused", "opted_out", "deferred", "account", "unknown"]


def http(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: int | None = None) -> bytes:
    """A raw answer; `length` may lie about the body."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Row(NamedTuple):
    """One row of "Carrier answer → state" for one carrier: what it answers in full, and what that must mean."""

    id: str
    answer: bytes
    expected: Expected
    retry_after_s: int | None = None


COMMON_ROWS = (
    Row("429 with Retry-After", http(429, b"", {"Retry-After": "7"}), "deferred", 7),
    Row("429 with a negative Retry-After", http(429, b"", {"Retry-After": "-1"}), "deferred", 1),
    Row("429 with an endless Retry-After", http(429, b"", {"Retry-After": "1000000000"}), "deferred", 900),
    Row("429 with a word for Retry-After", http(429, b"", {"Retry-After": "soon"}), "deferred"),
    Row("429 without Retry-After", http(429), "deferred"),
    Row("401 with an empty body", http(401), "account"),
    Row("403 with an empty body", http(403), "account"),
    Row("400 with a text", http(400, b"To can not be null."), "refused"),
    Row("500 with an empty body", http(500), "unknown"),
    Row("500 with a stack trace", http(500, b"java.lang.NullPointerException"), "unknown"),
    Row("502 with HTML", http(502, b"<html>Bad gateway</html>"), "unknown"),
    Row("503 with Retry-After", http(503, b"", {"Retry-After": "5"}), "unknown"),
    Row("504", http(504), "unknown"),
    Row("301 elsewhere", http(301, b"", {"Location": "http://127.0.0.1:1/"}), "unknown"),
    Row("302 elsewhere", http(302, b"", {"Location": "/login"}), "unknown"),
    Row("308 elsewhere", http(308, b"", {"Location": "http://127.0.0.1:1/"}), "unknown"),
    Row("408 without a body", http(408), "unknown"),
    Row("409", http(409), "unknown"),
    Row("418", http(418), "unknown"),
    Row("200 with an empty body", http(200), "unknown"),
    Row("202 with an empty body", http(202), "unknown"),
    Row("204", http(204), "unknown"),
    Row("200 with HTML", http(200, b"<html>Sign in to the hotel's wireless network</html>"), "unknown"),
    Row("200 with half JSON", http(200, b'{"sid":"SM1","status":"send'), "unknown"),
    Row("200 with null", http(200, b"null"), "unknown"),
    Row("200 with a number", http(200, b"42"), "unknown"),
    Row("200 with an empty object", http(200, b"{}"), "unknown"),
    Row("200 with an empty list", http(200, b"[]"), "unknown"),
    Row("200 with bytes that are not UTF-8", http(200, b'\x1f\x8b{"sid":\xff\xfe'), "unknown"),
    Row("200 with garbage said to be gzip", http(200, b"\x1f\x8b\x08garbage", {"Content-Encoding": "gzip"}), "unknown"),
    Row("200 with JSON 100,000 deep", http(200, b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "unknown"),
    Row("200 with 2 MiB", http(200, b'{"sid":"' + b"x" * 2_000_000 + b'"}'), "unknown"),
    Row("a body cut short", http(200, b'{"sid":"SM1"', length=500), "unknown"),
    Row("headers only", b"HTTP/1.1 200 OK\r\nContent-Type: appli", "unknown"),
    Row("a status line only", b"HTTP/1.1 200 OK\r\n", "unknown"),
    Row("nothing at all", b"", "unknown"),
    Row("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "unknown"),
)  # fmt: skip


class Harness(Protocol):
    """One carrier's side of the suite."""

    @property
    def kind(self) -> CarrierKind:
        """Which carrier."""
        ...

    @property
    def ours(self) -> str:
        """A number the platform may send from."""
        ...

    @property
    def unheld(self) -> str:
        """A number that is not on the account."""
        ...

    @property
    def rows(self) -> tuple[Row, ...]:
        """The table for this carrier, in literal answers."""
        ...

    @property
    def simulator(self) -> Mapping[str, object]:
        """The account in the simulator's inventory."""
        ...

    def access(self, url: str, **changed: str) -> PlatformAccess:
        """A platform whose endpoints lie below `url`; `changed` replaces credentials."""
        ...

    def proof(self) -> WebhookProof:
        """What the webhooks of that platform must match."""
        ...

    def sent(self, part: OutboundPart) -> tuple[str, str, object]:
        """Method, path below `url`, and body (form as a mapping, JSON as it is) that `part` must become."""
        ...

    def accepted(self, part: OutboundPart, carrier_id: str) -> bytes:
        """The carrier's documented success, whole."""
        ...

    def wrong_credentials(self) -> tuple[Mapping[str, str], ...]:
        """Each way in which the credentials can be wrong."""
        ...


def _json(status: int, value: object) -> bytes:
    return http(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _restcomm_message(**changed: object) -> dict[str, object]:
    """carriers.md §1.5."""
    return {
        "sid": "SM2b1f", "date_created": "Fri, 5 Jul 2019 09:12:03 -0500", "date_updated": "Fri, 5 Jul 2019 09:12:03 -0500", "date_sent": None,
        "account_sid": ACCOUNT, "from": "+12015550110", "to": "+12025550142", "body": "Your table is ready", "status": "sending",
        "direction": "outbound-api", "error_code": None, "error_message": None, "price": "0", "price_unit": "USD",
        "api_version": "2012-04-24", "uri": f"/restcomm/2012-04-24/Accounts/{ACCOUNT}/SMS/Messages/SM2b1f.json", **changed,
    }  # fmt: skip


@dataclass(frozen=True)
class RestcommHarness:
    """carriers.md §1."""

    kind: CarrierKind = RESTCOMM
    ours: str = "+12015550110"
    unheld: str = "+12015550199"
    simulator: Mapping[str, object] = field(
        default_factory=lambda: {
            "account_sid": ACCOUNT,
            "auth_token": CANARY,
            "numbers": ["+12015550110", "+12015550111"],
            "mms": True,
        }
    )
    rows: tuple[Row, ...] = (
        *COMMON_ROWS,
        Row("the documented success", _json(200, _restcomm_message()), "accepted"),
        Row("a success by 201", _json(201, _restcomm_message()), "accepted"),
        Row("a success with unknown fields", _json(200, _restcomm_message(flavour="x", media=[1])), "accepted"),
        Row("a success without a sid", _json(200, {k: v for k, v in _restcomm_message().items() if k != "sid"}), "unknown"),
        Row("a success with an empty sid", _json(200, _restcomm_message(sid="")), "unknown"),
        Row("a success with a sid that is no text", _json(200, _restcomm_message(sid=7)), "unknown"),
        Row("failed inside a 200", _json(200, _restcomm_message(status="failed", error_code=30004)), "refused"),
        Row("an error object inside a 200", _json(200, {"message": "no", "error": "SMS_LIMIT_EXCEEDED"}), "unknown"),
        Row("the documented limit", _json(403, {"message": "Slow down", "error": "SMS_LIMIT_EXCEEDED"}), "deferred"),
        Row(
            "the documented limit in XML",
            http(403, b"<RestcommResponse><Message>x</Message><Error>SMS_LIMIT_EXCEEDED</Error></RestcommResponse>"),
            "deferred",
        ),
        Row("an inactive account", http(403, b"Provided Account is not active"), "account"),
        Row("an unknown account", http(404), "account"),
        Row("opted out at the carrier", http(400, b"21610 The recipient has opted out"), "opted_out"),
        Row("a missing field", http(400, b"From can not be null."), "refused"),
    )

    def access(self, url: str, **changed: str) -> PlatformAccess:
        """The simulator's account."""
        given = {"account_key": ACCOUNT, "token_secret": CANARY, **changed}
        credentials = {"account_key": given["account_key"], "token_secret": Secret(given["token_secret"])}
        return PlatformAccess(1, 2, RESTCOMM, credentials, {"api": f"{url}/restcomm/restcomm/2012-04-24"})

    def proof(self) -> WebhookProof:
        """The account's sid."""
        return WebhookProof(account_id=ACCOUNT)

    def sent(self, part: OutboundPart) -> tuple[str, str, object]:
        """§1.5; with media the JSON of C.1."""
        account = f"/restcomm/restcomm/2012-04-24/Accounts/{ACCOUNT}"
        if part.media_urls:
            media = [{"url": url, "content_type": "image/jpeg"} for url in part.media_urls]
            message: dict[str, object] = {"from": f"mms:{part.from_}", "to": f"mms:{part.to}", "body": part.text, "media": media}
            return "POST", account + "/Messages", message | ({"status_callback": part.status_callback_url} if part.status_callback_url else {})
        fields = {"From": part.from_, "To": part.to, "Body": part.text}
        if any(character in part.text for character in "😀م"):
            fields["Encoding"] = "UCS-2"
        if part.status_callback_url:
            fields["StatusCallback"] = part.status_callback_url
        return "POST", account + "/SMS/Messages.json", fields

    def accepted(self, part: OutboundPart, carrier_id: str) -> bytes:
        """§1.5."""
        return _json(200, _restcomm_message(sid=carrier_id, body=part.text))

    def wrong_credentials(self) -> tuple[Mapping[str, str], ...]:
        """Either half."""
        return ({"token_secret": "wrong"}, {"account_key": "AC" + "0" * 32})


def _published(**changed: object) -> dict[str, object]:
    """carriers.md §2A.5."""
    result = {
        "referenceId": "d8f1c2de-6a0e-4b7b-9a55-0b6f3c5b7a10", "from": "13125550142", "text": "Your table is ready", "mediaUrls": [],
        "messageType": "SMS", "resultResponses": [{"to": "12025550142", "status": "SUCCESS"}], **changed,
    }  # fmt: skip
    return {"success": True, "reason": "SUCCESS", "detail": "SUCCESS", "result": result}


def _failed(reason: str, detail: str = "") -> dict[str, object]:
    return {"success": False, "reason": reason, "detail": detail}


@dataclass(frozen=True)
class InteliquentHarness:
    """carriers.md §2."""

    kind: CarrierKind = INTELIQUENT
    ours: str = "+13125550142"
    unheld: str = "+13125550199"
    simulator: Mapping[str, object] = field(
        default_factory=lambda: {
            "outbound_key": CANARY,
            "key": "svc-key",
            "secret": "canary-services-secret",
            "numbers": ["+13125550142", "+13125550143"],
            "messaging_enabled": ["+13125550142"],
        }
    )
    rows: tuple[Row, ...] = (
        *COMMON_ROWS,
        Row("the documented success", _json(200, _published()), "accepted"),
        Row("a success by 202", _json(202, _published()), "accepted"),
        Row("a success told by a word", _json(200, {**_published(), "success": "true"}), "accepted"),
        Row("a success with a numeric reference", _json(200, _published(referenceId=42)), "accepted"),
        Row("a success without a reference", _json(200, _published(referenceId=None)), "unknown"),
        Row("a success without a result", _json(200, {"success": True, "reason": "SUCCESS"}), "unknown"),
        Row("a success with status 400", _json(400, _published()), "unknown"),
        Row("a success with status 500", _json(500, _published()), "unknown"),
        Row("a recipient refused inside a success", _json(200, _published(resultResponses=[{"to": "1", "status": "INVALID_TO"}])), "refused"),
        Row("a recipient opted out inside a success", _json(200, _published(resultResponses=[{"to": "1", "status": "OPTED_OUT"}])), "opted_out"),
        Row("a failure inside a 200", _json(200, _failed("INVALID_REQUEST", "to is wrong")), "refused"),
        Row("a foreign sender inside a 200", _json(200, _failed("INVALID_FROM")), "refused"),
        Row("an opt-out inside a 200", _json(200, _failed("BLOCKED", "Recipient has opted out")), "opted_out"),
        Row("an internal error inside a 200", _json(200, _failed("INTERNAL_ERROR", "The broker failed")), "unknown"),
        Row("a failure by 400", _json(400, _failed("INVALID_REQUEST")), "refused"),
        Row("a wrong key by 401", _json(401, _failed("UNAUTHORIZED", "Invalid API key")), "account"),
        Row("a wrong key inside a 200", _json(200, _failed("UNAUTHORIZED", "Invalid API key")), "account"),
        Row("a wrong key by the 408 body", _json(408, {"statusCode": "408", "status": "Invalid API key"}), "account"),
        Row("the documented error", _json(408, {"statusCode": "408", "status": "tn is not valid"}), "refused"),
        Row("the documented error inside a 200", _json(200, {"statusCode": "408", "status": "tn is not valid"}), "refused"),
        Row("throttled by 429", _json(429, _failed("THROTTLED", "Too many requests")), "deferred"),
        Row("throttled inside a 200", _json(200, _failed("THROTTLED", "Too many requests")), "deferred"),
        Row("a failure by 500", _json(500, _failed("INTERNAL_ERROR")), "unknown"),
        Row("an envelope without success", _json(200, {"reason": "SUCCESS"}), "unknown"),
    )

    def access(self, url: str, **changed: str) -> PlatformAccess:
        """The simulator's account."""
        given = {"account_key": "svc-key", "token_secret": "canary-services-secret", "outbound_api_key": CANARY, **changed}
        credentials = {name: value if name == "account_key" else Secret(value) for name, value in given.items()}
        endpoints = {"broker": f"{url}/inteliquent/msgbroker/rest", "services": f"{url}/inteliquent/Services/2.0.0"}
        return PlatformAccess(1, 2, INTELIQUENT, credentials, endpoints)

    def proof(self) -> WebhookProof:
        """The static header."""
        return WebhookProof(secrets=(WebhookSecret(Secret(HOOK_SECRET), number=self.ours),))

    def sent(self, part: OutboundPart) -> tuple[str, str, object]:
        """§2A.5."""
        message: dict[str, object] = {"from": part.from_[1:], "to": [part.to[1:]], "text": part.text}
        return "POST", "/inteliquent/msgbroker/rest/publishMessages", message | ({"mediaUrls": list(part.media_urls)} if part.media_urls else {})

    def accepted(self, part: OutboundPart, carrier_id: str) -> bytes:
        """§2A.5."""
        return _json(200, _published(referenceId=carrier_id, text=part.text))

    def wrong_credentials(self) -> tuple[Mapping[str, str], ...]:
        """Either key or the secret."""
        return ({"outbound_api_key": "wrong"}, {"token_secret": "wrong"}, {"account_key": "wrong"})


HARNESSES: dict[CarrierKind, Harness] = {harness.kind: harness for harness in (RestcommHarness(), InteliquentHarness())}


class Received(NamedTuple):
    """A request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def content(self) -> object:
        """The body as a mapping of its form, or as JSON."""
        if self.headers["content-type"].startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))
        return json.loads(self.body)


class Stub:
    """A server of literal bytes: answers every request with the next of its answers, the last one for ever."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.received: list[Received] = []
        self.url = ""
        self.hold_s = 0.0
        self.reset = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = head[0].split(" ")
            self.received.append(Received(method, path, headers, body))
            await asyncio.sleep(self.hold_s)
            if self.reset:
                writer.transport.abort()
                return
            writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def stubbed(*answers: bytes) -> AsyncGenerator[Stub, None]:
    """A `Stub` on a free port."""
    stub = Stub(*answers)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()


def a_part(harness: Harness, text: str = "Your table is ready", **changed: object) -> OutboundPart:
    """An ordinary part of that carrier."""
    part = OutboundPart(41, harness.ours, "+12025550142", text)
    return OutboundPart(**{**{name: getattr(part, name) for name in OutboundPart.__slots__}, **changed})  # pyright: ignore[reportArgumentType]


def form_of(**fields: str) -> bytes:
    """A form body."""
    return urlencode(fields).encode()


def kind_of(outcome: Outcome) -> Expected:
    """The column of the table an outcome stands for."""
    match outcome:
        case Accepted():
            return "accepted"
        case Refused(opted_out=opted_out):
            return "opted_out" if opted_out else "refused"
        case Deferred(account_problem=account):
            return "account" if account else "deferred"
        case Unknown():
            return "unknown"
