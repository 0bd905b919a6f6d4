"""The backbone on PostgreSQL: after the commit, to every process, and honest about what it may have lost (design §3, G27)."""

import psycopg
import pytest

from integration.realtime.world import until
from kereru.kernel.db import INSTALLATION, Database
from kereru.realtime.backbone import CONFIG_CHANNEL, FEED_CHANNEL, OUTBOX_CHANNEL, PostgresBackbone
from role_databases import without_user


async def test_each_channel_reaches_its_subscribers(database: Database, database_url: str) -> None:
    backbone = PostgresBackbone(without_user(database_url), "kereru_app", database)
    heard: list[tuple[str, str]] = []
    missed: list[str] = []
    for channel in (FEED_CHANNEL, OUTBOX_CHANNEL, CONFIG_CHANNEL):
        backbone.subscribe(channel, lambda payload, channel=channel: heard.append((channel, payload)), lambda channel=channel: missed.append(channel))

    def fails(_payload: str = "") -> None:
        raise LookupError

    backbone.subscribe(OUTBOX_CHANNEL, fails, fails)
    stop = backbone.subscribe(OUTBOX_CHANNEL, lambda payload: heard.append(("gone", payload)), lambda: None)
    stop()
    await backbone.start()
    try:
        assert missed == [FEED_CHANNEL, OUTBOX_CHANNEL, CONFIG_CHANNEL]
        async with database.transaction(INSTALLATION) as tx:
            tx.notify(OUTBOX_CHANNEL, "7")
            tx.wake(5, 6)
            await tx.run("SELECT pg_sleep(0.05)")
            assert heard == []
        await until(lambda: len(heard) == 2)
        assert sorted(heard) == [(FEED_CHANNEL, "5:6"), (OUTBOX_CHANNEL, "7")]
        with pytest.raises(ZeroDivisionError):
            await _rolled_back(database)
        await backbone.publish((feed, 1) for feed in range(1, 401))
        await until(lambda: sum(payload.count(":") for _, payload in heard) == 401)
        missed.clear()
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("SELECT pg_terminate_backend(%s)", [backbone.backend_pid])
        await until(lambda: len(missed) == 3)
        await backbone.publish([(9, 9)])
        await until(lambda: heard[-1] == (FEED_CHANNEL, "9:9"))
        with pytest.raises(RuntimeError):
            backbone.subscribe("kereru_late", print, print)
    finally:
        await backbone.stop()


async def _rolled_back(database: Database) -> None:
    async with database.transaction(INSTALLATION) as tx:
        tx.wake(1, 1)
        raise ZeroDivisionError


async def test_it_waits_for_a_database_that_is_not_there_yet(database: Database, database_url: str) -> None:
    """Starting without a database does not fail: it goes on trying."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("ALTER ROLE kereru_app NOLOGIN")
        backbone = PostgresBackbone(without_user(database_url), "kereru_app", database)
        heard: list[str] = []
        backbone.subscribe(FEED_CHANNEL, heard.append, lambda: None)
        try:
            await backbone.start(wait_s=0.2)
            assert backbone.backend_pid == 0
        finally:
            owner.execute("ALTER ROLE kereru_app LOGIN")
        try:
            await until(lambda: backbone.backend_pid != 0)
            await backbone.publish([(1, 2)])
            await until(lambda: heard == ["1:2"])
        finally:
            await backbone.stop()


async def test_an_address_that_names_the_owner_does_not_make_it_the_owner(database: Database, database_url: str) -> None:
    """Design §9: the same rule as for the pools; with a direct address, too."""
    backbone = PostgresBackbone(database_url, "kereru_app", database)
    backbone.subscribe(FEED_CHANNEL, lambda _: None, lambda: None)
    await backbone.start()
    try:
        with psycopg.connect(database_url) as owner:
            row = owner.execute("SELECT usename::text FROM pg_stat_activity WHERE pid = %s", [backbone.backend_pid]).fetchone()
        assert row == ("kereru_app",)
    finally:
        await backbone.stop()
