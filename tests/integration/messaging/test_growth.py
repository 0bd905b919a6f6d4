"""What a text costs does not grow with what is stored: also for a connection that planned its statements while the tables were empty."""

import json

import psycopg
from psycopg.rows import namedtuple_row

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
