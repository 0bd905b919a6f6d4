"""Search over all own conversations, through the real server (issue 5 point 9, P9): as one types, by keyboard, to where a text stands, on phones."""

from collections.abc import Iterator

import psycopg
import pytest
from browser_client import LOOKS, Client, national, say
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Demo

FILL = """
CREATE TEMP TABLE long AS
SELECT i AS n, a.provider_id, a.id AS assignment_id, number.platform_id,
  lowest_id(now() - interval '8 days' + make_interval(mins => i::integer)) AS message_id
FROM generate_series(0, 449) AS i, assignment a JOIN number ON number.id = a.number_id WHERE number.e164 = %(number)s AND a.ended_at IS NULL;
INSERT INTO conversation (provider_id, id, assignment_id, remote, last_message_id, last_inbound_id)
SELECT provider_id, max(message_id), assignment_id, %(remote)s, max(message_id), max(message_id) FROM long GROUP BY 1, 3;
INSERT INTO message (provider_id, id, conversation_id, assignment_id, outbound, status, text, platform_id)
SELECT provider_id, message_id, (SELECT max(message_id) FROM long), assignment_id, false, 9,
  CASE n WHEN 40 THEN 'Where does the marmalade stand?' ELSE 'filler number ' || n END, platform_id FROM long
"""
CLEAR = """
CREATE TEMP TABLE cleared AS SELECT DISTINCT conversation_id FROM message WHERE text LIKE 'filler number %';
DELETE FROM message WHERE conversation_id IN (SELECT conversation_id FROM cleared);
DELETE FROM conversation WHERE id IN (SELECT conversation_id FROM cleared)
"""


@pytest.fixture
def long_ago(demo: Demo, phone: str) -> Iterator[str]:
    """A conversation of B with hundreds of texts, one of them worth finding."""
    folder = (demo.home / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    with psycopg.connect(host=folder, dbname="kereru", user="kereru_owner", autocommit=True) as connection:
        for days in (8, 7):
            connection.execute(f"CALL make_partitions(0, now() - interval '{days} days')".encode())
        for statement in FILL.split(";"):
            connection.execute(statement.encode(), {"number": demo.user("B").numbers[0].number, "remote": phone})
        try:
            yield phone
        finally:
            for statement in CLEAR.split(";"):
                connection.execute(statement.encode())


def field(me: Client) -> Locator:
    """Where one searches."""
    return me.page.get_by_role("searchbox", name=say("search.field"))


def found(me: Client, section: str = "search.texts") -> Locator:
    """The results of one kind."""
    return me.page.get_by_role("list", name=say(section), exact=True).get_by_role("link").filter(has=me.page.locator("time, bdi"))


def test_words_are_found_as_one_types_and_open_where_they_stand(desk: Desks, phone: str) -> None:
    """The matching words marked, from whom and when; the list comes back when the search ends."""
    me = desk("A")
    me.open_new(phone, text="Is the turquoise kettle still there?")
    me.send("The turquoise one is. Keep it?")
    me.page.keyboard.press("Control+k")
    expect(field(me)).to_be_focused()
    me.page.keyboard.type("turq")
    expect(found(me)).to_have_count(2)
    newest = found(me).first
    expect(newest).to_contain_text(say("search.own"))
    expect(newest).to_contain_text(national(phone))
    expect(newest.locator("mark")).to_have_text(["turquoise"])
    me.page.keyboard.type("uoise kettle")
    expect(found(me)).to_have_count(1)
    me.page.keyboard.press("Enter")
    marked = me.page.get_by_role("list", name="Texts").locator('[aria-current="true"]')
    expect(marked).to_contain_text("Is the turquoise kettle still there?")
    expect(marked).to_be_in_viewport()
    me.page.keyboard.press("Control+k")
    me.page.keyboard.press("Escape")
    expect(field(me)).to_have_value("")
    expect(me.row(phone)).to_be_visible()


def test_what_comes_while_one_looks_is_found_as_well(desk: Desks, demo: Demo, phone: str) -> None:
    """ui.md: everything live."""
    me = desk("A")
    me.open_new(phone, text="The first periwinkle")
    field(me).fill("periwinkle")
    expect(found(me)).to_have_count(1)
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "The second periwinkle")
    expect(found(me)).to_have_count(2)
    expect(found(me).first).to_contain_text("The second")


def test_a_text_far_back_is_shown_where_it_stands(desk: Desks, long_ago: str) -> None:
    """Issue 5, point 9: hundreds of texts before the last page; what stands around it is there, and what is newer can be reached."""
    me = desk("B")
    field(me).fill("marmalade")
    found(me).click()
    me.page.get_by_role("list", name="Texts").locator('[aria-current="true"]').wait_for()
    expect(me.bubble("Where does the marmalade stand?")).to_be_in_viewport()
    expect(me.bubble("filler number 39")).to_be_in_viewport()
    expect(me.bubble("filler number 41")).to_be_in_viewport()
    assert me.page.get_by_role("list", name="Texts").get_by_role("listitem").count() < 150, "few of them are on the page"
    field(me).fill("filler 300")
    found(me).filter(has_text="filler number 300").click()
    expect(me.bubble("filler number 300")).to_be_in_viewport()
    expect(me.bubble("Where does the marmalade stand?")).not_to_be_in_viewport()


def test_people_are_found_by_number_in_any_form_and_by_name(desk: Desks, demo: Demo, phone: str) -> None:
    """P9, R43, R65: digits as anybody writes them; the name that is shown, without its accents."""
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "Hello there")
    contact = demo.signed_in(demo.user("A")).post("/api/v1/contacts", {"name": "Zoë Marsh", "numbers": [{"number": phone, "kind": "mobile"}]})
    try:
        me = desk("A")
        for typed in (phone[2:5] + "-" + phone[5:8] + "-" + phone[8:], phone[5:], "zoe ma"):
            field(me).fill(typed)
            expect(found(me, "search.people")).to_have_count(1)
            expect(found(me, "search.people")).to_contain_text("Zoë Marsh")
        found(me, "search.people").click()
        expect(me.pane.get_by_role("heading", level=1)).to_contain_text("Zoë Marsh")
        expect(me.composer).to_be_focused()
    finally:
        demo.signed_in(demo.user("A")).delete(f"/api/v1/contacts/{contact['id']}")


def test_by_keyboard_alone(desk: Desks, phone: str) -> None:
    """Arrows into what was found and back, also while one writes somewhere else."""
    me = desk("A")
    me.open_new(phone, text="A cinnamon bun")
    me.send("Two cinnamon buns")
    me.composer.fill("half a sentence")
    me.page.keyboard.press("Control+k")
    me.page.keyboard.type("cinnamon")
    expect(found(me)).to_have_count(2)
    me.page.keyboard.press("ArrowDown")
    expect(found(me).first).to_be_focused()
    me.page.keyboard.press("ArrowDown")
    expect(found(me).nth(1)).to_be_focused()
    me.page.keyboard.press("ArrowUp")
    me.page.keyboard.press("ArrowUp")
    expect(field(me)).to_be_focused()
    expect(me.composer).to_have_value("half a sentence")
    me.page.goto(me.demo.client + "/settings")
    me.page.get_by_role("heading", level=1).wait_for()
    me.page.keyboard.press("Control+k")
    expect(field(me)).to_be_focused()


def test_nothing_found_hostile_words_and_a_server_that_is_away(desk: Desks, phone: str) -> None:
    """Bad input 18: what was typed is shown as text; a failure says so and can be tried again."""
    me = desk("A")
    me.open_new(phone, text="<img src=x onerror=alert(1)> saffron & “tea”")
    words = "<b>nothing</b>"
    field(me).fill(words)
    expect(me.page.get_by_role("heading", name=say("search.none", words=words))).to_be_visible()
    field(me).fill("saffron img")
    expect(found(me).locator("mark")).to_have_text(["img", "saffron"])
    desk.allow("Failed to load resource: net::ERR_FAILED.*api/v1/search")
    me.page.route("**/api/v1/search?*", lambda route: route.abort())
    field(me).fill("saffro")
    expect(me.page.get_by_role("heading", name=say("search.failed"))).to_be_visible()
    me.page.unroute("**/api/v1/search?*")
    me.page.get_by_role("button", name=say("again")).click()
    expect(found(me)).to_have_count(1)
    me.page.get_by_role("button", name=say("search.clear")).click()
    expect(field(me)).to_be_focused()
    expect(me.row(phone)).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_search_is_accessible_and_fits(desk: Desks, phone: str, scheme: str, width: int) -> None:
    """WCAG 2.2 AA: on a desk and in a hand, light and dark; on a phone one goes back to what was found."""
    me = desk("A", color_scheme=scheme, viewport={"width": width, "height": 844})
    me.demo.phone_sends(phone, me.demo.user("A").numbers[0].number, "A word about rhubarb")
    field(me).fill("rhubarb")
    mine = found(me).filter(has_text=national(phone))
    expect(mine).to_be_visible()
    me.accessible()
    me.no_side_scroll()
    mine.click()
    expect(me.bubble("A word about rhubarb")).to_be_in_viewport()
    me.accessible()
    if width == 390:
        me.page.get_by_role("button", name=say("conversation.back")).click()
        expect(mine).to_be_visible()
