"""The main job in a browser: a phone texts, the text is on screen, the answer reaches the phone, and the mark tells the truth."""

import re
from collections.abc import Callable

import pytest
from browser_client import national
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo

_CLOCK = re.compile(r"^\d\d:\d\d$")


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_text_appears_and_its_answer_is_delivered(desk: Desks, demo: Demo, phone: str, letter: str) -> None:
    """R41, R75, R76, R77, R80, R104, R105, R109: live, through Restcomm (A) and Inteliquent (B)."""
    me = desk(letter)
    demo.phone_sends(phone, demo.user(letter).numbers[0].number, "Is the blue one still there?")
    expect(me.row(phone)).to_contain_text("Is the blue one still there?")
    me.open(phone)
    expect(me.pane.get_by_role("heading", level=1)).to_have_text(national(phone))
    expect(me.pane.get_by_text("Today")).to_be_visible()
    expect(me.bubble("Is the blue one still there?").locator("time")).to_have_text(_CLOCK)
    me.send("It is. Shall we keep it?")
    me.delivered("It is. Shall we keep it?")
    me.phone_gets(phone, "It is. Shall we keep it?")
    demo.phone_sends(phone, demo.user(letter).numbers[0].number, "Yes please")
    expect(me.bubble("Yes please")).to_be_visible()
    expect(me.row(phone)).to_have_count(1)


def test_several_numbers_are_several_conversations(desk: Desks, demo: Demo, phone: str) -> None:
    """R42, R52, R61: the same person on two numbers is two conversations; a new text says which number it goes from."""
    orders, support = demo.user("C").numbers
    me = desk("C")
    demo.phone_sends(phone, orders.number, "About my order")
    expect(me.row(phone, "Orders")).to_contain_text("About my order")
    demo.phone_sends(phone, support.number, "It does not work")
    expect(me.row(phone, "Support line")).to_contain_text("It does not work")
    expect(me.row(phone)).to_have_count(2)
    me.open(phone, "Orders")
    expect(me.bubble("About my order")).to_be_visible()
    expect(me.bubble("It does not work")).to_have_count(0)


def test_the_number_picker_sends_from_the_chosen_number(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R52, R53, R56, R61: a menu of friendly names with several numbers; the phone sees the chosen one."""
    phone = new_phone()
    me = desk("C")
    me.page.keyboard.press("/")
    me.dial.fill(national(phone))
    me.page.get_by_role("button", name="From Orders. Choose another number").click()
    choices = me.page.get_by_role("menuitem")
    expect(choices).to_have_count(2)
    expect(choices.nth(0)).to_contain_text("(201) 555-0111")
    choices.filter(has_text="Support line").click()
    me.send("From support")
    me.delivered("From support")
    [arrived] = [text for text in demo.phone_has(phone) if text["direction"] == "in"]
    assert arrived["text"] == "From support"
    assert "3125550143" in str(arrived)


def test_one_number_needs_no_picker(desk: Desks) -> None:
    """R53."""
    me = desk("A", at="/new")
    expect(me.dial).to_be_focused()
    expect(me.composer).to_be_visible()
    expect(me.page.get_by_role("button", name="Choose another number")).to_have_count(0)


def test_twenty_texts_at_once_are_one_conversation(desk: Desks, demo: Demo, phone: str) -> None:
    """R41, R105, P2: all of them are on screen, none twice (they race, so that their order is the carrier's)."""
    me = desk("A")
    texts = [f"Text {number} of twenty" for number in range(101, 121)]
    for text in texts:
        demo.phone_sends(phone, demo.user("A").numbers[0].number, text)
    me.open(phone)
    for text in texts:
        expect(me.bubble(text)).to_have_count(1)
    expect(me.row(phone)).to_have_count(1)
