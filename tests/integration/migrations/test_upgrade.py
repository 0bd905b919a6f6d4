"""A database that was in use when its program was first released is brought to today's shape with everything it held (design §12)."""

import json

import psycopg
import pytest

from kereru.migrations import runner
from world import PHONE, World, make_world

FIRST_RELEASED = "0001"
_TABLES = ("message", "conversation", "receipt", "part", "attempt", "exchange", "dedupe", "change", "evidence", "blocked_remote", "remote_consent")


@pytest.fixture
def world(empty_database_url: str) -> World:
    """The first release's shape with a user who texts."""
    runner.migrate(empty_database_url, FIRST_RELEASED)
    return make_world(empty_database_url)


def _text(world: World, cid: str, text: str) -> dict[str, object]:
    ana = world.ana
    return {
        "provider": ana.provider_id, "platform": ana.platform_id, "to": ana.e164, "remote": PHONE, "cid": cid, "text": text, "raw": "POST /",
        "consent": "stop" if text == "STOP" else None, "request": "r", "place": 0,
    }  # fmt: skip


def _receipt(world: World, cid: str) -> dict[str, object]:
    ana = world.ana
    return {
        "provider": ana.provider_id, "platform": ana.platform_id, "cid": cid, "message": None, "attempt": None, "part": None, "state": 4,
        "carrier_state": "delivered", "code": "", "reason": "", "raw": "POST /", "request": "r",
    }  # fmt: skip


def test_everything_stays_and_goes_on(world: World) -> None:
    ana = world.ana
    with psycopg.connect(world.url, autocommit=True) as connection:

        def take(function: str, *items: dict[str, object]) -> None:
            connection.execute(f"SELECT * FROM {function}(%s::text::jsonb)".encode(), [json.dumps(items)])

        def counts() -> dict[str, int]:
            found = connection.execute(" UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS n FROM {table}" for table in _TABLES).encode())
            return {name: int(count) for name, count in found}

        take("ingest_texts", _text(world, "SM1", "Hello"), _text(world, "SM2", "STOP"))
        take("ingest_receipts", _receipt(world, "SMout"), _receipt(world, "SMout2"))
        connection.execute(
            "INSERT INTO blocked_remote (provider_id, assignment_id, remote) VALUES (%s, %s, '+12025550177')", [ana.provider_id, ana.assignment_id]
        )
        before = counts()
        assert (before["message"], before["receipt"]) == (2, 2)
        runner.migrate(world.url)
        assert runner.versions(world.url)[0] == runner.head()
        assert counts() == before
        # What came before is known still, and what comes now is taken.
        take("ingest_texts", _text(world, "SM1", "Hello"), _text(world, "SM3", "Still here"))
        take("ingest_receipts", _receipt(world, "SMout"), _receipt(world, "SMout3"))
        after = counts()
        # Both are found by their words, the ones from before as well.
        connection.execute("SELECT set_config('app.provider', %s, false)", [str(ana.provider_id)])
        search = "SELECT count(*) FROM search_texts(%s, ARRAY[%s::bigint], NULL, %s, 9223372036854775807, 0, 9)"
        for words in ("hello", "still"):
            assert connection.execute(search, [ana.provider_id, ana.assignment_id, words]).fetchall() == [(1,)], words
    assert (after["message"], after["receipt"]) == (3, 3)
