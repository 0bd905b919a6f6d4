"""No hot statement reads a whole table: counted by the database itself, on tables that are too large for that to be the better plan."""

import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from kereru.messaging import store
from kereru.messaging.log import store as log
from world import World, make_world

BIG = 20_000
_FILL = """
INSERT INTO feed (provider_id, id, kind) SELECT %(p)s, n, 1 FROM generate_series(1, %(n)s) n;
INSERT INTO number (provider_id, id, platform_id, e164) SELECT %(p)s, n, %(pl)s, '+1202556' || lpad(n::text, 5, '0') FROM generate_series(1, %(n)s) n;
INSERT INTO assignment (provider_id, id, number_id, user_id, state) SELECT %(p)s, n, n, %(u)s, 4 FROM generate_series(1, %(n)s) n;
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id)
  SELECT %(p)s, n, n, '+12025550142', lowest_id(app_now()) + n FROM generate_series(1, %(n)s) n;
INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id, attempt)
  SELECT %(p)s, lowest_id(app_now()) + n, n, true, 1, 'Hello', %(pl)s, 1 FROM generate_series(1, %(n)s) n;
INSERT INTO outbox (provider_id, message_id, platform_id, group_id, conversation_id, attempt, parts, expires_at)
  SELECT provider_id, id, platform_id, %(g)s, conversation_id, 1, '{Hello}', app_now() + interval '1 hour' FROM message;
INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT provider_id, id - 100000, 1, 3 FROM message;
INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id)
  SELECT provider_id, id - 100000, 1, 1, platform_id, 'Hello', 3, 3, 'SM' || id FROM message;
INSERT INTO receipt (provider_id, id, platform_id, carrier_id, state, carrier_state)
  SELECT provider_id, id, platform_id, 'SM' || id, 3, 'sent' FROM message;
INSERT INTO dedupe (provider_id, platform_id, number_id, kind, carrier_id, id) SELECT provider_id, platform_id, 1, 1, 'in' || id, id FROM message;
INSERT INTO remote_consent (provider_id, group_id, remote, stopped) SELECT %(p)s, n, '+12025550142', true FROM generate_series(1, %(n)s) n;
ANALYZE
"""
_TABLES = ("feed", "number", "assignment", "conversation", "message", "outbox", "attempt", "part", "receipt", "dedupe", "remote_consent", "change")


@pytest.fixture(scope="module")
def world(module_database_url: str) -> World:
    """A provider with many of everything, filled once: every test here rolls back what it does."""
    world = make_world(module_database_url)
    ana = world.ana
    with psycopg.connect(world.url) as connection:
        for statement in _FILL.split(";\n"):
            connection.execute(statement, {"p": ana.provider_id, "pl": ana.platform_id, "u": ana.user_id, "g": ana.group_id, "n": BIG})
    return world


@pytest.fixture
def full(world: World) -> Iterator[psycopg.Connection]:
    """A connection of the functions' owner."""
    with psycopg.connect(world.url, row_factory=namedtuple_row) as connection:
        yield connection
        connection.rollback()


def read_whole(connection: psycopg.Connection, role: str, world: World, statement: str, times: int = 6, **params: object) -> dict[str, int]:
    """Rows that sequential scans of large tables read in the last of `times` runs (generic plans by then), by table."""
    ana = world.ana
    params = {"provider": ana.provider_id, "platform": ana.platform_id, "user": ana.user_id, "group": ana.group_id} | params
    connection.execute(f"SET LOCAL ROLE {role}")
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    connection.execute(f"SET LOCAL app.provider = '{ana.provider_id}'")

    def counted() -> dict[str, int]:
        rows = connection.execute("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables").fetchall()
        read: dict[str, int] = {}
        for row in rows:
            table = row.relname.split("_w2")[0]
            read[table] = read.get(table, 0) + row.seq_tup_read
        return {table: read.get(table, 0) for table in _TABLES}

    for run in range(times):
        before = counted()
        connection.execute(statement, {**params, "run": run}, prepare=True).fetchall()
    after = counted()
    return {table: after[table] - before[table] for table in _TABLES if after[table] - before[table] >= BIG}


def test_the_ruler_sees_a_whole_read(world: World, full: psycopg.Connection) -> None:
    """The measure itself can fail."""
    assert read_whole(full, "kereru_app", world, "SELECT count(*) FROM message WHERE text <> %(run)s::text") == {"message": BIG}


def test_claiming_reads_what_it_claims(world: World, full: psycopg.Connection) -> None:
    """Design §6: with thousands waiting."""
    full.execute("SELECT take_leases('me', 600)")
    claim = "SELECT * FROM claim_outbox(%(provider)s, %(platform)s, 'me', 1, 20)"
    assert read_whole(full, "kereru_service", world, claim) == {}
    assert len(full.execute(claim, {"provider": world.ana.provider_id, "platform": world.ana.platform_id}).fetchall()) >= 20


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT expire_outbox(500)",
        "SELECT * FROM due_look_ups(%(provider)s, %(platform)s, 60, 20)",
        "SELECT disown_open(%(provider)s, %(platform)s, 1)",
        "SELECT give_back(%(provider)s, %(platform)s, 1, '{}')",
    ],
)
def test_looking_for_nothing_reads_nothing(world: World, full: psycopg.Connection, statement: str) -> None:
    """What runs every second costs nothing while there is nothing to do."""
    assert read_whole(full, "kereru_service", world, statement) == {}


@pytest.mark.parametrize("size", [1, 50])
def test_batches_of_receipts_use_indexes(world: World, full: psycopg.Connection, size: int) -> None:
    """Design §6: one receipt, and fifty, among thousands."""
    ids = [row.carrier_id for row in full.execute("SELECT carrier_id FROM part LIMIT %s", (size,)).fetchall()]
    items = json.dumps([
        {"provider": world.ana.provider_id, "platform": world.ana.platform_id, "cid": cid, "state": 4, "carrier_state": "delivered", "code": "",
         "reason": "", "raw": "", "request": ""} for cid in ids
    ])  # fmt: skip
    assert read_whole(full, "kereru_ingest", world, "SELECT ingest_receipts(%(items)s::text::jsonb)", items=items) == {}
    assert read_whole(full, "kereru_ingest", world, "SELECT receipts_free(%(items)s::text::jsonb)", items=items) == {}


@pytest.mark.parametrize("size", [1, 50])
def test_batches_of_texts_use_indexes(world: World, full: psycopg.Connection, size: int) -> None:
    """Design §6."""
    items = json.dumps([
        {"provider": world.ana.provider_id, "platform": world.ana.platform_id, "to": world.ana.e164, "remote": f"+120255501{n:02d}", "cid": f"c{n}",
         "text": "Hello", "consent": None, "raw": "", "request": ""} for n in range(size)
    ])  # fmt: skip
    assert read_whole(full, "kereru_ingest", world, "SELECT ingest_texts(%(items)s::text::jsonb)", items=items) == {}
    assert read_whole(full, "kereru_ingest", world, "SELECT ingest_free(%(items)s::text::jsonb)", items=items) == {}


def test_outcomes_use_indexes(world: World, full: psycopg.Connection) -> None:
    """Design §6."""
    rows = full.execute("SELECT message_id FROM part LIMIT 50").fetchall()
    items = json.dumps([{"message": row.message_id + 100000, "attempt": 1, "part": 1, "tries": 1, "outcome": "accepted", "cid": "x"} for row in rows])
    settle = "SELECT settle_handovers(%(provider)s, %(platform)s, %(items)s::text::jsonb)"
    assert read_whole(full, "kereru_service", world, settle, items=items) == {}


@pytest.mark.parametrize("statement", [store._CONVERSATION_PAGE, store._MESSAGE_PAGE, store._FACTS, store._MESSAGES_BY_ID, store._OWNS])
def test_what_people_read_uses_indexes(world: World, full: psycopg.Connection, statement: str) -> None:
    """Through row-level security, with generic plans over all partitions."""
    [conversation] = full.execute("SELECT id FROM conversation LIMIT 1").fetchall()
    ids = {"ids": [1, 2, 3], "first": 1, "last": 3}
    wanted = {"before": 2**62, "since": 0, "limit": 50, "conversation": conversation.id, "remote": "+12025550142", **ids}
    assert read_whole(full, "kereru_app", world, statement, **wanted, number=world.ana.number_id, user=world.ana.user_id + 1) == {}


@pytest.mark.parametrize("numbers", [0, 1, 2])
@pytest.mark.parametrize("at", ["provider", "group", "user", "assignment"])
def test_the_message_log_reads_no_week_whole(world: World, full: psycopg.Connection, at: str, numbers: int) -> None:
    """R95: at every level, with and without numbers, however few texts are wanted: conversations by key, texts by key, and no more than it says."""
    ana = world.ana
    places = {"provider": ana.provider_id, "group": ana.group_id, "user": ana.user_id, "assignment": ana.assignment_id}
    whose = {"whole": True, "resellers": [], "groups": [], "place": places[at], "one": "+12025560007", "other": "+12025550142"}
    candidates = log._CANDIDATES.format(conversations=log._CONVERSATIONS[numbers], at=log.AT[at])
    assert "message" not in read_whole(full, "kereru_app", world, candidates, **whose, candidates=1001)
    window = {**whose, "before": 2**62, "since": 0, "limit": 50, "most": 1000, "words": "needle", "status": 6}
    wanted = " AND m.status = %(status)s AND strpos(lower(m.text), lower(%(words)s)) > 0"
    conversations = [row.id for row in full.execute("SELECT id FROM conversation LIMIT 200").fetchall()]
    by_key = log._BY_CONVERSATION.format(wanted=wanted)
    assert read_whole(full, "kereru_app", world, by_key, **window, conversations=conversations) == {}
    from_the_top = log._FROM_THE_TOP.format(wanted=wanted, at=log.AT[at])
    assert "message" not in read_whole(full, "kereru_app", world, from_the_top, **window)
    assert read_whole(full, "kereru_app", world, log._BOTTOM, **window) == {}
