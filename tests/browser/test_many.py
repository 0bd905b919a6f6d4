"""A list of thousands: all of it can be reached, and little of it is on the page."""

from collections.abc import Iterator

import psycopg
import pytest
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo

COUNT = 3000
OLDEST, ITS_TEXT = "(320) 555-0100", "old text 0"

FILL = """
CREATE TEMP TABLE filled AS
SELECT i AS n, a.provider_id, a.id AS assignment_id, number.platform_id, new_id() AS conversation_id,
  lowest_id(now() - interval '80 days' + make_interval(mins => i::integer)) AS message_id
FROM generate_series(0, %(count)s - 1) AS i, assignment a JOIN number ON number.id = a.number_id WHERE number.e164 = %(number)s;
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id)
SELECT provider_id, conversation_id, assignment_id, '+1' || (320 + n / 100)::text || '55501' || lpad((n %% 100)::text, 2, '0'), message_id, message_id
FROM filled;
INSERT INTO message (provider_id, id, conversation_id, outbound, status, text, platform_id)
SELECT provider_id, message_id, conversation_id, false, 9, 'old text ' || n, platform_id FROM filled
"""
CLEAR = """
CREATE TEMP TABLE cleared AS SELECT conversation_id FROM message WHERE text LIKE 'old text %';
DELETE FROM message WHERE text LIKE 'old text %';
DELETE FROM conversation WHERE id IN (SELECT conversation_id FROM cleared)
"""


@pytest.fixture
def thousands(demo: Demo) -> Iterator[None]:
    """Conversations of B from eighty days ago on, a minute apart."""
    folder = (demo.home / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    with psycopg.connect(host=folder, dbname="kereru", user="kereru_owner", autocommit=True) as connection:
        for days in (80, 77):
            connection.execute(f"CALL make_partitions(0, now() - interval '{days} days')".encode())
        for statement in FILL.split(";"):
            connection.execute(statement.encode(), {"count": COUNT, "number": demo.user("B").numbers[0].number})
        connection.execute("ANALYZE conversation, message")
        try:
            yield
        finally:
            for statement in CLEAR.split(";"):
                connection.execute(statement.encode())


@pytest.mark.usefixtures("thousands")
@pytest.mark.parametrize("at", ["/", "/activity"])
def test_thousands_of_conversations_are_all_there_and_few_on_the_page(desk: Desks, at: str) -> None:
    """R82, ui.md: virtual lists, pages fetched as one scrolls."""
    me = desk("B", at=at)
    rows = me.list.get_by_role("link") if at == "/" else me.page.get_by_role("table").get_by_role("row")
    oldest = me.page.get_by_text(ITS_TEXT, exact=True)
    expect(rows.first).to_be_visible()
    most = 0
    rows.nth(3).hover()
    for _ in range(600):
        me.page.mouse.wheel(0, 6000)
        most = max(most, rows.count())
        if oldest.count():
            break
    expect(oldest).to_be_visible()
    expect(rows.filter(has=oldest).get_by_text(OLDEST).first).to_be_visible()
    assert most < 150
