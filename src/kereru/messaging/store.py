"""All SQL of conversations and messages that people cause; the batches of carriers are in `inbound` and `delivery`.

Every statement runs in a provider's scope and names the user: a row of somebody else is not found.
"""

from collections.abc import Sequence

from kereru.kernel.db import Row, Transaction
from kereru.messaging.model import SendFacts

# What is joined to a row is looked up by its whole key: LATERAL, and OFFSET so that it stays so. Joined freely, a plan made while a table was empty
# reads everything that an index's first column finds, for each row and until statistics come (docs/reference/performance.md).
# Names depend on who looks, so they are joined when a conversation is read (design §6).
_NAMED = "LEFT JOIN LATERAL name_seen(c.provider_id, a.user_id, u.group_id, c.remote) seen_as ON true"
# Consent is the group's: its row is joined when the conversation is read, and no conversation's version counts it.
_STOPPED = """LEFT JOIN LATERAL (
  SELECT at, source FROM remote_consent
  WHERE provider_id = c.provider_id AND group_id = u.group_id AND remote = c.remote AND stopped OFFSET 0) s ON true"""
_BLOCKED = """LEFT JOIN LATERAL (
  SELECT remote FROM blocked_remote WHERE provider_id = c.provider_id AND assignment_id = c.assignment_id AND remote = c.remote OFFSET 0) b ON true"""
_CONVERSATION_COLUMNS = """c.id, c.remote, c.unread, c.version, c.last_message_id, c.last_inbound_id, c.draft, n.id AS number_id, n.e164,
  a.friendly_name, b.remote IS NOT NULL AS blocked, m.id AS message_id,
  m.outbound, m.status, m.text, m.client_id, m.attempt, m.unicode, m.segments, m.reason_code,
  m.reason, m.cut_to, m.arrived_before, m.consent, m.automatic, m.version AS message_version, m.kind, m.files,
  u.any_number OR c.last_inbound_id IS NOT NULL OR known_mobile(c.provider_id, a.user_id, c.remote) AS may_be_texted,
  s.at AS stopped_at, s.source AS stopped_by,
  seen_as.name AS seen_name, seen_as.detail AS name_detail"""
# Texts that are named are bounded by the first and the last of them too, so that no other weeks' tables are opened (docs/reference/performance.md).
# What is looked for by its id is bounded by the database's 90 days; pages take theirs as a parameter, which lets the planner leave weeks out (R45).
# The last text is named by its conversation too: by its id alone the planner may choose the index that begins with the conversation.
_AROUND = f"""
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
LEFT JOIN LATERAL (
  SELECT * FROM message WHERE provider_id = c.provider_id AND conversation_id = c.id AND id = c.last_message_id OFFSET 0) m ON true
{_BLOCKED}
{_STOPPED}
{_NAMED}
"""
# The page is cut for each number, then for the person, before anything is joined to it: only that many are read however many conversations there are.
_CONVERSATION_PAGE = f"""
SELECT {_CONVERSATION_COLUMNS}
FROM (
  SELECT c.* FROM assignment a
  CROSS JOIN LATERAL (
    SELECT * FROM conversation
    WHERE provider_id = a.provider_id AND assignment_id = a.id AND last_message_id < %(before)s AND last_message_id >= %(since)s
    ORDER BY last_message_id DESC LIMIT %(limit)s) c
  WHERE a.provider_id = scope_provider() AND a.user_id = %(user)s
  ORDER BY c.last_message_id DESC LIMIT %(limit)s) c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id
{_AROUND}
ORDER BY c.last_message_id DESC
"""
_CONVERSATIONS_BY_ID = f"""
SELECT {_CONVERSATION_COLUMNS}
FROM unnest(%(ids)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (SELECT * FROM conversation WHERE provider_id = scope_provider() AND id = w.id OFFSET 0) c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = %(user)s
{_AROUND}
WHERE c.last_message_id >= (SELECT oldest_kept())
"""

_MESSAGE_COLUMNS = """m.id, m.conversation_id, m.outbound, m.status, m.text, m.client_id, m.attempt, m.unicode, m.segments, m.reason_code, m.reason,
  m.cut_to, m.arrived_before, m.consent, m.automatic, m.version, m.kind,
  m.files"""

_MESSAGE_PAGE = f"""
SELECT {_MESSAGE_COLUMNS} FROM message m
WHERE m.provider_id = scope_provider() AND m.conversation_id = %(conversation)s AND m.id < %(before)s AND m.id >= %(since)s AND m.visibility = 0
ORDER BY m.id DESC LIMIT %(limit)s
"""
_MESSAGES_BY_ID = f"""
SELECT {_MESSAGE_COLUMNS} FROM unnest(%(ids)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (
  SELECT * FROM message WHERE provider_id = scope_provider() AND id = w.id AND visibility = 0 AND id >= (SELECT oldest_kept())
    AND id BETWEEN %(first)s AND %(last)s OFFSET 0) m
CROSS JOIN LATERAL (SELECT assignment_id, provider_id FROM conversation WHERE provider_id = m.provider_id AND id = m.conversation_id OFFSET 0) c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = %(user)s
"""

# What many users see, for the hub: whom a row is for comes with its id, and the join lets nobody see another's.
_CONVERSATIONS_SEEN = f"""
SELECT w.user_id, u.region, {_CONVERSATION_COLUMNS}
FROM unnest(%(users)s::bigint[], %(ids)s::bigint[]) AS w (user_id, id)
CROSS JOIN LATERAL (SELECT * FROM conversation WHERE provider_id = scope_provider() AND id = w.id OFFSET 0) c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = w.user_id
{_AROUND}
WHERE c.last_message_id >= (SELECT oldest_kept())
"""
_MESSAGES_SEEN = f"""
SELECT w.user_id, {_MESSAGE_COLUMNS} FROM unnest(%(users)s::bigint[], %(ids)s::bigint[]) AS w (user_id, id)
CROSS JOIN LATERAL (
  SELECT * FROM message WHERE provider_id = scope_provider() AND id = w.id AND visibility = 0 AND id >= (SELECT oldest_kept())
    AND id BETWEEN %(first)s AND %(last)s OFFSET 0) m
CROSS JOIN LATERAL (SELECT assignment_id, provider_id FROM conversation WHERE provider_id = m.provider_id AND id = m.conversation_id OFFSET 0) c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = w.user_id
"""

_OWNS = """
SELECT c.id FROM (SELECT * FROM conversation WHERE provider_id = scope_provider() AND id = %(conversation)s OFFSET 0) c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = %(user)s
WHERE c.last_message_id >= (SELECT oldest_kept())
"""

_FACTS = "SELECT * FROM send_facts(scope_provider(), %(user)s, %(number)s, %(remote)s)"
_FACTS_ALONE = "SELECT * FROM send_facts(%(provider)s, %(user)s, %(number)s, %(remote)s, %(client_id)s)"
_QUEUE = """
SELECT * FROM queue_text(%(provider)s, %(user)s, %(client_id)s, %(hash)s, %(assignment)s, %(feed)s, %(remote)s, %(text)s, %(unicode)s,
  %(segments)s::smallint, %(platform)s, %(group)s, %(kind)s::smallint, %(parts)s::text[], %(links)s::text[], %(fallback)s, %(deadline_s)s,
  %(files)s::bigint[], %(media)s::bigint[])
"""
_KNOWN_KEY = """
SELECT message_id, request_hash FROM client_key WHERE provider_id = scope_provider() AND user_id = %(user)s AND client_id = %(client_id)s
"""

_RESENDABLE = """
SELECT m.id, m.status, m.attempt, m.text, m.conversation_id, m.kind, m.files, m.reason_code, c.remote, a.number_id FROM message m
JOIN conversation c ON c.provider_id = m.provider_id AND c.id = m.conversation_id
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id AND a.user_id = %(user)s
WHERE m.provider_id = scope_provider() AND m.id = %(message)s AND m.outbound AND m.id >= (SELECT oldest_kept()) FOR UPDATE OF m
"""
_IN_OUTBOX = "SELECT 1 FROM outbox WHERE provider_id = scope_provider() AND message_id = %(message)s"
_RESEND = """
WITH again AS (
  UPDATE message SET attempt = attempt + 1, status = 1, reason_code = NULL, reason = NULL, version = version + 1, kind = %(kind)s
  WHERE provider_id = scope_provider() AND id = %(message)s
  RETURNING id, attempt, conversation_id, version
), asked AS (
  INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT scope_provider(), id, attempt, 1 FROM again
), waiting AS (
  INSERT INTO outbox (provider_id, message_id, platform_id, group_id, conversation_id, attempt, parts, media, fallback, expires_at)
  SELECT scope_provider(), id, %(platform)s, %(group)s, conversation_id, attempt, %(parts)s, %(links)s, %(fallback)s,
    app_now() + make_interval(secs => %(deadline_s)s)
  FROM again
)
SELECT conversation_id, version FROM again
"""

_MARK_READ = """
UPDATE conversation c SET version = c.version + 1, unread = CASE WHEN %(up_to)s::bigint IS NULL THEN 0 ELSE (
    SELECT count(*) FROM message m WHERE m.provider_id = c.provider_id AND m.conversation_id = c.id AND NOT m.outbound AND m.visibility = 0
      AND m.id > %(up_to)s AND m.id >= %(since)s) END
FROM assignment a
WHERE c.provider_id = scope_provider() AND c.id = %(conversation)s AND a.provider_id = c.provider_id AND a.id = c.assignment_id
  AND a.user_id = %(user)s AND c.unread > 0
RETURNING c.id, c.version
"""
_MARK_UNREAD = """
UPDATE conversation c SET version = c.version + 1, unread = 1
FROM assignment a
WHERE c.provider_id = scope_provider() AND c.id = %(conversation)s AND a.provider_id = c.provider_id AND a.id = c.assignment_id
  AND a.user_id = %(user)s AND c.unread = 0
RETURNING c.id, c.version
"""
_KEEP_DRAFT = """
UPDATE conversation c SET version = c.version + 1, draft = %(text)s
FROM assignment a
WHERE c.provider_id = scope_provider() AND c.id = %(conversation)s AND a.provider_id = c.provider_id AND a.id = c.assignment_id
  AND a.user_id = %(user)s AND c.draft <> %(text)s
RETURNING c.version
"""

_RELEASE = """
WITH freed AS (
  UPDATE message m SET visibility = 0, arrived_before = true, version = m.version + 1
  FROM conversation c
  WHERE c.provider_id = scope_provider() AND c.assignment_id = %(assignment)s AND m.provider_id = c.provider_id AND m.conversation_id = c.id
    AND m.visibility = 1 AND m.id >= (SELECT oldest_kept())
  RETURNING m.id, m.conversation_id
), counted AS (
  SELECT conversation_id, max(id) AS newest, count(*) AS fresh FROM freed GROUP BY 1
), shown AS (
  UPDATE conversation c SET last_message_id = greatest(c.last_message_id, k.newest), last_inbound_id = greatest(c.last_inbound_id, k.newest),
    unread = c.unread + k.fresh, version = c.version + 1
  FROM counted k WHERE c.provider_id = scope_provider() AND c.id = k.conversation_id
  RETURNING c.id, c.version
)
SELECT f.id, f.conversation_id, s.version, u.feed_id
FROM freed f JOIN shown s ON s.id = f.conversation_id
JOIN assignment a ON a.provider_id = scope_provider() AND a.id = %(assignment)s
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
ORDER BY f.id
"""


async def conversation_page(tx: Transaction, user_id: int, *, before: int, since: int, limit: int) -> list[Row]:
    """Conversations with their last messages, newest first, older than `before`."""
    return await tx.rows(_CONVERSATION_PAGE, {"user": user_id, "before": before, "since": since, "limit": limit})


async def conversations_by_id(tx: Transaction, user_id: int, ids: Sequence[int]) -> list[Row]:
    """The user's conversations among `ids`, in no order."""
    return await tx.rows(_CONVERSATIONS_BY_ID, {"user": user_id, "ids": list(ids)})


async def message_page(tx: Transaction, conversation_id: int, *, before: int, since: int, limit: int) -> list[Row]:
    """Messages of a conversation, newest first, older than `before`. The caller has checked whose it is."""
    return await tx.rows(_MESSAGE_PAGE, {"conversation": conversation_id, "before": before, "since": since, "limit": limit})


async def messages_by_id(tx: Transaction, user_id: int, ids: Sequence[int]) -> list[Row]:
    """The user's messages among `ids`, in no order."""
    return await tx.rows(_MESSAGES_BY_ID, {"user": user_id, "ids": list(ids), "first": min(ids, default=0), "last": max(ids, default=0)})


async def conversations_seen(tx: Transaction, wanted: Sequence[tuple[int, int]]) -> list[Row]:
    """For (user, conversation) pairs: the conversations as rows that also name the user and his region, in no order."""
    return await tx.rows(_CONVERSATIONS_SEEN, {"users": [user for user, _ in wanted], "ids": [each for _, each in wanted]})


async def messages_seen(tx: Transaction, wanted: Sequence[tuple[int, int]]) -> list[Row]:
    """For (user, message) pairs: the messages as rows that also name the user, in no order."""
    ids = [each for _, each in wanted]
    params = {"users": [user for user, _ in wanted], "ids": ids, "first": min(ids, default=0), "last": max(ids, default=0)}
    return await tx.rows(_MESSAGES_SEEN, params)


async def owns(tx: Transaction, user_id: int, conversation_id: int) -> bool:
    """Whether the conversation is this user's and has something to show."""
    return await tx.value(_OWNS, {"user": user_id, "conversation": conversation_id}) is not None


async def send_facts(tx: Transaction, user_id: int, number_id: int, remote: str) -> SendFacts | None:
    """What decides whether `user_id` may text `remote` from `number_id`; None when the number is not his."""
    row = await tx.row(_FACTS, {"user": user_id, "number": number_id, "remote": remote})
    return None if row is None else SendFacts(*row[1:])


async def facts_alone(
    tx: Transaction, provider_id: int, user_id: int, number_id: int, remote: str, client_id: str
) -> tuple[SendFacts, int | None] | None:
    """As `send_facts`, as the only statement; with the id of the text that this key stands for already, if it does."""
    row = await tx.row(_FACTS_ALONE, {"provider": provider_id, "user": user_id, "number": number_id, "remote": remote, "client_id": client_id})
    return None if row is None else (SendFacts(*row[1:]), row.earlier_id)


async def known_key(tx: Transaction, user_id: int, client_id: str) -> Row | None:
    """The message sent under this key before, with its request's hash."""
    return await tx.row(_KNOWN_KEY, {"user": user_id, "client_id": client_id})


async def queue(tx: Transaction, feed_id: int, params: dict[str, object]) -> Row | None:
    """Key, conversation, message, outbox row and the entry in the owner's feed; answers the message as a row of `messages_by_id`, or None when the
    key was taken in the meantime. It takes the feed's lock, so it comes last, and may be the only statement.
    """
    row = await tx.row(_QUEUE, {"feed": feed_id, **params})
    if row is not None:
        tx.wake(feed_id, row.feed_number)
    return row


async def resendable(tx: Transaction, user_id: int, message_id: int) -> Row | None:
    """The user's outbound message, locked."""
    return await tx.row(_RESENDABLE, {"user": user_id, "message": message_id})


async def in_outbox(tx: Transaction, message_id: int) -> bool:
    """Whether the message waits to be handed over or is being handed over. The caller holds its row."""
    return await tx.row(_IN_OUTBOX, {"message": message_id}) is not None


async def resend(tx: Transaction, params: dict[str, object]) -> Row:
    """One more attempt, queued."""
    return await tx.row(_RESEND, params)


async def mark_read(tx: Transaction, user_id: int, conversation_id: int, *, up_to: int | None, since: int) -> Row | None:
    """Clear or lower the unread count; None when there was nothing unread."""
    return await tx.row(_MARK_READ, {"user": user_id, "conversation": conversation_id, "up_to": up_to, "since": since})


async def mark_unread(tx: Transaction, user_id: int, conversation_id: int) -> Row | None:
    """Make the conversation unread; None when it was already."""
    return await tx.row(_MARK_UNREAD, {"user": user_id, "conversation": conversation_id})


async def keep_draft(tx: Transaction, user_id: int, conversation_id: int, text: str) -> Row | None:
    """Keep what the owner has begun to write; None when that is what was kept already."""
    return await tx.row(_KEEP_DRAFT, {"user": user_id, "conversation": conversation_id, "text": text})


async def release(tx: Transaction, assignment_id: int) -> list[Row]:
    """Show what was withheld for this assignment, in order of arrival."""
    return await tx.rows(_RELEASE, {"assignment": assignment_id})


async def region_of(tx: Transaction, user_id: int) -> str:
    """The country whose numbers this user sees in national form."""
    return await tx.value("SELECT region FROM end_user WHERE provider_id = scope_provider() AND id = %(user)s", {"user": user_id}) or "US"
