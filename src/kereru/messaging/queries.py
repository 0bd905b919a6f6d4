"""What people read: conversations, messages, and both as they appear in changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from kereru.carriers.encoding import measure
from kereru.carriers.numbering import display
from kereru.kernel import ids
from kereru.kernel.db import Row, Transaction
from kereru.kernel.limits import RETENTION_DAYS
from kereru.messaging import store
from kereru.messaging.attachments import queries as attachments
from kereru.messaging.attachments.model import TRAVELS, Attachment
from kereru.messaging.consent import Mark
from kereru.messaging.errors import NoSuchConversation, NoSuchMessage
from kereru.messaging.model import FAILURES, STOPPED_BY, Conversation, ConversationNumber, Message, Reason, Status, Stopped, abilities


def oldest_kept(now: datetime) -> int:
    """The smallest id that people may still see: every read is bounded by 90 days, whatever the partitions hold (design §6, R45)."""
    return ids.lowest_at(now - timedelta(days=RETENTION_DAYS))


async def conversation_page(
    tx: Transaction, user_id: int, region: str, *, before: int, now: datetime, limit: int
) -> tuple[list[Conversation], int | None]:
    """The activity list from `before` on, newest first (R82, R87), and from where it goes on, if it does."""
    rows = await store.conversation_page(tx, user_id, before=before, since=oldest_kept(now), limit=limit)
    files = await _files(tx, rows)
    return [_conversation(row, region, files) for row in rows], rows[-1].last_message_id if len(rows) == limit else None


async def conversations(tx: Transaction, user_id: int, region: str, wanted: Sequence[int]) -> dict[int, Conversation]:
    """The user's conversations among `wanted`, by id."""
    if not wanted:
        return {}
    rows = await store.conversations_by_id(tx, user_id, wanted)
    files = await _files(tx, rows)
    return {row.id: _conversation(row, region, files) for row in rows}


async def conversation(tx: Transaction, user_id: int, region: str, conversation_id: int) -> Conversation:
    """One conversation. Raises NoSuchConversation."""
    found = await conversations(tx, user_id, region, [conversation_id])
    if conversation_id not in found:
        raise NoSuchConversation
    return found[conversation_id]


async def message_page(tx: Transaction, user_id: int, conversation_id: int, *, before: int, now: datetime, limit: int) -> list[Message]:
    """A conversation's messages from `before` back, newest first. Raises NoSuchConversation."""
    if not await store.owns(tx, user_id, conversation_id):
        raise NoSuchConversation
    rows = await store.message_page(tx, conversation_id, before=before, since=oldest_kept(now), limit=limit)
    files = await _files(tx, rows)
    return [_message(row, files) for row in rows]


async def messages_seen(tx: Transaction, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Message]:
    """Of these (user, message) pairs those that the user may see, for many users at once."""
    if not wanted:
        return {}
    rows = await store.messages_seen(tx, wanted)
    files = await _files(tx, rows)
    return {(row.user_id, row.id): _message(row, files) for row in rows}


async def conversations_seen(tx: Transaction, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Conversation]:
    """Of these (user, conversation) pairs those that the user may see, each in that user's form, for many users at once."""
    if not wanted:
        return {}
    rows = await store.conversations_seen(tx, wanted)
    files = await _files(tx, rows)
    return {(row.user_id, row.id): _conversation(row, row.region, files) for row in rows}


async def messages(tx: Transaction, user_id: int, wanted: Sequence[int]) -> dict[int, Message]:
    """The user's messages among `wanted`, by id."""
    if not wanted:
        return {}
    rows = await store.messages_by_id(tx, user_id, wanted)
    files = await _files(tx, rows)
    return {row.id: _message(row, files) for row in rows}


async def message(tx: Transaction, user_id: int, message_id: int) -> Message:
    """One message. Raises NoSuchMessage."""
    found = await messages(tx, user_id, [message_id])
    if message_id not in found:
        raise NoSuchMessage
    return found[message_id]


async def stored(tx: Transaction, row: Row) -> Message:
    """A message as it was just stored: a row of `messages_by_id`."""
    return _message(row, await _files(tx, [row]))


Files = Mapping[int, tuple[Attachment, ...]]


async def _files(tx: Transaction, rows: Sequence[Row]) -> Files:
    """The files of the rows' messages; asked for only where there are any."""
    wanted = [getattr(row, "message_id", None) or row.id for row in rows if row.files]
    return await attachments.of_messages(tx, wanted)


def _message(row: Row, files: Files, *, id_: int | None = None, version: int | None = None, conversation_id: int | None = None) -> Message:
    status = Status(row.status)
    unicode, segments = row.unicode, row.segments
    if not row.outbound:
        measured = measure(row.text)
        unicode, segments = measured.encoding == "ucs2", measured.segments
    message_id = row.id if id_ is None else id_
    return Message(
        id=ids.encode(message_id),
        client_id=row.client_id,
        conversation_id=ids.encode(row.conversation_id if conversation_id is None else conversation_id),
        direction="out" if row.outbound else "in",
        text=row.text,
        status=status.wire,
        reason=Reason(row.reason_code, row.reason or "") if row.reason_code else None,
        at=ids.made_at(message_id),
        encoding="ucs2" if unicode else "gsm7",
        segments=segments,
        attempt=row.attempt,
        arrived_before=row.arrived_before,
        cut_to=row.cut_to,
        version=row.version if version is None else version,
        can=("resend",) if status in FAILURES or status is Status.UNKNOWN else (),
        consent=None if row.consent is None else Mark(row.consent).wire,
        automatic=None if row.automatic is None else "help",
        kind=TRAVELS[int(row.kind) - 1],
        attachments=files.get(message_id, ()),
    )


def _conversation(row: Row, region: str, files: Files) -> Conversation:
    last = None
    if row.message_id is not None:
        last = _message(row, files, id_=row.message_id, version=row.message_version, conversation_id=row.id)
    stopped = None if row.stopped_at is None else Stopped(row.stopped_at, STOPPED_BY[row.stopped_by])
    return Conversation(
        id=ids.encode(row.id),
        number=ConversationNumber(ids.encode(row.number_id), row.e164, display(row.e164, region), row.friendly_name),
        number_id=ids.encode(row.number_id),
        remote=row.remote,
        remote_display=display(row.remote, region),
        name=row.seen_name,
        name_source=row.name_detail or None,
        unread=row.unread,
        last_message=last,
        last_at=ids.made_at(row.last_message_id),
        blocked=row.blocked,
        version=row.version,
        can=abilities(row.remote, has_written=row.last_inbound_id is not None, blocked=row.blocked, stopped=stopped, may_be_texted=row.may_be_texted),
        stopped=stopped,
        draft=row.draft,
    )
