"""Each adapter against its simulator over real HTTP, with our ingress at the other end (models.md, adapters rule 8)."""

import asyncio

import pytest

from conformance.carriers.conftest import Rig
from conformance.carriers.harness import kind_of
from kereru.carriers.arrivals import InboundText, ReceiptReport, ReceiptState
from kereru.carriers.contract import (
    Accepted,
    CredentialsGood,
    Done,
    LookUp,
    OutboundPart,
    PartFacts,
    Problem,
    ReceiptSetting,
    WebhookSet,
)
from kereru.carriers.encoding import measure
from kereru.kernel.clock import SystemClock
from kereru.kernel.secrets import Secret
from kereru.simulators.faults import Kind

PHONE = "+12025550142"


async def sends(rig: Rig) -> int:
    """How many requests to send a text the carrier received: the judge of "at most once"."""
    return sum(
        "ublish" in item.path or item.path.split("?")[0].endswith("/Messages.json") for item in await rig.control.ledger() if item.method == "POST"
    )


async def test_a_text_goes_out_and_its_receipts_come_back(rig: Rig):
    """G19: the phone has it, and the receipts name the carrier's id, and our part where the carrier reports by message."""
    await rig.hook()
    outcome = await rig.adapter.send_part(rig.access, rig.part())
    assert isinstance(outcome, Accepted)
    (delivered,) = await rig.inbox.wait(ReceiptReport, 1, lambda report: report.state is ReceiptState.DELIVERED)
    assert delivered.carrier_id == outcome.carrier_id
    assert delivered.part_reference == (41 if rig.adapter.capabilities.receipts == "callback" else None)
    (message,) = await rig.control.phone_messages(PHONE)
    assert (message.from_, message.to, message.text) == (rig.harness.ours, PHONE, "Your table is ready")
    assert await sends(rig) == 1


@pytest.mark.parametrize(
    "text", ["See you at 7", "", "😀 مرحبا 'quoted' & \\ \"\n", "x" * 1600, "a\u0000b"], ids=["plain", "picture only", "odd", "long", "nul"]
)
async def test_a_text_comes_in(rig: Rig, text: str):
    """The ingress takes what the simulator posts, whatever the text holds (bad inputs 7, 10)."""
    await rig.hook()
    media = [] if text else [{"url": f"{rig.url}/media/picture.jpg", "content_type": "image/jpeg"}]
    sent = await rig.control.phone_sends(PHONE, rig.harness.ours, text, media)
    (found,) = await rig.inbox.wait(InboundText, 1)
    assert (found.provider_id, found.platform_id) == (1, 2)
    assert (found.to, found.remote, found.text) == (rig.harness.ours, PHONE, text.replace("\0", "\ufffd"))
    assert (found.carrier_id, found.reply_possible, len(found.media)) == (sent.message_id, True, len(media))


async def test_a_webhook_sent_twice_brings_the_same_id_twice(rig: Rig):
    """G3, bad input 65: both are acknowledged; one key makes them one."""
    await rig.hook()
    await rig.control.add_fault(rig.harness.kind, "double_webhook", count=1)
    await rig.control.phone_sends(PHONE, rig.harness.ours, "twice")
    first, second = await rig.inbox.wait(InboundText, 2)
    assert first == second
    assert len({batch.request_id for batch in rig.inbox.batches}) == 2


@pytest.mark.parametrize(
    ("kind", "expected", "taken"),
    [
        ("refuse", "refused", 0),
        ("throttle", "deferred", 0),
        ("error", "unknown", 0),
        ("timeout_before_accept", "unknown", 0),
        ("timeout_after_accept", "unknown", 1),
        ("reset_after_accept", "unknown", 1),
        ("cut_body", "unknown", 1),
        ("garbage_body", "unknown", 1),
    ],
)
async def test_a_fault_while_sending_has_the_outcome_of_the_table(rig: Rig, kind: Kind, expected: str, taken: int):
    """G10, G11: one request each, never two; what may have been taken is unknown, and was in these cases."""
    await rig.control.add_fault(rig.harness.kind, kind, count=1)
    outcome = await rig.adapter.send_part(rig.access, rig.part())
    assert kind_of(outcome) == expected
    assert await sends(rig) == 1
    assert len(await rig.control.phone_messages(PHONE)) == taken


@pytest.mark.parametrize(("status", "kind"), [("429", "deferred"), ("403", "deferred")])
async def test_restcomms_two_ways_of_asking_to_wait(rig: Rig, status: str, kind: str):
    """C.5."""
    if rig.harness.kind != "restcomm":
        pytest.skip("only Restcomm has two ways")
    await rig.control.set_modes("restcomm", limit_answer=status)
    await rig.control.add_fault("restcomm", "throttle", count=1)
    assert kind_of(await rig.adapter.send_part(rig.access, rig.part())) == kind


async def test_a_slow_answer_is_still_an_answer(rig: Rig):
    """Within the deadline."""
    await rig.control.add_fault(rig.harness.kind, "slow", count=1, delay_ms=100)
    assert isinstance(await rig.adapter.send_part(rig.access, rig.part()), Accepted)


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("double_receipt", ["delivered", "delivered"]),
        ("failed_receipt", ["undelivered"]),
        ("contradicting_receipt", ["delivered", "undelivered"]),
        ("reorder_receipts", ["delivered", "sent"]),
        ("early_receipt", ["delivered"]),
    ],
)
async def test_receipts_in_every_disorder_are_read(rig: Rig, kind: Kind, states: list[str]):
    """G19, G20, bad input 71: the adapter reports each as it is; which one counts is not its affair."""
    await rig.hook()
    await rig.control.add_fault(rig.harness.kind, kind, count=1)
    outcome = await rig.adapter.send_part(rig.access, rig.part())
    assert isinstance(outcome, Accepted)
    found = await rig.inbox.wait(
        ReceiptReport, len(states), lambda report: report.carrier_state.lower() not in ("sent", "sending") or "sent" in states
    )
    finals = [report for report in found if str(report.state) in states]
    assert sorted(str(report.state) for report in finals)[-len(states) :] == sorted(states)
    assert {report.carrier_id for report in found} == {outcome.carrier_id}
    failed = [report for report in found if report.state is ReceiptState.UNDELIVERED]
    assert all(report.error_code and report.error_reason for report in failed)


async def test_a_lost_answer_is_found_again(rig: Rig):
    """G11: exactly one candidate settles it; a text that never reached the carrier is not found."""
    facts = PartFacts(rig.harness.ours, PHONE, "Your table is ready", SystemClock().now())
    assert (await rig.adapter.look_up(rig.access, facts)).found == "none"
    await rig.control.add_fault(rig.harness.kind, "reset_after_accept", count=1)
    assert kind_of(await rig.adapter.send_part(rig.access, rig.part())) == "unknown"
    found = await rig.adapter.look_up(rig.access, facts)
    assert (found.found, found.state is not None) == ("one", True)
    if "by_id" in rig.adapter.capabilities.look_up:
        assert found.carrier_id
        by_id = await rig.adapter.look_up(rig.access, _with_id(facts, found))
        assert (by_id.found, by_id.carrier_id) == ("one", found.carrier_id)
        known = PartFacts(facts.from_, facts.to, facts.text, facts.handed_over_at, known_carrier_ids=frozenset({found.carrier_id or ""}))
        assert (await rig.adapter.look_up(rig.access, known)).found == "none"


def _with_id(facts: PartFacts, found: LookUp) -> PartFacts:
    return PartFacts(facts.from_, facts.to, facts.text, facts.handed_over_at, carrier_id=found.carrier_id)


async def test_two_candidates_leave_it_unknown(rig: Rig):
    """design §6: more than one candidate is still unknown."""
    facts = PartFacts(rig.harness.ours, PHONE, "Your table is ready", SystemClock().now())
    for _ in range(2):
        await rig.control.add_fault(rig.harness.kind, "reset_after_accept", count=1)
        await rig.adapter.send_part(rig.access, rig.part())
    assert (await rig.adapter.look_up(rig.access, facts)).found == "several"


async def test_other_texts_of_ours_nearby_leave_it_unknown_where_records_have_no_text(rig: Rig):
    """§2B.7: a record without id and text could be the other one's."""
    if "by_id" in rig.adapter.capabilities.look_up:
        pytest.skip("this carrier's records carry ids and texts")
    assert isinstance(await rig.adapter.send_part(rig.access, rig.part(text="another")), Accepted)
    facts = PartFacts(rig.harness.ours, PHONE, "lost", SystemClock().now(), others_nearby=1)
    assert (await rig.adapter.look_up(rig.access, facts)).found == "several"


async def test_a_long_list_is_read_to_its_end(rig: Rig):
    """§1.5: loop by page until a page is short, not by `num_pages`."""
    if "by_id" not in rig.adapter.capabilities.look_up:
        pytest.skip("this carrier's records come in one answer")
    await rig.control.set_modes(receipts=False)
    facts = PartFacts(rig.harness.ours, PHONE, "the first", SystemClock().now())
    await rig.adapter.send_part(rig.access, rig.part(text="the first"))
    for start in range(0, 100, 25):
        await asyncio.gather(*(rig.adapter.send_part(rig.access, rig.part(text=f"other {start + n}")) for n in range(25)))
    assert (await rig.adapter.look_up(rig.access, facts)).found == "one"


async def test_credentials_are_verified_each_in_turn(rig: Rig):
    """R120 to R122: good ones are good, and each wrong one is told."""
    good = await rig.adapter.verify_credentials(rig.access)
    assert isinstance(good, CredentialsGood)
    assert good.account_id == rig.harness.proof().account_id
    for wrong in rig.harness.wrong_credentials():
        found = await rig.adapter.verify_credentials(rig.harness.access(rig.url, **wrong))
        assert isinstance(found, Problem)
        assert found.account_problem
        assert "refused" in found.code or "inactive" in found.code


async def test_a_wrong_key_while_sending_waits_for_a_person(rig: Rig):
    """401 at the real door; nothing is taken."""
    wrong = rig.harness.wrong_credentials()[0]
    assert kind_of(await rig.adapter.send_part(rig.harness.access(rig.url, **wrong), rig.part())) == "account"
    assert await rig.control.phone_messages(PHONE) == []


async def test_a_number_is_found_only_when_it_is_exactly_the_one(rig: Rig):
    """Bad input 38; §1.3: the carrier's filter matches parts of numbers."""
    found = await rig.adapter.find_number(rig.access, rig.harness.ours)
    assert (found.status, found.carrier_ref is not None) == ("ready", True)
    assert (await rig.adapter.find_number(rig.access, rig.harness.unheld)).status == "absent"
    assert (await rig.adapter.find_number(rig.access, rig.harness.ours[:-1])).status in ("absent", "problem")
    assert (await rig.adapter.find_number(rig.access, "+447700900123")).status == "absent"


async def test_texting_is_switched_on_where_the_carrier_offers_it(rig: Rig):
    """§2B.5; a carrier that offers no such call says so."""
    second = "+13125550143"
    if not rig.adapter.capabilities.can_enable_messaging:
        found = await rig.adapter.enable_messaging(rig.access, rig.harness.ours, mms=True)
        assert isinstance(found, Problem)
        assert found.code == "not_offered"
        return
    assert (await rig.adapter.find_number(rig.access, second)).status == "without_messaging"
    assert await rig.adapter.enable_messaging(rig.access, second, mms=True) == Done()
    now = await rig.adapter.find_number(rig.access, second)
    assert (now.status, now.mms) == ("ready", True)
    assert isinstance(await rig.adapter.enable_messaging(rig.access, rig.harness.unheld, mms=True), Problem)


async def test_setting_a_webhook_again_changes_nothing(rig: Rig):
    """A repeated job finds its own work."""
    first = await rig.hook()
    assert await rig.hook() == first
    await rig.control.phone_sends(PHONE, rig.harness.ours, "once")
    await rig.inbox.wait(InboundText, 1)
    await asyncio.sleep(0.1)
    assert len(rig.inbox.items(InboundText)) == 1


@pytest.mark.parametrize("mode", ["newest_wins", "replace", "refuse"])
async def test_a_webhook_replaces_what_stood_there(rig: Rig, mode: str):
    """C.7: whatever the carrier does with a second entry, ours is the one in force, and the keys stay."""
    if rig.harness.kind == "inteliquent":
        await rig.control.set_modes("inteliquent", second_webhook=mode)
    other = await rig.adapter.set_webhook(rig.access, rig.harness.ours, "http://127.0.0.1:1/elsewhere", Secret("old"), None)
    assert isinstance(other, WebhookSet)
    await rig.hook()
    await rig.control.phone_sends(PHONE, rig.harness.ours, "to us")
    await rig.inbox.wait(InboundText, 1)
    assert isinstance(await rig.adapter.verify_credentials(rig.access), CredentialsGood)


async def test_a_removed_webhook_is_gone_and_removing_it_again_is_done(rig: Rig):
    """§1.4, §2A.4: the number and the keys stay."""
    hook = await rig.hook()
    assert await rig.adapter.remove_webhook(rig.access, rig.harness.ours, hook.carrier_ref) == Done()
    assert await rig.adapter.remove_webhook(rig.access, rig.harness.ours, hook.carrier_ref) == Done()
    assert await rig.adapter.remove_webhook(rig.access, rig.harness.ours, None) == Done()
    assert await rig.adapter.remove_webhook(rig.access, rig.harness.unheld, None) == Done()
    await rig.control.phone_sends(PHONE, rig.harness.ours, "to nobody")
    await asyncio.sleep(0.15)
    assert rig.inbox.batches == []
    assert isinstance(await rig.adapter.verify_credentials(rig.access), CredentialsGood)
    assert (await rig.adapter.find_number(rig.access, rig.harness.ours)).status == "ready"


async def test_a_webhook_is_removed_by_what_finding_the_number_gave(rig: Rig):
    """Provisioning may hold either reference."""
    await rig.hook()
    found = await rig.adapter.find_number(rig.access, rig.harness.ours)
    assert await rig.adapter.remove_webhook(rig.access, rig.harness.ours, found.carrier_ref) == Done()
    await rig.control.phone_sends(PHONE, rig.harness.ours, "to nobody")
    await asyncio.sleep(0.15)
    assert rig.inbox.batches == []


async def test_a_webhook_for_a_number_that_is_not_ours_is_refused(rig: Rig):
    """Bad input 38."""
    found = await rig.adapter.set_webhook(rig.access, rig.harness.unheld, rig.ingress + "/in", Secret("s"), None)
    assert isinstance(found, Problem)
    assert not found.temporary


async def test_the_receipt_setting_is_read_and_switched(rig: Rig):
    """§2B.6; None where the carrier has no such setting."""
    if not rig.adapter.capabilities.has_receipt_setting:
        assert await rig.adapter.receipts_on(rig.access) is None
        return
    await rig.control.set_modes(str(rig.harness.kind), msg_delivery_receipt="N")
    assert await rig.adapter.receipts_on(rig.access) == ReceiptSetting(on=False)
    assert await rig.adapter.turn_receipts_on(rig.access) == Done()
    assert await rig.adapter.receipts_on(rig.access) == ReceiptSetting(on=True)


async def test_a_text_that_the_carrier_cuts_is_told(rig: Rig):
    """design §7, C.4: the strict mode of Restcomm keeps 159 characters."""
    if rig.adapter.capabilities.max_utf8_bytes is None:
        pytest.skip("this carrier does not cut")
    await rig.control.set_modes("restcomm", long_text="strict")
    outcome = await rig.adapter.send_part(rig.access, rig.part(text="y" * 200))
    assert isinstance(outcome, Accepted)
    assert outcome.carrier_text == "y" * 159
    facts = PartFacts(rig.harness.ours, PHONE, "y" * 200, SystemClock().now())
    assert (await rig.adapter.look_up(rig.access, facts)).found == "one"


async def test_a_picture_goes_out(rig: Rig):
    """C.1, §2A.5."""
    part = OutboundPart(41, rig.harness.ours, PHONE, "Menu", ("https://media.example/m/menu.jpg",))
    assert isinstance(await rig.adapter.send_part(rig.access, part), Accepted)
    (message,) = await rig.control.phone_messages(PHONE)
    assert (message.text, [item["url"] for item in message.media]) == ("Menu", ["https://media.example/m/menu.jpg"])


@pytest.mark.parametrize("text", ["1" * 160, "1" * 161, "€" + "1" * 159, "😀" + "1" * 68, "😀" + "1" * 69])
async def test_long_texts_go_whole_and_their_segments_are_ours_to_count(rig: Rig, text: str):
    """Bad inputs 5 to 7: the phone has the text as it was typed; 1 or 2 segments by appendix A."""
    assert isinstance(await rig.adapter.send_part(rig.access, rig.part(text=text)), Accepted)
    (message,) = await rig.control.phone_messages(PHONE)
    assert message.text == text
    assert measure(text).segments in (1, 2)


async def test_secrets_stay_out_of_every_record(rig: Rig):
    """G33: canary credentials, hook secret and path token, in both directions."""
    await rig.hook()
    outcome = await rig.adapter.send_part(rig.access, rig.part())
    await rig.control.phone_sends(PHONE, rig.harness.ours, "hello")
    await rig.inbox.wait(ReceiptReport, 1)
    await rig.inbox.wait(InboundText, 1)
    for exchange in (outcome.exchange, *(batch.exchange for batch in rig.inbox.batches)):
        whole = f"{exchange.request_head}\n{exchange.answer_head}\n{exchange.note}".encode() + exchange.request_body + exchange.answer_body
        assert b"canary" not in whole
