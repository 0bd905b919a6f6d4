"""The functions of 0006 and 0007 that role `kereru_ingest` may call."""

from typing import Any

from kereru.kernel.db import Row, Transaction

_TEXTS = "SELECT ordinal, outcome, message_id, feed_id, feed_number FROM ingest_texts(%(items)s::text::jsonb)"
_RECEIPTS = "SELECT feed_id, number AS feed_number FROM ingest_receipts(%(items)s::text::jsonb)"
_FREE = "SELECT ordinal FROM ingest_free(%(items)s::text::jsonb) AS ordinal"
_RECEIPTS_FREE = "SELECT ordinal FROM receipts_free(%(items)s::text::jsonb) AS ordinal"
_UNREADABLE = "SELECT ingest_unreadable(%(provider)s, %(platform)s, %(key)s, %(raw)s, %(reason)s)"


async def texts(tx: Transaction, items: str) -> list[Row]:
    """Store a batch of texts (JSON list); wakes the feeds they went to."""
    rows = await tx.rows(_TEXTS, {"items": items})
    _wake(tx, rows)
    return rows


async def receipts(tx: Transaction, items: str) -> None:
    """Store a batch of receipts (JSON list); wakes the feeds of what they changed."""
    _wake(tx, await tx.rows(_RECEIPTS, {"items": items}))


async def free(tx: Transaction, items: str) -> set[int]:
    """Ordinals (from 1) of the texts whose rows nobody holds."""
    return {row.ordinal for row in await tx.rows(_FREE, {"items": items})}


async def receipts_free(tx: Transaction, items: str) -> set[int]:
    """Ordinals (from 1) of the receipts whose messages and feeds nobody holds."""
    return {row.ordinal for row in await tx.rows(_RECEIPTS_FREE, {"items": items})}


async def unreadable(tx: Transaction, **params: Any) -> None:
    """Keep what could not be read or stored (G5)."""
    await tx.run(_UNREADABLE, params)


def _wake(tx: Transaction, rows: list[Row]) -> None:
    for row in rows:
        if row.feed_id is not None and row.feed_number is not None:
            tx.wake(row.feed_id, row.feed_number)
