"""R44, R45, Q8, G37: a year goes by; what is younger than 90 days is there, and nothing is left of what is older than that and a week."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from arrivals import batch, receipt, text
from desk import person
from hand import Hand, ended
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from kereru.carriers.arrivals import ArrivalBatch, Unrecognised
from kereru.kernel import ids, limits
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.db.weeks import drop_old_weeks, make_weeks
from kereru.kernel.errors import KereruError
from kereru.kernel.jobs.upkeep import Task, attempt, keep_up, show_figures
from kereru.kernel.metrics import REGISTRY
from kereru.messaging import commands, queries
from kereru.messaging.commands import Draft
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.model import Conversation, Message
from kereru.messaging.retention import forget_old
from kereru.realtime import store as realtime
from kereru.realtime.delivery import stretches
from role_databases import as_role
from world import PHONE, World

WEEK = timedelta(days=7)
KEPT = timedelta(days=limits.RETENTION_DAYS)
NOBODY = "+12015550199"
_CANARY = re.compile(r"canary-(\d{3})")


@dataclass
class Years:
    """The installation, at a time of the test's choosing."""

    world: World
    started: datetime
    passed: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        """The time it is for everybody."""
        return self.started + self.passed

    def move_to(self, passed: timedelta) -> None:
        """Set the database's clock; it holds for connections made from now on."""
        self.passed = passed
        with psycopg.connect(self.world.url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"ALTER DATABASE {name} SET app.clock_offset = '{passed.total_seconds()} seconds'".encode())

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Day"]:
        """The processes' databases on this day."""
        url = self.world.url
        async with (
            as_role(url, "kereru_app", size=2) as app,
            as_role(url, "kereru_ingest", size=2) as ingest,
            as_role(url, "kereru_service", size=2) as service,
            as_role(url, "kereru_owner", size=1) as owner,
        ):
            yield Day(self, app, Sink(ingest), service, owner)


@dataclass
class Day:
    """What happens on one day."""

    years: Years
    app: Database
    sink: Sink
    service: Database
    owner: Database

    async def upkeep(self) -> list[str]:
        """What the scheduler does."""
        await make_weeks(self.service)
        dropped = await drop_old_weeks(self.owner, pause_s=0.01)
        await forget_old(self.service, rows=7)
        return dropped

    async def put(self, one: ArrivalBatch, words: str) -> None:
        """A webhook, its words in the raw exchange too."""
        await self.sink.put(replace(one, exchange=replace(one.exchange, request_body=words.encode())))

    async def texts(self, number: int) -> None:
        """Everything that holds a text, on this day's canary."""
        ana, words = self.years.world.ana, f"canary-{number:03d}"
        await self.put(batch(ana, text(ana, words, cid=f"SM-{words}-in")), words)
        await self.put(batch(ana, text(ana, words, remote=f"+1202555{number:04d}")), words)
        await self.put(batch(ana, text(ana, words, to=NOBODY)), words)
        await self.put(batch(ana, Unrecognised(ana.provider_id, ana.platform_id, "test", words.encode())), words)
        sent = await self.send(f"{words} out", f"{words}-key")
        hand = Hand(self.service, ana)
        await hand.lease()
        [part] = await hand.claim()
        assert part.message_id == int(sent.id)
        await hand.settle(replace(ended(part, "accepted", cid=f"SM-{words}"), raw=words))
        await self.sink.put(batch(ana, receipt(ana, f"SM-{words}", "delivered", reason=words)))

    async def send(self, words: str, key: str) -> Message:
        """Ana sends a text."""
        ana = self.years.world.ana
        message, _ = await commands.send(self.app, person(ana), key, Draft(ana.number_id, PHONE, words))
        return message

    async def conversations(self, limit: int = 200) -> list[Conversation]:
        """The whole activity list, page by page."""
        ana, found, before = self.years.world.ana, list[Conversation](), ids.MAX_ID
        while before is not None:
            async with self.app.transaction(ProviderScope(ana.provider_id)) as tx:
                page, before = await queries.conversation_page(tx, ana.user_id, "US", before=before, now=self.years.now, limit=limit)
            found += page
        return found

    async def messages(self, conversation: int) -> list[Message]:
        """A whole conversation."""
        ana = self.years.world.ana
        async with self.app.transaction(ProviderScope(ana.provider_id)) as tx:
            return await queries.message_page(tx, ana.user_id, conversation, before=ids.MAX_ID, now=self.years.now, limit=200)


@pytest.fixture
def years(world: World) -> Years:
    """A Monday to begin with, so that weeks are whole; the present otherwise."""
    [row] = world.sql("SELECT app_now() AS now, date_trunc('week', app_now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '7 days' AS monday")
    years = Years(world, datetime.now(UTC))
    years.move_to(row.monday - row.now + timedelta(seconds=5))
    return years


def everywhere(world: World) -> dict[str, set[int]]:
    """Which canaries lie where: every row of every table is looked at, whatever role it is for."""
    with psycopg.connect(world.url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ).fetchall()
        each = (f"SELECT '{name}', (regexp_matches(r::text, 'canary-([0-9]{{3}})', 'g'))[1] FROM {name} r" for (name,) in tables)
        rows = connection.execute(" UNION ".join(each).encode()).fetchall()
    found: dict[str, set[int]] = {}
    for place, number in rows:
        found.setdefault(re.sub(r"_w\d{8}$", "", place), set()).add(int(number))
    return found


@pytest.mark.timeout(400)
async def test_a_year_goes_by(years: Years) -> None:
    """The promise in both directions, for every table, every week; and what people see."""
    world, start, written = years.world, years.passed, {}
    for number in range(56):
        years.move_to(start + number * WEEK)
        async with years.opened() as day:
            await day.upkeep()
            there = everywhere(world)
            young = {each for each, at in written.items() if years.now - at < KEPT}
            kept = {each for each, at in written.items() if years.now - at <= KEPT + WEEK}
            for place in ("message", "part", "receipt", "dedupe", "client_key", "quarantine"):
                if written:
                    assert there[place] >= young, (number, place, "something younger than 90 days is lost")
            for place, canaries in there.items():
                assert canaries <= kept, (number, place, "something is left of what is older than 90 days and a week")
            assert there.get("exchange", set()) <= {each for each, at in written.items() if years.now - at <= timedelta(days=14) + WEEK}
            await shown(day, young, {each for each, at in written.items() if years.now - at >= KEPT})
            await day.texts(number)
            written[number] = years.now
            await feeds_say_resync_beyond_what_is_kept(day)
    weeks = world.sql(
        "SELECT p.relname AS name, count(*) AS n FROM pg_inherits JOIN pg_class p ON p.oid = inhparent WHERE p.relkind = 'p' GROUP BY 1"
    )
    kept = dict.fromkeys(("message", "attempt", "part", "receipt", "dedupe"), 19)
    assert {row.name: row.n for row in weeks} == {"exchange": 8, "change": 10, **kept}
    assert not world.sql("SELECT 1 FROM pg_class WHERE relname ~ '_w[0-9]{8}$' AND NOT relispartition AND relkind = 'r'")


async def shown(day: Day, young: set[int], old: set[int]) -> None:
    """What a person sees: all that is younger, nothing that is older; a conversation disappears with its last text."""
    found = await day.conversations(limit=5)
    assert {item.remote for item in found} == {f"+1202555{number:04d}" for number in young} | ({PHONE} if young else set())
    assert len(found) == len({item.id for item in found})
    for item in found:
        assert item.last_message is not None
        words = [message.text for message in await day.messages(int(item.id))]
        assert not {int(_CANARY.match(each)[1]) for each in words} & old
        assert item.unread <= sum(not each.endswith("out") for each in words)
    if young:
        [main] = [item for item in found if item.remote == PHONE]
        assert {int(_CANARY.match(message.text)[1]) for message in await day.messages(int(main.id))} == young
        assert main.unread == len(young), "nobody has read anything, and what is gone is no longer unread"
    rows = await asyncio.to_thread(day.years.world.sql, "SELECT count(*) AS n FROM conversation")
    assert rows[0].n == len(found)


async def feeds_say_resync_beyond_what_is_kept(day: Day) -> None:
    """Changes are kept for CHANGE_DAYS: who stands within them goes on without a gap, who stands before them is told to load everything."""
    ana = day.years.world.ana
    async with day.app.transaction(ProviderScope(ana.provider_id)) as tx:
        [oldest] = await tx.rows("SELECT min(number) AS number FROM change WHERE id >= %(from)s",
                                 {"from": ids.lowest_at(day.years.now - timedelta(days=limits.CHANGE_DAYS))})  # fmt: skip
        wants = [(ana.feed_id, oldest.number - 1), (ana.feed_id, 0)]
        found = stretches(await realtime.read_changes(tx, ana.provider_id, sorted(set(wants)), page=500, now=day.years.now))
    assert found[wants[0]].explains(wants[0][1])
    assert found[ana.feed_id, 0].explains(0) == (oldest.number == 1)


async def test_what_is_old_is_gone_for_every_reader_before_its_week_is(years: Years) -> None:
    """R45, design §6: no way of asking reaches a text of 91 days, though its rows are still there; the same key makes no second text."""
    ana = years.world.ana
    async with years.opened() as day:
        await day.texts(1)
        sent = await day.send("canary-001 out again", "client-key-again")
        conversation = int(sent.conversation_id)
    years.move_to(years.passed + timedelta(days=91))
    async with years.opened() as day, day.app.transaction(ProviderScope(ana.provider_id)) as tx:
        assert len(years.world.sql("SELECT 1 FROM message")) == 4
        assert await queries.conversations(tx, ana.user_id, "US", [conversation]) == {}
        assert await queries.conversations_seen(tx, [(ana.user_id, conversation)]) == {}
        assert await queries.messages(tx, ana.user_id, [int(sent.id)]) == {}
        assert await queries.messages_seen(tx, [(ana.user_id, int(sent.id))]) == {}
        for refused in (
            queries.message_page(tx, ana.user_id, conversation, before=ids.MAX_ID, now=years.now, limit=10),
            commands.mark_read(tx, person(ana), ana.feed_id, conversation, up_to=None, now=years.now),
            commands.mark_unread(tx, person(ana), ana.feed_id, conversation),
            commands.resend(tx, person(ana), int(sent.id), attempt=1, despite_unknown=True),
            commands.send(day.app, person(ana), "client-key-again", Draft(ana.number_id, PHONE, "canary-001 out again")),
        ):
            with pytest.raises(KereruError) as missing:
                await refused
            assert missing.value.status == 404


async def test_a_conversation_that_somebody_writes_in_is_not_deleted(years: Years) -> None:
    """Q8: its last text went and the next comes while the sweep runs: either the text finds it, or makes it anew."""
    world, ana = years.world, years.world.ana
    async with years.opened() as day:
        await day.put(batch(ana, text(ana, "canary-001")), "")
    years.move_to(years.passed + KEPT + WEEK)
    async with years.opened() as day:
        await day.upkeep()
        await make_weeks(day.service)
        await day.put(batch(ana, text(ana, "canary-002")), "")
    years.move_to(years.passed + KEPT + timedelta(days=1))
    async with years.opened() as day:
        await make_weeks(day.service)
        for number in range(20):
            await asyncio.gather(forget_old(day.service), day.put(batch(ana, text(ana, f"canary-{number:03d}")), ""))
            [row] = await asyncio.to_thread(world.sql, "SELECT count(*) AS n FROM message m JOIN conversation c ON c.id = m.conversation_id"
                                            " WHERE m.id >= oldest_kept()")  # fmt: skip
            assert row.n == number + 1
        [seen] = await day.conversations()
        assert seen.unread >= 20


async def test_a_week_is_dropped_though_somebody_reads_in_it(years: Years) -> None:
    """A detach that was broken off by a long transaction is ended later; nobody who reads or writes waits meanwhile, and weeks are made."""
    world, ana = years.world, years.world.ana
    async with years.opened() as day:
        await day.texts(1)
    years.move_to(years.passed + KEPT + WEEK)
    async with years.opened() as day:
        await make_weeks(day.service)
        reader = await psycopg.AsyncConnection.connect(world.url)
        await reader.execute("SELECT count(*) FROM message")
        failing = asyncio.create_task(drop_old_weeks(day.owner, pause_s=0.001))
        while not await asyncio.to_thread(world.sql, "SELECT 1 FROM old_weeks() WHERE stage = 'detaching'"):
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            await day.put(batch(ana, text(ana, "meanwhile")), "")
            assert [item.remote for item in await day.conversations()] == [PHONE]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await failing
        await make_weeks(day.service, 6)
        await reader.rollback()
        await reader.close()
    async with years.opened() as day:
        assert "message" in {re.sub(r"_w\d+$", "", name) for name in await drop_old_weeks(day.owner, pause_s=0.001)}
        assert await drop_old_weeks(day.owner) == []


async def test_a_drop_that_died_between_its_steps_is_gone_on_with(years: Years) -> None:
    """A crash after the detach leaves a table that belongs to nothing; the next round drops it."""
    world = years.world
    async with years.opened() as day:
        await day.texts(1)
    [row] = world.sql("SELECT min(relname) AS week FROM pg_class WHERE relname ~ '^message_w'")
    world.sql(f"ALTER TABLE message DETACH PARTITION {row.week} CONCURRENTLY")
    years.move_to(years.passed + KEPT + 2 * WEEK)
    async with years.opened() as day:
        assert row.week in await drop_old_weeks(day.owner)
    assert not world.sql("SELECT 1 FROM pg_class WHERE relname = %(week)s", week=row.week)


async def test_upkeep_that_fails_is_tried_again_and_seen(world: World) -> None:
    """Retried soon, counted in the database, shown as a metric; a restart of the scheduler does not make it due."""
    runs = 0

    async def act() -> None:
        nonlocal runs
        runs += 1
        if runs <= 2:
            raise OSError

    task = Task("test", 3600, act)
    async with as_role(world.url, "kereru_service") as service:

        async def figures() -> tuple[float | None, float | None]:
            await show_figures(service)
            return value(REGISTRY, "kereru_upkeep_failures"), value(REGISTRY, "kereru_upkeep_age_seconds")

        pauses = [await attempt(service, task), await attempt(service, task)]
        assert 0 < pauses[0] < pauses[1] < 3600
        assert world.sql("SELECT failures, problem FROM upkeep") == [(2, "OSError")]
        assert await figures() == (2, float("inf"))
        assert await attempt(service, task) == 3600
        failures, age = await figures()
        assert failures == 0
        assert age is not None
        assert age < 60
        again = asyncio.create_task(keep_up(service, task))
        await asyncio.sleep(0.2)
        again.cancel()
    assert runs == 3


def value(registry: CollectorRegistry, name: str) -> float | None:
    """What a metric says of the test's task."""
    return registry.get_sample_value(name, {"task": "test"})


def test_every_figure_stands_in_both_places(world: World) -> None:
    """limits.py says how long; the database does it."""
    rows = world.sql("SELECT name, kept_days FROM weekly_table")
    apart = {"exchange": limits.EXCHANGE_DAYS, "change": limits.CHANGE_DAYS}
    assert {row.name: row.kept_days for row in rows} == {row.name: apart.get(row.name, limits.RETENTION_DAYS) for row in rows}
    [row] = world.sql("SELECT oldest_kept() AS id")
    assert abs(ids.made_at(row.id) - (datetime.now(UTC) - KEPT)) < timedelta(minutes=1)
