"""`kereru message ID`: everything that is known about one message, in the order in which it happened, in plain words or as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter

from kereru.entrypoints.admin import Home, Json, Operator, printable, run
from kereru.kernel import ids
from kereru.kernel.db import INSTALLATION, ProviderScope
from kereru.messaging.errors import NoSuchMessage
from kereru.messaging.life import store
from kereru.messaging.life.model import AttemptMade, Life, PartHandedOver
from kereru.messaging.life.queries import life_of
from kereru.messaging.model import Reason

Moment = tuple[datetime, str]

_HANDOVERS = {
    "waiting": "not yet handed over",
    "open": "being handed over, no answer yet",
    "accepted": "the carrier took it",
    "refused": "not taken",
    "unknown": "nobody can tell whether the carrier took it",
}
_EXCHANGES = {
    "text_in": "The carrier's webhook with the text",
    "receipt": "The carrier's webhook with a receipt",
    "hand_over": "What we sent to the carrier, and its answer",
    "unreadable": "A webhook that could not be read",
    "look_up": "We asked the carrier what became of it",
}


def message(
    message_id: Annotated[str, Parameter(name="ID", help="The message's id, as the API and the portal show it.")],
    /,
    *,
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Print the life of a message: row, attempts, parts, receipts, exchanges with the carrier, changes told, whether it was read. Its text too."""

    async def work(desk: Operator) -> object:
        wanted = ids.decode(message_id)
        async with desk.owner.transaction(INSTALLATION) as tx:
            provider_id = await store.provider_of(tx, wanted)
        if provider_id is None:
            words = f"There is no message {message_id}. It was deleted, or is older than 90 days, or this is the id of something else."
            raise NoSuchMessage(words)
        async with desk.app.transaction(ProviderScope(provider_id)) as tx:
            found = await life_of(tx, wanted, datetime.now(UTC))
        return msgspec.to_builtins(found) if as_json else {"words": told(found)}

    return run(home, work, as_json=as_json, words=lambda answer: str(answer["words"]))


def told(life: Life) -> str:
    """The life in words: what it is, where it stands, then one moment after the other."""
    way = f"from {life.remote} to {life.number}" if life.direction == "in" else f"from {life.number} to {life.remote}"
    lines = [
        f"Message {life.id} {way}",
        f"  {life.user_name} (user {life.user_id}), conversation {life.conversation_id}",
        f"  {life.carrier}, platform {life.platform_id} “{life.platform_name}”, provider {life.provider_id}",
        f"  Text: {_quoted(life.text)}",
        f"  Stands at: {life.status}{_because(life.reason)}",
        *(f"  {one}" for one in _state(life)),
        "",
        *(f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC  {words}" for at, words in sorted(_moments(life), key=_when)),
    ]
    for exchange in life.exchanges:
        lines += ["", f"{_EXCHANGES[exchange.kind]} ({exchange.at:%Y-%m-%d %H:%M:%S} UTC, request {exchange.request_id or '–'}):"]
        lines += [f"  | {printable(line)}" for line in exchange.raw.splitlines()]
    if not life.exchanges:
        lines += ["", "No raw exchange is kept any more; they stay for 14 days."]
    return "\n".join(lines)


def _when(moment: Moment) -> datetime:
    return moment[0]


def _state(life: Life) -> Iterator[str]:
    if life.visibility == "withheld":
        yield "Withheld: its owner has not agreed to texting with this number, so it is shown to nobody."
    if life.visibility == "blocked":
        yield "Its owner blocked this person, so it is shown to nobody."
    if life.cut_to is not None:
        yield f"The carrier cut it to: {_quoted(life.cut_to)}"
    if life.seen is not None and life.visibility == "shown":
        yield "Its owner has read it." if life.seen else "Its owner has not read it."
    if life.waiting is not None:
        held = f"in a sender's hands since {life.waiting.in_hand_since}" if life.waiting.in_hand_since else f"next try {life.waiting.next_try_at}"
        why = f", last put off because: {life.waiting.reason}" if life.waiting.reason else ""
        yield f"Waits to be handed over: {held}, given up at {life.waiting.expires_at}, put off {life.waiting.deferrals} times{why}."


def _moments(life: Life) -> Iterator[Moment]:
    if life.direction == "in":
        before = " before its owner had agreed" if life.arrived_before else ""
        yield life.at, f"Arrived{before}; the carrier calls it {life.carrier_id or 'nothing: it gave no id'}."
    else:
        yield life.at, f"Written and queued under the client's key {life.client_id or '–'}; {life.segments} segments."
    for attempt in life.attempts:
        yield from _attempt_moments(attempt)
    for change in life.changes:
        yield change.at, f"Told to its owner's programs: {change.kind}, version {change.version}, entry {change.number} of feed {change.feed}."
    if life.seen_at is not None:
        yield life.seen_at, "Its owner read the conversation for the first time after it came."


def _attempt_moments(attempt: AttemptMade) -> Iterator[Moment]:
    yield attempt.started_at, f"Attempt {attempt.attempt} began; it now stands at {attempt.status}{_because(attempt.reason)}."
    for part in attempt.parts:
        name = f"part {part.part} of attempt {attempt.attempt}"
        if part.handed_over_at is not None:
            yield part.handed_over_at, f"Handed over, {name}: {_HANDOVERS[part.handover]}{_details(part)}{_because(part.reason)}."
        else:
            yield attempt.started_at, f"Not handed over, {name}: {_HANDOVERS[part.handover]}{_because(part.reason)}."
        for receipt in part.receipts:
            code = f" {receipt.error_code}" if receipt.error_code else ""
            why = f": {printable(receipt.reason)}" if receipt.reason else ""
            yield receipt.at, f"Receipt for {name}: {receipt.state}, in the carrier's words {printable(receipt.carrier_state)}{code}{why}."


def _details(part: PartHandedOver) -> str:
    facts = [
        f"as {printable(part.carrier_id)}" if part.carrier_id else "",
        f"try {part.tries}" if part.tries > 1 else "",
        f"the carrier was asked {part.look_ups} times" if part.look_ups else "",
        f"asked again at {part.next_look_up_at}" if part.next_look_up_at else "",
        "its receipts contradict each other" if part.contradicted else "",
    ]
    return "".join(f", {fact}" for fact in facts if fact)


def _because(reason: Reason | None) -> str:
    return f" ({printable(reason.code)}: {printable(reason.text)})" if reason is not None else ""


def _quoted(text: str) -> str:
    return f"“{printable(text)}”"
