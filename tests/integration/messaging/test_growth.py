"""What a text costs does not grow with what is stored: also for a connection that planned its statements while the tables were empty."""

import json

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from kereru.messaging import store
from kereru.realtime import store as realtime
from world import PHONE, World

STORED = 5000
_FILL = """
INSERT INTO dedupe (provider_id, platform_id, number_id, kind, carrier_id, id)
SELECT %(p)s, %(pl)s, %(n)s, 1, 'earlier ' || i, new_id() FROM generate_series(1, %(stored)s) AS i
"""


def test_a_batch_reads_as_little_when_much_is_stored(world: World):
    """Design §6: a plan made on empty tables, once analysed, must not be one that reads them whole."""
    ana = world.ana
    names = {"p": ana.provider_id, "pl": ana.platform_id, "n": ana.number_id, "stored": STORED}
    with psycopg.connect(world.url, autocommit=True, prepare_threshold=0) as connection:
        # An empty table that was looked at counts as empty, not as unknown: the planner then believes that reading it whole is free.
        connection.execute("VACUUM ANALYZE")

        def read_by_a_batch(name: str) -> dict[str, int]:
            items = json.dumps([_item(world, f"{name} {number}") for number in range(10)])
            with connection.transaction():
                connection.execute("SELECT * FROM ingest_texts(%s)", [items])
                rows = connection.execute("SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables").fetchall()
            return {name: count for name, count in rows if count >= STORED / 10}

        for number in range(6):
            read_by_a_batch(f"early {number}")
        connection.execute(_FILL, names)
        assert read_by_a_batch("late") == {}


def _item(world: World, cid: str) -> dict[str, object]:
    ana = world.ana
    both = {"provider": ana.provider_id, "platform": ana.platform_id, "cid": cid, "raw": "POST /", "request": ""}
    return both | {"to": ana.e164, "remote": PHONE, "text": "Hello", "consent": None}


def test_a_batch_reads_by_key_in_a_week_that_was_empty_when_it_was_planned(world: World):
    """On Monday morning every table is new: a plan made then must not go on reading by the range of ids, which is all there is (design §11)."""
    many, ana = 4_000, world.ana
    with psycopg.connect(world.url, row_factory=namedtuple_row) as connection:
        connection.execute("SET LOCAL ROLE kereru_ingest")
        for number in range(6):
            connection.execute(_RECEIPTS, [_receipts(world, [(None, f"SMnone{number}")])], prepare=True)
        connection.execute("RESET ROLE")
        for statement in _SENT.split(";\n"):
            connection.execute(statement, {"p": ana.provider_id, "a": ana.assignment_id, "pl": ana.platform_id, "n": many})
        sent = connection.execute("SELECT id, 'SM' || id AS cid FROM message WHERE outbound ORDER BY id").fetchall()
        assert len(sent) == many
        # First and last, so that the range between them is everything.
        some = [(row.id, row.cid) for row in (sent[0], sent[many // 2], sent[-1])]

        def read() -> dict[str, int]:
            rows = connection.execute("SELECT relname, seq_tup_read + idx_tup_fetch AS read FROM pg_stat_xact_user_tables").fetchall()
            return {table: sum(row.read for row in rows if row.relname.startswith(f"{table}_w")) for table in _READ}

        before = read()
        connection.execute("SET LOCAL ROLE kereru_ingest")
        connection.execute(_RECEIPTS, [_receipts(world, some)], prepare=True)
        connection.execute("RESET ROLE")
        after = read()
        settled = connection.execute("SELECT count(*) AS n FROM message WHERE status = 4").fetchone()
        connection.rollback()
    assert settled is not None
    assert settled.n == len(some)
    assert {table: count - before[table] for table, count in after.items() if count - before[table] > 60} == {}


_READ = ("receipt", "part", "attempt", "message")
_RECEIPTS = "SELECT feed_id, number FROM ingest_receipts(%s::text::jsonb)"
_SENT = """
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id) VALUES (%(p)s, 1, %(a)s, '+12025550142', lowest_id(app_now()));
INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id, attempt)
  SELECT %(p)s, lowest_id(app_now()) + n, 1, true, 3, 'Hello', %(pl)s, 1 FROM generate_series(1, %(n)s) n;
INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT provider_id, id, 1, 3 FROM message WHERE outbound;
INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id)
  SELECT provider_id, id, 1, 1, platform_id, 'Hello', 3, 3, 'SM' || id FROM message WHERE outbound;
INSERT INTO receipt (provider_id, id, platform_id, carrier_id, state, carrier_state)
  SELECT provider_id, id, platform_id, 'SM' || id, 3, 'sent' FROM message WHERE outbound
"""


def _receipts(world: World, named: list[tuple[int | None, str]]) -> str:
    ana = world.ana
    return json.dumps(
        [
            {"provider": ana.provider_id, "platform": ana.platform_id, "cid": cid, "message": message, "attempt": 1, "part": 1, "state": 4,
             "carrier_state": "delivered", "code": "", "reason": "", "raw": "", "request": ""}
            for message, cid in named
        ]
    )  # fmt: skip


_QUEUED = """
SELECT id FROM queue_text(%(p)s, %(u)s, %(key)s, '', %(a)s, %(f)s, %(remote)s, 'Hello', false, 1::smallint, %(pl)s, %(g)s, 1::smallint,
  ARRAY['Hello'], '{}', NULL, 600, '{}', '{}')
"""
_CLAIMED = "SELECT * FROM claim_outbox(%(p)s, %(pl)s, 'test', %(epoch)s, 100) WHERE message_id IS NOT NULL"
_SETTLED = "SELECT * FROM settle_handovers(%(p)s, %(pl)s, %(items)s::text::jsonb)"
_LONG_SENT = """
INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT provider_id, id, 1, 3 FROM message WHERE outbound ON CONFLICT DO NOTHING;
INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id)
  SELECT provider_id, id, 1, 1, platform_id, 'Hello', 3, 3, 'SM' || id FROM message WHERE outbound ON CONFLICT DO NOTHING;
INSERT INTO receipt (provider_id, id, platform_id, carrier_id, state, carrier_state)
  SELECT provider_id, id, platform_id, 'SM' || id, 3, 'sent' FROM message WHERE outbound
"""


def test_a_texts_way_out_is_by_key_in_tables_that_were_empty_when_it_was_planned(world: World) -> None:
    """Design §11: a claim once read every conversation of its provider for each of its texts."""
    ana = world.ana
    names = {"p": ana.provider_id, "pl": ana.platform_id, "a": ana.assignment_id, "u": ana.user_id, "g": ana.group_id, "f": ana.feed_id, "n": MANY}
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.row_factory = namedtuple_row
        leases = connection.execute("SELECT platform_id, epoch FROM take_leases('test', 600)").fetchall()
        epoch = next(lease.epoch for lease in leases if lease.platform_id == ana.platform_id)

        def counted() -> dict[str, int]:
            rows = connection.execute("SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_xact_user_tables").fetchall()
            return {row.relname: row.read for row in rows}

        def way_out(name: str, texts: int) -> dict[str, int]:
            for number in range(texts):
                connection.execute(_QUEUED, names | {"key": f"{name} {number}", "remote": f"+1202555{2000 + number}"}, prepare=True)
            before = counted()
            claimed = connection.execute(_CLAIMED, names | {"epoch": epoch}, prepare=True).fetchall()
            assert len(claimed) == texts
            items = [
                {"message": part.message_id, "attempt": 1, "part": 1, "tries": part.tries, "outcome": "accepted", "cid": f"SM{name}{part.message_id}"}
                for part in claimed
            ]
            connection.execute(_SETTLED, names | {"items": json.dumps(items)}, prepare=True)
            return {table: count - before.get(table, 0) for table, count in counted().items() if count > before.get(table, 0)}

        with connection.transaction(force_rollback=True):
            for number in range(6):
                way_out(f"early {number}", 1)
            for statement in _BUSY.split(";\n") + _LONG_SENT.split(";\n"):
                connection.execute(statement, names)
            read = way_out("late", 3)
    assert read
    assert {table: rows for table, rows in read.items() if rows > A_PAGE} == {}


MANY, A_PAGE = 3_000, 50
_BUSY = """
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id, unread)
  SELECT %(p)s, n, %(a)s, '+1202555' || lpad(n::text, 5, '0'), lowest_id(app_now()) + n, lowest_id(app_now()) + n, 1
  FROM generate_series(1, %(n)s) n;
INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id, attempt)
  SELECT %(p)s, lowest_id(app_now()) + n, n, %(a)s, n %% 2 = 0, 3, 'Hello', %(pl)s, 1 FROM generate_series(1, %(n)s) n;
INSERT INTO client_key (provider_id, user_id, client_id, message_id, request_hash)
  SELECT %(p)s, %(u)s, 'key ' || n, lowest_id(app_now()) + n, '' FROM generate_series(1, %(n)s) n;
INSERT INTO remote_consent (provider_id, group_id, remote, stopped) SELECT %(p)s, %(g)s, '+1202555' || lpad(n::text, 5, '0'), n %% 7 = 0
  FROM generate_series(1, %(n)s) n;
INSERT INTO change (provider_id, feed_id, number, id, kind, conversation_id, message_id, version)
  SELECT %(p)s, %(f)s, n, new_id(), 1, n, lowest_id(app_now()) + n, 1 FROM generate_series(1, %(n)s) n;
UPDATE feed SET head = %(n)s WHERE provider_id = %(p)s AND id = %(f)s
"""
_PEOPLE_READ = {
    "list": store._CONVERSATION_PAGE, "conversations": store._CONVERSATIONS_BY_ID, "open": store._MESSAGE_PAGE, "messages": store._MESSAGES_BY_ID,
    "owns": store._OWNS, "facts": store._FACTS, "key": store._KNOWN_KEY, "read": store._MARK_READ, "unread": store._MARK_UNREAD,
    "draft": store._KEEP_DRAFT,
}  # fmt: skip
_HUB_READS = {"changes": realtime._READ, "conversations seen": store._CONVERSATIONS_SEEN, "messages seen": store._MESSAGES_SEEN}


@pytest.mark.parametrize("name", [*_PEOPLE_READ, *_HUB_READS])
def test_reading_is_by_key_in_tables_that_were_empty_when_it_was_planned(world: World, name: str) -> None:
    """R44, design §11: in the first minute of an installation, and of each week, a busy number's texts must not all be read for each new one."""
    ana = world.ana
    names = {"p": ana.provider_id, "pl": ana.platform_id, "a": ana.assignment_id, "u": ana.user_id, "g": ana.group_id, "f": ana.feed_id, "n": MANY}
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.row_factory = namedtuple_row
        with connection.transaction(force_rollback=True):
            _rows_read(connection, world, name, times=6)
            for statement in _BUSY.split(";\n"):
                connection.execute(statement, names)
            read = _rows_read(connection, world, name, times=1)
    # Pages and handfuls are what is asked for; a few tables are looked into for each of their rows.
    assert {table: rows for table, rows in read.items() if rows > 4 * A_PAGE} == {}


@pytest.mark.parametrize("name", [*_PEOPLE_READ, *_HUB_READS])
def test_reading_is_by_key_again_once_a_filled_table_is_analysed(world: World, name: str) -> None:
    """R44, design §11: a table that was analysed while it was empty is taken for free to read whole, by every plan that is kept. The engine looks
    again each `autovacuum_naptime`, and then no connection keeps such a plan.
    """
    ana = world.ana
    names = {"p": ana.provider_id, "pl": ana.platform_id, "a": ana.assignment_id, "u": ana.user_id, "g": ana.group_id, "f": ana.feed_id, "n": MANY}
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.row_factory = namedtuple_row
        with connection.transaction(force_rollback=True):
            connection.execute("ANALYZE")
            _rows_read(connection, world, name, times=6)
            for statement in _BUSY.split(";\n"):
                connection.execute(statement, names)
            connection.execute("ANALYZE")
            read = _rows_read(connection, world, name, times=1)
    assert {table: rows for table, rows in read.items() if rows > 4 * A_PAGE} == {}


def _rows_read(connection: psycopg.Connection, world: World, name: str, *, times: int) -> dict[str, int]:
    """Rows that the last of `times` runs fetched, by table, weeks together; where it fetched any."""
    ana = world.ana
    [[first]] = connection.execute("SELECT lowest_id(app_now())").fetchall()
    some = [1, MANY // 2, MANY]
    params = {
        "provider": ana.provider_id, "user": ana.user_id, "number": ana.number_id, "remote": "+120255500007", "conversation": 7, "message": first + 7,
        "before": 2**62, "since": 0, "limit": A_PAGE, "client_id": "key 7", "up_to": None, "text": "Dear", "first": first + some[0],
        "last": first + some[-1], "users": [ana.user_id] * 3, "feeds": [ana.feed_id], "afters": [MANY - A_PAGE], "untils": [MANY + A_PAGE],
        "oldest": 0, "ids": some if "conversations" in name else [first + one for one in some],
    }  # fmt: skip

    def counted() -> dict[str, int]:
        rows = connection.execute("SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_xact_user_tables").fetchall()
        totals: dict[str, int] = {}
        for row in rows:
            totals[row.relname.split("_w2")[0]] = totals.get(row.relname.split("_w2")[0], 0) + row.read
        return totals

    connection.execute("SET LOCAL ROLE kereru_app")
    connection.execute(f"SET LOCAL app.provider = '{ana.provider_id}'")
    if name in _HUB_READS:
        connection.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off")
    before: dict[str, int] = {}
    for _ in range(times):
        before = counted()
        connection.execute((_PEOPLE_READ | _HUB_READS)[name], params, prepare=True)
    after = counted()
    connection.execute("RESET ROLE")
    return {table: count - before.get(table, 0) for table, count in after.items() if count > before.get(table, 0)}
