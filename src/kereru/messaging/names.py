"""Telling somebody's programs that a number has another name now, or that there are other contacts.

A conversation stores no name, so its version does not count it (design §6). A change of no conversation says: read contacts again, if you show any.
"""

from collections.abc import Sequence

from kereru.kernel.db import Transaction
from kereru.realtime.feeds import ChangeKind, Entry, append

_WITH = """
SELECT u.feed_id, c.id, c.version FROM end_user u
JOIN assignment a ON a.provider_id = u.provider_id AND a.user_id = u.id
JOIN conversation c ON c.provider_id = a.provider_id AND c.assignment_id = a.id AND c.remote = ANY (%(numbers)s) AND c.last_message_id IS NOT NULL
WHERE u.provider_id = scope_provider() AND u.id = %(user)s
ORDER BY c.last_message_id DESC LIMIT %(most)s
"""
_MOST = 500
"""A change of more names than that is seen at the next start; the newest conversations are told of."""


async def tell_renamed(tx: Transaction, provider_id: int, user_id: int, numbers: Sequence[str]) -> None:
    """A change for each of the user's conversations with these numbers, and one of none; the last thing in a transaction, since it takes the feed's
    lock.
    """
    rows = await tx.rows(_WITH, {"user": user_id, "numbers": list(numbers), "most": _MOST}) if numbers else []
    feed_id = await tx.value("SELECT feed_id FROM end_user WHERE provider_id = scope_provider() AND id = %(user)s", {"user": user_id})
    told = [Entry(row.feed_id, ChangeKind.CONVERSATION_CHANGED, row.version, row.id) for row in rows]
    await append(tx, provider_id, [*told, Entry(feed_id, ChangeKind.CONVERSATION_CHANGED, 0)])
