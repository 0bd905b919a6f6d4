"""What a caller hears of a commit."""

import asyncio

import psycopg
import pytest

from kereru.kernel.db import INSTALLATION, Database, ProviderScope
from kereru.kernel.db.transaction import merged
from world import World


async def test_a_notification_that_fails_does_not_undo_the_commit(world: World, app: Database) -> None:
    """Design §3: a lost notification costs latency, never a change; the caller must not hear that a committed change failed."""
    async with app.transaction(INSTALLATION) as tx:
        tx.notify("kereru_outbox", "x" * 9000)
    async with app.transaction(INSTALLATION) as tx:
        assert await tx.value("SELECT 1") == 1


async def test_one_statement_commits_by_itself_and_tells(world: World, app: Database) -> None:
    heard: list[tuple[str, str]] = []
    app.hear_first = lambda channel, payload: heard.append((channel, payload))
    async with app.statement() as tx:
        assert await tx.value("SELECT 1") == 1
        tx.wake(7, 3)
    assert heard == [("kereru_feed", "7:3")]


async def test_one_statement_is_one(world: World, app: Database) -> None:
    async with app.statement() as tx:
        await tx.rows("SELECT 1")
        for again in (tx.rows, tx.row, tx.run, tx.value):
            with pytest.raises(RuntimeError):
                await again("SELECT 1")


async def test_a_caller_who_gives_up_hears_after_the_commit(world: World, app: Database) -> None:
    """Reliability §2 e: a statement that may be committed is never reported as lost before that is known."""
    begun = asyncio.Event()
    ended: list[str] = []

    async def work() -> None:
        async with app.statement() as tx:
            begun.set()
            await tx.rows("SELECT pg_sleep(0.3)")

    task = asyncio.create_task(work())
    task.add_done_callback(lambda _: ended.append("told"))
    await begun.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not ended
    await asyncio.wait([task])
    assert task.cancelled()


async def test_connections_that_a_restart_broke_are_passed_over(world: World, app: Database) -> None:
    async with app.statement() as tx:
        mine = await tx.value("SELECT pg_backend_pid()")
    with psycopg.connect(world.url, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 5000)", [mine])
    async with app.statement() as tx:
        assert await tx.value("SELECT pg_backend_pid()") != mine


async def test_the_connection_that_came_back_last_is_the_next(world: World, app: Database) -> None:
    """Its server process has the plans; the others rest, however many there are."""
    async with app.statement() as first, app.statement() as second, app.statement() as third:
        pids = [await tx.value("SELECT pg_backend_pid()") for tx in (first, second, third)]
    assert len(set(pids)) == 3
    served = set[int]()
    for _ in range(6):
        async with app.statement() as tx:
            served.add(await tx.value("SELECT pg_backend_pid()"))
    assert len(served) == 1


async def test_a_reading_sees_its_tenant_and_leaves_nothing_behind(world: World, app: Database) -> None:
    """G30: nobody waits for its end, and still whoever has the connection next is in no tenant, and no plan is forced on him."""
    scope = ProviderScope(world.ana.provider_id)
    for _ in range(3):
        async with app.transaction(scope, reading=True) as tx:
            assert await tx.value("SELECT count(*) FROM number WHERE id = %(id)s", {"id": world.ana.number_id}) == 1
        async with app.statement() as tx:
            row = await tx.row("SELECT count(*) AS numbers, current_setting('plan_cache_mode') AS plans FROM number")
        assert row is not None
        assert (row.numbers, row.plans) == (0, "auto")
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with app.transaction(scope, reading=True) as tx:
            await tx.value("SELECT 1 / 0")
    async with app.statement() as tx:
        assert await tx.value("SELECT count(*) FROM number") == 0


def test_notes_of_several_transactions_go_as_few() -> None:
    assert merged([("kereru_feed", "7:3,8:1"), ("kereru_outbox", "5"), ("kereru_feed", "7:9"), ("kereru_outbox", "5")]) == [
        ("kereru_outbox", "5"),
        ("kereru_feed", "7:9,8:1"),
    ]
