"""Writing a text: the counter, the keys, the draft, and texts that want to be more than text."""

import re

import pytest
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo


def count(encoding: str, left: int, segments: int) -> str:
    """The counter's words."""
    return f"{encoding} · {left} left · {segments} segment{'' if segments == 1 else 's'}"


def test_the_counter_knows_both_alphabets(desk: Desks, phone: str) -> None:
    """Bad inputs 5 to 7: 160 and 161, characters that count twice, 70 and 71 with an emoji."""
    me = desk("B")
    me.open_new(phone)
    form = me.page.get_by_role("form", name="Write a text")
    for text, words in (
        ("a" * 160, count("GSM", 0, 1)),
        ("a" * 161, count("GSM", 145, 2)),
        ("€" * 80, count("GSM", 0, 1)),
        ("€" * 81, count("GSM", 143, 2)),
        ("👍" + "a" * 68, count("UCS-2", 0, 1)),
        ("👍" + "a" * 69, count("UCS-2", 63, 2)),
    ):
        me.composer.fill(text)
        expect(form).to_contain_text(words)
    me.composer.fill("")


def test_the_culprit_is_named_and_replaced(desk: Desks, phone: str) -> None:
    """Bad input 8: curly quotes are never changed silently, but with one click."""
    me = desk("B")
    me.open_new(phone)
    form = me.page.get_by_role("form", name="Write a text")
    me.composer.fill("We’re open until six, don’t hurry")
    expect(form).to_contain_text("UCS-2")
    expect(form).to_contain_text("’")
    expect(me.composer).to_have_value("We’re open until six, don’t hurry")
    form.get_by_role("button", name="Use plain '").click()
    expect(me.composer).to_have_value("We're open until six, don't hurry")
    expect(form).to_contain_text("GSM")
    me.composer.fill("")


def test_a_text_over_the_carriers_limit_is_stopped_with_words(desk: Desks, phone: str) -> None:
    """Design §7: Restcomm's cut at 160 bytes never happens silently; Inteliquent takes the same text in two segments."""
    me = desk("A")
    me.open_new(phone)
    me.composer.fill("a" * 161)
    expect(me.page.get_by_role("form", name="Write a text")).to_contain_text("160")
    expect(me.send_button).to_be_disabled()
    me.composer.press("Enter")
    expect(me.composer).to_have_value("a" * 161)
    me.composer.fill("a" * 160)
    expect(me.send_button).to_be_enabled()
    me.composer.press("Enter")
    me.delivered("a" * 160)


def test_a_long_text_goes_through_inteliquent(desk: Desks, phone: str) -> None:
    """Bad input 5: 161 characters are two segments and one text."""
    me = desk("B")
    me.open_new(phone)
    me.send("b" * 161)
    me.delivered("b" * 161)
    me.phone_gets(phone, "b" * 161)


def test_enter_sends_and_shift_enter_breaks(desk: Desks, phone: str) -> None:
    """ui.md: Enter sends, Shift+Enter breaks; blank texts do not go (bad inputs 1 and 2)."""
    me = desk("A")
    me.open_new(phone)
    me.composer.press("Enter")
    me.composer.fill("   ")
    expect(me.send_button).to_be_disabled()
    me.composer.press("Enter")
    me.composer.fill("")
    me.composer.press_sequentially("Two")
    me.composer.press("Shift+Enter")
    me.composer.press_sequentially("lines")
    expect(me.composer).to_have_value("Two\nlines")
    me.composer.press("Enter")
    expect(me.composer).to_have_value("")
    me.phone_gets(phone, "Two\nlines")
    expect(me.page.locator("[data-message]")).to_have_count(2)


def test_a_draft_survives_leaving_and_reload(desk: Desks, phone: str) -> None:
    """ui.md: drafts are saved as typed."""
    me = desk("A")
    me.open_new(phone)
    me.composer.press_sequentially("Half a thou")
    me.page.keyboard.press("Escape")
    me.page.keyboard.press("Escape")
    expect(me.row(phone)).to_contain_text("Draft")
    me.page.reload()
    expect(me.row(phone)).to_contain_text("Half a thou")
    me.open(phone)
    expect(me.composer).to_have_value("Half a thou")
    me.composer.press("End")
    me.composer.press_sequentially("ght")
    me.composer.press("Enter")
    me.phone_gets(phone, "Half a thought")
    expect(me.row(phone)).not_to_contain_text("Draft")


TITLE = re.compile(r"^(\(\d+\) )?Kererū$")
HOSTILE = {
    "markup": "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>javascript:alert(1)",
    "template": "{{7*7}} %s ${window.broken = 1} </textarea>",
    "right to left": "invoice\u202egnp.exe \u2067\u05d0\u05d1",
    "emoji": "👨‍👩‍👧‍👦👩🏽‍🚀🏳️‍🌈",
    "marks": "Z" + "\u0301" * 10_000 + "algo",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_are_nothing_but_text(desk: Desks, demo: Demo, phone: str, kind: str) -> None:
    """Bad inputs 7, 13, 15, 18, 19: inert in list, bubble and title, and they disturb nothing around them."""
    me = desk("B")
    demo.phone_sends(phone, demo.user("B").numbers[0].number, HOSTILE[kind])
    expect(me.row(phone)).to_be_visible()
    row = me.row(phone).bounding_box()
    me.open(phone)
    bubble = me.page.locator("[data-message] .bubble")
    expect(bubble).to_have_count(1)
    assert bubble.evaluate("held => held.textContent") == HOSTILE[kind]
    assert bubble.evaluate("held => held.children.length") == 0
    assert me.page.evaluate("window.broken") is None
    assert row
    assert row["height"] <= 64
    # Nothing of it reaches beyond the bubble: the time stands below, readable, in its place.
    box, when = bubble.bounding_box(), me.page.locator("[data-message] time").bounding_box()
    assert box
    assert when
    assert when["y"] >= box["y"] + box["height"] - 1
    me.no_side_scroll()
    me.send("Thank you")
    me.delivered("Thank you")
    expect(me.page).to_have_title(TITLE)


def test_hostile_texts_leave_as_they_were_written(desk: Desks, phone: str) -> None:
    """Bad inputs 18 and 19: what is sent is what was typed, and it is inert on the way."""
    me = desk("B")
    me.open_new(phone)
    for text in (HOSTILE["markup"], HOSTILE["template"]):
        me.send(text)
        me.delivered(text)
        me.phone_gets(phone, text)
        expect(me.row(phone)).to_contain_text(text[:30])
    assert me.page.evaluate("window.broken") is None
