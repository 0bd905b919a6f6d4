"""What search reads in the database: whose texts, of which weeks, by which index, and what is never found (design §9; R44, R45, Q13, Q26, Q28)."""

import json
from datetime import timedelta

import psycopg
import pytest
from arrivals import batch
from arrivals import text as arrival
from psycopg.rows import namedtuple_row

from kereru.kernel import ids
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database, ProviderScope
from kereru.messaging.inbound.sink import Sink
from kereru.messaging.queries import oldest_kept
from kereru.messaging.search import store
from world import PHONE, Owner, World

NOW = SystemClock()


async def found(app: Database, owner: Owner, asked: str, *, conversation: int | None = None, before: int = ids.MAX_ID, limit: int = 50) -> list[int]:
    """Ids of the owner's texts, as the route asks for them."""
    async with app.transaction(ProviderScope(owner.provider_id)) as tx:
        row = await store.texts(tx, owner.user_id, conversation, asked, before=before, since=oldest_kept(NOW.now()), limit=limit)
    return row.found


def take(world: World, owner: Owner, *texts: str, remote: str = PHONE) -> None:
    """Store inbound texts as a batch does."""
    items = [
        {
            "provider": owner.provider_id, "platform": owner.platform_id, "to": owner.e164, "remote": remote, "cid": None, "text": text,
            "consent": None, "raw": "", "request": f"{remote}{hash(text)}", "place": place,
        }
        for place, text in enumerate(texts)
    ]  # fmt: skip
    world.sql("SELECT * FROM ingest_texts(%(items)s::text::jsonb)", items=json.dumps(items))


def stored(world: World, text: str) -> int:
    return world.sql("SELECT id FROM message WHERE text = %(text)s", text=text)[0].id


async def test_what_came_in_and_what_went_out_is_found_by_its_owner_only(world: World, app: Database) -> None:
    """G30: not by another user of the group, and not by another provider's with the same number."""
    take(world, world.ana, "The teapot is here")
    take(world, world.foreign, "A teapot elsewhere")
    assert await found(app, world.ana, "teapot") == [stored(world, "The teapot is here")]
    assert await found(app, world.ben, "teapot") == []
    assert await found(app, world.foreign, "teapot") == [stored(world, "A teapot elsewhere")]


async def test_the_function_serves_its_own_scope_only(world: World, app: Database) -> None:
    """G31: whoever names another provider is refused, whatever he knows of its numbers."""
    ana, foreign = world.ana, world.foreign
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with app.transaction(ProviderScope(ana.provider_id)) as tx:
            await tx.rows(
                "SELECT * FROM search_texts(%(provider)s, ARRAY[%(assignment)s::bigint], NULL, 'a', %(most)s, 0, 9)",
                {"provider": foreign.provider_id, "assignment": foreign.assignment_id, "most": ids.MAX_ID},
            )
    async with app.transaction(ProviderScope(ana.provider_id)) as tx:
        take(world, foreign, "A teapot elsewhere")
        rows = await tx.rows(
            "SELECT * FROM search_texts(%(provider)s, ARRAY[%(assignment)s::bigint], NULL, 'teapot', %(most)s, 0, 9)",
            {"provider": ana.provider_id, "assignment": foreign.assignment_id, "most": ids.MAX_ID},
        )
    assert rows == []


async def test_what_its_owner_does_not_see_is_not_found(world: World, app: Database) -> None:
    """Q13: blocked texts never; Q26: withheld ones once they are released."""
    world.sql(
        "INSERT INTO blocked_remote (provider_id, assignment_id, remote) VALUES (%(p)s, %(a)s, '+12025550199')",
        p=world.ana.provider_id, a=world.ana.assignment_id,
    )  # fmt: skip
    take(world, world.ana, "A blocked teapot", remote="+12025550199")
    world.sql("UPDATE opt_in SET state = 1 WHERE assignment_id = %(a)s", a=world.ana.assignment_id)
    take(world, world.ana, "A withheld teapot")
    assert await found(app, world.ana, "teapot") == []
    world.sql("UPDATE message SET visibility = 0 WHERE visibility = 1")
    assert await found(app, world.ana, "teapot") == [stored(world, "A withheld teapot")]


async def test_deleted_messages_are_not_found(world: World, app: Database) -> None:
    """R182, R184, P57."""
    take(world, world.ana, "The teapot is here")
    async with app.transaction(ProviderScope(world.ana.provider_id)) as tx:
        await tx.rows("SELECT * FROM purge_assignment(%(p)s, %(a)s)", {"p": world.ana.provider_id, "a": world.ana.assignment_id})
    assert await found(app, world.ana, "teapot") == []


async def test_an_ended_assignment_is_searched_by_the_one_who_had_it(world: World, app: Database) -> None:
    """Q28: he keeps reading his own history."""
    take(world, world.ana, "The teapot is here")
    world.sql("UPDATE assignment SET ended_at = app_now() WHERE id = %(a)s", a=world.ana.assignment_id)
    assert len(await found(app, world.ana, "teapot")) == 1


async def test_weeks_are_searched_from_the_newest_back_to_90_days(world: World, app: Database) -> None:
    """R44, R45: one text a day for 100 days: newest first, in pages of seven across the weeks' tables, none older than 90 days."""
    for week in range(15):
        world.sql("CALL make_partitions(0, app_now() - make_interval(weeks => %(week)s))", week=week)
    now = NOW.now()
    days = {ids.lowest_at(now - timedelta(days=day, minutes=1)): day for day in range(100)}
    ana = world.ana
    world.sql(
        "INSERT INTO conversation (provider_id, id, assignment_id, remote) VALUES (%(p)s, 7, %(a)s, '+1')", p=ana.provider_id, a=ana.assignment_id
    )
    world.sql(
        """INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id)
           SELECT %(p)s, id, 7, %(a)s, false, 9, 'A teapot', %(pl)s FROM unnest(%(ids)s::bigint[]) AS id""",
        p=ana.provider_id, a=ana.assignment_id, pl=ana.platform_id, ids=list(days),
    )  # fmt: skip
    for conversation in (None, 7):
        pages: list[int] = []
        while page := await found(app, ana, "teapot", conversation=conversation, before=pages[-1] if pages else ids.MAX_ID, limit=7):
            assert len(page) <= 7
            pages += page
        assert [days[each] for each in pages] == list(range(90))


HOSTILE = [
    pytest.param("x" * 5000, id="one word of 5,000 letters"),
    pytest.param("\u4e00" * 3000, id="3,000 letters that stand alone"),
    pytest.param("\ufdfa" * 2000, id="letters that become eighteen"),
    pytest.param("\U0001d400" * 1999, id="letters of four bytes"),
    pytest.param("\u3300" * 400, id="squared words"),
    pytest.param("\uac01" * 166, id="syllables that become three letters, just short enough to be whole"),
    pytest.param(" ".join(f"w{n}" for n in range(3000)), id="thousands of words"),
    pytest.param("a\u0301" * 3000, id="accents"),
    pytest.param("\u0301" * 3000, id="accents alone"),
    pytest.param("'\\:*&|!<->()" * 100, id="operators"),
    pytest.param("", id="nothing"),
    pytest.param("  \n\t ", id="blanks"),
    pytest.param("👍🏽" * 500, id="emoji"),
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_whatever_is_sent_is_stored(world: World, app: Database, text: str) -> None:
    """Bad inputs 1 to 10: the index refuses nothing, or a carrier's text would be lost for its words."""
    take(world, world.ana, text + " teapot" if len(text) < 1000 else "teapot " + text)
    assert world.sql("SELECT count(*) FROM message")[0].count == 1
    assert len(await found(app, world.ana, "teapot")) == 1


async def test_by_the_sink_too(world: World, app: Database, ingest: Database) -> None:
    """A webhook's text, and the HELP answer it asks for: both are its owner's to find."""
    await Sink(ingest).put(batch(world.ana, arrival(world.ana, "help")))
    assert [row.assignment_id for row in world.sql("SELECT assignment_id FROM message ORDER BY id")] == [world.ana.assignment_id] * 2
    assert len(await found(app, world.ana, "help")) >= 1


async def test_new_entries_are_put_in_order(world: World, app: Database, service: Database) -> None:
    """What waits in the list is found before and after, and only the scheduler's role may tidy."""
    take(world, world.ana, "The teapot is here")
    assert len(await found(app, world.ana, "teapot")) == 1
    assert (await service.autocommit("SELECT tidy_search() AS pages"))[0].pages > 0
    assert (await service.autocommit("SELECT tidy_search() AS pages"))[0].pages == 0
    assert len(await found(app, world.ana, "teapot")) == 1


def test_a_search_reads_its_owners_texts_only(world: World) -> None:
    """P59, design §9: through row-level security, among 20,000 texts of others with the same words, counted by the database itself."""
    ana = world.ana
    with psycopg.connect(world.url, row_factory=namedtuple_row) as connection:
        for owner, most in ((world.ben, 20_000), (ana, 30)):
            connection.execute(
                """INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id)
                   SELECT %s, new_id(), 1, %s, false, 9, 'The same words in every text', %s FROM generate_series(1, %s)""",
                (owner.provider_id, owner.assignment_id, owner.platform_id, most),
            )
        connection.execute("ANALYZE message")
        connection.execute("SELECT tidy_search()")
        connection.execute("SET LOCAL ROLE kereru_app")
        connection.execute(f"SET LOCAL app.provider = '{ana.provider_id}'")

        def read() -> int:
            statement = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS n FROM pg_stat_xact_user_tables WHERE relname LIKE 'message_w%'"
            return int(connection.execute(statement).fetchone().n)

        for asked in ("same words", "s", "every text in the same words"):
            before = read()
            params = {"user": ana.user_id, "conversation": None, "asked": asked, "before": ids.MAX_ID, "since": 0, "limit": 50}
            assert len(connection.execute(store._TEXTS, params).fetchone().found) == 30
            assert read() - before <= 40, asked
        connection.rollback()
