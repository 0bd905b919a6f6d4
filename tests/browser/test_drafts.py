"""What is being written follows its writer from device to device."""

from browser_desks import Desks
from cable import Cable
from playwright.sync_api import expect

from demo_fixture import Demo


def test_r68_a_draft_is_on_every_device_and_gone_when_it_is_sent(desk: Desks, demo: Demo, phone: str) -> None:
    """R68: begun on one, seen in its other window and on another device without loading anew, finished there, and empty everywhere."""
    first, second = desk("A"), desk("A")
    first.open_new(phone, text="Is the blue one still there?")
    window = first.another_window()
    window.open(phone)
    second.open(phone)
    first.composer.fill("It is. Shall I keep")
    expect(window.composer).to_have_value("It is. Shall I keep")
    expect(second.composer).to_have_value("It is. Shall I keep")
    second.composer.press("End")
    second.composer.press_sequentially(" it?")
    expect(first.composer).to_have_value("It is. Shall I keep it?")
    later = desk("A")
    expect(later.row(phone)).to_contain_text("It is. Shall I keep it?")
    second.composer.press("Enter")
    for me in (first, window, second):
        expect(me.bubble("It is. Shall I keep it?")).to_be_visible()
        expect(me.composer).to_have_value("")
    second.phone_gets(phone, "It is. Shall I keep it?")
    expect(later.row(phone)).to_contain_text("You: It is. Shall I keep it?")


def test_r68_what_was_written_without_a_network_is_brought_later(cable: Cable, desk: Desks, demo: Demo, phone: str) -> None:
    """R68, G28: kept in the browser meanwhile."""
    desks = desk
    desks.allow("ERR_|Failed to fetch|WebSocket")
    me, other = desks("A", proxy={"server": cable.address}), desks("A")
    me.open_new(phone, text="Hello?")
    other.open(phone)
    cable.pull()
    me.composer.fill("Sorry, I was on the train")
    cable.mend()
    expect(other.composer).to_have_value("Sorry, I was on the train")
