"""Jobs join the transaction that causes them, run soon after it, are tried again, and are never lost (design §4)."""

import asyncio
import contextlib
from collections.abc import Mapping

import psycopg
import pytest

from kereru.kernel.db import INSTALLATION
from kereru.kernel.jobs import Backoff, GiveUp, JobKind, defer
from kereru.kernel.jobs.worker import JobStore, work, work_until_idle
from role_databases import as_role, without_user

PLAIN = JobKind("test.plain", Backoff(first_s=0.0, tries=3))


class Seen:
    """A handler that remembers what it was given and fails as often as told."""

    def __init__(self, failures: int = 0, error: type[Exception] = RuntimeError) -> None:
        self.ids: list[Mapping[str, int]] = []
        self.came = asyncio.Event()
        self._failures = failures
        self._error = error

    async def __call__(self, ids: Mapping[str, int]) -> None:
        self.ids.append(dict(ids))
        self.came.set()
        if len(self.ids) <= self._failures:
            raise self._error("as the test wants")


def _store(url: str) -> JobStore:
    return JobStore(without_user(url), without_user(url))


def _owner(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


async def test_a_job_exists_exactly_when_its_transaction_commits(database_url: str) -> None:
    """What is rolled back leaves no job; ids of 63 bits come out as they went in."""
    seen = Seen()
    async with as_role(database_url, "kereru_app") as database:
        with contextlib.suppress(ZeroDivisionError):
            async with database.transaction(INSTALLATION) as tx:
                await defer(tx, PLAIN, thing=1)
                raise ZeroDivisionError
        async with database.transaction(INSTALLATION) as tx:
            await defer(tx, PLAIN, thing=2**62 + 1, provider=7)
    await work_until_idle(_store(database_url), {PLAIN: seen})
    assert seen.ids == [{"thing": 2**62 + 1, "provider": 7}]
    assert _owner(database_url, "SELECT 1 FROM procrastinate_jobs") == []


async def test_a_failed_job_is_tried_again(database_url: str) -> None:
    """Tried again up to its kind's number of tries, then kept as failed."""
    recovers, never = Seen(failures=2), Seen(failures=99)
    other = JobKind("test.never", Backoff(first_s=0.0, tries=2))
    async with as_role(database_url, "kereru_app") as database, database.transaction(INSTALLATION) as tx:
        await defer(tx, PLAIN, thing=1)
        await defer(tx, other, thing=2)
    await work_until_idle(_store(database_url), {PLAIN: recovers, other: never})
    assert len(recovers.ids) == 3
    assert len(never.ids) == 2
    assert _owner(database_url, "SELECT task_name, status::text FROM procrastinate_jobs") == [("test.never", "failed")]


async def test_giving_up_is_final(database_url: str) -> None:
    """A handler that says trying again cannot help is not asked again."""
    seen = Seen(failures=1, error=GiveUp)
    async with as_role(database_url, "kereru_app") as database, database.transaction(INSTALLATION) as tx:
        await defer(tx, PLAIN, thing=1)
    await work_until_idle(_store(database_url), {PLAIN: seen})
    assert len(seen.ids) == 1


async def test_a_commit_wakes_the_worker(database_url: str) -> None:
    """Our NOTIFY starts the job well before the next poll, and a delayed job waits its time."""
    seen, later = Seen(), Seen()
    delayed = JobKind("test.delayed")
    async with as_role(database_url, "kereru_app") as database:
        worker = asyncio.create_task(work(_store(database_url), {PLAIN: seen, delayed: later}))
        try:
            async with database.transaction(INSTALLATION) as tx:
                await defer(tx, PLAIN, thing=1)
                await defer(tx, delayed, delay_s=3600, thing=1)
            await asyncio.wait_for(seen.came.wait(), 5)
            seen.came.clear()
            await asyncio.sleep(0.2)
            started = asyncio.get_running_loop().time()
            async with database.transaction(INSTALLATION) as tx:
                await defer(tx, PLAIN, thing=2)
            await asyncio.wait_for(seen.came.wait(), 5)
            assert asyncio.get_running_loop().time() - started < 0.8
            assert later.ids == []
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


async def test_what_a_dead_worker_held_is_taken_over(database_url: str) -> None:
    """A job in the hands of a worker that is gone goes back into the queue (G-class promise: never lost)."""
    async with as_role(database_url, "kereru_app") as database, database.transaction(INSTALLATION) as tx:
        await defer(tx, PLAIN, thing=1)
    _owner(database_url, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '5 minutes')")
    _owner(database_url, "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)")
    seen = Seen()
    worker = asyncio.create_task(work(_store(database_url), {PLAIN: seen}))
    try:
        await asyncio.wait_for(seen.came.wait(), 10)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_the_application_may_write_jobs_and_nothing_else(database_url: str) -> None:
    """Least privilege (design §9): people's role neither reads nor changes the queue; Procrastinate's notify triggers are gone (design §4)."""
    async with as_role(database_url, "kereru_app") as database:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await database.autocommit("SELECT * FROM procrastinate_jobs")
    triggers = _owner(database_url, "SELECT tgname FROM pg_trigger WHERE tgname LIKE '%notify%'")
    assert triggers == []
