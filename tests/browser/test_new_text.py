"""A text to a number in no list: the dial field."""

from collections.abc import Callable

import pytest
from browser_client import national, say
from browser_desks import Desks
from playwright.sync_api import expect

FORMS = (
    "{area}{rest}",
    "1{area}{rest}",
    "({area}) {first}-{last}",
    "+1 {area} {first} {last}",
    "{area}.{first}.{last}",
    "001{area}{rest}",
    "011 1 {area} {rest}",
)


def test_any_form_of_a_number_finds_its_one_conversation(desk: Desks, phone: str) -> None:
    """R30, R39, R43, R50, R51, Q7: whatever way it is typed."""
    parts = {"area": phone[2:5], "first": phone[5:8], "last": phone[8:], "rest": phone[5:]}
    me = desk("A")
    me.open_new(phone, text="Hello there")
    for form in FORMS:
        me.goto("/new")
        me.dial.fill(form.format(**parts))
        expect(me.dial_note).to_contain_text(say("new.exists", number=national(phone)))
        me.dial.press("Enter")
        expect(me.bubble("Hello there")).to_be_visible()
        expect(me.row(phone)).to_have_count(1)


def test_the_conversation_begins_with_its_first_text(desk: Desks, phone: str) -> None:
    """R40, R50, R51: ten digits; nothing comes into being before the text is sent."""
    me = desk("B", at="/new")
    me.dial.fill(phone[2:])
    expect(me.dial_note).to_have_text(say("new.goes", number=national(phone)))
    expect(me.row(phone)).to_have_count(0)
    me.dial.press("Enter")
    expect(me.composer).to_be_focused()
    expect(me.row(phone)).to_have_count(0)
    me.send("This is Southern Phone")
    expect(me.pane).to_be_visible()
    me.delivered("This is Southern Phone")
    expect(me.row(phone)).to_have_count(1)
    me.phone_gets(phone, "This is Southern Phone")


def test_a_foreign_number_is_shown_internationally(desk: Desks) -> None:
    """R30, Q7: national for the user's own country, else international."""
    me = desk("A", at="/new")
    for typed in ("+44 7700 900129", "0044 7700900129", "011 44 7700 900 129"):
        me.dial.fill("")
        expect(me.dial_note).to_have_text(say("new.help"))
        me.dial.fill(typed)
        expect(me.dial_note).to_have_text(say("new.goes", number="+44 7700 900129"))


def test_what_is_no_number_says_so_and_stays(desk: Desks) -> None:
    """Bad input 27: the reason in words; what was typed is kept, and nothing can be sent."""
    me = desk("A", at="/new")
    me.composer.fill("A text that must not go")
    for typed in ("1", "+999 12345", "hello", "909 555 01"):
        me.dial.fill("")
        expect(me.dial_note).to_have_text(say("new.help"))
        me.dial.fill(typed)
        expect(me.dial_note).to_contain_text("number")
        expect(me.page.get_by_role("region", name="New text").get_by_role("status")).to_have_count(1)
        expect(me.send_button).to_be_disabled()
        me.composer.press("Enter")
        expect(me.dial).to_have_value(typed)
        expect(me.composer).to_have_value("A text that must not go")
    expect(me.page.get_by_role("list", name="Texts").get_by_role("listitem")).to_have_count(0)


@pytest.mark.parametrize(("typed", "word"), [("911", "Emergency"), ("+1 201 555 0110", "own")])
def test_numbers_that_must_not_be_texted(desk: Desks, typed: str, word: str) -> None:
    """Bad inputs 31 and 35: emergency numbers and one's own."""
    me = desk("A", at="/new")
    me.dial.fill(typed)
    me.composer.fill("Hello")
    expect(me.page.get_by_role("region", name="New text")).to_contain_text(word)
    expect(me.send_button).to_be_disabled()
    me.composer.fill("")


def test_known_people_are_offered_while_typing(desk: Desks, phone: str) -> None:
    """R39: part of a number finds the conversations it may mean."""
    me = desk("A")
    me.open_new(phone)
    me.page.keyboard.press("Escape")
    me.page.keyboard.press("Escape")
    me.page.keyboard.press("/")
    me.dial.fill(phone[5:])
    offered = me.page.get_by_role("list", name=say("new.matches")).get_by_role("link").filter(has_text=national(phone))
    offered.click()
    expect(me.bubble("Hello")).to_be_visible()


def test_r47_r48_a_text_goes_to_one_number_and_stays_a_text(desk: Desks, new_phone: Callable[[], str]) -> None:
    """R47, R48: several numbers are none, nobody can be added to a conversation, and its title says that it is texts."""
    one, other = new_phone(), new_phone()
    me = desk("A", at="/new")
    me.dial.fill(f"{national(one)}, {national(other)}")
    me.composer.fill("To all of you")
    expect(me.dial_note).not_to_be_empty()
    expect(me.send_button).to_be_disabled()
    me.goto("/")
    me.open_new(one)
    expect(me.pane.get_by_role("group", name=f"Text messages (SMS) with {national(one)}")).to_be_visible()
    me.pane.get_by_role("button", name=say("conversation.more"), exact=True).click()
    expect(me.page.get_by_role("menuitem", name=say("seek.open"))).to_be_visible()
    offered = [say(key) for key in ("conversation.mark-unread", "stopped.note", "block.dots", "seek.open", "dock.open")]
    expect(me.page.get_by_role("menuitem")).to_contain_text(offered)
