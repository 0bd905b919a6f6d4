"""Who must act (R99 to R101, R197): a table of what may become of a text, each blamed as the documents' rules say."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from kereru.messaging.life.model import AttemptMade, ChangeTold, Life, PartHandedOver, RawExchange, ReceiptSeen, Waiting
from kereru.messaging.log.detail import detail
from kereru.messaging.log.verdict import judge
from kereru.messaging.model import Reason

AT = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
SID = "SM" + "0" * 32
OUT = Life(
    id="77", provider_id="1", at=AT, direction="out", status="sent", reason=None, visibility="shown", text="It is. Keep it?", cut_to=None, segments=1,
    attempt=1, version=3, arrived_before=False, number="+12015550110", remote="+12025550142", user_id="5", user_name="Ana", conversation_id="6",
    platform_id="2", platform_name="Restcomm", carrier="restcomm", carrier_id=None, client_id="key-1", seen=None, seen_at=None, attempts=(),
    waiting=None, exchanges=(), changes=(),
)  # fmt: skip
IN = replace(OUT, direction="in", status="received", carrier_id=SID, client_id=None, seen=False)


def handed(
    handover: str = "accepted", *, receipts: tuple[ReceiptSeen, ...] = (), asking: bool = False, reason: Reason | None = None, begun: bool = True
) -> tuple[AttemptMade, ...]:
    """One attempt with one part."""
    part = PartHandedOver(
        part=1, text="It is. Keep it?", handover=handover, status="sent", carrier_id=SID if handover == "accepted" else None, tries=1,
        handed_over_at=AT + timedelta(seconds=1) if begun else None, look_ups=0, next_look_up_at=AT + timedelta(minutes=1) if asking else None,
        contradicted=False, cut_to=None, reason=reason, receipts=receipts,
    )  # fmt: skip
    return (AttemptMade(1, "sent", AT, 1, reason, (part,)),)


def receipt(state: str, code: str = "") -> ReceiptSeen:
    return ReceiptSeen(AT + timedelta(seconds=9), SID, state, state, code, "")


def failed(code: str, words: str, *, handover: str = "accepted", status: str = "failed", begun: bool = True) -> Life:
    reason = Reason(code, words)
    return replace(OUT, status=status, reason=reason, attempts=handed(handover, reason=reason, begun=begun))


def waiting(deferrals: int, reason: str = "") -> Life:
    return replace(OUT, status="queued", waiting=Waiting(1, AT + timedelta(minutes=1), AT + timedelta(minutes=10), None, deferrals, reason))


LATER, SOON = AT + timedelta(hours=1), AT + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("life", "now", "who", "desk"),
    [
        # R99: the platform says sent, and the phone got nothing.
        (replace(OUT, attempts=handed()), LATER, "carrier", "carrier"),
        (replace(OUT, attempts=handed()), SOON, "wait", None),
        (replace(OUT, status="delivered", attempts=handed(receipts=(receipt("delivered"),))), LATER, "nobody", "carrier"),
        # R101: in the log, and not in the client.
        (IN, LATER, "nobody", "ours"),
        (replace(IN, seen=True), LATER, "nobody", None),
        (replace(IN, visibility="blocked"), LATER, "customer", None),
        (replace(IN, visibility="withheld"), LATER, "customer", None),
        # R197: outbound and not in the platform's log: ours.
        (failed("not_sent", "The carrier could not be reached in time.", handover="refused", begun=False), LATER, "us", "ours"),
        (failed("not_sent", "The carrier could not be reached in time.", handover="refused"), LATER, "us", "ours"),
        (failed("sender_stopped", "Our sender stopped.", handover="refused"), LATER, "us", "ours"),
        (waiting(0), LATER, "us", "ours"),
        (waiting(0), SOON, "wait", None),
        (waiting(3, "carrier_busy"), LATER, "carrier", None),
        # R197: in the log as failed or undelivered: the carrier's reason, no ticket.
        (failed("30003", "The phone could not be reached.", status="undelivered"), LATER, "recipient", None),
        (failed("30007", "The text was filtered by a carrier."), LATER, "customer", None),
        (failed("opted_out", "The recipient has opted out at the carrier.", handover="refused"), LATER, "recipient", None),
        (failed("carrier_refused", "The carrier refused the text.", handover="refused"), LATER, "carrier", None),
        (failed("undelivered", "", status="undelivered"), LATER, "carrier", None),
        (failed("30002", "The account at the carrier is suspended."), LATER, "us", "ours"),
        (failed("not_allowed", "Texting this person was stopped.", handover="refused", begun=False), LATER, "customer", None),
        # G11: nobody can tell.
        (replace(OUT, status="unknown", attempts=handed("unknown", asking=True)), LATER, "wait", None),
        (replace(OUT, status="unknown", attempts=handed("unknown")), LATER, "carrier", "carrier"),
        (replace(OUT, status="sending", attempts=handed("open")), SOON, "wait", None),
    ],
)  # fmt: skip
def test_each_is_blamed_on_who_must_act(life: Life, now: datetime, who: str, desk: str | None) -> None:
    """One verdict each, in words that end; a ticket only where the rules ask for one."""
    verdict = judge(life, now)
    assert (verdict.who, verdict.desk) == (who, desk)
    assert verdict.text.endswith(".")
    assert verdict.title


def test_the_carriers_reason_is_in_the_verdict() -> None:
    """R197: shown, not hidden behind ours."""
    assert "The phone could not be reached." in judge(failed("30003", "The phone could not be reached."), LATER).text


def test_the_ticket_holds_what_a_desk_asks_for() -> None:
    """R98, S24: numbers, SID, times, every hop and the raw exchange, as plain text."""
    life = replace(
        OUT, attempts=handed(receipts=(receipt("sent"),)), exchanges=(RawExchange(AT, "hand_over", "", "POST /Messages\nAuthorization: ***"),),
        changes=(ChangeTold(AT, "9", 4, "message.queued", 1),),
    )  # fmt: skip
    shown = detail(life, LATER)
    assert shown.sids == [SID]
    for piece in (SID, "+12015550110", "+12025550142", "2026-05-04 10:00:00.000Z", "outbound-api", "Receipt: sent", "Authorization: ***"):
        assert piece in shown.ticket.text
    assert [step.text for step in shown.steps] == [
        "Taken from Ana's client and queued", "Offered to the user's devices", "Handed over; the carrier took it", "Receipt: sent",
    ]  # fmt: skip


def test_a_withheld_text_is_in_no_part_of_the_answer() -> None:
    """Q26: neither as text, nor raw, nor in the ticket."""
    life = replace(IN, visibility="withheld", text="private words", exchanges=(RawExchange(AT, "text_in", "", "Body=private words"),))
    shown = detail(life, LATER)
    assert (shown.text, shown.exchanges, shown.characters) == (None, [], 13)
    assert "private" not in shown.ticket.text
