"""busy_queue and retention: what one busy number, and dropping a week, do to the time a text takes to its owner's socket."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable

import psycopg
from psycopg import AsyncConnection, sql

from bench.latency import OpenLoop, Stopwatch
from bench.load import Connection, connect, request
from bench.machine import Meter
from bench.options import Options
from bench.rounds import Figures, Result, by_rate, in_turns, percentile
from bench.sockets import Listener, open_sockets
from bench.world import Company, Server, World, running_world, serving

RATE = 500
AGENTS, ACTS_PER_S = 50, 1.0
HELD_S = 1.0
BUSY_RATIO, RETENTION_RATIO = 2.0, 1.5
WEEK_ROWS = 770_000

Beside = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def _measuring(world: World, seed: int, company: Company | None = None) -> AsyncGenerator[tuple[Server, Stopwatch]]:
    async with serving(world) as server:
        listener = Listener()
        sockets = await open_sockets(server.port, (person.session for person in world.company.people), listener)
        yield server, Stopwatch(world, listener, server.port, seed, company)
        for socket in sockets:
            socket.close()


async def _timed(world: World, server: Server, watch: Stopwatch, seconds: float, beside: Beside | None) -> Figures:
    """p99 from webhook to socket at a steady rate, with something going on beside it or not."""
    meter = Meter(server=[server.process.pid], database=[world.engine_pid], load=[os.getpid()])
    watch.pushed_ms.clear()
    meter.start()
    task = asyncio.ensure_future(beside()) if beside else None
    await OpenLoop(server.port).run(RATE, seconds, watch.make)
    await watch.settle()
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    extra = {"p50_ms": percentile(watch.pushed_ms, 0.5), "most_ms": max(watch.pushed_ms, default=0.0), "missing": float(watch.missing)}
    return Figures(percentile(watch.pushed_ms, 0.99), len(watch.pushed_ms), meter.stop(), extra)


async def busy_queue(options: Options) -> list[Result]:
    """One number takes 500 texts a second; beside it fifty people read and unread its conversations, and another feed's lock is held for a second."""
    with running_world(people=60) as world:
        whole = world.company
        busy = Company(whole.provider_id, whole.platform_id, whole.token, whole.people[:1])
        async with _measuring(world, 91, busy) as (server, watch):

            async def acting() -> None:
                rows = world.query("SELECT c.id FROM conversation c JOIN assignment a ON a.id = c.assignment_id WHERE a.user_id = %(u)s LIMIT 500",
                                   u=busy.people[0].user_id)  # fmt: skip
                conversations = [str(row[0]) for row in rows]
                agents = [_agent(server.port, busy.people[0].session, conversations, number) for number in range(AGENTS)]
                await asyncio.gather(_hold(world, whole.people[1].feed_id), *agents)

            result = await in_turns(
                "busy_queue",
                lambda: _timed(world, server, watch, options.seconds, acting),
                lambda: _timed(world, server, watch, options.seconds, None),
                goal=BUSY_RATIO, sense="at most", compare=by_rate, rounds=options.rounds,
            )  # fmt: skip
    result.note = "p99 from webhook to socket with the others' work, beside the same without"
    result.holds = result.holds and not watch.missing
    return [result]


async def _agent(port: int, session: str, conversations: list[str], number: int) -> None:
    dice = random.Random(number)  # noqa: S311 - repeatable, guards nothing
    done = asyncio.Event()

    def note(_: Connection, __: int, ___: bytes) -> None:
        done.set()

    await asyncio.sleep(dice.random())
    while conversations:
        connection = await connect(port, note)
        path = f"/api/v1/conversations/{dice.choice(conversations)}/{dice.choice(['read', 'unread'])}"
        done.clear()
        connection.send(request("POST", path, port, b"{}", kind="application/json", cookie=session))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 10)
        connection.close()
        await asyncio.sleep(1 / ACTS_PER_S)


async def _hold(world: World, feed: int) -> None:
    async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
        while True:
            async with connection.transaction():
                await connection.execute("SELECT 1 FROM feed WHERE id = %s FOR UPDATE", [feed])
                await asyncio.sleep(HELD_S)
            await asyncio.sleep(HELD_S)


async def retention(options: Options) -> list[Result]:
    """The oldest week is dropped while 500 texts a second come in, beside the same without."""
    with running_world(people=500) as world:
        weeks = options.rounds + 3
        _fill(world, weeks, round(WEEK_ROWS * options.scale))
        async with _measuring(world, 92) as (server, watch):

            async def dropping() -> None:
                await asyncio.sleep(options.seconds / 3)
                await asyncio.to_thread(_drop_oldest, world)

            result = await in_turns(
                "retention",
                lambda: _timed(world, server, watch, options.seconds, dropping),
                lambda: _timed(world, server, watch, options.seconds, None),
                goal=RETENTION_RATIO, sense="at most", compare=by_rate, rounds=options.rounds,
            )  # fmt: skip
    result.note = f"p99 while a week of {round(WEEK_ROWS * options.scale):,} texts is dropped, beside the same without"
    result.holds = result.holds and not watch.missing
    return [result]


def _fill(world: World, weeks: int, rows: int) -> None:
    """Old weeks with texts in them."""
    with psycopg.connect(world.url, autocommit=True) as connection:
        for week in range(weeks, 0, -1):
            connection.execute("CALL make_partitions(0, now() - make_interval(weeks => %s))", [week])
            connection.execute(
                "INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id)"
                " SELECT %s, lowest_id(date_trunc('week', now()) - make_interval(weeks => %s)) + (i::bigint << 20), i %% 20000, false, 9,"
                " 'the order is ready can you come by before six', %s FROM generate_series(1, %s) AS i",
                [world.company.provider_id, week, world.company.platform_id, rows],
            )


def _drop_oldest(world: World) -> None:
    """Every weekly table's oldest week: detached without blocking anybody, then dropped."""
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '50ms'")
        oldest = connection.execute("SELECT min(right(relname, 8)) FROM pg_class WHERE relname ~ '^message_w[0-9]{8}$'").fetchone()
        week = str(oldest[0]) if oldest else ""
        # Not every table keeps weeks for as long as texts are kept.
        tables = connection.execute("SELECT name FROM weekly_table WHERE to_regclass(name || '_w' || %s) IS NOT NULL ORDER BY name", [week])
        for (table,) in tables.fetchall():
            part = f"{table}_w{week}"
            for statement in ("ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY", "DROP TABLE {1}"):
                _until_done(connection, sql.SQL(statement).format(sql.Identifier(str(table)), sql.Identifier(part)), sql.Identifier(str(table)), part)


def _until_done(connection: "psycopg.Connection[tuple[object, ...]]", statement: sql.Composed, table: sql.Identifier, part: str) -> None:
    for _ in range(100):
        try:
            connection.execute(statement)
        except psycopg.errors.LockNotAvailable:
            continue
        except (psycopg.errors.ObjectInUse, psycopg.errors.ObjectNotInPrerequisiteState):
            # A detach that was interrupted has to be ended before anything else.
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {} FINALIZE").format(table, sql.Identifier(part)))
                return
        else:
            return
