"""What people can do to conversations and messages: send, send again, read, unread; and what opting in sets free."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from kereru.carriers.encoding import Culprit, culprits, has_lone_surrogate, measure
from kereru.carriers.numbering import DialingHabits, TypedNumber, display, is_short_code, read_typed
from kereru.carriers.registry import capabilities_of
from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.errors import Conflict
from kereru.kernel.logging import get_logger
from kereru.messaging import queries, store
from kereru.messaging.attachments import commands as attachments
from kereru.messaging.attachments import store as files_store
from kereru.messaging.attachments.commands import Travelling
from kereru.messaging.attachments.model import TRAVELS, FileRoute, MmsFacts, StoredFile
from kereru.messaging.errors import (
    AttemptMovedOn,
    BadClientId,
    CannotKeep,
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
from kereru.messaging.reasons import Reason
from kereru.realtime.feeds import ChangeKind, Entry, append

OUTBOX_CHANNEL = "kereru_outbox"
ATTEMPTS_MOST = 50
_log = get_logger("messaging")
_NEVER_LEFT = frozenset({"not_sent", "not_allowed", "account_refused", "sender_stopped"})
"""Failures that say nothing about the MMS itself: it is tried as one again."""
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: a user, and how he types numbers. `media_base`: the address of links to files; `reachable`: carriers can fetch them."""

    provider_id: int
    user_id: int
    habits: DialingHabits
    media_base: str = ""
    reachable: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be sent: `to` as typed, `attachments` by the ids of their uploads."""

    number_id: int
    to: str
    text: str
    attachments: tuple[str, ...] = ()


class Preflight(msgspec.Struct, frozen=True):
    """What would happen to a draft (design §7); nothing is sent. `files`: how each of them would travel, and why (Q2)."""

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
    files: tuple[FileRoute, ...]


async def preflight(tx: Transaction, sender: Sender, draft: Draft) -> Preflight:
    """Judge a draft as `send` would. Raises NoSuchNumber."""
    typed, doubt = _read(sender, draft)
    facts = await store.send_facts(tx, sender.user_id, draft.number_id, typed or "")
    if facts is None:
        raise NoSuchNumber
    remote, problem = _judged(typed, doubt, facts)
    files = await attachments.for_draft(tx, sender.user_id, draft.attachments, lock=False)
    missing, held = (files, []) if isinstance(files, Reason) else (None, files)
    travelling = _plan(sender, draft.text, held, facts, remote)
    stops = [reason for reason in (problem, missing, *_text_stops(draft.text, travelling, facts)) if reason is not None]
    warns = warnings(travelling.text, facts)
    measured = measure(travelling.text)
    return Preflight(
        to=remote,
        to_display=display(remote, sender.habits.region) if remote else None,
        encoding=measured.encoding,
        segments=measured.segments,
        units=measured.units,
        per_segment=measured.per_segment,
        left=measured.left,
        culprits=culprits(draft.text),
        kind=travelling.route.kind,
        verdict=verdict(stops, warns),
        reasons=(*stops, *warns),
        conversation_id=ids.encode(facts.conversation_id) if facts.conversation_id else None,
        files=travelling.route.files,
    )


async def send(database: Database, sender: Sender, client_id: str, draft: Draft) -> tuple[Message, bool]:
    """Queue a text once per `client_id` (G9); answers the message and whether it is new. Without files it is two statements, each by itself.

    Raises NoSuchNumber, BadClientId, ClientIdReused (same key, other request), CannotSend with the reason's own code.
    """
    if not _CLIENT_ID.fullmatch(client_id):
        raise BadClientId
    hashed = _request_hash(draft)
    typed, doubt = _read(sender, draft)
    async with database.statement() as tx:
        found = await store.facts_alone(tx, sender.provider_id, sender.user_id, draft.number_id, typed or "", client_id)
    facts, earlier = found or (None, None)
    if facts is None or earlier is not None:
        return await _earlier(database, sender, client_id, hashed, NoSuchNumber()), False
    async with database.batch(ProviderScope(sender.provider_id), alone=not draft.attachments) as tx:
        files = await attachments.for_draft(tx, sender.user_id, draft.attachments, lock=True)
        # Files that are gone may have gone with this very text: a repeated request waited for their locks.
        if not isinstance(files, Reason) or await store.known_key(tx, sender.user_id, client_id) is None:
            remote, problem = _judged(typed, doubt, facts)
            text = _to_queue(sender, draft, facts, files, remote, problem)
            queued = await store.queue(
                tx, facts.feed_id, {"provider": sender.provider_id, "user": sender.user_id, "client_id": client_id, "hash": hashed, **text}
            )
            if queued is not None:
                tx.notify(OUTBOX_CHANNEL, str(facts.platform_id))
                return await queries.stored(tx, queued), True
    return await _earlier(database, sender, client_id, hashed, Conflict()), False


async def resend(tx: Transaction, sender: Sender, message_id: int, *, attempt: int, despite_unknown: bool) -> Message:
    """Try a text once more, as a new attempt with a carrier id of its own (R79, R81).

    `attempt` is the newest one the person saw, so that a double click is one resend. Raises NoSuchMessage, AttemptMovedOn, NothingToResend,
    ResendNeedsWarning (an unknown one without `despite_unknown`), StillLeaving, TooManyAttempts, CannotSend.
    What failed as an MMS goes with links (P27).
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
    held = await files_store.sent(tx, message_id) if row.files else []
    failed_as_mms: bool = TRAVELS[int(row.kind) - 1] == "mms" and status in FAILURES and row.reason_code not in _NEVER_LEFT
    travelling = attachments.plan_links(row.text, held, sender.media_base) if failed_as_mms else _plan(sender, row.text, held, facts, row.remote)
    problem = permission_problem(facts) or next((reason for reason in _text_stops(row.text, travelling, facts) if reason), None)
    if problem is not None:
        raise CannotSend(problem)
    again = await store.resend(tx, {"message": message_id, "platform": facts.platform_id, "group": facts.group_id, **_outgoing(travelling, facts)})
    if held:
        await files_store.as_media(tx, message_id, [file.id for file in travelling.route.media])
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


async def keep_draft(tx: Transaction, sender: Sender, feed_id: int, conversation_id: int, text: str) -> Conversation:
    """Keep what was begun to be written, for all devices; the newest word stands. Raises NoSuchConversation, CannotKeep."""
    if "\x00" in text or has_lone_surrogate(text):
        raise CannotKeep
    if not await store.owns(tx, sender.user_id, conversation_id):
        raise NoSuchConversation
    row = await store.keep_draft(tx, sender.user_id, conversation_id, text)
    return await _read_changed(tx, sender, feed_id, conversation_id, None if row is None else row.version, ChangeKind.CONVERSATION_CHANGED)


async def release_withheld(tx: Transaction, provider_id: int, assignment_id: int) -> int:
    """Show the texts that arrived before the user agreed, in order, marked as such (Q26); answers how many."""
    rows = await store.release(tx, assignment_id)
    await append(tx, provider_id, [Entry(row.feed_id, ChangeKind.MESSAGE_RECEIVED, row.version, row.conversation_id, row.id) for row in rows])
    return len(rows)


async def _read_changed(
    tx: Transaction, sender: Sender, feed_id: int, conversation_id: int, version: int | None, kind: ChangeKind = ChangeKind.CONVERSATION_READ
) -> Conversation:
    result = await queries.conversation(tx, sender.user_id, sender.habits.region, conversation_id)
    if version is not None:
        await append(tx, sender.provider_id, [Entry(feed_id, kind, version, conversation_id)])
    return result


def _read(sender: Sender, draft: Draft) -> tuple[str | None, Reason | None]:
    """Whom the draft is for, and what speaks against it as it was typed. A short code is doubted until it has written itself."""
    typed = read_typed(draft.to, sender.habits)
    if isinstance(typed, TypedNumber):
        if typed.cleaned:
            _log.info("number.cleaned", user=sender.user_id)  # bad input 30: invisible characters came with it
        return typed.e164, None
    digits = draft.to.strip()
    return digits if is_short_code(digits) else None, Reason(typed.code, typed.text)


def _judged(remote: str | None, doubt: Reason | None, facts: SendFacts) -> tuple[str | None, Reason | None]:
    """Whom the draft goes to, and why it may not."""
    if remote is None or (doubt is not None and not facts.has_inbound):
        return None, doubt
    return remote, destination_problem(remote, capabilities_of(facts.carrier)) or permission_problem(facts)


def _to_queue(
    sender: Sender, draft: Draft, facts: SendFacts, files: list[StoredFile] | Reason, remote: str | None, problem: Reason | None
) -> dict[str, object]:
    """What is stored of a draft that may leave. Raises CannotSend."""
    missing, held = (files, []) if isinstance(files, Reason) else (None, files)
    travelling = _plan(sender, draft.text, held, facts, remote)
    problem = problem or missing or next((reason for reason in _text_stops(draft.text, travelling, facts) if reason), None)
    if problem is not None:
        raise CannotSend(problem)
    measured = measure(travelling.text)
    return {
        "assignment": facts.assignment_id, "remote": remote, "text": draft.text, "unicode": measured.encoding == "ucs2",
        "segments": measured.segments, "platform": facts.platform_id, "group": facts.group_id, "files": [file.id for file in held],
        "media": [file.id for file in travelling.route.media], **_outgoing(travelling, facts),
    }  # fmt: skip


def _text_stops(text: str, travelling: Travelling, facts: SendFacts) -> tuple[Reason | None, ...]:
    """What is wrong with the text as it was written, then as it would go, with its links."""
    files = len(travelling.route.media) + len(travelling.route.links)
    broken = text_problem(text, files=files) or text_problem(travelling.text, files=files)
    if broken is not None:
        return (broken,)
    return (carrier_problem(travelling.text, facts, capabilities_of(facts.carrier)),)


def _plan(sender: Sender, text: str, files: list[StoredFile], facts: SendFacts, remote: str | None) -> Travelling:
    mms = MmsFacts(facts.platform_mms, facts.number_mms, facts.own_number, remote, sender.reachable)
    return attachments.plan(text, files, mms, capabilities_of(facts.carrier), sender.media_base)


def _outgoing(travelling: Travelling, facts: SendFacts) -> dict[str, object]:
    """What the outbox holds. An MMS is one part; the links in its place are offered to the carrier only if they fit into one part as well (P27)."""
    capabilities = capabilities_of(facts.carrier)
    parts = [travelling.text] if travelling.media else list(parts_of(travelling.text, capabilities))
    spare = travelling.fallback
    fits = spare is not None and len(spare) <= capabilities.max_characters and carrier_problem(spare, facts, capabilities) is None
    return {
        "kind": TRAVELS.index(travelling.route.kind) + 1, "parts": parts, "links": list(travelling.media), "fallback": spare if fits else None,
        "deadline_s": facts.queue_deadline_s,
    }  # fmt: skip


async def _earlier(database: Database, sender: Sender, client_id: str, hashed: bytes, otherwise: Exception) -> Message:
    """What this key stands for already. Raises ClientIdReused, and `otherwise` when it stands for nothing."""
    async with database.transaction(ProviderScope(sender.provider_id), reading=True) as tx:
        known = await store.known_key(tx, sender.user_id, client_id)
        if known is None:
            raise otherwise
        if bytes(known.request_hash) != hashed:
            raise ClientIdReused
        return await queries.message(tx, sender.user_id, known.message_id)


def _request_hash(draft: Draft) -> bytes:
    # A text without files hashes as it did before there were any: keys live on over an upgrade.
    files = [draft.attachments] if draft.attachments else []
    return hashlib.sha256(msgspec.json.encode([draft.number_id, draft.to, draft.text, *files])).digest()
