"""The webhooks' entry, driven as ASGI: nothing 2xx before it is durable, limits, proof, masking.

G1, G2, G5; bad inputs 42 to 44, 52, 53, 57, 60, 63 to 70.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kereru.carriers.arrivals import ArrivalBatch, InboundText, ReceiptReport, Unrecognised, WebhookProof, WebhookSecret
from kereru.carriers.ingress import Ingress, IngressPlatform, Nonces, NotDurable
from kereru.carriers.registry import Carriers
from kereru.kernel.clock import ManualClock
from kereru.kernel.http_client import NotSent, Outgoing, Result
from kereru.kernel.metrics import exposition
from kereru.kernel.secrets import Secret

ACCOUNT = "AC" + "5e0c" * 8
FORM = "application/x-www-form-urlencoded"
RESTCOMM_TEXT = f"SmsSid=SM9c&AccountSid={ACCOUNT}&From=%2B13125550199&To=%2B12015550110&Body=Yes".encode()
INTELIQUENT_TEXT = b'{"referenceId":"Acc1","from":"13125550199","text":"Yes","to":["13125550142"]}'
HOOK = {"content-type": "application/json", "x-hook-token": "canary-hook-secret"}
CLOCK = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))


class NoDoor:
    """A way out that is never used."""

    async def send(self, request: Outgoing) -> Result:
        """Nothing leaves."""
        return NotSent("unreachable", "no way out")


@dataclass
class Platforms:
    """A directory of two platforms, one at each carrier."""

    asked: list[str] = field(default_factory=list[str])

    async def find(self, carrier: str, token: str) -> IngressPlatform | None:
        """The platform whose token is `canary-path-token`."""
        self.asked.append(token)
        if token != "canary-path-token":
            return None
        secrets = (
            WebhookSecret(Secret("canary-hook-secret")),
            WebhookSecret(Secret("number-secret"), number="+13125550143"),
            WebhookSecret(Secret("test-api-key"), "token_hash"),
        )
        return IngressPlatform(1, 2, carrier, WebhookProof(ACCOUNT, secrets))


@dataclass
class Sink:
    """Keeps batches, or fails as told."""

    fails: Callable[[], Awaitable[None]] | None = None
    batches: list[ArrivalBatch] = field(default_factory=list[ArrivalBatch])

    async def put(self, batch: ArrivalBatch) -> None:
        """Durable at once, unless told to fail."""
        if self.fails:
            await self.fails()
        self.batches.append(batch)


@dataclass
class Answer:
    """What went back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Entry:
    """An ingress with its sink, and a way to ask it."""

    def __init__(self, fails: Callable[[], Awaitable[None]] | None = None, **options: Any) -> None:
        self.sink = Sink(fails)
        self.platforms = Platforms()
        self.app = Ingress(Carriers(NoDoor(), CLOCK).all(), self.platforms, self.sink, CLOCK, **options)

    async def ask(
        self,
        path: str,
        body: bytes | list[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        query: bytes = b"",
        stall: bool = False,
    ) -> Answer:
        """One request; `stall` leaves the body unfinished."""
        pieces = [body] if isinstance(body, bytes) else body
        messages = [{"type": "http.request", "body": piece, "more_body": stall or n + 1 < len(pieces)} for n, piece in enumerate(pieces)]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.sleep(30)
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": raw}
        await self.app(scope, receive, send)
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), b"".join(m.get("body", b"") for m in sent[1:]))

    async def restcomm(self, body: bytes | list[bytes] = RESTCOMM_TEXT, tail: str = "/in", **more: Any) -> Answer:
        """A Restcomm webhook."""
        return await self.ask("/ingress/restcomm/canary-path-token" + tail, body, {"content-type": FORM}, **more)

    async def inteliquent(self, body: bytes = INTELIQUENT_TEXT, headers: Mapping[str, str] = HOOK) -> Answer:
        """An Inteliquent webhook."""
        return await self.ask("/ingress/inteliquent/canary-path-token/in", body, headers)


async def test_a_genuine_text_is_durable_before_it_is_acknowledged():
    """G1: the sink has it, then the carrier's own acknowledgement goes back."""
    entry = Entry()
    answer = await entry.restcomm()
    assert (answer.status, answer.body) == (200, b"<Response/>")
    (batch,) = entry.sink.batches
    assert (batch.provider_id, batch.platform_id, batch.carrier) == (1, 2, "restcomm")
    assert isinstance(batch.items[0], InboundText)
    answer = await entry.inteliquent()
    assert (answer.status, answer.headers[b"content-type"]) == (200, b"application/json")
    assert len(entry.sink.batches) == 2


async def test_every_request_has_an_id_of_its_own():
    """design §6: a replay of the intake log cannot double."""
    entry = Entry()
    await entry.restcomm()
    await entry.restcomm()
    assert len({batch.request_id for batch in entry.sink.batches}) == 2
    fixed = Entry(new_id=lambda: UUID(int=7))
    await fixed.restcomm()
    assert fixed.sink.batches[0].request_id == UUID(int=7)


async def _not_durable() -> None:
    raise NotDurable


async def _broken() -> None:
    raise RuntimeError("the sink broke")


@pytest.mark.parametrize("fails", [_not_durable, _broken])
async def test_what_is_not_durable_is_never_acknowledged(fails: Callable[[], Awaitable[None]]):
    """G2: 503 with Retry-After, also when our own code fails."""
    answer = await Entry(fails).restcomm()
    assert answer.status == 503
    assert int(answer.headers[b"retry-after"]) > 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ingress/restcomm/wrong-token/in", 404),
        ("/ingress/inteliquent/wrong-token/in", 404),
        ("/ingress/twilio/canary-path-token/in", 404),
        ("/ingress/restcomm/canary-path-token", 404),
        ("/ingress/restcomm//in", 404),
        ("/ingress/", 404),
        ("/", 404),
        ("/ingress/restcomm/../canary-path-token/in", 404),
    ],
)
async def test_unknown_tokens_and_carriers_are_not_found(path: str, status: int):
    """Bad input 52, 63: the same bare answer for all of them."""
    entry = Entry()
    answer = await entry.ask(path, RESTCOMM_TEXT, {"content-type": FORM})
    assert (answer.status, answer.body, entry.sink.batches) == (status, b"", [])


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (RESTCOMM_TEXT.replace(b"AC5e", b"AC5f"), {"content-type": FORM}, 403),
        (b"", {"content-type": FORM}, 403),
        (b"", {}, 403),
        (b"--x\r\n", {"content-type": "multipart/form-data; boundary=x"}, 415),
        (b'{"AccountSid":"x"}', {"content-type": "application/json"}, 415),
    ],
)
async def test_restcomm_without_proof_is_refused_and_not_kept(body: bytes, headers: dict[str, str], status: int):
    """Bad inputs 44, 63, 64: a counter, nothing more."""
    entry = Entry()
    answer = await entry.ask("/ingress/restcomm/canary-path-token/in", body, headers)
    assert (answer.status, entry.sink.batches) == (status, [])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hook-token": "guess"},
        {"x-hook-token": ACCOUNT},
        {"messageid": "1", "verificationtoken": "0" * 64},
        {"authorization": "Bearer canary-hook-secret"},
    ],
)
async def test_inteliquent_without_proof_is_refused_and_not_kept(headers: dict[str, str]):
    """Bad input 63: none, wrong, another account's."""
    entry = Entry()
    answer = await entry.inteliquent(headers={"content-type": "application/json", **headers})
    assert (answer.status, entry.sink.batches) == (401, [])


async def test_a_numbers_own_secret_proves_that_number_only():
    """Bad input 63: right secret, wrong number."""
    entry = Entry()
    theirs = {"content-type": "application/json", "x-hook-token": "number-secret"}
    assert (await entry.inteliquent(headers=theirs)).status == 403
    assert (await entry.inteliquent(INTELIQUENT_TEXT.replace(b"0142", b"0143"), theirs)).status == 200
    group = INTELIQUENT_TEXT.replace(b'["13125550142"]', b'["13125550142","13125550143"]')
    assert (await entry.inteliquent(group, theirs)).status == 200
    assert [[item.to for item in batch.items if isinstance(item, InboundText)] for batch in entry.sink.batches] == [["+13125550143"]] * 2


async def test_a_token_hash_proves_one_body_only_but_a_retry_passes():
    """§2A.8: the hash does not cover the body, so its token may come again only with the very same one."""
    entry = Entry()
    proof = {
        "content-type": "application/json",
        "messageid": "7f1f6f0e-2f0b-4a53-9b4a-0a5b1f3f9c11",
        "verificationtoken": "78cfc50625c4f6e899df1a831905fdb2c5bf1b369eb03671164f8d16d5ccc475",
    }
    assert (await entry.inteliquent(headers=proof)).status == 200
    assert (await entry.inteliquent(headers=proof)).status == 200
    assert (await entry.inteliquent(INTELIQUENT_TEXT.replace(b"Yes", b"No"), proof)).status == 403


def test_nonces_are_forgotten_in_time_and_bounded():
    """A bound on everything."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    nonces = Nonces(clock, most=2, keep_s=10)
    assert nonces.fresh(1, "a", b"x")
    assert not nonces.fresh(1, "a", b"y")
    assert nonces.fresh(2, "a", b"y")
    clock.advance(11)
    assert nonces.fresh(1, "a", b"y")
    assert nonces.fresh(1, "b", b"")
    assert nonces.fresh(1, "c", b"")
    assert nonces.fresh(1, "a", b"z")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>", {"content-type": "text/html"}),
        (b"{", {}),
        (b"\xff\xfe{\x00", {"content-type": "application/json; charset=utf-16"}),
    ],
)
async def test_what_is_genuine_but_unreadable_is_kept_raw_and_acknowledged(body: bytes, headers: dict[str, str]):
    """G5, bad input 12: some carriers never send again, so it is 2xx and kept."""
    entry = Entry()
    answer = await entry.inteliquent(body, {**headers, "x-hook-token": "canary-hook-secret"})
    assert answer.status == 200
    (item,) = entry.sink.batches[0].items
    assert isinstance(item, Unrecognised)
    assert item.raw == body


async def test_a_receipt_brings_our_part_from_the_path():
    """design §7: a receipt settles a send whose answer was lost."""
    entry = Entry()
    body = f"AccountSid={ACCOUNT}&MessageSid=SM2&MessageStatus=delivered".encode()
    assert (await entry.restcomm(body, "/status/42")).status == 200
    (item,) = entry.sink.batches[0].items
    assert isinstance(item, ReceiptReport)
    assert item.part_reference == 42


async def test_a_webhook_by_get_is_taken():
    """§1.9: GET with the same names in the query."""
    entry = Entry()
    answer = await entry.ask("/ingress/restcomm/canary-path-token/in", b"", {}, "GET", RESTCOMM_TEXT)
    assert answer.status == 200
    assert isinstance(entry.sink.batches[0].items[0], InboundText)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_refused(method: str):
    """Bad input 53."""
    assert (await Entry().restcomm(method=method)).status == 405


async def test_a_body_above_the_limit_is_refused_whether_declared_or_not():
    """Bad input 42: a lying, missing or true length; 1 MiB."""
    entry = Entry()
    megabyte = b"x" * (1024 * 1024)
    path = "/ingress/restcomm/canary-path-token/in"
    assert (await entry.ask(path, b"", {"content-length": "1048577"})).status == 413
    assert (await entry.ask(path, b"", {"content-length": "9" * 100})).status == 413
    assert (await entry.ask(path, megabyte + b"y", {"content-length": "5"})).status == 413
    assert (await entry.ask(path, [megabyte, b"y", b"z"], {})).status == 413
    assert (await entry.ask(path, [RESTCOMM_TEXT + b"&Pad=", megabyte[:900_000]], {"content-type": FORM})).status == 200
    assert len(entry.sink.batches) == 1


async def test_a_body_in_pieces_is_put_together():
    """Chunks end anywhere."""
    entry = Entry()
    assert (await entry.restcomm([RESTCOMM_TEXT[:7], RESTCOMM_TEXT[7:90], RESTCOMM_TEXT[90:], b""])).status == 200
    assert isinstance(entry.sink.batches[0].items[0], InboundText)


async def test_a_body_that_never_ends_is_given_up():
    """Bad input 57: slow body."""
    assert (await Entry(body_seconds=0.05).restcomm(stall=True)).status == 408


async def test_compressed_bodies_are_refused():
    """Bad input 43."""
    answer = await Entry().ask("/ingress/restcomm/canary-path-token/in", b"\x1f\x8b", {"content-encoding": "gzip"})
    assert answer.status == 415


async def test_too_many_header_bytes_are_refused():
    """Bad input 60: 16 KiB of headers."""
    entry = Entry()
    answer = await entry.ask("/ingress/restcomm/canary-path-token/in", RESTCOMM_TEXT, {"x": "y" * 17_000})
    assert (answer.status, entry.platforms.asked) == (431, [])


async def test_no_secret_reaches_the_record_of_the_exchange():
    """G33, canary secrets: path token, hook secret, cookies and hashes are masked; the body is cut at 16 KiB."""
    entry = Entry()
    headers = {**HOOK, "authorization": "canary-a", "cookie": "canary-b", "user-agent": "carrier/1"}
    await entry.inteliquent(INTELIQUENT_TEXT[:-1] + b',"pad":"' + b"x" * 100_000 + b'"}', headers)
    exchange = entry.sink.batches[0].exchange
    whole = exchange.request_head.encode() + exchange.request_body + exchange.answer_head.encode()
    assert b"canary" not in whole
    assert b"user-agent: carrier/1" in whole
    assert len(exchange.request_body) == 16 * 1024
    assert exchange.answer_head == "200"


async def test_copies_of_a_webhook_are_all_acknowledged():
    """Bad input 65: replay is 200; the sink's key makes it one."""
    entry = Entry()
    answers = [await entry.restcomm() for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({item.carrier_id for batch in entry.sink.batches for item in batch.items if isinstance(item, InboundText)}) == 1


async def test_outcomes_are_counted_by_carrier_and_nothing_else():
    """G33: labels hold neither tokens nor numbers."""
    entry = Entry()
    await entry.restcomm()
    await entry.inteliquent(headers={})
    shown = exposition().decode()
    assert 'kereru_ingress_requests_total{carrier="restcomm",outcome="taken"}' in shown
    assert 'kereru_ingress_requests_total{carrier="inteliquent",outcome="not_genuine"}' in shown
    assert "canary" not in shown


async def test_a_batch_survives_the_intake_log():
    """design §6: what the log holds is what the batcher replays, byte for byte."""
    entry = Entry()
    await entry.restcomm()
    await entry.restcomm(f"AccountSid={ACCOUNT}&MessageSid=SM2&MessageStatus=failed&ErrorCode=30003".encode(), "/status/922337203685477580700101")
    await entry.inteliquent(b'[{"to":7.5},' + INTELIQUENT_TEXT + b"]")
    for batch in entry.sink.batches:
        assert msgspec.json.decode(msgspec.json.encode(batch), type=ArrivalBatch) == batch
