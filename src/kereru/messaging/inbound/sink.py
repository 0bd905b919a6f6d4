"""The sink behind the carriers' webhooks: what it returns for is committed; what it raises NotDurable for is not, and the carrier hears 503."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

import msgspec
import psycopg

from kereru.carriers.arrivals import (
    ArrivalBatch,
    Asked,
    Exchange,
    InboundText,
    MediaReference,
    ReceiptReport,
    ReceiptState,
    Unrecognised,
)
from kereru.carriers.ingress import NotDurable
from kereru.kernel.db import INSTALLATION, Database, Row, Transaction
from kereru.kernel.errors import KereruError
from kereru.kernel.limits import EXCHANGE_BYTES, INGEST_BATCH
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import Codes, counter
from kereru.messaging.consent import CONSENT_WORDS, Mark, consent_word, mark_of
from kereru.messaging.delivery.part_reference import take_apart
from kereru.messaging.inbound import store
from kereru.messaging.inbound.batcher import Batcher
from kereru.messaging.model import Status
from kereru.realtime.backbone import OUTBOX_CHANNEL

_log = get_logger("messaging.inbound")
_arrivals = counter("arrivals_total", "Texts by what became of them; `duplicate`: copies that were dropped.", ("outcome",))
_receipts = counter("receipts_total", "Receipts by the state they told, copies counted.", ("state",))
_codes_seen = counter("receipt_errors_total", "Error codes in receipts, as the carriers spell them.", ("code",))
_codes = Codes()

ANSWER_WITHIN_S = 4.5
"""Carriers wait 10 to 15 s; a 503 within 5 s lets those that retry do so (G2)."""

STORED = (1, 2, 3)
_ACTING = {Mark.STOP: "stop", Mark.START: "start"}
"""What changes consent at once; the other marks are for a person's eyes or an answer."""
UNKNOWN_NUMBER = 5
UNASSIGNED = 6
_OUTCOMES = {1: "shown", 2: "withheld", 3: "blocked", 4: "duplicate", 5: "unknown_number", 6: "unassigned"}
_STATES = {
    ReceiptState.QUEUED: Status.QUEUED, ReceiptState.SENDING: Status.SENDING, ReceiptState.SENT: Status.SENT,
    ReceiptState.DELIVERED: Status.DELIVERED, ReceiptState.UNDELIVERED: Status.UNDELIVERED, ReceiptState.FAILED: Status.FAILED,
    ReceiptState.EXPIRED: Status.EXPIRED, ReceiptState.UNKNOWN: Status.UNKNOWN,
}  # fmt: skip


class TextItem(msgspec.Struct, frozen=True, tag="text"):
    """A text as the batch function takes it."""

    provider: int
    platform: int
    to: str
    remote: str
    cid: str | None
    text: str
    consent: str | None
    mark: int | None
    raw: str
    request: str
    place: int
    media: tuple[MediaReference, ...] | None = None


class ReceiptItem(msgspec.Struct, frozen=True, tag="receipt"):
    """A receipt as the batch function takes it."""

    provider: int
    platform: int
    cid: str
    message: int | None
    attempt: int | None
    part: int | None
    state: int
    carrier_state: str
    code: str
    reason: str
    opted_out: bool
    raw: str
    request: str


class UnreadItem(msgspec.Struct, frozen=True, tag="unread"):
    """A webhook that its adapter could not read: what it needs to try again."""

    asked: Asked
    body: bytes


Again = TextItem | ReceiptItem | UnreadItem
"""What is kept beside the raw words of what was set aside, to take it in after a repair (G5)."""


class Sink:
    """Implements `carriers.ingress.InboundSink` on a database opened as `kereru_ingest`."""

    def __init__(self, database: Database, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._database = database
        self._answer_within_s = answer_within_s
        self._texts = Batcher(self._write_texts, self._free_texts, self._set_aside, most=INGEST_BATCH, line=_conversation)
        self._receipts = Batcher(self._write_receipts, self._free_receipts, self._set_aside, most=INGEST_BATCH)

    async def put(self, batch: ArrivalBatch) -> None:
        """Commit everything one webhook brought. Raises NotDurable when that did not happen in time."""
        raw, request = _raw(batch.exchange), str(batch.request_id)
        waiting: list[asyncio.Future[None]] = []
        try:
            for place, arrival in enumerate(batch.items):
                if isinstance(arrival, InboundText):
                    waiting.append(self._texts.submit(text_item(arrival, raw, request, place)))
                elif isinstance(arrival, ReceiptReport):
                    waiting.append(self._receipts.submit(receipt_item(arrival, raw, request)))
                else:
                    await asyncio.wait_for(self._keep(arrival), self._answer_within_s)
            for future in waiting:
                # Whoever waited may be gone when it ends, and one failure is enough to tell.
                future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            if waiting:
                done, late = await asyncio.wait(waiting, timeout=self._answer_within_s)
                for future in done:
                    future.result()
                if late:
                    raise NotDurable
        except (psycopg.Error, KereruError, TimeoutError) as error:
            _log.error("arrival.not_durable", error=repr(error))
            raise NotDurable from error

    async def drain(self) -> None:
        """Let what is under way end."""
        await self._texts.drain()
        await self._receipts.drain()

    async def _write_texts(self, items: Sequence[TextItem]) -> None:
        async with self._database.batch(INSTALLATION, alone=all(item.mark is None for item in items)) as tx:
            rows = await write_texts(tx, items)
        for row in rows:
            mark = items[int(row.ordinal) - 1].mark
            if row.outcome in STORED and mark is not None:
                CONSENT_WORDS.labels(Mark(mark).wire).inc()
        for row in rows:
            _arrivals.labels(_OUTCOMES[row.outcome]).inc()
            if row.outcome == UNKNOWN_NUMBER:
                # An operator's alert (bad input 68): the carrier sends us texts for a number that nobody here has.
                item = items[int(row.ordinal) - 1]
                _log.warning("arrival.unknown_number", platform=item.platform, to=item.to)

    async def _free_texts(self, items: Sequence[TextItem]) -> Sequence[bool]:
        async with self._database.statement() as tx:
            free = await store.free(tx, msgspec.json.encode(items).decode())
        return [ordinal in free for ordinal in range(1, len(items) + 1)]

    async def _write_receipts(self, items: Sequence[ReceiptItem]) -> None:
        async with self._database.batch(INSTALLATION, alone=not any(item.opted_out for item in items)) as tx:
            await write_receipts(tx, items)
        for item in items:
            _receipts.labels(Status(item.state).wire if item.state else "not_understood").inc()
            if item.code:
                _codes_seen.labels(_codes.label(item.code)).inc()

    async def _free_receipts(self, items: Sequence[ReceiptItem]) -> Sequence[bool]:
        async with self._database.statement() as tx:
            free = await store.receipts_free(tx, msgspec.json.encode(items).decode())
        return [ordinal in free for ordinal in range(1, len(items) + 1)]

    async def _set_aside(self, item: TextItem | ReceiptItem, error: Exception) -> None:
        async with self._database.transaction(INSTALLATION) as tx:
            await store.unreadable(
                tx,
                provider=item.provider,
                platform=item.platform,
                key=_digest(item.raw),
                raw=item.raw,
                reason=f"could not be stored: {type(error).__name__}",
                again=msgspec.json.encode(item),
            )

    async def _keep(self, arrival: Unrecognised) -> None:
        raw = _clean(arrival.raw.decode("utf-8", "replace"))
        again = None if arrival.asked is None else msgspec.json.encode(UnreadItem(arrival.asked, arrival.raw))
        async with self._database.transaction(INSTALLATION) as tx:
            await store.unreadable(
                tx, provider=arrival.provider_id, platform=arrival.platform_id, key=_digest(raw), raw=raw, reason=arrival.reason, again=again
            )


async def write_texts(tx: Transaction, items: Sequence[TextItem]) -> list[Row]:
    """Store texts with their files and what their words mean for consent; one row each: ordinal, outcome, message_id, feed_id, feed_number."""
    rows = await store.texts(tx, msgspec.json.encode(items).decode(), media=any(item.media for item in items))
    kept = [(items[int(row.ordinal) - 1], row) for row in rows if row.outcome in STORED]
    marked = [(item, row.message_id, mark) for item, row in kept if (mark := item.mark) is not None]
    if marked:
        await store.mark(tx, [(item.provider, message, mark) for item, message, mark in marked])
        for platform in {item.platform for item, _, mark in marked if mark == Mark.HELP}:
            tx.notify(OUTBOX_CHANNEL, str(platform))
    homeless = [items[int(row.ordinal) - 1] for row in rows if row.outcome == UNASSIGNED]
    stops = [(item.provider, item.platform, item.to, item.remote) for item in homeless if item.mark == Mark.STOP]
    if stops:
        await store.stop_former(tx, stops)
    return rows


async def write_receipts(tx: Transaction, items: Sequence[ReceiptItem]) -> None:
    """Store receipts, and what the carrier told in them of people who want no more."""
    await store.receipts(tx, msgspec.json.encode(items).decode(), stops=any(item.opted_out for item in items))


def has_consent_word(batch: ArrivalBatch) -> bool:
    """Whether a webhook brings a STOP or a START: those are replayed first after an outage (design §6)."""
    return any(isinstance(item, InboundText) and consent_word(item.text) in _ACTING.values() for item in batch.items)


def text_item(arrival: InboundText, raw: str, request: str, place: int) -> TextItem:
    """What the batch function takes of a text; `raw` is the exchange it came in, `place` its place there."""
    mark = mark_of(arrival.text)
    return TextItem(
        provider=arrival.provider_id,
        platform=arrival.platform_id,
        to=arrival.to,
        remote=_clean(arrival.remote)[:64],
        cid=arrival.carrier_id or None,
        text=_clean(arrival.text),
        consent=_ACTING.get(mark) if mark else None,
        mark=mark,
        # What was odd about the wire form stays readable beside the raw text (bad inputs 10, 11, 70).
        raw=f"flags: {' '.join(arrival.raw_flags)}\n\n{raw}" if arrival.raw_flags else raw,
        request=request,
        place=place,
        media=arrival.media or None,
    )


def receipt_item(arrival: ReceiptReport, raw: str, request: str) -> ReceiptItem:
    """What the batch function takes of a receipt."""
    named = None if arrival.part_reference is None else take_apart(arrival.part_reference)
    return ReceiptItem(
        provider=arrival.provider_id,
        platform=arrival.platform_id,
        cid=arrival.carrier_id,
        message=named.message_id if named else None,
        attempt=named.attempt if named else None,
        part=named.part if named else None,
        state=int(_STATES[arrival.state]),
        carrier_state=_clean(arrival.carrier_state)[:64],
        code=arrival.error_code or "",
        reason=_clean(arrival.error_reason),
        opted_out=arrival.opted_out,
        raw=raw,
        request=request,
    )


def _conversation(item: TextItem) -> tuple[int, int, str, str]:
    """Texts of one person to one number are stored in the order in which they came; a STOP must not be overtaken by the START before it (G17)."""
    return item.provider, item.platform, item.to, item.remote


def _raw(exchange: Exchange) -> str:
    head = f"{exchange.request_head}\n\n" if exchange.request_head else ""
    return _clean(head + exchange.request_body.decode("utf-8", "backslashreplace"))[:EXCHANGE_BYTES]


def _clean(text: str) -> str:
    # PostgreSQL stores no NUL; U+FFFD shows that something stood there (bad input 10).
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _digest(raw: str) -> str:
    return sha256(raw.encode("utf-8", "replace")).hexdigest()
