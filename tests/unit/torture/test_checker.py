"""The judge sees each broken promise, and nothing where all is well."""

from dataclasses import replace
from types import SimpleNamespace as Row

import pytest

from kereru.torture.checker import judge, part_status
from kereru.torture.evidence import Evidence, HandOver, Webhook, hand_over, webhook
from kereru.torture.folding import State
from kereru.torture.history import Entry
from kereru.torture.misfortunes import Any as Misfortune
from kereru.torture.misfortunes import Kill, schedule

ANA, PHONE = "+12015550110", "+12025550110"
IN, OUT = f"in 1 from {PHONE} to {ANA}", f"out ana 1 from {ANA} to {PHONE}"


def message(**facts: object) -> Row:
    """A row of the database."""
    return Row(**{"id": 1, "outbound": False, "status": 9, "text": IN, "client_id": None, "carrier_id": "SM1", "e164": ANA, "remote": PHONE, **facts})


def shown(**facts: object) -> dict:
    """A message as a client holds it."""
    return {"id": "a", "text": OUT, "status": "delivered", "conversation_id": "c", "version": 1, **facts}


OUT_ROW = message(id=2, outbound=True, status=4, text=OUT, client_id="k", carrier_id=None)
CLEAN = Evidence(
    history=[Entry(0, "ana", "send", "invoke", {"key": "k", "text": OUT}), Entry(0, "ana", "send", "ok", {"key": "k", "text": OUT})],
    webhooks=[Webhook("restcomm", "SM1", ANA, IN, None, taken=True), Webhook("restcomm", "SM9", "", "", 4, taken=True)],
    hand_overs=[HandOver("restcomm", OUT, ANA, PHONE, surely_failed=True), HandOver("restcomm", OUT, ANA, PHONE, surely_failed=False)],
    messages=[message(), OUT_ROW],
    attempts={2: 1},
    parts=[Row(provider_id=1, platform_id=1, message_id=2, attempt=1, part=1, handover=3, status=4, carrier_id="SM9")],
    receipts=[Row(provider_id=1, platform_id=1, carrier_id="SM9", state=4, carrier="restcomm")],
    feeds=[Row(id=7, head=2)],
    changes={7: [1, 2]},
    held={"ana": (State(messages={"a": shown()}), State(messages={"a": shown()}))},
    numbers={"ana": frozenset({ANA})},
)


def test_all_well_is_clean() -> None:
    """The base of the others."""
    assert judge(CLEAN) == []


@pytest.mark.parametrize(
    ("guarantee", "change"),
    [
        ("G1", {"messages": [OUT_ROW]}),
        ("G1", {"messages": [message(text="another"), OUT_ROW]}),
        ("G3", {"messages": [message(), message(id=3), OUT_ROW]}),
        ("G9", {"messages": [message()], "hand_overs": []}),
        ("G9", {"messages": [message(), OUT_ROW, message(id=5, outbound=True, status=4, text=OUT)]}),
        ("G9", {"history": [Entry(0, "ana", "send", "fail", {"key": "k", "text": OUT})]}),
        ("G10", {"hand_overs": [HandOver("restcomm", OUT, ANA, PHONE, surely_failed=False)] * 2}),
        ("G10", {"hand_overs": [HandOver("restcomm", "never sent", ANA, PHONE, surely_failed=False)]}),
        ("G12", {"messages": [message(), message(id=2, outbound=True, status=2, text=OUT)]}),
        ("G11", {"messages": [message(), message(id=2, outbound=True, status=8, text=OUT)]}),
        ("G19", {"parts": [Row(provider_id=1, platform_id=1, message_id=2, attempt=1, part=1, handover=3, status=3, carrier_id="SM9")]}),
        ("G20", {"receipts": [], "parts": []}),
        ("G21", {"messages": [message(e164="+12015550111"), OUT_ROW], "webhooks": []}),
        ("G21", {"hand_overs": [HandOver("restcomm", OUT, "+12015550111", PHONE, surely_failed=False)]}),
        ("G21", {"numbers": {"ana": frozenset({"+12015550111"})}}),
        ("G22", {"held": {"ana": (State(), State(messages={"a": shown()}))}}),
        ("G22", {"held": {"ana": (State(messages={"a": shown(status="sent")}), State(messages={"a": shown()}))}}),
        ("G23", {"changes": {7: [1]}}),
        ("G23", {"changes": {7: [1, 3]}, "feeds": [Row(id=7, head=3)]}),
        ("G39", {"told": ["G39: not ready"]}),
    ],
)
def test_each_broken_promise_is_seen(guarantee: str, change: dict) -> None:
    """A judge that cannot condemn proves nothing."""
    assert any(problem.startswith(guarantee + ":") for problem in judge(replace(CLEAN, **change)))


def test_a_text_set_aside_counts_as_kept() -> None:
    """Input 68: an unknown number's text is in quarantine."""
    assert judge(replace(CLEAN, messages=[OUT_ROW], quarantined=frozenset({f"{ANA} SM1"}))) == []


@pytest.mark.parametrize(
    ("hand", "receipts", "status"),
    [(3, {3, 6, 4}, 4), (5, {6, 5}, 6), (5, {3}, 3), (5, set(), 8), (5, {1}, 3), (3, {1}, 3), (4, set(), 6), (2, set(), 2), (1, set(), 1)],
)
def test_the_rule_of_states(hand: int, receipts: set[int], status: int) -> None:
    """G19, said once more beside the database."""
    assert part_status(hand, receipts) == status


def test_what_the_carriers_wrote_is_read() -> None:
    """Both carriers' forms; a cut answer never counts as a sure refusal."""
    form = f"SmsSid=SM1&To=%2B12015550110&Body=in+1&From=%2B{PHONE[1:]}"
    assert webhook({"carrier": "restcomm", "what": "inbound", "body": form, "status": 200}) == Webhook(
        "restcomm", "SM1", ANA, "in 1", None, taken=True
    )
    receipt = '{"referenceId":"r","to":["13125550142"],"deliveryReceipt":true,"text":"id:1 stat:DELIVRD err:000"}'
    assert webhook({"carrier": "inteliquent", "what": "receipt", "body": receipt, "status": None}) == Webhook(
        "inteliquent", "r", "", "", 4, taken=False
    )
    send = {"carrier": "inteliquent", "method": "POST", "path": "/x/publishMessages", "body": {"from": ANA[1:], "to": [PHONE[1:]], "text": OUT}}
    sent = hand_over({**send, "answer": {"status": 200, "body": {"success": True}}})
    assert sent == HandOver("inteliquent", OUT, ANA, PHONE, surely_failed=False)
    assert hand_over({**send, "answer": {"status": 200, "body": {"success": False}}}).surely_failed
    assert hand_over({**send, "answer": {"status": 429, "body": None}}).surely_failed
    for answer in (
        None,
        {"status": 429, "body": None, "fault": "cut"},
        {"status": None, "body": None, "fault": "held"},
        {"status": 500, "body": None},
    ):
        assert not hand_over({**send, "answer": answer}).surely_failed


def test_the_same_seed_repeats_the_schedule() -> None:
    """And another seed makes another one; every kind comes up in ten minutes."""
    first: list[Misfortune] = schedule(7, 600, lease_s=3)
    assert first == schedule(7, 600, lease_s=3)
    assert first != schedule(8, 600, lease_s=3)
    assert len({type(one) for one in first}) == 5
    assert {one.process for one in first if isinstance(one, Kill)} == {"web", "web-2", "sender", "scheduler", "postgres", "backend"}
