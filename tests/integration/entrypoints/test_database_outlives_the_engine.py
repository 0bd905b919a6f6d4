"""After a kill -9 of PostgreSQL the pools are full of dead connections; nobody may notice (issue 2 point 2; G1: a webhook is not refused for it)."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kereru.entrypoints.postgres import EmbeddedPostgres, EngineOptions, State
from kereru.kernel.db import INSTALLATION, Database
from kereru.kernel.errors import Unavailable


@pytest.fixture
def engine(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    """An engine with one of our roles in it."""
    engine = EmbeddedPostgres(short_folder / "home", EngineOptions(stop_s=5))
    try:
        with psycopg.connect(engine.start(), autocommit=True) as connection:
            connection.execute("CREATE ROLE kereru_app LOGIN")
        yield engine
    finally:
        engine.stop()


async def one(database: Database) -> int:
    """A transaction."""
    async with database.transaction(INSTALLATION) as tx:
        await tx.run("SELECT pg_sleep(0.02)")
        return int(await tx.value("SELECT 1"))


def kill(engine: EmbeddedPostgres) -> None:
    """kill -9 of the postmaster, noticed."""
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    while engine.step() is State.READY:
        time.sleep(0.01)


def await_ready(engine: EmbeddedPostgres) -> None:
    """Wait until it answers again."""
    while engine.step() is not State.READY:
        time.sleep(0.01)


async def test_dead_connections_are_replaced_unseen(engine: EmbeddedPostgres) -> None:
    """As many connections as the pool holds were open; after the restart as many transactions succeed at once."""
    async with Database(engine.url, "kereru_app", size=4) as database:
        assert await asyncio.gather(*(one(database) for _ in range(4))) == [1, 1, 1, 1]
        kill(engine)
        await_ready(engine)
        assert await asyncio.gather(*(one(database) for _ in range(8))) == [1] * 8


async def test_a_transaction_begun_meanwhile_waits_or_is_told(engine: EmbeddedPostgres) -> None:
    """While nothing answers, Unavailable comes within the wait; as soon as it answers, so do we, without a growing pause."""
    async with Database(engine.url, "kereru_app", size=2, wait_s=0.5) as database:
        await one(database)
        kill(engine)
        for _ in range(6):
            with pytest.raises(Unavailable):
                await one(database)
        await asyncio.to_thread(await_ready, engine)
        began = time.monotonic()
        while True:
            try:
                await one(database)
                break
            except Unavailable:
                assert time.monotonic() - began < 3
        assert time.monotonic() - began < 3


async def test_single_statements_pass_over_dead_connections_too(engine: EmbeddedPostgres) -> None:
    """Found by the torture (seed 3): readiness said no, 19 s after the engine was back, because it met a dead connection."""
    async with Database(engine.url, "kereru_app", size=4) as database:
        await asyncio.gather(*(one(database) for _ in range(4)))
        kill(engine)
        with pytest.raises((Unavailable, psycopg.OperationalError)):
            await asyncio.wait_for(Database.autocommit(database, "SELECT 1"), 20)
        await asyncio.to_thread(await_ready, engine)
        for _ in range(6):
            assert (await database.autocommit("SELECT 1 AS one"))[0].one == 1
