"""What people can do to conversations and messages: send, send again, read, unread; and what opting in sets free."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from kereru.carriers.encoding import Culprit, culprits, measure
from kereru.carriers.numbering import DialingHabits, NumberProblem, TypedNumber, display, is_short_code, read_typed
from kereru.carriers.registry import capabilities_of
from kereru.kernel import ids
from kereru.kernel.db import Transaction
from kereru.kernel.errors import Conflict
from kereru.kernel.logging import get_logger
from kereru.messaging import queries, store
from kereru.messaging.errors import (
    AttemptMovedOn,
    BadClientId,
    CannotSend,
    ClientIdReused,
    NoSuchConversation,
    NoSuchMessage,
    NoSuchNumber,
    NothingToResend,
    ResendNeedsWarning,
    StillLeaving,
    TooManyAttempts,
)  # fmt: skip
from kereru.messaging.model import (
    FAILURES,
    Conversation,
    Message,
    Reason,
    SendFacts,
    Status,
    carrier_problem,
    destination_problem,
    parts_of,
    permission_problem,
    text_problem,
    verdict,
    warnings,
)  # fmt: skip
from kereru.realtime.feeds import ChangeKind, Entry, append

OUTBOX_CHANNEL = "kereru_outbox"
ATTEMPTS_MOST = 50
_log = get_logger("messaging")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: a user, and how he types numbers."""

    provider_id: int
    user_id: int
    habits: DialingHabits


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be sent: `to` as typed."""

    number_id: int
    to: str
    text: str


class Preflight(msgspec.Struct, frozen=True):
    """What would happen to a draft (design §7); nothing is sent."""

    to: str | None
    to_display: str | None
    encoding: Literal["gsm7", "ucs2"]
    segments: int
    units: int
    per_segment: int
    left: int
    culprits: tuple[Culprit, ...]
    kind: Literal["sms", "mms", "sms_link"]
    verdict: Literal["ok", "warn", "stop"]
    reasons: tuple[Reason, ...]
    conversation_id: str | None


async def preflight(tx: Transaction, sender: Sender, draft: Draft) -> Preflight:
    """Judge a draft as `send` would. Raises NoSuchNumber."""
    remote, problem, facts = await _resolve(tx, sender, draft)
    stops = [reason for reason in (problem, *_text_stops(draft.text, facts)) if reason is not None]
    warns = warnings(draft.text, facts)
    measured = measure(draft.text)
    return Preflight(
        to=remote,
        to_display=display(remote, sender.habits.region) if remote else None,
        encoding=measured.encoding,
        segments=measured.segments,
        units=measured.units,
        per_segment=measured.per_segment,
        left=measured.left,
        culprits=culprits(draft.text),
        kind="sms",
        verdict=verdict(stops, warns),
        reasons=(*stops, *warns),
        conversation_id=ids.encode(facts.conversation_id) if facts and facts.conversation_id else None,
    )


async def send(tx: Transaction, sender: Sender, client_id: str, draft: Draft) -> tuple[Message, bool]:
    """Queue a text once per `client_id` (G9); answers the message and whether it is new.

    Raises NoSuchNumber, BadClientId, ClientIdReused (same key, other request), CannotSend with the reason's own code.
    """
    if not _CLIENT_ID.fullmatch(client_id):
        raise BadClientId
    hashed = _request_hash(draft)
    earlier = await store.known_key(tx, sender.user_id, client_id)
    if earlier is not None:
        return await _same(tx, sender, earlier.message_id, earlier.request_hash, hashed), False
    remote, problem, facts = await _resolve(tx, sender, draft)
    if facts is not None:
        problem = problem or next((reason for reason in _text_stops(draft.text, facts) if reason), None)
    if problem is not None or facts is None or remote is None:
        raise CannotSend(problem or text_problem(draft.text) or Reason("not_a_number", "Enter a number."))
    measured = measure(draft.text)
    queued = await store.queue(
        tx,
        {
            "user": sender.user_id, "client_id": client_id, "hash": hashed, "assignment": facts.assignment_id, "remote": remote,
            "text": draft.text, "unicode": measured.encoding == "ucs2", "segments": measured.segments, "platform": facts.platform_id,
            "group": facts.group_id, "parts": _parts(draft.text, facts), "deadline_s": facts.queue_deadline_s,
        },
    )  # fmt: skip
    if queued is None:
        winner = await store.known_key(tx, sender.user_id, client_id)
        if winner is None:
            raise Conflict
        return await _same(tx, sender, winner.message_id, winner.request_hash, hashed), False
    result = await queries.message(tx, sender.user_id, queued.message_id)
    entry = Entry(facts.feed_id, ChangeKind.MESSAGE_QUEUED, queued.version, queued.conversation_id, queued.message_id)
    await append(tx, sender.provider_id, [entry])
    tx.notify(OUTBOX_CHANNEL, str(facts.platform_id))
    return result, True


async def resend(tx: Transaction, sender: Sender, message_id: int, *, attempt: int, despite_unknown: bool) -> Message:
    """Try a text once more, as a new attempt with a carrier id of its own (R79, R81).

    `attempt` is the newest one the person saw, so that a double click is one resend. Raises NoSuchMessage, AttemptMovedOn, NothingToResend,
    ResendNeedsWarning (an unknown one without `despite_unknown`), StillLeaving, TooManyAttempts, CannotSend.
    """
    row = await store.resendable(tx, sender.user_id, message_id)
    if row is None:
        raise NoSuchMessage
    if row.attempt != attempt:
        raise AttemptMovedOn
    if attempt >= ATTEMPTS_MOST:
        raise TooManyAttempts
    status = Status(row.status)
    if status is Status.UNKNOWN and not despite_unknown:
        raise ResendNeedsWarning
    if status not in FAILURES and status is not Status.UNKNOWN:
        raise NothingToResend
    if await store.in_outbox(tx, message_id):
        # A receipt may fail a text whose hand-over is not written down yet.
        raise StillLeaving
    facts = await store.send_facts(tx, sender.user_id, row.number_id, row.remote)
    if facts is None:
        raise CannotSend(Reason("number_not_enabled", "This number is no longer yours, so the text cannot be sent again."))
    problem = permission_problem(facts) or next((reason for reason in _text_stops(row.text, facts) if reason), None)
    if problem is not None:
        raise CannotSend(problem)
    again = await store.resend(
        tx,
        {"message": message_id, "platform": facts.platform_id, "group": facts.group_id, "parts": _parts(row.text, facts),
         "deadline_s": facts.queue_deadline_s},
    )  # fmt: skip
    result = await queries.message(tx, sender.user_id, message_id)
    await append(tx, sender.provider_id, [Entry(facts.feed_id, ChangeKind.MESSAGE_CHANGED, again.version, again.conversation_id, message_id)])
    tx.notify(OUTBOX_CHANNEL, str(facts.platform_id))
    return result


async def mark_read(tx: Transaction, sender: Sender, feed_id: int, conversation_id: int, *, up_to: int | None, now: datetime) -> Conversation:
    """Take the unread mark off, on all devices at once (Q21); `up_to` leaves what came after it unread. Raises NoSuchConversation."""
    if not await store.owns(tx, sender.user_id, conversation_id):
        raise NoSuchConversation
    row = await store.mark_read(tx, sender.user_id, conversation_id, up_to=up_to, since=queries.oldest_kept(now))
    return await _read_changed(tx, sender, feed_id, conversation_id, None if row is None else row.version)


async def mark_unread(tx: Transaction, sender: Sender, feed_id: int, conversation_id: int) -> Conversation:
    """Put the unread mark back, as a reminder. Raises NoSuchConversation."""
    if not await store.owns(tx, sender.user_id, conversation_id):
        raise NoSuchConversation
    row = await store.mark_unread(tx, sender.user_id, conversation_id)
    return await _read_changed(tx, sender, feed_id, conversation_id, None if row is None else row.version)


async def release_withheld(tx: Transaction, provider_id: int, assignment_id: int) -> int:
    """Show the texts that arrived before the user agreed, in order, marked as such (Q26); answers how many."""
    rows = await store.release(tx, assignment_id)
    await append(tx, provider_id, [Entry(row.feed_id, ChangeKind.MESSAGE_RECEIVED, row.version, row.conversation_id, row.id) for row in rows])
    return len(rows)


async def _read_changed(tx: Transaction, sender: Sender, feed_id: int, conversation_id: int, version: int | None) -> Conversation:
    result = await queries.conversation(tx, sender.user_id, sender.habits.region, conversation_id)
    if version is not None:
        await append(tx, sender.provider_id, [Entry(feed_id, ChangeKind.CONVERSATION_READ, version, conversation_id)])
    return result


async def _resolve(tx: Transaction, sender: Sender, draft: Draft) -> tuple[str | None, Reason | None, SendFacts | None]:
    """Whom the draft goes to, why it may not, and what the database knows. Raises NoSuchNumber for a number that is not the sender's."""
    typed = read_typed(draft.to, sender.habits)
    if isinstance(typed, TypedNumber) and typed.cleaned:
        _log.info("number.cleaned", user=sender.user_id)  # bad input 30: invisible characters came with it
    digits = draft.to.strip()
    if isinstance(typed, NumberProblem) and not is_short_code(digits):
        if await store.send_facts(tx, sender.user_id, draft.number_id, "") is None:
            raise NoSuchNumber
        return None, Reason(typed.code, typed.text), None
    remote = digits if isinstance(typed, NumberProblem) else typed.e164
    facts = await store.send_facts(tx, sender.user_id, draft.number_id, remote)
    if facts is None:
        raise NoSuchNumber
    if isinstance(typed, NumberProblem) and not facts.has_inbound:
        return None, Reason(typed.code, typed.text), facts
    return remote, destination_problem(remote, capabilities_of(facts.carrier)) or permission_problem(facts), facts


def _text_stops(text: str, facts: SendFacts | None) -> tuple[Reason | None, ...]:
    broken = text_problem(text)
    if broken is not None or facts is None:
        return (broken,)
    return (carrier_problem(text, facts, capabilities_of(facts.carrier)),)


def _parts(text: str, facts: SendFacts) -> list[str]:
    return list(parts_of(text, capabilities_of(facts.carrier)))


async def _same(tx: Transaction, sender: Sender, message_id: int, stored: bytes, hashed: bytes) -> Message:
    if bytes(stored) != hashed:
        raise ClientIdReused
    return await queries.message(tx, sender.user_id, message_id)


def _request_hash(draft: Draft) -> bytes:
    return hashlib.sha256(msgspec.json.encode([draft.number_id, draft.to, draft.text])).digest()
