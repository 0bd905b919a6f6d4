"""A conversation of months: gone through by scrolling, by day and by its words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import psycopg
import pytest
from browser_client import Client, say
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Demo

FILL = """
CREATE TEMP TABLE months AS
SELECT i AS n, a.provider_id, a.id AS assignment_id, number.platform_id, lowest_id(
  CASE WHEN i < 300 THEN now() - interval '80 days' ELSE now() - interval '13 days' END + make_interval(mins => 10 * i::integer)) AS message_id
FROM generate_series(0, 449) AS i, assignment a JOIN number ON number.id = a.number_id WHERE number.e164 = %(number)s AND a.ended_at IS NULL;
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id)
SELECT provider_id, max(message_id), assignment_id, %(remote)s, max(message_id), max(message_id) FROM months GROUP BY 1, 3;
INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id)
SELECT provider_id, message_id, (SELECT max(message_id) FROM months), assignment_id, false, 9,
  'entry ' || n || CASE WHEN n IN (12, 250, 440) THEN ' about the lighthouse' ELSE '' END, platform_id FROM months
"""
DAYS = """
SELECT n::integer, to_char(made_at(message_id) AT TIME ZONE 'America/New_York', 'YYYY-MM-DD') FROM months ORDER BY n
"""
CLEAR = """
CREATE TEMP TABLE cleared AS SELECT DISTINCT conversation_id FROM message WHERE text LIKE 'entry %';
DELETE FROM message WHERE conversation_id IN (SELECT conversation_id FROM cleared);
DELETE FROM conversation WHERE id IN (SELECT conversation_id FROM cleared)
"""


@dataclass(frozen=True)
class Months:
    """A conversation of B, too old for the top of a list that other tests fill; `days` has the day on which each text was written, as B sees it."""

    id: str
    days: list[str]


@pytest.fixture
def months(demo: Demo, phone: str) -> Iterator[Months]:
    """Hundreds of texts from eighty days ago, then some from a fortnight ago."""
    folder = (demo.home / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    with psycopg.connect(host=folder, dbname="kereru", user="kereru_owner", autocommit=True) as connection:
        for days in (80, 78, 13, 11, 9):
            connection.execute(f"CALL make_partitions(0, now() - interval '{days} days')".encode())
        for statement in FILL.split(";"):
            connection.execute(statement.encode(), {"number": demo.user("B").numbers[0].number, "remote": phone})
        try:
            [(conversation,)] = connection.execute(b"SELECT max(message_id) FROM months").fetchall()
            yield Months(str(conversation), [str(day) for _, day in connection.execute(DAYS.encode())])
        finally:
            for statement in CLEAR.split(";"):
                connection.execute(statement.encode())


def seek(me: Client) -> Locator:
    """The bar in which one looks for something in the open conversation."""
    me.pane.get_by_role("button", name=say("conversation.more"), exact=True).click()
    me.page.get_by_role("menuitem", name=say("seek.open")).click()
    return me.pane.get_by_role("search", name=say("seek.open"))


def test_r44_r75_three_months_are_scrolled_through(desk: Desks, months: Months) -> None:
    """R44, R49, R75: page by page to the very beginning, days set apart, and only what is seen is on the page."""
    me = desk("B")
    me.goto(f"/c/{months.id}")
    texts = me.page.get_by_role("list", name="Texts")
    begins = me.page.get_by_text(say("messages.begin"), exact=True)
    expect(me.bubble("entry 449")).to_be_visible()
    texts.hover()
    most = 0
    for _ in range(400):
        me.page.mouse.wheel(0, -3000)
        most = max(most, texts.get_by_role("listitem").count())
        if begins.count():
            break
    expect(begins).to_be_visible()
    expect(me.bubble("entry 0")).to_be_visible()
    assert most < 150


def test_r68_a_day_of_long_ago_is_gone_to(desk: Desks, months: Months) -> None:
    """R68, R75: its first text, whatever lies between; of a day without one the next text, and that is said."""
    me = desk("B")
    me.goto(f"/c/{months.id}")
    bar = seek(me)
    day = months.days[200]
    first = months.days.index(day)
    assert 0 < first <= 200
    bar.get_by_label(say("seek.date"), exact=True).fill(day)
    expect(me.bubble(f"entry {first}")).to_be_in_viewport()
    expect(me.bubble(f"entry {first}")).to_have_attribute("aria-current", "true")
    silent = date.fromisoformat(months.days[299]) + timedelta(days=2)
    bar.get_by_label(say("seek.date"), exact=True).fill(silent.isoformat())
    expect(me.bubble("entry 300")).to_be_in_viewport()
    expect(bar.get_by_role("status")).to_contain_text("Nothing was written that day")
    bar.get_by_role("button", name=say("seek.close")).click()
    expect(bar).to_have_count(0)
    expect(me.composer).to_be_focused()


def test_r68_words_are_looked_for_inside_a_conversation(desk: Desks, demo: Demo, months: Months) -> None:
    """R68: the newest first, older ones by Enter and newer ones by its button, each brought into view; other conversations stay out."""
    me = desk("B")
    demo.phone_sends("+18085550199", demo.user("B").numbers[0].number, "Another lighthouse")
    expect(me.row("+18085550199")).to_be_visible()
    me.goto(f"/c/{months.id}")
    bar = seek(me)
    words = bar.get_by_role("searchbox", name=say("seek.words"))
    expect(words).to_be_focused()
    words.fill("lighth")
    expect(bar.get_by_role("status")).to_have_text("1 of 3")
    for place, entry in ((1, 440), (2, 250), (3, 12)):
        expect(bar.get_by_role("status")).to_have_text(f"{place} of 3")
        expect(me.bubble(f"entry {entry} about the lighthouse")).to_be_in_viewport()
        words.press("Enter")
    bar.get_by_role("button", name=say("seek.newer")).click()
    expect(bar.get_by_role("status")).to_have_text("2 of 3")
    me.accessible()
    words.fill("submarine")
    expect(bar.get_by_role("status")).to_have_text(say("seek.none"))
    words.press("Escape")
    expect(me.composer).to_be_focused()
