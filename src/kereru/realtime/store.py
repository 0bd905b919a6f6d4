"""All SQL of realtime."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from kereru.kernel import ids
from kereru.kernel.db import Database, Row, Transaction
from kereru.kernel.limits import CHANGE_DAYS

# Numbers are gapless in commit order (G23), so a page is a range of numbers: no LIMIT, no sort, one index range in each week that is kept.
# OFFSET keeps it so for each feed: joined freely, all changes of the provider may be read for a handful (docs/reference/performance.md).
# The range's end comes as a parameter: under row-level security an addition, which is not leakproof, would keep it out of the index.
_READ = """
SELECT w.feed_id AS read_feed, w.after, f.head, c.*
FROM unnest(%(feeds)s::bigint[], %(afters)s::bigint[], %(untils)s::bigint[]) AS w (feed_id, after, until)
JOIN feed f ON f.provider_id = %(provider)s AND f.id = w.feed_id
LEFT JOIN LATERAL (
  SELECT feed_id, number, id, kind, conversation_id, message_id, subject_id, version FROM change
  WHERE provider_id = %(provider)s AND feed_id = w.feed_id AND number > w.after AND number <= w.until AND id >= %(oldest)s
  OFFSET 0
) c ON true
ORDER BY w.feed_id, w.after, c.number
"""


async def read_changes(tx: Transaction, provider_id: int, wants: Sequence[tuple[int, int]], *, page: int, now: datetime) -> list[Row]:
    """For each (feed, after): the feed's head and up to `page` changes past `after`, in order.

    Head and changes come from one snapshot. A feed without changes to give has one row whose `number` is null; a feed that is gone has none.
    """
    return await tx.rows(
        _READ,
        {
            "provider": provider_id,
            "feeds": [feed for feed, _ in wants],
            "afters": [after for _, after in wants],
            "untils": [min(after + page, ids.MAX_ID) for _, after in wants],
            "oldest": ids.lowest_at(now - timedelta(days=CHANGE_DAYS)),
        },
    )


async def heads(tx: Transaction, provider_id: int, feed_ids: Sequence[int]) -> dict[int, int]:
    """Where each feed of one provider stands."""
    rows = await tx.rows(
        "SELECT id, head FROM feed WHERE provider_id = %(provider)s AND id = ANY(%(feeds)s::bigint[])",
        {"provider": provider_id, "feeds": list(feed_ids)},
    )
    return {row.id: row.head for row in rows}


async def heads_everywhere(database: Database, feeds: Sequence[tuple[int, int]]) -> list[Row]:
    """Where each (provider, feed) stands, over all providers at once: rows of feed_id, head."""
    return await database.autocommit(
        "SELECT feed_id, head FROM feed_heads(%(providers)s::bigint[], %(feeds)s::bigint[])",
        {"providers": [provider for provider, _ in feeds], "feeds": [feed for _, feed in feeds]},
    )


async def put_live_sockets(tx: Transaction, provider_id: int, process: str, counts: Mapping[int, int]) -> None:
    """Say how many sockets each user of one provider has open on `process`; 0 takes the row away."""
    await tx.run(
        "DELETE FROM live_socket WHERE provider_id = %(provider)s AND process = %(process)s AND user_id = ANY(%(gone)s::bigint[])",
        {"provider": provider_id, "process": process, "gone": [user for user, count in counts.items() if not count]},
    )
    present = sorted((user, count) for user, count in counts.items() if count)
    await tx.run(
        """
        INSERT INTO live_socket (provider_id, user_id, process, sockets, seen_at)
        SELECT %(provider)s, user_id, %(process)s, sockets, app_now() FROM unnest(%(users)s::bigint[], %(sockets)s::integer[]) AS n (user_id, sockets)
        ON CONFLICT (provider_id, user_id, process) DO UPDATE SET sockets = excluded.sockets, seen_at = excluded.seen_at
        """,
        {"provider": provider_id, "process": process, "users": [user for user, _ in present], "sockets": [count for _, count in present]},
    )


async def beat_live_sockets(database: Database, providers: Sequence[int], process: str, stale_s: float) -> int:
    """Mark `process`'s rows as seen now and remove what dead processes left with these providers; answers how many rows the process has there."""
    rows = await database.autocommit(
        "SELECT beat_live_sockets(%(providers)s::bigint[], %(process)s, make_interval(secs => %(stale)s)) AS mine",
        {"providers": list(providers), "process": process, "stale": stale_s},
    )
    return rows[0].mine


async def end_live_sockets(database: Database, providers: Sequence[int], process: str) -> None:
    """Remove `process`'s rows with these providers."""
    await database.autocommit("SELECT end_live_sockets(%(providers)s::bigint[], %(process)s)", {"providers": list(providers), "process": process})


async def has_live_socket(tx: Transaction, provider_id: int, user_id: int, stale_s: float) -> bool:
    """Whether any living process holds a socket of this user."""
    return bool(
        await tx.value(
            """
            SELECT EXISTS (SELECT 1 FROM live_socket WHERE provider_id = %(provider)s AND user_id = %(user)s
                           AND seen_at > app_now() - make_interval(secs => %(stale)s))
            """,
            {"provider": provider_id, "user": user_id, "stale": stale_s},
        )
    )
