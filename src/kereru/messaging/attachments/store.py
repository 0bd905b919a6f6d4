"""All SQL of files. Every statement runs in a provider's scope; what people may see is joined by whose it is."""

from collections.abc import Sequence

from kereru.kernel.db import Row, Transaction
from kereru.messaging.attachments.model import StoredFile

_COLUMNS = """f.id, f.message_id, f.name, f.content_type, f.bytes, f.state, f.reason_code, f.reason, f.width, f.height, f.preview_width,
  f.preview_height, f.as_media"""

# Newest messages have the files that are looked for; what is older than 90 days is gone for people, whatever the sweep has left (R45, R194).
_OF_MESSAGES = f"""
SELECT {_COLUMNS} FROM file f
WHERE f.provider_id = scope_provider() AND f.message_id = ANY (%(messages)s::bigint[]) ORDER BY f.message_id, f.place
"""
_SEEN = f"""
SELECT {_COLUMNS} FROM file f
WHERE f.provider_id = scope_provider() AND f.id = %(id)s AND (
  f.message_id IS NULL AND f.user_id = %(user)s
  OR f.message_id >= (SELECT oldest_kept()) AND EXISTS (
    SELECT 1 FROM message m
    JOIN conversation c ON c.provider_id = m.provider_id AND c.id = m.conversation_id
    JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = %(user)s
    WHERE m.provider_id = f.provider_id AND m.id = f.message_id AND m.visibility = 0))
"""
_ADD = """
INSERT INTO file (provider_id, id, user_id, state, name, content_type, bytes, link)
SELECT scope_provider(), new_id(), %(user)s, 1, %(name)s, %(content_type)s, %(bytes)s, %(link)s
WHERE %(most)s > (SELECT count(*) FROM file WHERE provider_id = scope_provider() AND user_id = %(user)s AND message_id IS NULL) RETURNING id
"""
_READY = """
UPDATE file SET state = 2, name = %(name)s, content_type = %(content_type)s, bytes = %(bytes)s, width = %(width)s, height = %(height)s,
  preview_width = %(preview_width)s, preview_height = %(preview_height)s, source = NULL, source_type = NULL, reason_code = NULL, reason = NULL
WHERE provider_id = scope_provider() AND id = %(id)s AND state <> 2
"""
_REPLACED = """
UPDATE file SET name = %(name)s, content_type = %(content_type)s, bytes = %(bytes)s, width = %(width)s, height = %(height)s,
  preview_width = %(preview_width)s, preview_height = %(preview_height)s
WHERE provider_id = scope_provider() AND id = %(id)s AND message_id IS NULL
"""
_UNSENT = """
SELECT f.id, f.name, f.content_type, f.bytes, f.link FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS w (id, place)
JOIN file f ON f.provider_id = scope_provider() AND f.id = w.id AND f.user_id = %(user)s AND f.message_id IS NULL AND f.state = 2
ORDER BY w.place
"""
_SENT = """
SELECT f.id, f.name, f.content_type, f.bytes, f.link, f.as_media FROM file f
WHERE f.provider_id = scope_provider() AND f.message_id = %(message)s AND f.state = 2 AND f.link IS NOT NULL ORDER BY f.place
"""
_COMING = """
SELECT f.id, f.message_id, f.source, coalesce(f.source_type, '') AS declared, f.source_credentials, f.tries FROM file f
WHERE f.provider_id = scope_provider() AND f.message_id = %(message)s AND f.state = 1 AND f.source IS NOT NULL ORDER BY f.place
"""
_MISSED = """
UPDATE file SET state = %(state)s, tries = tries + 1, reason_code = %(code)s, reason = %(reason)s
WHERE provider_id = scope_provider() AND id = %(id)s AND state = 1
"""
_AGAIN = """
UPDATE file SET state = 1, tries = 0, reason_code = NULL, reason = NULL
WHERE provider_id = scope_provider() AND id = %(id)s AND state = 3 AND source IS NOT NULL RETURNING message_id
"""
# The message's row first: whoever deletes or reads it on does the same.
_CHANGED = """
UPDATE message m SET version = m.version + 1, files = %(files)s FROM conversation c
WHERE m.provider_id = scope_provider() AND m.id = %(message)s AND c.provider_id = m.provider_id AND c.id = m.conversation_id
RETURNING m.conversation_id, m.version, m.visibility, (
  SELECT u.feed_id FROM assignment a JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
  WHERE a.provider_id = c.provider_id AND a.id = c.assignment_id) AS feed_id
"""
_CONSENT = "SELECT consent FROM message WHERE provider_id = scope_provider() AND id = %(message)s"
_PLATFORM = """
SELECT p.provider_id, p.id AS platform_id, p.carrier, p.credentials_sealed, p.endpoints, p.takes_long_texts FROM message m
JOIN platform p ON p.provider_id = m.provider_id AND p.id = m.platform_id
WHERE m.provider_id = scope_provider() AND m.id = %(message)s
"""
_NUMBERS = """
SELECT n.id, n.e164, p.carrier, p.mms AS platform_mms, coalesce(a.messaging_type, 2) = 2 AS number_mms
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
WHERE a.provider_id = scope_provider() AND a.user_id = %(user)s AND a.ended_at IS NULL AND a.state = 4 ORDER BY a.id
"""
_BY_LINK = "SELECT provider_id, id, name, content_type, bytes FROM file_by_link(%(link)s)"


async def of_messages(tx: Transaction, messages: Sequence[int]) -> list[Row]:
    """The files of messages, in their order. The caller has checked whose they are."""
    return await tx.rows(_OF_MESSAGES, {"messages": list(messages)})


async def seen(tx: Transaction, user_id: int, file_id: int) -> Row | None:
    """A file that is the user's: uploaded by him, or of a message that he may see."""
    return await tx.row(_SEEN, {"id": file_id, "user": user_id})


async def unsent_count(tx: Transaction, user_id: int) -> int:
    """How many uploads of his wait to be sent."""
    return await tx.value(
        "SELECT count(*) FROM file WHERE provider_id = scope_provider() AND user_id = %(user)s AND message_id IS NULL", {"user": user_id}
    )


async def add(tx: Transaction, **params: object) -> int | None:
    """An upload whose bytes are about to be stored; answers its id, or None where the user has `most` already. One of a user's at a time."""
    await tx.run("SELECT pg_advisory_xact_lock(hashtextextended('unsent ' || scope_provider() || ' ' || %(user)s, 5))", params)
    return await tx.value(_ADD, params)


async def ready(tx: Transaction, **params: object) -> bool:
    """Its bytes are stored; False when it was removed meanwhile."""
    return await tx.run(_READY, params) == 1


async def is_there(tx: Transaction, file_id: int) -> bool:
    """Whether its row still is; with the row gone, nothing leads to its bytes."""
    return await tx.value("SELECT EXISTS (SELECT 1 FROM file WHERE provider_id = scope_provider() AND id = %(id)s)", {"id": file_id})


async def replaced(tx: Transaction, **params: object) -> bool:
    """It now is another version of itself; False when it was sent or removed meanwhile."""
    return await tx.run(_REPLACED, params) == 1


async def remove(tx: Transaction, user_id: int, file_id: int) -> bool:
    """Remove an upload that was not sent; False when there is none."""
    statement = "DELETE FROM file WHERE provider_id = scope_provider() AND id = %(id)s AND user_id = %(user)s AND message_id IS NULL"
    return await tx.run(statement, {"id": file_id, "user": user_id}) == 1


async def unsent(tx: Transaction, user_id: int, ids: Sequence[int], *, lock: bool) -> list[StoredFile]:
    """The user's uploads among `ids` that can be sent, in the order asked for; with `lock` nobody else can send them meanwhile."""
    rows = await tx.rows(_UNSENT + (" FOR UPDATE OF f" if lock else ""), {"user": user_id, "ids": list(ids)})
    return [_stored(row) for row in rows]


async def sent(tx: Transaction, message_id: int) -> list[StoredFile]:
    """The files a person sent with a message."""
    return [_stored(row) for row in await tx.rows(_SENT, {"message": message_id})]


async def as_media(tx: Transaction, message_id: int, media: Sequence[int]) -> None:
    """Of a message's files, `media` travel in its MMS, the others as links."""
    await tx.run(
        "UPDATE file SET as_media = id = ANY (%(media)s::bigint[]) WHERE provider_id = scope_provider() AND message_id = %(message)s",
        {"message": message_id, "media": list(media)},
    )


async def coming(tx: Transaction, message_id: int) -> list[Row]:
    """Files of a received message that still lie at its carrier."""
    return await tx.rows(_COMING, {"message": message_id})


async def missed(tx: Transaction, file_id: int, state: int, code: str, reason: str) -> None:
    """It could not be had this time (state 1) or at all (3)."""
    await tx.run(_MISSED, {"id": file_id, "state": state, "code": code, "reason": reason})


async def consent_of_part(tx: Transaction, message_id: int, mark: int) -> bool:
    """A text file of a message without words of its own says what `mark` means; everybody concerned is told (sql/0024). False: it has words of its
    own, or another of its files said something before.
    """
    if await tx.value(_CONSENT, {"message": message_id}) is not None:
        return False
    rows = await tx.rows("SELECT feed_id, number FROM consent_of_part(%(message)s, %(mark)s::smallint)", {"message": message_id, "mark": mark})
    for row in rows:
        tx.wake(row.feed_id, row.number)
    return await tx.value(_CONSENT, {"message": message_id}) is not None


async def drop(tx: Transaction, file_id: int) -> None:
    """It was no file for people (a layout)."""
    await tx.run("DELETE FROM file WHERE provider_id = scope_provider() AND id = %(id)s", {"id": file_id})


async def again(tx: Transaction, file_id: int) -> int | None:
    """A file that could not be had is coming again; answers its message."""
    return await tx.value(_AGAIN, {"id": file_id})


async def message_changed(tx: Transaction, message_id: int) -> Row | None:
    """Count a message's files anew and raise its version; None when it is gone."""
    files = await tx.value("SELECT count(*) FROM file WHERE provider_id = scope_provider() AND message_id = %(message)s", {"message": message_id})
    return await tx.row(_CHANGED, {"message": message_id, "files": files})


async def platform_of(tx: Transaction, message_id: int) -> Row | None:
    """The platform a message came by, with its sealed secrets."""
    return await tx.row(_PLATFORM, {"message": message_id})


async def numbers(tx: Transaction, user_id: int) -> list[Row]:
    """What decides about MMS for each of the user's numbers."""
    return await tx.rows(_NUMBERS, {"user": user_id})


async def by_link(tx: Transaction, link: bytes) -> Row | None:
    """What a link leads to, whosoever's it is."""
    return await tx.row(_BY_LINK, {"link": link})


def _stored(row: Row) -> StoredFile:
    return StoredFile(row.id, row.name, row.content_type, row.bytes, bytes(row.link))
