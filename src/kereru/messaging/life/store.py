"""All SQL of a message's life. Every statement runs in a provider's scope and reads by key; nothing here writes.

Who may look is the caller's question: these statements see the whole provider. Each bounds ids, since what is past its time is gone for people
even while its week still lies in the tables (R45).
"""

from kereru.kernel.db import Row, Transaction

_HEAD = """
SELECT m.provider_id, m.id, m.conversation_id, m.outbound, m.status, m.visibility, m.text, m.client_id, m.attempt, m.segments, m.reason_code,
  m.reason, m.cut_to, m.arrived_before, m.kind, m.files, m.platform_id, m.carrier_id, m.version, c.remote, c.unread, n.e164,
  u.id AS user_id, u.name AS user_name, u.feed_id, p.carrier, p.name AS platform_name
FROM message m
JOIN conversation c ON c.provider_id = m.provider_id AND c.id = m.conversation_id
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
JOIN platform p ON p.provider_id = m.provider_id AND p.id = m.platform_id
WHERE m.provider_id = scope_provider() AND m.id = %(message)s AND m.id >= %(since)s
"""
_ATTEMPTS = """
SELECT attempt, status, epoch, started_at, reason_code, reason FROM attempt
WHERE provider_id = scope_provider() AND message_id = %(message)s ORDER BY attempt
"""
_PARTS = """
SELECT attempt, part, text, handover, status, carrier_id, tries, handed_over_at, look_ups, look_up_at, contradicted, cut_to, reason_code, reason
FROM part WHERE provider_id = scope_provider() AND message_id = %(message)s ORDER BY attempt, part
"""
# A receipt names the carrier's id only, and may have come before we knew whose it was.
_RECEIPTS = """
SELECT p.attempt, p.part, r.id, r.carrier_id, r.state, r.carrier_state, r.error_code, r.reason
FROM part p JOIN receipt r ON r.provider_id = p.provider_id AND r.platform_id = p.platform_id AND r.carrier_id = p.carrier_id
WHERE p.provider_id = scope_provider() AND p.message_id = %(message)s AND p.carrier_id IS NOT NULL ORDER BY r.id
"""
_WAITING = """
SELECT attempt, run_at, expires_at, claimed_at, deferrals, reason FROM outbox WHERE provider_id = scope_provider() AND message_id = %(message)s
"""
_EXCHANGES = """
SELECT id, kind, request_id, raw FROM exchange
WHERE provider_id = scope_provider() AND message_id = %(message)s AND id >= %(since)s ORDER BY id
"""
# The owner's feed from the message on; entries about it are few among them, but no index is worth its cost at every write.
_CHANGES = """
SELECT feed_id, number, id, kind, version FROM change
WHERE provider_id = scope_provider() AND feed_id = %(feed)s AND message_id = %(message)s AND id >= %(since)s ORDER BY number
"""
_FIRST_READ = """
SELECT min(id) FROM change
WHERE provider_id = scope_provider() AND feed_id = %(feed)s AND conversation_id = %(conversation)s AND kind = 4 AND id > %(message)s
"""
_NEWER_INBOUND = """
SELECT count(*) FROM (
  SELECT 1 FROM message WHERE provider_id = scope_provider() AND conversation_id = %(conversation)s AND id > %(message)s AND NOT outbound
    AND visibility = 0 LIMIT %(most)s) newer
"""
_PROVIDER_OF = "SELECT p.provider_id FROM provider p JOIN message m ON m.provider_id = p.provider_id AND m.id = %(message)s"


async def head(tx: Transaction, message_id: int, since: int) -> Row | None:
    """The message with its conversation, number, owner and platform; None when there is none in this provider, or it is older than `since`."""
    return await tx.row(_HEAD, {"message": message_id, "since": since})


async def attempts(tx: Transaction, message_id: int) -> list[Row]:
    """Its attempts in order."""
    return await tx.rows(_ATTEMPTS, {"message": message_id})


async def parts(tx: Transaction, message_id: int) -> list[Row]:
    """The parts of all attempts, in order."""
    return await tx.rows(_PARTS, {"message": message_id})


async def receipts(tx: Transaction, message_id: int) -> list[Row]:
    """Every receipt for one of its parts, oldest first; each names attempt and part."""
    return await tx.rows(_RECEIPTS, {"message": message_id})


async def waiting(tx: Transaction, message_id: int) -> Row | None:
    """Its row in the outbox."""
    return await tx.row(_WAITING, {"message": message_id})


async def exchanges(tx: Transaction, message_id: int, since: int) -> list[Row]:
    """The raw exchanges about it that are younger than `since`, oldest first."""
    return await tx.rows(_EXCHANGES, {"message": message_id, "since": since})


async def changes(tx: Transaction, message_id: int, feed_id: int, since: int) -> list[Row]:
    """The entries about it in its owner's feed that are younger than `since`."""
    return await tx.rows(_CHANGES, {"message": message_id, "feed": feed_id, "since": since})


async def first_read(tx: Transaction, message_id: int, conversation_id: int, feed_id: int) -> int | None:
    """The id of the change by which the owner first read the conversation after the message came."""
    return await tx.value(_FIRST_READ, {"message": message_id, "conversation": conversation_id, "feed": feed_id})


async def newer_inbound(tx: Transaction, message_id: int, conversation_id: int, most: int) -> int:
    """How many shown inbound texts of its conversation are newer, counted up to `most`."""
    return await tx.value(_NEWER_INBOUND, {"message": message_id, "conversation": conversation_id, "most": most})


async def provider_of(tx: Transaction, message_id: int) -> int | None:
    """Which provider's message it is. Only the owner of the database sees them all."""
    return await tx.value(_PROVIDER_OF, {"message": message_id})
