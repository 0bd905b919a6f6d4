"""All SQL of blocking."""

from collections.abc import Sequence
from datetime import datetime

from kereru.kernel.db import Row, Transaction

_FACTS = """
SELECT a.id AS assignment_id, a.user_id, a.ended_at IS NULL AND a.state = 4 AS live, coalesce(a.user_can_block, p.user_can_block) AS user_can_block,
  n.id AS number_id, n.e164, u.feed_id, c.id AS conversation_id, c.remote, c.last_message_id
FROM conversation c
JOIN assignment a ON a.provider_id = c.provider_id AND a.id = c.assignment_id
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
WHERE c.provider_id = scope_provider()
"""
_ADD = """
INSERT INTO blocked_remote AS b (provider_id, assignment_id, remote, blocked_by, reason, ends_at)
VALUES (scope_provider(), %(assignment)s, %(remote)s, %(by)s, %(reason)s, %(ends_at)s)
ON CONFLICT (provider_id, assignment_id, remote) DO UPDATE
  SET blocked_by = excluded.blocked_by, reason = excluded.reason, ends_at = excluded.ends_at
  WHERE (b.reason, b.ends_at) IS DISTINCT FROM (excluded.reason, excluded.ends_at)
RETURNING b.id
"""
_TAKE = "DELETE FROM blocked_remote WHERE provider_id = scope_provider() AND assignment_id = %(assignment)s AND remote = %(remote)s"
_STANDING = """
SELECT b.assignment_id, b.remote, extract(epoch FROM b.ends_at - app_now())::double precision AS left_s, n.id AS number_id, n.e164
FROM blocked_remote b
JOIN assignment a ON a.provider_id = b.provider_id AND a.id = b.assignment_id
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
WHERE b.provider_id = scope_provider() AND b.id = %(block)s
"""
_BUMP = "UPDATE conversation SET version = version + 1 WHERE provider_id = scope_provider() AND id = %(conversation)s RETURNING version"
_PAGE = """
SELECT b.id, b.remote, b.at, b.blocked_by, b.reason, b.ends_at, k.texts, k.newest FROM blocked_remote b
LEFT JOIN conversation c ON c.provider_id = b.provider_id AND c.assignment_id = b.assignment_id AND c.remote = b.remote
CROSS JOIN LATERAL (
  SELECT count(*) AS texts, max(m.id) AS newest FROM message m
  WHERE m.provider_id = c.provider_id AND m.conversation_id = c.id AND m.visibility = 2 AND m.visibility <> 0 AND m.id >= %(since)s) k
WHERE b.provider_id = scope_provider() AND b.assignment_id = %(assignment)s AND b.id < %(before)s
ORDER BY b.id DESC LIMIT %(limit)s
"""


async def of_user(tx: Transaction, user_id: int, conversation_id: int) -> Row | None:
    """A conversation that its owner sees, with what decides whether he may block its other side."""
    return await tx.row(
        _FACTS + " AND c.id = %(conversation)s AND a.user_id = %(user)s AND c.last_message_id IS NOT NULL",
        {"conversation": conversation_id, "user": user_id},
    )


async def of_assignment(tx: Transaction, assignment_id: int, remote: str) -> Row | None:
    """The same by its two sides, seen by its owner or not."""
    return await tx.row(_FACTS + " AND a.id = %(assignment)s AND c.remote = %(remote)s", {"assignment": assignment_id, "remote": remote})


async def add(tx: Transaction, assignment_id: int, remote: str, by: str, reason: str, ends_at: datetime | None) -> int | None:
    """Block, or give a block another reason and end; its id, None when it stood so already."""
    return await tx.value(_ADD, {"assignment": assignment_id, "remote": remote, "by": by, "reason": reason, "ends_at": ends_at})


async def standing(tx: Transaction, block_id: int) -> Row | None:
    """A block by its id, with its number, and the seconds that are left of it; None without an end."""
    return await tx.row(_STANDING, {"block": block_id})


async def take(tx: Transaction, assignment_id: int, remote: str) -> bool:
    """Unblock; whether it was blocked."""
    return await tx.run(_TAKE, {"assignment": assignment_id, "remote": remote}) == 1


async def bump(tx: Transaction, conversation_id: int) -> int:
    """The conversation's new version."""
    return await tx.value(_BUMP, {"conversation": conversation_id})


async def page(tx: Transaction, assignment_id: int, *, before: int, since: int, limit: int) -> Sequence[Row]:
    """Whom an assignment's user blocked, newest first, with how many of their texts were kept from him since the id `since`."""
    return await tx.rows(_PAGE, {"assignment": assignment_id, "before": before, "since": since, "limit": limit})
