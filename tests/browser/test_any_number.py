"""Texting any number, or only those known to be mobile, as it is set and seen."""

from collections.abc import Callable, Iterator

import pytest
from browser_client import national, say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Account, Demo


@pytest.fixture
def person(demo: Demo) -> Iterator[Account]:
    """C, who may text any number again afterwards."""
    me = demo.user("C")
    yield me
    http = demo.signed_in(me)
    http.call("PATCH", "/api/v1/settings", {"any_number": True})
    for contact in http.get("/api/v1/contacts?which=personal")["items"]:
        http.delete(f"/api/v1/contacts/{contact['id']}")


def test_r23_to_r26_only_what_is_known_to_be_mobile_is_offered(desk: Desks, demo: Demo, new_phone: Callable[[], str], person: Account) -> None:
    """R23 to R26, Q19: on by default; off, the dial field, menus and conversations offer mobile numbers and answers only, in every window at once."""
    mobile, work, writer, silent = new_phone(), new_phone(), new_phone(), new_phone()
    demo.signed_in(person).post(
        "/api/v1/contacts",
        {"name": "Mia Mobile", "numbers": [{"number": mobile, "kind": "mobile"}, {"number": work, "kind": "work"}]},
    )
    me = desk(person, at="/new")
    me.dial.fill(silent)
    me.composer.fill("Is anybody there?")
    me.composer.press("Enter")
    expect(me.bubble("Is anybody there?")).to_contain_text("Delivered")
    expect(me.composer).to_be_editable()
    settings = me.another_window("/settings")
    switch = settings.page.get_by_role("switch", name=say("settings.any"))
    expect(switch).to_be_checked()
    switch.click()
    expect(switch).not_to_be_checked()
    expect(settings.page.get_by_text(say("settings.any.off"))).to_be_visible()
    expect(me.pane).to_contain_text(say("mobile.closed"))
    expect(me.composer).to_have_count(0)
    me.row(silent).click(button="right")
    expect(me.page.get_by_role("menuitem", name=say("contact.add.dots"))).to_be_visible()
    expect(me.page.get_by_role("menuitem", name=f"Text {national(silent)}")).to_have_count(0)
    me.page.keyboard.press("Escape")
    demo.phone_sends(writer, person.numbers[0].number, "May I ask something?")
    me.open(writer)
    me.send("Of course")
    me.delivered("Of course")
    me.page.get_by_role("link", name=say("rail.contacts")).click()
    me.page.get_by_text("Mia Mobile").first.click(button="right")
    expect(me.page.get_by_role("menuitem", name=f"Text {national(mobile)}")).to_have_count(2)
    expect(me.page.get_by_role("menuitem", name=f"Text {national(work)}")).to_have_count(0)
    me.page.keyboard.press("Escape")
    me.page.keyboard.press("/")
    me.dial.fill(work)
    me.composer.fill("Hello")
    expect(me.page.get_by_role("form", name="Write a text")).to_contain_text("mobile numbers only")
    switch.click()
    me.goto("/")
    me.open(silent)
    expect(me.composer).to_be_editable()
