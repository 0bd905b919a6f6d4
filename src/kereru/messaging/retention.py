"""What is older than 90 days goes (R44, R45, Q8): here the rows of tables without weeks; weeks themselves are dropped whole (kernel/db/weeks.py).

The work is done inside the database: 0011_retention.sql and 0003_watching.sql name every table it touches. Each call is small, so that it holds
nobody up for long, and whatever was done stays done when the rest could not be.
"""

from dataclasses import dataclass

from kereru.kernel.db import INSTALLATION, Database

ROWS = 1_000
_FORGET = ("SELECT forget_old(%(most)s)", "SELECT forget_old_notices(%(most)s)")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much went."""

    rows: int
    conversations: int


async def forget_old(service: Database, *, rows: int = ROWS) -> Forgotten:
    """Delete what is too old, `rows` at a time; conversations whose last text is gone disappear with it. Raises Unavailable, psycopg.Error."""
    gone = [await _forget_rows(service, statement, rows) for statement in _FORGET]
    return Forgotten(sum(gone), await _tidy_conversations(service, rows))


async def _forget_rows(service: Database, statement: str, most: int) -> int:
    total = 0
    while True:
        async with service.transaction(INSTALLATION) as tx:
            gone = await tx.value(statement, {"most": most})
        if not gone:
            return total
        total += gone


async def _tidy_conversations(service: Database, most: int) -> int:
    total, after = 0, (0, 0)
    while True:
        async with service.transaction(INSTALLATION) as tx:
            rows = await tx.rows(
                "SELECT to_provider, to_id, gone, feed_id, number FROM tidy_conversations(%(provider)s, %(id)s, %(most)s)",
                {"provider": after[0], "id": after[1], "most": most},
            )
            for row in rows:
                if row.feed_id is not None:
                    tx.wake(row.feed_id, row.number)
        total += rows[0].gone
        if rows[0].to_id is None:
            return total
        after = (rows[0].to_provider, rows[0].to_id)
