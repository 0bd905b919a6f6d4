"""Weekly partitions: made ahead, and dropped when all of a week is older than its table keeps (design §6).

A week is first detached, which waits for whoever still reads it and holds nobody up, then dropped. Both may be broken off anywhere, by a lock, a
long transaction or a crash, and go on from there the next time.
"""

import asyncio

import psycopg
from psycopg import sql

from kereru.kernel.db.database import INSTALLATION, Database
from kereru.kernel.logging import get_logger

WEEKS_AHEAD = 5
DETACH_LOCK_MS = 5_000
"""While a concurrent detach waits, others read and write on."""
DROP_LOCK_MS = 50
"""Whoever comes while the last lock is waited for waits as well, so that is not waited for long but tried again."""
TRIES = 40
PAUSE_S = 0.1

_log = get_logger("kernel.db")


async def make_weeks(service: Database, weeks: int = WEEKS_AHEAD) -> None:
    """Let every weekly table have this week and `weeks` more. Raises Unavailable, psycopg.Error."""
    async with service.transaction(INSTALLATION, lock_timeout_ms=DETACH_LOCK_MS) as tx:
        await tx.run("SELECT ensure_partitions(%(weeks)s)", {"weeks": weeks})


async def drop_old_weeks(owner: Database, *, pause_s: float = PAUSE_S) -> list[str]:
    """Drop the weeks that are over; answers their tables' names. Raises Unavailable, psycopg.Error when one could not be dropped now."""
    dropped: list[str] = []
    for row in await owner.autocommit("SELECT parent, week, stage FROM old_weeks()"):
        parent, week = sql.Identifier(row.parent), sql.Identifier(row.week)
        detach = sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(parent, week).as_string()
        stage = row.stage
        if stage == "attached":
            try:
                await owner.alone(f"{detach} CONCURRENTLY", lock_timeout_ms=DETACH_LOCK_MS)
            except psycopg.errors.LockNotAvailable:
                stage = "detaching"
        if stage == "detaching":
            await _until_free(owner, f"{detach} FINALIZE", pause_s)
        await _until_free(owner, sql.SQL("DROP TABLE {}").format(week).as_string(), pause_s)
        _log.info("week_dropped", table=row.week)
        dropped.append(row.week)
    return dropped


async def _until_free(owner: Database, statement: str, pause_s: float) -> None:
    for left in reversed(range(TRIES)):
        try:
            await owner.alone(statement, lock_timeout_ms=DROP_LOCK_MS)
        except psycopg.errors.LockNotAvailable:
            if not left:
                raise
            await asyncio.sleep(pause_s)
        else:
            return
