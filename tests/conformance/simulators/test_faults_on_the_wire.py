"""Each fault of design §8 really happens on the wire, at both carriers, as often as asked for."""

import asyncio
import base64
import socket
from urllib.parse import urlsplit

import pytest

from kereru.simulators.customer import Customer
from kereru.simulators.faults import KINDS
from kereru.simulators.testing import RunningSimulators

SID = "AC" + "0a" * 16
PHONE = "+13125550199"
RESTCOMM = (
    f"/restcomm/2012-04-24/Accounts/{SID}/SMS/Messages.json",
    "application/x-www-form-urlencoded",
    "Basic " + base64.b64encode(f"{SID}:t0ken".encode()).decode(),
    "From=%2B13125550142&To=%2B13125550199&Body=Hi",
)
INTELIQUENT = (
    "/inteliquent/msgbroker/rest/publishMessages",
    "application/json",
    "Bearer out-key",
    '{"from":"13125550160","to":["13125550199"],"text":"Hi"}',
)
CARRIERS = pytest.mark.parametrize(("carrier", "call"), [("restcomm", RESTCOMM), ("inteliquent", INTELIQUENT)])


async def raw(sim: RunningSimulators, call: tuple[str, str, str, str], extra: str = "") -> bytes:
    """Send one request over a bare connection and read until the other side closes. Raises ConnectionResetError on a TCP reset."""
    path, content_type, auth, body = call
    body += extra
    parts = urlsplit(sim.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nAuthorization: {auth}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def taken(sim: RunningSimulators) -> int:
    return len(await sim.control.phone_messages(PHONE))


@CARRIERS
@pytest.mark.parametrize(("kind", "expected"), [("refuse", {400, 200}), ("throttle", {429}), ("error", {500})])
async def test_refusals_take_nothing(sim: RunningSimulators, carrier: str, call: tuple[str, str, str, str], kind: str, expected: set[int]) -> None:
    """refuse, throttle, error: the answer says no, nobody gets a text, and the next send is good again (G10)."""
    await sim.control.add_fault(carrier, kind, count=1)  # pyright: ignore[reportArgumentType]
    answer = await raw(sim, call)
    assert status(answer) in expected
    if carrier == "inteliquent":
        assert b'"success":false' in answer
    assert await taken(sim) == 0
    await raw(sim, call)
    assert await taken(sim) == 1


@CARRIERS
@pytest.mark.parametrize(("kind", "texts"), [("timeout_before_accept", 0), ("timeout_after_accept", 1)])
async def test_time_outs_hold_the_answer(sim: RunningSimulators, carrier: str, call: tuple[str, str, str, str], kind: str, texts: int) -> None:
    """timeout_*: no byte is answered; the text was taken or was not, as the kind says (G11)."""
    await sim.control.add_fault(carrier, kind, count=1, delay_ms=80)  # pyright: ignore[reportArgumentType]
    began = asyncio.get_running_loop().time()
    assert await raw(sim, call) == b""
    assert asyncio.get_running_loop().time() - began >= 0.08
    assert await taken(sim) == texts
    item = (await sim.control.ledger(carrier))[-1]
    assert item.answer == {"status": None, "body": None, "fault": "held"}


@CARRIERS
async def test_reset_after_accept_is_a_tcp_reset(sim: RunningSimulators, carrier: str, call: tuple[str, str, str, str]) -> None:
    """reset_after_accept: RST, not FIN, and the text was sent."""
    await sim.control.add_fault(carrier, "reset_after_accept", count=1)
    with pytest.raises(ConnectionResetError):
        await raw(sim, call)
    assert await taken(sim) == 1


@CARRIERS
async def test_cut_and_garbage_answers(sim: RunningSimulators, carrier: str, call: tuple[str, str, str, str]) -> None:
    """cut_body: fewer bytes than promised; garbage_body: 200 with bytes that are not JSON; both texts were sent."""
    await sim.control.add_fault(carrier, "cut_body", count=1)
    head, _, body = (await raw(sim, call)).partition(b"\r\n\r\n")
    promised = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1])
    assert 0 < len(body) < promised
    await sim.control.add_fault(carrier, "garbage_body", count=1)
    answer = await raw(sim, call)
    assert status(answer) == 200
    assert answer.partition(b"\r\n\r\n")[2].startswith(b"\x1f\x8b")
    assert await taken(sim) == 2


@CARRIERS
async def test_slow_answers_come_late(sim: RunningSimulators, carrier: str, call: tuple[str, str, str, str]) -> None:
    """slow: the right answer, later."""
    await sim.control.add_fault(carrier, "slow", count=1, delay_ms=120)
    began = asyncio.get_running_loop().time()
    assert status(await raw(sim, call)) == 200
    assert asyncio.get_running_loop().time() - began >= 0.12


async def hook(sim: RunningSimulators, receiver: Customer) -> None:
    """Let Inteliquent's texts and receipts, and Restcomm's texts, reach the receiver."""
    account = sim.simulators.inteliquent.accounts["svc-key"]
    from kereru.simulators.inteliquent.accounts import Authorization

    account.add(Authorization(0, inbound=True, webhook_url=receiver.url + "/iq"))
    number = sim.simulators.restcomm.accounts[SID].find("+13125550142")
    assert number is not None
    number.sms_url = receiver.url + "/in"


def words(receiver: Customer) -> list[str]:
    """The states that were reported, in order of arrival."""
    found: list[str] = []
    for got in receiver.got:
        if got.path == "/iq":
            text = str(got.json()["text"])
            found.append({"DELIVRD": "delivered", "UNDELIV": "undelivered", "ACCEPTD": "sent", "REJECTD": "failed"}[text.split("stat:")[1][:7]])
        else:
            found.append(got.fields()["MessageStatus"])
    return found


@pytest.mark.parametrize(
    ("kind", "restcomm", "inteliquent"),
    [
        ("double_receipt", ["sent", "delivered", "delivered"], ["delivered", "delivered"]),
        ("reorder_receipts", ["delivered", "sent"], ["delivered", "sent"]),
        ("no_receipt", [], []),
        ("failed_receipt", ["sent", "undelivered"], ["undelivered"]),
        ("contradicting_receipt", ["sent", "delivered", "undelivered"], ["delivered", "undelivered"]),
        ("late_receipt", ["sent", "delivered"], ["delivered"]),
    ],
)
@CARRIERS
async def test_receipts_misbehave(
    sim: RunningSimulators, receiver: Customer, carrier: str, call: tuple[str, str, str, str], kind: str, restcomm: list[str], inteliquent: list[str]
) -> None:
    """Each receipt fault makes exactly the reports it names (G19, G20)."""
    await hook(sim, receiver)
    await sim.control.add_fault(carrier, kind, count=1)  # pyright: ignore[reportArgumentType]
    await raw(sim, call, f"&StatusCallback={receiver.url}/st" if carrier == "restcomm" else "")
    expected = restcomm if carrier == "restcomm" else inteliquent
    await receiver.wait(count=len(expected))
    await asyncio.sleep(0.04)
    assert words(receiver) == expected


@CARRIERS
async def test_an_early_receipt_beats_the_answer(sim: RunningSimulators, receiver: Customer, carrier: str, call: tuple[str, str, str, str]) -> None:
    """early_receipt: when the answer arrives, the final report has been delivered already (G20)."""
    await hook(sim, receiver)
    await sim.control.add_fault(carrier, "early_receipt", count=1)
    await raw(sim, call, f"&StatusCallback={receiver.url}/st" if carrier == "restcomm" else "")
    assert words(receiver)[-1:] == ["delivered"]


@pytest.mark.parametrize("business", ["+13125550142", "+13125550160"])
async def test_webhooks_are_doubled_and_lost(sim: RunningSimulators, receiver: Customer, business: str) -> None:
    """double_webhook, lose_webhook: the same carrier id twice; or nothing, while the carrier's log has the text (R101)."""
    await hook(sim, receiver)
    await sim.control.add_fault("*", "double_webhook", count=1)
    sent = await sim.control.phone_sends(PHONE, business, "Hello")
    first, second = await receiver.wait(count=2)
    assert first.body == second.body
    await sim.control.add_fault("*", "lose_webhook", count=1)
    await sim.control.phone_sends(PHONE, business, "Lost")
    await sim.control.phone_sends(PHONE, business, "Found")
    assert b"Found" in (await receiver.wait(count=3))[2].body
    messages = sim.simulators.restcomm.messages if sent.carrier == "restcomm" else sim.simulators.inteliquent.messages
    assert len(messages) == 3


async def test_a_fault_bites_as_often_as_asked_and_can_be_taken_away(sim: RunningSimulators) -> None:
    """count, seconds, DELETE; a fault of one carrier leaves the other alone."""
    await sim.control.add_fault("restcomm", "error", count=2)
    assert [status(await raw(sim, RESTCOMM)) for _ in range(3)] == [500, 500, 200]
    await sim.control.add_fault("restcomm", "error", seconds=0.15)
    assert status(await raw(sim, RESTCOMM)) == 500
    assert status(await raw(sim, INTELIQUENT)) == 200
    await asyncio.sleep(0.16)
    assert status(await raw(sim, RESTCOMM)) == 200
    await sim.control.add_fault("*", "throttle")
    await sim.control.clear_faults()
    assert status(await raw(sim, RESTCOMM)) == 200


async def test_a_fault_may_bite_every_call(sim: RunningSimulators) -> None:
    """`on: all` spoils provisioning calls too; the default spoils sends only."""
    listing = ("/inteliquent/msgbroker/rest/selectAuthorization", "application/json", "Bearer out-key", "{}")
    await sim.control.add_fault("inteliquent", "error", count=1)
    assert status(await raw(sim, listing)) == 200
    await sim.control.add_fault("inteliquent", "error", count=1, on="all")
    assert status(await raw(sim, listing)) == 500


async def test_the_magic_number_that_never_answers(sim: RunningSimulators) -> None:
    """C.13: …0107 sends and never answers."""
    task = asyncio.ensure_future(raw(sim, (*RESTCOMM[:3], RESTCOMM[3].replace("0199", "0107"))))
    async with asyncio.timeout(3):
        while not await sim.control.phone_messages("+13125550107"):
            await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()


def test_every_kind_of_the_design_is_known() -> None:
    """Design §8 names eighteen kinds."""
    assert len(KINDS) == 18


async def test_stopping_does_not_wait_for_held_answers() -> None:
    """A stop ends within a second, whatever answers are being held back."""
    from kereru.simulators.testing import running_simulators

    loop = asyncio.get_running_loop()
    async with running_simulators() as sim:
        await sim.control.add_fault("inteliquent", "timeout_before_accept")
        parts = urlsplit(sim.url)
        held = socket.create_connection((parts.hostname or "", parts.port or 0))
        key = sim.simulators.world.config.inteliquent[0]
        body = f'{{"from":"{key.numbers[0][1:]}","to":["13125550199"],"text":"Hi"}}'
        head = f"POST {INTELIQUENT[0]} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {key.outbound_key}\r\n"
        held.sendall((head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        async with asyncio.timeout(3):
            while not await sim.control.ledger():
                await asyncio.sleep(0.01)
        began = loop.time()
    assert loop.time() - began < 1
    held.close()


@CARRIERS
@pytest.mark.parametrize("ending", ["end", "reset"])
async def test_half_a_request_is_none(sim: RunningSimulators, carrier: str, call: tuple[str, str, str, str], ending: str) -> None:
    """G10: a connection that breaks off in the body gives nobody the beginning of a text, and the ledger counts no send."""
    path, content_type, auth, body = call
    parts = urlsplit(sim.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: {auth}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    # Half of a form is a whole form as well; only the announced length tells.
    writer.write((head + body[:-1]).encode())
    await writer.drain()
    if ending == "end":
        writer.write_eof()
    else:
        writer.transport.abort()
    assert status(await raw(sim, call)) in {200, 201}, "a whole request after it: what came before has been dealt with"
    assert [message.text for message in await sim.control.phone_messages(PHONE)] == ["Hi"], carrier
    writer.close()
