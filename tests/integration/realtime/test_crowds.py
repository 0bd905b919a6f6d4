"""G25, G28: many clients at once: those that stop reading, and those that a restart sends away and back."""

import asyncio
from contextlib import AsyncExitStack

import psycopg

from integration.realtime.test_sockets import client_frame, closing, raw_socket, read_close
from integration.realtime.world import change, collect, frame, make_feed, process, until
from kereru.kernel.db import Database
from kereru.kernel.limits import SOCKET_BACKLOG_BYTES

STALLED, READING, RETURNING = 30, 60, 150


async def test_many_that_stop_reading_cost_a_bounded_amount_and_nobody_elses_time(database: Database, database_url: str) -> None:
    """G25: never more than 1 MiB for each, all are closed with 4408; everybody else has everything, in order, while they still stand there."""
    loud, quiet = await make_feed(database), await make_feed(database)
    async with process(database, database_url, stalled_s=4.0) as web, AsyncExitStack() as stack:
        web.presenter.padding = "x" * 8_000
        readers = [await stack.enter_async_context(web.socket(1000 + user, quiet)) for user in range(READING)]
        for ws in readers:
            await frame(ws)
        stalled = []
        for user in range(STALLED):
            reader, writer = await raw_socket(web, user + 1, loud, receive_buffer=4096)
            writer.write(client_frame(b'{"type":"follow"}'))
            stalled.append(reader)
            stack.callback(writer.close)
        await until(lambda: len(web.realtime.hub._audiences) == STALLED + READING)
        most = 0
        for version in range(1, 201, 50):
            await change(database, loud, *range(version, version + 50))
            await change(database, quiet, version)
            assert [(await collect(ws, 1))[0] for ws in readers] == [[version // 50 + 1]] * READING
            most = max(most, *(connection.transport.get_write_buffer_size() for connection in web.server.server_state.connections))
        assert 0 < most <= SOCKET_BACKLOG_BYTES
        await until(lambda: len(web.realtime.socket._stalled) == STALLED)
        await until(lambda: not web.realtime.socket._stalled, 30)
        assert await asyncio.gather(*(read_close(reader, 20) for reader in stalled)) == [4408] * STALLED
        await change(database, quiet, 201)
        assert [(await collect(ws, 1))[0] for ws in readers] == [[5]] * READING


async def test_a_restart_sends_everybody_away_at_different_times_and_takes_them_back(database: Database, database_url: str) -> None:
    """G28: each hears 1012 with a pause of its own; all come back at once in the worst case, miss nothing, and the pool stays the pool."""
    feed = await make_feed(database)
    hints: list[int] = []
    cursors: list[str] = []
    async with process(database, database_url) as old, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(old.socket(user, feed)) for user in range(RETURNING)]
        cursors += [(await frame(ws))["cursor"] for ws in sockets]
        await old.realtime.drain()
        for code, reason in await asyncio.gather(*(closing(ws, 20) for ws in sockets)):
            assert code == 1012
            hints.append(int(reason.removeprefix("retry=")))
    assert len(set(hints)) > RETURNING / 2, "spread, not all at one time"
    await change(database, feed, 1, 2)
    async with process(database, database_url) as new, AsyncExitStack() as stack:
        with psycopg.connect(database_url, autocommit=True) as watching:
            sockets = await asyncio.gather(*(stack.enter_async_context(new.socket(user, feed, cursors[user])) for user in range(RETURNING)))
            positions = await asyncio.gather(*(collect(ws, 2, 20) for ws in sockets))
            row = watching.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'kereru_app'").fetchone()
        assert [found for found, _ in positions] == [[1, 2]] * RETURNING
        assert row is not None
        assert row[0] <= 8 + 1, "the pool, and one that listens"
