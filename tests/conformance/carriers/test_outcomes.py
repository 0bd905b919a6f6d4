"""Every row of "Carrier answer → state" for every adapter, over real HTTP against literal bytes (reliability.md §2; bad inputs 73 to 75)."""

import socket
from collections.abc import AsyncGenerator

import pytest

from conformance.carriers.harness import CANARY, COMMON_ROWS, HARNESSES, Harness, Row, a_part, http, kind_of, stubbed
from kereru.carriers.arrivals import Exchange
from kereru.carriers.contract import (
    Accepted,
    CarrierAdapter,
    CredentialsGood,
    Deferred,
    Outcome,
    PartFacts,
    Refused,
    Unknown,
    WebhookSet,
)
from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import Secret

HARNESS = pytest.mark.parametrize("harness", HARNESSES.values(), ids=lambda harness: str(harness.kind))
CASES = [pytest.param(harness, row, id=f"{harness.kind}: {row.id}") for harness in HARNESSES.values() for row in harness.rows]


async def send(harness: Harness, url: str, deadline_s: float = 5.0, **changed: object) -> Outcome:
    """Hand an ordinary part to whatever answers at `url`."""
    async with CarrierClient(allow_private_hosts=(url.removeprefix("http://"),), deadline_s=deadline_s) as client:
        return await adapter_of(harness, client).send_part(harness.access(url), a_part(harness, **changed))  # pyright: ignore[reportArgumentType]


def adapter_of(harness: Harness, client: CarrierClient) -> CarrierAdapter:
    """The registered adapter over that door."""
    return Carriers(client, SystemClock()).of(harness.kind)


@pytest.mark.parametrize(("harness", "row"), CASES)
async def test_an_answer_means_what_the_table_says(harness: Harness, row: Row):
    """One cell each; the request left exactly once whatever came back (G10, G11)."""
    async with stubbed(row.answer) as stub:
        outcome = await send(harness, stub.url)
    assert kind_of(outcome) == row.expected
    assert len(stub.received) == 1
    if isinstance(outcome, Deferred):
        assert outcome.retry_after_s == row.retry_after_s
    if not isinstance(outcome, Accepted):
        assert outcome.code
        assert outcome.reason.endswith(".") or isinstance(outcome, Refused)


@HARNESS
async def test_a_refused_connection_may_be_tried_again(harness: Harness):
    """First row of the table: nothing left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await send(harness, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(outcome, Deferred)
    assert (outcome.code, outcome.account_problem) == ("carrier_unreachable", False)


@HARNESS
async def test_a_reset_after_the_body_is_unknown(harness: Harness):
    """The carrier may have taken it."""
    async with stubbed(http(200)) as stub:
        stub.reset = True
        outcome = await send(harness, stub.url)
    assert isinstance(outcome, Unknown)


@HARNESS
async def test_a_timeout_after_the_body_is_unknown(harness: Harness):
    """The carrier may have taken it."""
    async with stubbed(http(200)) as stub:
        stub.hold_s = 2.0
        outcome = await send(harness, stub.url, 0.3)
    assert isinstance(outcome, Unknown)
    assert outcome.code == "carrier_timeout"


@HARNESS
async def test_an_address_that_may_not_be_called_waits_for_a_person(harness: Harness):
    """A platform's own endpoint in a private network or by plain http is not dialled."""
    async with CarrierClient() as client:
        outcome = await adapter_of(harness, client).send_part(harness.access("http://127.0.0.1:1"), a_part(harness))
    assert isinstance(outcome, Deferred)
    assert outcome.account_problem


@HARNESS
@pytest.mark.parametrize(
    "text",
    ["Your table is ready", "Zwölf Boxkämpfer € ^{}~", "😀 ready", "a&b=c+d%20", '"quoted"\\ \n next', "x" * 1600, "مرحبا"],
    ids=["plain", "umlauts", "emoji", "form characters", "json characters", "long", "arabic"],
)
async def test_the_request_is_exactly_the_documented_one(harness: Harness, text: str):
    """carriers.md: method, path, fields; nothing else, whatever the text holds."""
    part = a_part(harness, text)
    async with stubbed(harness.accepted(part, "id-1")) as stub:
        outcome = await send(harness, stub.url, text=text)
    assert isinstance(outcome, Accepted)
    assert (outcome.carrier_id, outcome.carrier_text) == ("id-1", None)
    (got,) = stub.received
    method, path, content = harness.sent(part)
    assert (got.method, got.path, got.content()) == (method, path, content)
    assert "accept-encoding" not in got.headers
    assert got.headers["authorization"].split(" ")[0] in ("Basic", "Bearer")


@HARNESS
async def test_media_and_callback_go_along(harness: Harness):
    """§1.6 and C.1, §2A.5; the callback carries the part's id where the carrier reports by message."""
    part = a_part(harness, media_urls=("https://media.example/m/1.jpg",), status_callback_url="https://sms.example/ingress/restcomm/t0ken/status/41")
    async with stubbed(harness.accepted(part, "id-1")) as stub:
        await send(harness, stub.url, media_urls=part.media_urls, status_callback_url=part.status_callback_url)
    (got,) = stub.received
    assert (got.method, got.path, got.content()) == harness.sent(part)


@HARNESS
async def test_a_shorter_text_in_the_answer_is_told(harness: Harness):
    """design §7: an answer with a shorter body is shown as cut."""
    async with stubbed(harness.accepted(a_part(harness, "x" * 159), "id-1")) as stub:
        outcome = await send(harness, stub.url, text="x" * 300)
    assert isinstance(outcome, Accepted)
    assert outcome.carrier_text == "x" * 159


def _canaries(exchange: Exchange) -> bool:
    whole = f"{exchange.request_head}\n{exchange.answer_head}\n{exchange.note}".encode() + exchange.request_body + exchange.answer_body
    return b"canary" in whole or b"t0ken" in whole


@HARNESS
@pytest.mark.parametrize("row", [*COMMON_ROWS[:8], COMMON_ROWS[-1]], ids=lambda row: row.id)
async def test_no_secret_reaches_the_record(harness: Harness, row: Row):
    """G33: canary credentials and the token of our callback, also when the carrier echoes them."""
    echo = http(400, f'{CANARY} {{"auth_token":"canary-2","apiKey":"canary-3"}}'.encode(), {"X-Echo": CANARY})
    for answer in (row.answer, echo):
        async with stubbed(answer) as stub:
            outcome = await send(harness, stub.url, status_callback_url="https://sms.example/ingress/restcomm/t0ken/status/41")
        assert not _canaries(outcome.exchange)
        assert outcome.exchange.direction == "out"
        assert outcome.exchange.request_head.startswith("POST http://127.0.0.1")


@pytest.fixture
async def silent_stub() -> AsyncGenerator[str, None]:
    """Answers everything with HTML, as a captive portal would."""
    async with stubbed(http(200, b"<html></html>")) as stub:
        yield stub.url


@HARNESS
async def test_provisioning_never_raises_for_what_a_carrier_answers(harness: Harness, silent_stub: str):
    """Every other call has an answer for garbage too."""
    await _all_calls(harness, silent_stub)


@HARNESS
@pytest.mark.parametrize("row", COMMON_ROWS, ids=lambda row: row.id)
async def test_provisioning_survives_every_answer(harness: Harness, row: Row):
    """And for each row of the table; nothing that is no success reads as one."""
    async with stubbed(row.answer) as stub:
        await _all_calls(harness, stub.url)


async def _all_calls(harness: Harness, url: str) -> None:
    async with CarrierClient(allow_private_hosts=(url.removeprefix("http://"),)) as client:
        adapter, access = adapter_of(harness, client), harness.access(url)
        assert not isinstance(await adapter.verify_credentials(access), CredentialsGood)
        assert (await adapter.find_number(access, harness.ours)).status in ("problem", "absent")
        assert not isinstance(await adapter.set_webhook(access, harness.ours, "https://sms.example/in", Secret("s"), None), WebhookSet)
        await adapter.remove_webhook(access, harness.ours, None)
        await adapter.enable_messaging(access, harness.ours, mms=True)
        await adapter.receipts_on(access)
        assert (await adapter.look_up(access, _facts(harness))).found in ("unavailable", "none")


def _facts(harness: Harness) -> PartFacts:
    return PartFacts(harness.ours, "+12025550142", "hi", SystemClock().now())
