"""Feeds and the hub: each change once, in the order of commits, whatever is lost on the way (G22, G23, G27)."""

import asyncio
import random
from contextlib import AsyncExitStack, suppress

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from integration.realtime.world import CURSORS, PROVIDER, append_now, change, collect, frame, make_feed, process, until
from kereru.kernel.db import Database, ProviderScope
from kereru.realtime import store
from kereru.realtime.delivery import FURTHEST
from kereru.realtime.model import SocketViewer


@pytest.mark.parametrize("seed", range(3))
async def test_after_random_drops_each_change_came_once(database: Database, database_url: str, seed: int) -> None:
    """G22: a client that loses its connection at any moment and comes back with its cursor misses nothing and sees nothing twice."""
    chance = random.Random(seed)
    feed = await make_feed(database)
    wanted = 150

    async def write() -> None:
        version = 1
        while version <= wanted:
            count = min(chance.randrange(1, 6), wanted + 1 - version)
            await change(database, feed, *range(version, version + count), wake=chance.random() < 0.9)
            version += count
            await asyncio.sleep(chance.random() * 0.01)

    seen: list[int] = []
    async with process(database, database_url, heads_every_s=0.1) as one, process(database, database_url, heads_every_s=0.1) as other:
        cursor: str = CURSORS.encode(PROVIDER, 1, ((feed, 0),))
        writing = asyncio.create_task(write())
        async with asyncio.timeout(30):
            while len(seen) < wanted:
                async with chance.choice((one, other)).socket(1, feed, cursor) as ws:
                    drop_at = asyncio.get_running_loop().time() + chance.random() * 0.1
                    while len(seen) < wanted and (left := drop_at - asyncio.get_running_loop().time()) > 0:
                        try:
                            got = await frame(ws, left)
                        except TimeoutError:
                            break
                        assert got["type"] == "changes"
                        seen += [item["position"] for item in got["items"]]
                        cursor = got["cursor"]
                    ws.transport.abort()
        await writing
    assert seen == list(range(1, wanted + 1))


async def test_two_processes_deliver_the_same(database: Database, database_url: str) -> None:
    """Design §3: whichever process a socket hangs on, it gets the same changes in the same order."""
    feed = await make_feed(database)
    async with process(database, database_url) as one, process(database, database_url) as other, one.socket(1, feed) as a, other.socket(1, feed) as b:
        await frame(a)
        await frame(b)
        await asyncio.gather(*(change(database, feed, version) for version in range(1, 41)))
        got = await asyncio.gather(collect(a, 40), collect(b, 40))
        assert got[0] == got[1]
        assert got[0][0] == list(range(1, 41))


async def test_order_is_the_order_of_commits(database: Database, database_url: str) -> None:
    """G23: a transaction held open hides no change of one that commits before it, and numbers have no gap even after a roll-back."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        async with database.transaction(ProviderScope(PROVIDER)) as slow:
            await slow.value("SELECT new_id()")
            await change(database, feed, 2)
            assert (await collect(ws, 1))[0] == [1]
            await append_now(slow, feed, 1)
            waiting = asyncio.create_task(change(database, feed, 3))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        await waiting
        with suppress(ZeroDivisionError):
            async with database.transaction(ProviderScope(PROVIDER)) as tx:
                await append_now(tx, feed, 99)
                raise ZeroDivisionError
        await change(database, feed, 4)
        versions: list[int] = []
        positions: list[int] = []
        async with asyncio.timeout(5):
            while len(positions) < 3:
                items = (await frame(ws))["items"]
                positions += [item["position"] for item in items]
                versions += [item["version"] for item in items]
        assert positions == [2, 3, 4]
        assert versions == [1, 3, 4]


async def test_a_lost_wake_up_costs_a_moment_only(database: Database, database_url: str) -> None:
    """G27: nobody notified anybody; the comparison of heads finds the change."""
    feed = await make_feed(database)
    async with process(database, database_url, heads_every_s=0.2) as web, web.socket(1, feed) as ws:
        await frame(ws)
        await change(database, feed, 1, wake=False)
        assert (await collect(ws, 1, 2))[0] == [1]


async def test_a_lost_listening_connection_is_made_again(database: Database, database_url: str) -> None:
    """G27: what was notified while nobody listened is read as soon as somebody listens again, without waiting for the comparison."""
    feed = await make_feed(database)
    async with process(database, database_url, heads_every_s=60) as web, web.socket(1, feed) as ws:
        await frame(ws)
        for version in (1, 2):
            pid = web.backbone.backend_pid
            with psycopg.connect(database_url, autocommit=True) as owner:
                owner.execute("SELECT pg_terminate_backend(%s)", [pid])
            await change(database, feed, version)
            assert (await collect(ws, 1, 5))[0] == [version]
            assert web.backbone.backend_pid != pid
        await change(database, feed, 3)
        assert (await collect(ws, 1, 5))[0] == [3]


async def test_changes_that_are_not_kept_any_more_mean_resync(database: Database, database_url: str) -> None:
    """G22: a cursor from before the oldest change kept is told so, and goes on from the present."""
    feed = await make_feed(database)
    old = CURSORS.encode(PROVIDER, 1, ((feed, 2),))
    await change(database, feed, 1, 2, 3, 4, 5)
    async with database.transaction(ProviderScope(PROVIDER)) as tx:
        await tx.run("DELETE FROM change WHERE number <= 3")
    async with process(database, database_url) as web:
        async with web.socket(1, feed, old) as ws:
            assert await frame(ws) == {"type": "resync", "cursor": CURSORS.encode(PROVIDER, 1, ((feed, 5),))}
            await change(database, feed, 6)
            assert (await collect(ws, 1))[0] == [6]
        async with web.socket(1, feed, CURSORS.encode(PROVIDER, 1, ((feed, 3),))) as ws:
            assert (await collect(ws, 3))[0] == [4, 5, 6]
        async with database.transaction(ProviderScope(PROVIDER)) as tx:
            await tx.run("DELETE FROM change")
        async with web.socket(1, feed, CURSORS.encode(PROVIDER, 1, ((feed, 5),))) as ws:
            assert (await frame(ws))["type"] == "resync"
        async with web.socket(1, feed, CURSORS.encode(PROVIDER, 1, ((feed, 6),))) as ws:
            assert (await frame(ws))["items"] == []


async def test_a_database_that_went_back_means_resync(database: Database, database_url: str) -> None:
    """reliability.md §6, restore: a feed that stands before what its readers hold makes them load again, those that are connected too."""
    feed = await make_feed(database)
    await change(database, feed, 1, 2, 3)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        async with database.transaction(ProviderScope(PROVIDER)) as tx:
            await tx.run("DELETE FROM change WHERE number > 1")
            await tx.run("UPDATE feed SET head = 1")
        assert (await frame(ws))["type"] == "resync"
        await change(database, feed, 22)
        assert (await collect(ws, 1))[0] == [2]


async def test_who_is_far_behind_loads_again(database: Database, database_url: str) -> None:
    """Design §6: replaying thousands of changes would cost more than the state itself; less is replayed, in order, in several frames."""
    feed = await make_feed(database)
    await change(database, feed, *range(1, FURTHEST + 2))
    async with process(database, database_url) as web:
        async with web.socket(1, feed, CURSORS.encode(PROVIDER, 1, ((feed, 0),))) as ws:
            assert (await frame(ws))["type"] == "resync"
        async with web.socket(1, feed, CURSORS.encode(PROVIDER, 1, ((feed, 1),))) as ws:
            assert (await collect(ws, FURTHEST))[0] == list(range(2, FURTHEST + 2))


async def test_gaining_a_feed_means_resync_and_losing_one_does_not(database: Database, database_url: str) -> None:
    """Design §6: a cursor without one of the viewer's feeds is not enough; one with a feed too many is."""
    mine, lost = await make_feed(database), await make_feed(database)
    await change(database, mine, 1)
    async with process(database, database_url) as web:
        hub = web.realtime.hub
        viewer = SocketViewer(PROVIDER, 1, (mine,), b"")
        start = hub.start_of(viewer, CURSORS.encode(PROVIDER, 1, tuple(sorted([(mine, 0), (lost, 9)]))))
        assert start == ((mine, 0),)
        assert [len(delivery.items) for delivery in [await hub.changes(viewer, start, 0)]] == [1]
        both = SocketViewer(PROVIDER, 1, (mine, lost), b"")
        assert (await hub.changes(both, hub.start_of(both, CURSORS.encode(PROVIDER, 1, ((mine, 1),))), 0)).resync


async def test_several_feeds_are_followed_at_once(database: Database, database_url: str) -> None:
    """Design §6: order holds within a feed; one cursor covers all of them."""
    one, two = sorted([await make_feed(database), await make_feed(database)])
    async with process(database, database_url) as web:
        hub = web.realtime.hub
        viewer = SocketViewer(PROVIDER, 1, (one, two), b"")
        position = await hub.present_position(viewer)
        waiting = asyncio.create_task(hub.changes(viewer, position, 5))
        await change(database, two, 1, 2)
        first = await waiting
        assert first.position == ((one, 0), (two, 2))
        await change(database, one, 3)
        second = await hub.changes(viewer, first.position, 5)
        assert second.position == ((one, 1), (two, 2))
        assert len(second.items) == 1


async def test_one_user_s_trouble_is_not_the_others(database: Database, database_url: str) -> None:
    """A change that cannot be shown holds up its own user only, and is shown once it can be."""
    feeds = [await make_feed(database) for _ in range(3)]
    async with process(database, database_url) as web, AsyncExitStack() as stack:
        a, broken, c = [await stack.enter_async_context(web.socket(user, feed)) for user, feed in enumerate(feeds)]
        for ws in (a, broken, c):
            await frame(ws)
        web.presenter.fail_for.add(1)
        async with database.transaction(ProviderScope(PROVIDER)) as tx:
            for feed in feeds:
                await append_now(tx, feed, 1)
        assert (await collect(a, 1))[0] == [1]
        assert (await collect(c, 1))[0] == [1]
        web.presenter.fail_for.clear()
        assert (await collect(broken, 1))[0] == [1]


async def test_a_change_without_an_entity_is_passed_over(database: Database, database_url: str) -> None:
    """A row whose entity is gone is left out; the cursor moves on over it."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        web.presenter.leave_out.add(2)
        await change(database, feed, 1, 2, 3)
        assert (await collect(ws, 2))[0] == [1, 3]
        web.presenter.leave_out.add(4)
        await change(database, feed, 4)
        got = await frame(ws)
        assert got["items"] == []
        assert got["cursor"] == CURSORS.encode(PROVIDER, 1, ((feed, 4),))


async def test_nobody_gets_another_provider_s_changes(database: Database, database_url: str) -> None:
    """G30, G31: even a viewer who named a foreign feed gets nothing of it."""
    foreign = await make_feed(database, provider_id=8)
    async with process(database, database_url) as web, web.socket(1, foreign) as ws:
        await change(database, foreign, 1, provider_id=8)
        with pytest.raises(TimeoutError):
            await collect(ws, 1, 1.0)


async def test_a_burst_is_read_in_few_rounds(database: Database, database_url: str) -> None:
    """Design §6: whatever was committed while a round ran is one round's work."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        for start in range(1, 301, 50):
            await asyncio.gather(*(change(database, feed, version) for version in range(start, start + 50)))
        assert (await collect(ws, 300))[0] == list(range(1, 301))
        assert len(web.presenter.calls) < 300


async def test_nothing_is_left_of_who_has_gone(database: Database, database_url: str) -> None:
    """G25: followers, feeds and users of closed sockets are forgotten."""
    feed = await make_feed(database)
    async with process(database, database_url) as web:
        for _ in range(3):
            async with web.socket(1, feed) as ws:
                await frame(ws)
        hub = web.realtime.hub
        await until(lambda: not hub._audiences and not hub._by_feed and not hub._rounds and not hub._dirty)
        assert web.realtime.socket.viewers() == []


async def test_the_database_may_go_away_for_a_while(database: Database, database_url: str) -> None:
    """G27: with every connection cut, sockets stay open and what was committed meanwhile arrives afterwards."""
    feed = await make_feed(database)
    async with process(database, database_url) as web, web.socket(1, feed) as ws:
        await frame(ws)
        with psycopg.connect(database_url, autocommit=True) as owner:
            for _ in range(3):
                owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
                await asyncio.sleep(0.1)
        for attempt in range(20):
            try:
                await change(database, feed, 1)
                break
            except psycopg.OperationalError:
                assert attempt < 19
        try:
            assert (await collect(ws, 1))[0] == [1]
        except ConnectionClosed as error:  # pragma: no cover - says which
            pytest.fail(f"closed: {error}")


async def test_reading_a_page_is_one_range_of_the_index(database: Database, database_url: str) -> None:
    """Design §9: under row-level security, as the web processes' role, both ends of the page bound the index."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("INSERT INTO feed SELECT %s, f, 1, 200 FROM generate_series(1, 50) f", [PROVIDER])
        owner.execute(
            "INSERT INTO change SELECT %s, f, n, new_id(), 3, 1, 1, NULL, 1 FROM generate_series(1, 50) f, generate_series(1, 200) n", [PROVIDER]
        )
        owner.execute("ANALYZE change")
    async with database.transaction(ProviderScope(PROVIDER)) as tx:
        params = {"feeds": [1, 2], "afters": [5, 9], "untils": [15, 19], "provider": PROVIDER, "oldest": 1}
        plan = "\n".join(row[0] for row in await tx.rows("EXPLAIN (COSTS OFF) " + store._READ, params))
    assert any("Index Cond" in line and "number > w.after" in line and "number <= w.until" in line for line in plan.splitlines()), plan
