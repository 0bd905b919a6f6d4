"""What a caller hears of a commit."""

import asyncio

import psycopg
import pytest

from kereru.kernel.db import INSTALLATION, Database
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


def test_notes_of_several_transactions_go_as_few() -> None:
    assert merged([("kereru_feed", "7:3,8:1"), ("kereru_outbox", "5"), ("kereru_feed", "7:9"), ("kereru_outbox", "5")]) == [
        ("kereru_outbox", "5"),
        ("kereru_feed", "7:9,8:1"),
    ]
