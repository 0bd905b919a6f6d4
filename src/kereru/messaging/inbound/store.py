"""The functions of the SQL files 0006, 0007 and 0019 that role `kereru_ingest` may call."""

from collections.abc import Sequence
from typing import Any

from kereru.kernel.db import Row, Transaction
from kereru.kernel.jobs import JOB_CHANNEL
from kereru.messaging.remote_consent import store as consent_store

LOCK_TIMEOUT_MS = 50
"""How long a batch waits for rows that are busy, before it goes on without them (design §6)."""

# The statement is its own transaction; taking the items through the setting makes sure that the setting comes first.
_IMPATIENT = f"set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', true) AS waits CROSS JOIN LATERAL"
_ITEMS = "CASE WHEN waits IS NOT NULL THEN %(items)s::text::jsonb END"
_TEXTS = f"SELECT ordinal, outcome, message_id, feed_id, feed_number FROM {_IMPATIENT} ingest_texts({_ITEMS})"
# Texts with files: those stored and not blocked get theirs in the same statement, which still ends with nothing but the commit to come.
_TEXTS_AND_FILES = f"""
WITH done AS MATERIALIZED ({_TEXTS}),
files AS MATERIALIZED (
  SELECT ingest_files(%(items)s::text::jsonb, array_agg(d.ordinal), array_agg(d.message_id)) AS stored FROM done d WHERE d.outcome IN (1, 2))
SELECT done.* FROM done, files
"""
_RECEIPTS = f"SELECT feed_id, number AS feed_number FROM {_IMPATIENT} ingest_receipts({_ITEMS})"
_MARK = "SELECT feed_id, number AS feed_number FROM mark_consent(%(providers)s::bigint[], %(messages)s::bigint[], %(marks)s::smallint[])"
_STOP_FORMER = """
SELECT feed_id, number AS feed_number
FROM stop_former_groups(%(providers)s::bigint[], %(platforms)s::bigint[], %(numbers)s::text[], %(remotes)s::text[])
"""
_FREE = "SELECT ordinal FROM ingest_free(%(items)s::text::jsonb) AS ordinal"
_RECEIPTS_FREE = "SELECT ordinal FROM receipts_free(%(items)s::text::jsonb) AS ordinal"
_UNREADABLE = "SELECT ingest_set_aside(%(provider)s, %(platform)s, %(key)s, %(raw)s, %(reason)s, %(again)s)"
_KEPT = """
SELECT q.provider_id, q.id, q.platform_id, p.carrier, p.name AS platform_name, made_at(q.id) AS at, q.reason, q.raw, q.again
FROM quarantine q JOIN platform p ON p.provider_id = q.provider_id AND p.id = q.platform_id
WHERE q.kind = 3 AND q.id > %(after)s ORDER BY q.id LIMIT %(most)s
"""
_TAKE = "DELETE FROM quarantine WHERE provider_id = %(provider)s AND id = %(id)s AND kind = 3 RETURNING id"


async def texts(tx: Transaction, items: str, *, media: bool = False) -> list[Row]:
    """Store a batch of texts (JSON list); wakes the feeds they went to and, where some of them have `media`, whoever fetches files."""
    rows = await tx.rows(_TEXTS_AND_FILES if media else _TEXTS, {"items": items})
    _wake(tx, rows)
    if media:
        tx.notify(JOB_CHANNEL)
    return rows


async def mark(tx: Transaction, marks: Sequence[tuple[int, int, int]]) -> None:
    """Mark (provider, message, mark) among the texts just stored, answer HELP, and tell everybody whom a STOP or START concerns."""
    providers, messages, values = (list(column) for column in zip(*marks, strict=True))
    _wake(tx, await tx.rows(_MARK, {"providers": providers, "messages": messages, "marks": values}))


async def stop_former(tx: Transaction, stops: Sequence[tuple[int, int, str, str]]) -> None:
    """STOPs, as (provider, platform, number, remote), to numbers that nobody holds count for whoever held them; everybody concerned is told."""
    providers, platforms, numbers, remotes = (list(column) for column in zip(*stops, strict=True))
    _wake(tx, await tx.rows(_STOP_FORMER, {"providers": providers, "platforms": platforms, "numbers": numbers, "remotes": remotes}))


async def receipts(tx: Transaction, items: str, *, stops: bool = False) -> None:
    """Store a batch of receipts (JSON list); wakes the feeds of what they changed. `stops`: some say that a person opted out at the carrier."""
    news = await consent_store.learn(tx, items) if stops else []
    _wake(tx, await tx.rows(_RECEIPTS, {"items": items}))
    await consent_store.tell(tx, news)


async def free(tx: Transaction, items: str) -> set[int]:
    """Ordinals (from 1) of the texts whose rows nobody holds."""
    return {row.ordinal for row in await tx.rows(_FREE, {"items": items})}


async def receipts_free(tx: Transaction, items: str) -> set[int]:
    """Ordinals (from 1) of the receipts whose messages and feeds nobody holds."""
    return {row.ordinal for row in await tx.rows(_RECEIPTS_FREE, {"items": items})}


async def unreadable(tx: Transaction, **params: Any) -> None:
    """Keep what could not be read or stored (G5)."""
    await tx.run(_UNREADABLE, params)


async def kept(tx: Transaction, after: int, most: int) -> list[Row]:
    """What was set aside, of every provider, oldest first from behind the id `after`. For the owner's role."""
    return await tx.rows(_KEPT, {"after": after, "most": most})


async def take(tx: Transaction, provider: int, id_: int) -> bool:
    """Take one out; False when somebody else has. For the owner's role."""
    return bool(await tx.rows(_TAKE, {"provider": provider, "id": id_}))


def _wake(tx: Transaction, rows: list[Row]) -> None:
    for row in rows:
        if row.feed_id is not None and row.feed_number is not None:
            tx.wake(row.feed_id, row.feed_number)
