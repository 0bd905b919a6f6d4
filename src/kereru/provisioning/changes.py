"""Tells owners that something about their numbers changed, whatever the cause: assignment, opt-in, licence, platform."""

from collections.abc import Sequence
from dataclasses import dataclass

from kereru.kernel.db import Transaction
from kereru.realtime.feeds import ChangeKind, Entry, append

_BUMP = """
UPDATE number SET version = version + 1 WHERE provider_id = scope_provider() AND id = ANY (%(ids)s::bigint[]) RETURNING id, version
"""
_LOCK = """
SELECT id FROM number WHERE provider_id = scope_provider() AND id = ANY (%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE
"""

_SKIP = """
WITH held AS (SELECT id FROM feed WHERE provider_id = scope_provider() AND id = ANY (%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE)
UPDATE feed f SET head = f.head + 1 FROM held h WHERE f.provider_id = scope_provider() AND f.id = h.id RETURNING f.id, f.head
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """A number and the feed of the user who holds it."""

    number_id: int
    feed_id: int


async def lock_numbers(tx: Transaction, number_ids: Sequence[int]) -> None:
    """Hold these numbers until the commit. Inbound batches hold them too, so no text falls between two states; read the state after this."""
    await tx.rows(_LOCK, {"ids": sorted(number_ids)})


async def tell_owners(tx: Transaction, provider_id: int, owned: Sequence[Owned]) -> None:
    """A `number.changed` for each, in order. The last thing in a transaction (it takes the feeds' locks)."""
    versions = {row.id: row.version for row in await tx.rows(_BUMP, {"ids": sorted({one.number_id for one in owned})})}
    entries = [Entry(one.feed_id, ChangeKind.NUMBER_CHANGED, versions[one.number_id], subject_id=one.number_id) for one in owned]
    await append(tx, provider_id, entries)


async def make_readers_reload(tx: Transaction, feed_ids: Sequence[int]) -> None:
    """Leave a gap at the end of these feeds: whoever follows one loads everything anew and so forgets what was deleted. It takes the feeds' locks."""
    for row in await tx.rows(_SKIP, {"ids": sorted(feed_ids)}):
        tx.wake(row.id, row.head)
