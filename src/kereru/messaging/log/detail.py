"""One message as the log shows it: its facts, its hops in order, the verdict, and a text to copy into a ticket. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from kereru.carriers.encoding import measure
from kereru.carriers.numbering import display
from kereru.messaging.attachments.model import Travel
from kereru.messaging.life.model import FileSent, Life, PartHandedOver, RawExchange
from kereru.messaging.log.model import WORDS, Named, named
from kereru.messaging.log.verdict import Verdict, judge
from kereru.messaging.model import Reason

_REGION = "US"
State = Literal["good", "waiting", "wrong", "note"]
_STATES: dict[str, State] = {
    "delivered": "good", "sent": "good", "received": "good", "failed": "wrong", "undelivered": "wrong", "expired": "wrong", "unknown": "waiting",
}  # fmt: skip
_HANDOVERS: dict[str, tuple[State, str]] = {
    "waiting": ("waiting", "Not handed over yet"),
    "open": ("waiting", "Being handed over; no answer yet"),
    "accepted": ("good", "Handed over; the carrier took it"),
    "refused": ("wrong", "Not taken"),
    "unknown": ("waiting", "Handed over; nobody can tell whether the carrier took it"),
}


class Step(msgspec.Struct, frozen=True):
    """One hop: when, what in words, and in the carrier's or our own codes where there are any."""

    at: datetime
    state: State
    text: str
    detail: str = ""


class Ticket(msgspec.Struct, frozen=True):
    """Plain text with everything a desk asks for: numbers, SID, times, hops and the raw exchange, secrets masked."""

    subject: str
    text: str


class MessageDetail(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Everything about one text (R97). `sids`: the carrier's ids, one a part; `direction`: in the carriers' word. A withheld text is shown to nobody
    (Q26): `text`, its files, and the exchanges that hold it, are empty then. Raw exchanges are kept for 14 days.
    """

    id: str
    sids: list[str]
    at: datetime
    from_: str
    from_display: str
    to: str
    to_display: str
    direction: Literal["inbound", "outbound-api"]
    status: str
    reason: Reason | None
    hidden: Literal["withheld", "blocked"] | None
    text: str | None
    cut_to: str | None
    characters: int
    encoding: Literal["gsm7", "ucs2"]
    segments: int
    kind: Travel
    files: list[FileSent]
    user: Named
    platform: Named
    carrier: str
    verdict: Verdict
    ticket: Ticket
    steps: list[Step]
    exchanges: list[RawExchange]


def detail(life: Life, now: datetime) -> MessageDetail:
    """What the log shows of a life."""
    own, other = (life.number, display(life.number, _REGION)), (life.remote, display(life.remote, _REGION))
    (from_, from_display), (to, to_display) = (other, own) if life.direction == "in" else (own, other)
    withheld = life.visibility == "withheld"
    measured = measure(life.text)
    verdict = judge(life, now)
    steps = sorted(_steps(life), key=lambda step: step.at)
    exchanges = [] if withheld else list(life.exchanges)
    return MessageDetail(
        id=life.id,
        sids=_sids(life),
        at=life.at,
        from_=from_,
        from_display=from_display,
        to=to,
        to_display=to_display,
        direction="inbound" if life.direction == "in" else "outbound-api",
        status=life.status,
        reason=life.reason,
        hidden=None if life.visibility == "shown" else "withheld" if withheld else "blocked",
        text=None if withheld else life.text,
        cut_to=life.cut_to,
        characters=len(life.text),
        encoding=measured.encoding,
        segments=measured.segments if life.direction == "in" else life.segments,
        kind=life.kind,
        files=[] if withheld else list(life.files),
        user=Named(life.user_id, life.user_name),
        platform=Named(life.platform_id, life.platform_name),
        carrier=life.carrier,
        verdict=verdict,
        ticket=_ticket(life, from_, to, verdict, steps, exchanges),
        steps=steps,
        exchanges=exchanges,
    )


def _sids(life: Life) -> list[str]:
    """The carrier's ids: of an inbound text its own, of an outbound one those of the newest attempt that has any."""
    if life.direction == "in":
        return [life.carrier_id] if life.carrier_id else []
    named = [[part.carrier_id for part in attempt.parts if part.carrier_id] for attempt in life.attempts]
    return next((ids for ids in reversed(named) if ids), list[str]())


def _steps(life: Life) -> Iterator[Step]:
    if life.direction == "in":
        yield Step(life.at, "good", "Received from the carrier and stored", life.carrier_id or "")
    else:
        yield Step(life.at, "good", f"Taken from {life.user_name}'s client and queued")
    if life.visibility == "withheld":
        yield Step(life.at, "waiting", "Kept back until the user agrees, or has a licence")
    if life.visibility == "blocked":
        yield Step(life.at, "note", "Not shown: the user blocked the sender")
    for attempt in life.attempts:
        if attempt.attempt > 1:
            yield Step(attempt.started_at, "note", f"Sent again: attempt {attempt.attempt}")
        for part in attempt.parts:
            yield from _part(part, attempt.started_at, many=len(attempt.parts) > 1)
    if life.waiting is not None:
        yield Step(life.waiting.next_try_at, "waiting", "Next try at the carrier", life.waiting.reason)
    told = next((change for change in life.changes if change.kind in ("message.received", "message.queued")), None)
    if told is not None:
        yield Step(told.at, "good", "Offered to the user's devices", f"entry {told.number}")
    if life.seen_at is not None:
        yield Step(life.seen_at, "good", "The user opened the conversation")


def _part(part: PartHandedOver, begun: datetime, *, many: bool) -> Iterator[Step]:
    name = f", part {part.part}" if many else ""
    state, words = _HANDOVERS[part.handover]
    tries = f" after {part.tries} tries" if part.tries > 1 else ""
    why = part.carrier_id or ""
    if part.handover != "accepted" and part.reason is not None:
        why = f"{part.reason.code}: {part.reason.text}"
    yield Step(part.handed_over_at or begun, state, f"{words}{name}{tries}", why)
    if part.cut_to is not None:
        yield Step(part.handed_over_at or begun, "wrong", f"The carrier cut the text{name}", part.cut_to)
    for receipt in part.receipts:
        said = " ".join(word for word in (receipt.carrier_state, receipt.error_code, receipt.reason) if word)
        yield Step(receipt.at, _STATES.get(receipt.state, "note"), f"Receipt: {receipt.state.replace('_', ' ')}{name}", said)


def _ticket(life: Life, from_: str, to: str, verdict: Verdict, steps: list[Step], exchanges: list[RawExchange]) -> Ticket:
    sids = ", ".join(_sids(life)) or "none"
    lines = [
        f"{verdict.title}. {verdict.text}",
        "",
        f"SID:        {sids}",
        f"From:       {from_}",
        f"To:         {to}",
        f"Direction:  {'inbound' if life.direction == 'in' else 'outbound-api'}",
        f"Status:     {life.status}{f' ({life.reason.code}: {life.reason.text})' if life.reason else ''}",
        f"Date:       {_time(life.at)}",
        f"Kind:       {WORDS[life.kind]}",
        *(f"File:       {named(file)}" for file in (life.files if life.visibility != "withheld" else ())),
        f"Platform:   {life.platform_name} ({life.carrier})",
        f"Our id:     {life.id}",
        "",
        "What happened (times in UTC):",
        *(f"  {_time(step.at)}  {step.text}{f' ({step.detail})' if step.detail else ''}" for step in steps),
    ]
    for exchange in exchanges:
        lines += ["", f"Raw exchange, {exchange.kind.replace('_', ' ')}, {_time(exchange.at)} (secrets masked):", exchange.raw]
    return Ticket(f"Text {sids} from {from_} to {to}: {life.status}", "\n".join(lines))


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
