"""Reads the life of a message: one function for all of it, so that the command line and the portal tell the same."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from kereru.kernel import ids
from kereru.kernel.db import Row, Transaction
from kereru.kernel.limits import EXCHANGE_DAYS
from kereru.messaging.attachments import store as attachments
from kereru.messaging.attachments.model import TRAVELS, State
from kereru.messaging.errors import NoSuchMessage
from kereru.messaging.life import store
from kereru.messaging.life.model import (
    EXCHANGES,
    HANDOVERS,
    VISIBILITIES,
    AttemptMade,
    ChangeTold,
    FileSent,
    Life,
    PartHandedOver,
    RawExchange,
    ReceiptSeen,
    Waiting,
)
from kereru.messaging.model import Reason, Status
from kereru.messaging.queries import oldest_kept
from kereru.realtime.feeds import ChangeKind


async def life_of(tx: Transaction, message_id: int, now: datetime) -> Life:
    """Everything known about a message of the transaction's provider. Raises NoSuchMessage, also for one past its 90 days (R45).

    It shows texts and numbers: the caller decides who may see them. Raw exchanges are shown for 14 days.
    """
    since = oldest_kept(now)
    row = await store.head(tx, message_id, since)
    if row is None:
        raise NoSuchMessage
    seen, seen_at = (None, None) if row.outbound else await _seen(tx, row)
    waiting = await store.waiting(tx, message_id)
    return Life(
        id=ids.encode(row.id),
        provider_id=ids.encode(row.provider_id),
        at=ids.made_at(row.id),
        direction="out" if row.outbound else "in",
        status=Status(row.status).wire,
        reason=_reason(row),
        visibility=VISIBILITIES[row.visibility],
        text=row.text,
        cut_to=row.cut_to,
        segments=row.segments,
        attempt=row.attempt,
        version=row.version,
        arrived_before=row.arrived_before,
        number=row.e164,
        remote=row.remote,
        user_id=ids.encode(row.user_id),
        user_name=row.user_name,
        conversation_id=ids.encode(row.conversation_id),
        platform_id=ids.encode(row.platform_id),
        platform_name=row.platform_name,
        carrier=row.carrier,
        carrier_id=row.carrier_id,
        client_id=row.client_id,
        seen=seen,
        seen_at=seen_at,
        attempts=await _attempts(tx, message_id),
        waiting=None if waiting is None else Waiting(*waiting),
        exchanges=await _exchanges(tx, message_id, now),
        changes=tuple(
            ChangeTold(ids.made_at(change.id), ids.encode(change.feed_id), change.number, ChangeKind(change.kind).wire, change.version)
            for change in await store.changes(tx, message_id, row.feed_id, since)
        ),
        kind=TRAVELS[int(row.kind) - 1],
        files=(await files_of(tx, [row])).get(row.id, ()),
    )


async def files_of(tx: Transaction, rows: Sequence[Row]) -> dict[int, tuple[FileSent, ...]]:
    """The files of these messages, by message, each in order. The caller has checked whose they are."""
    found: dict[int, tuple[FileSent, ...]] = {}
    wanted = [row.id for row in rows if row.files]
    for row in await attachments.of_messages(tx, wanted) if wanted else []:
        file = FileSent(row.name, row.content_type, row.bytes, State(row.state).wire, row.as_media)
        found[row.message_id] = (*found.get(row.message_id, ()), file)
    return found


async def _attempts(tx: Transaction, message_id: int) -> tuple[AttemptMade, ...]:
    parts, receipts = await store.parts(tx, message_id), await store.receipts(tx, message_id)
    return tuple(
        AttemptMade(
            attempt=row.attempt,
            status=Status(row.status).wire,
            started_at=row.started_at,
            sender_epoch=row.epoch,
            reason=_reason(row),
            parts=tuple(
                _part(part, (one for one in receipts if (one.attempt, one.part) == (part.attempt, part.part)))
                for part in parts
                if part.attempt == row.attempt
            ),
        )
        for row in await store.attempts(tx, message_id)
    )


def _part(row: Row, receipts: Iterable[Row]) -> PartHandedOver:
    return PartHandedOver(
        part=row.part,
        text=row.text,
        handover=HANDOVERS[row.handover],
        status=Status(row.status).wire,
        carrier_id=row.carrier_id,
        tries=row.tries,
        handed_over_at=row.handed_over_at,
        look_ups=row.look_ups,
        next_look_up_at=row.look_up_at,
        contradicted=row.contradicted,
        cut_to=row.cut_to,
        reason=_reason(row),
        receipts=tuple(
            ReceiptSeen(
                ids.made_at(one.id),
                one.carrier_id,
                Status(one.state).wire if one.state else "not_understood",
                one.carrier_state,
                one.error_code,
                one.reason,
            )
            for one in receipts
        ),
    )


async def _exchanges(tx: Transaction, message_id: int, now: datetime) -> tuple[RawExchange, ...]:
    rows = await store.exchanges(tx, message_id, ids.lowest_at(now - timedelta(days=EXCHANGE_DAYS)))
    return tuple(RawExchange(ids.made_at(row.id), EXCHANGES[row.kind], row.request_id, row.raw) for row in rows)


async def _seen(tx: Transaction, row: Row) -> tuple[bool, datetime | None]:
    """A conversation knows how many of its newest texts are unread; a withheld or blocked text was shown to nobody."""
    if row.visibility != 0:
        return False, None
    seen = await store.newer_inbound(tx, row.id, row.conversation_id, row.unread) >= row.unread
    read = await store.first_read(tx, row.id, row.conversation_id, row.feed_id) if seen else None
    return seen, None if read is None else ids.made_at(read)


def _reason(row: Row) -> Reason | None:
    return Reason(row.reason_code, row.reason or "") if row.reason_code else None
