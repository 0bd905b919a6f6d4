"""What a text costs does not grow with what is stored: also for a connection that planned its statements while the tables were empty."""

import json

import psycopg

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
