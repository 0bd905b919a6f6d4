"""Who must act when a text did not arrive, in the words of the documents' three rules (R99 to R101, R197, S24). Pure: a life and the time decide."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from kereru.messaging.life.model import Life, PartHandedOver

Who = Literal["nobody", "wait", "us", "carrier", "recipient", "customer"]
"""`us`: whoever runs Kererū. `carrier`: the carrier platform. `recipient`: their phone, number or their own STOP. `customer`: our user or his
business: opt-in, licence, a block, or what the text says.
"""
Desk = Literal["carrier", "ours"]

RECEIPT_PATIENCE = timedelta(minutes=15)
"""How long a text may stand at `sent` before the carrier is asked why nothing else is heard of it."""
QUEUE_PATIENCE = timedelta(minutes=2)
"""How long a text may wait untried before that is our fault."""

_RECIPIENT = frozenset({"opted_out", "30003", "30005", "30006"})
_CUSTOMER = frozenset({"not_allowed", "30004", "30007"})
_CARRIER = frozenset({"30001", "30008", "30009"})
_OURS = frozenset({"30002", "30010", "our_error", "outcome_not_written"})
_NEVER_HANDED_OVER = frozenset({"not_sent", "sender_stopped"})


class Verdict(msgspec.Struct, frozen=True):
    """Who must act, what is the matter in a sentence, and what to do next. `desk`: whose ticket desk, where there is a reason for a ticket."""

    who: Who
    title: str
    text: str
    desk: Desk | None = None


def judge(life: Life, now: datetime) -> Verdict:
    """The verdict on one message."""
    return _inbound(life) if life.direction == "in" else _outbound(life, now)


def _inbound(life: Life) -> Verdict:
    if life.visibility == "withheld":
        return Verdict(
            "customer", "Kept back until the user agrees",
            "The text reached us before the user agreed to text with this number, or while there was no licence. It is shown once both are there.",
        )  # fmt: skip
    if life.visibility == "blocked":
        return Verdict(
            "customer", "Blocked by the user",
            "The user blocked the sender, so the text is shown here only, also after unblocking. Unblock the sender on the number's page.",
        )  # fmt: skip
    if life.seen:
        return Verdict("nobody", "Received and opened", "The text reached us and the user has opened the conversation since.")
    return Verdict(
        "nobody", "Received, not opened yet",
        "The text reached us and was offered to the user's devices; one that is offline fetches it when it is back. If it does not show up there, "
        "the fault lies between the carrier and the client: raise a ticket with us.",
        "ours",
    )  # fmt: skip


def _outbound(life: Life, now: datetime) -> Verdict:
    match life.status:
        case "queued":
            return _queued(life, now)
        case "sending":
            return Verdict("wait", "Being handed over", "The carrier has not answered yet. Look again in a minute.")
        case "sent":
            return _sent(life, now)
        case "delivered":
            return _delivered(life)
        case "unknown":
            return _unknown(life)
        case _:
            return _failed(life)


def _queued(life: Life, now: datetime) -> Verdict:
    waiting = life.waiting
    if waiting is not None and waiting.deferrals:
        why = f" ({waiting.reason})" if waiting.reason else ""
        return Verdict(
            "carrier", "The carrier does not take it yet",
            f"The carrier put the text off {_times(waiting.deferrals)}{why}. It is tried again until it is too old, then it fails with Send again.",
        )  # fmt: skip
    if now - life.at > QUEUE_PATIENCE:
        return Verdict(
            "us", "It has waited too long",
            "The text is not in the carrier's log, because we have not handed it over yet. Look at the platform's page; if it is not stopped, raise "
            "a ticket with us.",
            "ours",
        )  # fmt: skip
    return Verdict("wait", "Waiting for its turn", "The text is about to be handed over. Look again in a minute.")


def _sent(life: Life, now: datetime) -> Verdict:
    handed_over = max((part.handed_over_at for part in _parts(life) if part.handed_over_at), default=life.at)
    if now - handed_over < RECEIPT_PATIENCE:
        return Verdict("wait", "Sent; no receipt yet", "The carrier took the text. Its receipt usually comes within minutes.")
    return Verdict(
        "carrier", "Sent, and nothing heard since",
        "The carrier took the text and sent no receipt that it arrived. If the phone got nothing, raise a ticket with the carrier and give the SID.",
        "carrier",
    )  # fmt: skip


def _delivered(life: Life) -> Verdict:
    doubt = " Its receipts contradict each other, so ask." if any(part.contradicted for part in _parts(life)) else ""
    return Verdict(
        "nobody", "Delivered, says the carrier",
        f"The carrier reports the text as delivered to the phone.{doubt} If the phone got nothing all the same, raise a ticket with the carrier and "
        "give the SID.",
        "carrier",
    )  # fmt: skip


def _unknown(life: Life) -> Verdict:
    if any(part.next_look_up_at for part in _parts(life)):
        return Verdict(
            "wait",
            "Not confirmed; we are asking",
            "Nobody can tell yet whether the carrier took the text. We are asking; nothing sends it again by itself.",
        )
    return Verdict(
        "carrier", "The carrier does not say what became of it",
        "We asked and got no clear answer. Ask the carrier by the two numbers and the time, before the user sends it again: it may have arrived.",
        "carrier",
    )  # fmt: skip


def _failed(life: Life) -> Verdict:
    code = life.reason.code if life.reason else ""
    said = life.reason.text if life.reason and life.reason.text else "No reason was given."
    if code in _NEVER_HANDED_OVER or not (code or any(part.handed_over_at for part in _parts(life))):
        return Verdict(
            "us", "It never reached the carrier",
            f"The text is not in the carrier's log, so the fault is ours. {said} Look at the platform's page; the user can send it again.",
            "ours",
        )  # fmt: skip
    if code in _RECIPIENT:
        return Verdict("recipient", "It cannot reach this recipient", f"{said} No ticket is needed: the recipient has to change that.")
    if code in _CUSTOMER:
        return Verdict("customer", "It may not be sent like this", f"{said} No ticket is needed: the user or the business has to change that.")
    if code in _OURS:
        return Verdict("us", "It failed on our side", f"{said} Look at the platform's page and the account at the carrier.", "ours")
    if code in _CARRIER:
        return Verdict("carrier", "It failed at the carrier", f"{said} No ticket is needed unless it happens again; the user can send it again.")
    return Verdict("carrier", "The carrier gives this reason", f"{said} It is in the carrier's log with that reason, so no ticket is needed.")


def _parts(life: Life) -> Iterable[PartHandedOver]:
    """The parts of the newest attempt, which speaks for the message."""
    return life.attempts[-1].parts if life.attempts else ()


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
