"""The question before a number may text: D's, asked again before each test by the operator's own command."""

from collections.abc import Callable

import pytest
from browser_client import LOOKS, Client, say
from browser_company import admin
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Demo, eventually

OWN = "(201) 555-0112"


@pytest.fixture(scope="module")
def reset(demo: Demo) -> Callable[[], object]:
    """What an operator does to have D asked again."""
    provider = next(one for one in admin(demo, "list")["items"] if one["name"] == "Southern Phone Co.")
    [mine] = [one for one in admin(demo, "numbers", provider["id"])["items"] if one["e164"] == demo.user("D").numbers[0].number]
    return lambda: admin(demo, "reset-opt-in", provider["id"], mine["id"])


@pytest.fixture
def asked(demo: Demo, reset: Callable[[], object]) -> None:
    """D will be asked at the next start, whatever was answered before."""
    if demo.signed_in(demo.user("D")).get("/api/v1/licence")["numbers"][0]["opt_in"] != "pending":
        reset()


def question(me: Client) -> Locator:
    """The prompt."""
    return me.page.get_by_role("alertdialog")


def answer(me: Client, word: str) -> None:
    """Answer it."""
    question(me).get_by_role("button", name=word, exact=True).click()
    expect(question(me)).to_have_count(0)


def mails(demo: Demo, words: str) -> list[str]:
    """The alert mails about D with these words."""
    texts = [mail["text"] for mail in demo.simulator.get("/mail/messages")["items"]]
    return [text for text in texts if words in text and "Dev Patel" in text]


def settle(demo: Demo) -> None:
    """Wait until the server knows that no window of D is open: only then is the next load a start."""
    me = demo.signed_in(demo.user("D"))
    eventually(lambda: me.get("/api/v1/licence")["numbers"][0]["ask"], 20)


@pytest.mark.usefixtures("asked")
def test_yes_opens_the_number_and_releases_what_waited(desk: Desks, demo: Demo, phone: str) -> None:
    """R4, R5, R6, R7, R8, R9, Q26: nothing shows before; after Yes texts come and go at once, and what waited says so."""
    number = demo.user("D").numbers[0]
    demo.phone_sends(phone, number.number, "Are you open today?")
    me = desk("D")
    expect(question(me)).to_contain_text(OWN)
    expect(question(me)).to_contain_text("unsolicited")
    expect(question(me)).to_contain_text("block")
    for word in ("Yes", "No", "Cancel"):
        expect(question(me).get_by_role("button", name=word, exact=True)).to_be_visible()
        expect(question(me)).to_contain_text(say(f"optin.{word.lower()}.effect"))
    me.page.keyboard.press("Escape")
    me.page.keyboard.press("Enter")
    expect(question(me)).to_be_visible()
    expect(me.row(phone)).to_have_count(0)
    assert me.unread() == 0
    answer(me, "Yes")
    me.open(phone)
    waited = me.bubble("Are you open today?")
    expect(waited).to_contain_text(say("message.before"))
    me.send("Until six")
    me.delivered("Until six")
    me.phone_gets(phone, "Until six")
    demo.phone_sends(phone, number.number, "Thank you")
    expect(me.bubble("Thank you")).to_be_visible()
    expect(me.bubble("Thank you")).not_to_contain_text(say("message.before"))
    me.page.reload()
    expect(me.bubble("Thank you")).to_be_visible()
    expect(question(me)).to_have_count(0)


@pytest.mark.usefixtures("asked")
def test_no_closes_the_number_and_is_not_asked_again(desk: Desks, demo: Demo, phone: str) -> None:
    """R10, R11, R12, R13, R16: unavailable, the provider is told by mail, and only a reset asks again."""
    before = len(mails(demo, "answered No"))
    me = desk("D")
    answer(me, "No")
    eventually(lambda: len(mails(demo, "answered No")) > before)
    assert all("555-0112" in mail for mail in mails(demo, "answered No"))
    demo.phone_sends(phone, demo.user("D").numbers[0].number, "Is anybody there?")
    me.page.keyboard.press("/")
    expect(me.page.get_by_role("main")).to_contain_text(say("new.none"))
    expect(me.row(phone)).to_have_count(0)
    desk.close()
    again = desk("D", at="/settings")
    expect(again.page.get_by_role("main")).to_contain_text(say("number.opted_out"))
    expect(again.row(phone)).to_have_count(0)
    expect(question(again)).to_have_count(0)
    # The mail can be read at the simulators, as a person trying the product would.
    again.page.goto(demo.info["mail"])
    expect(again.page.get_by_text("Dev Patel").first).to_be_visible()


@pytest.mark.usefixtures("asked")
def test_cancel_asks_again_at_the_next_start_only(desk: Desks, demo: Demo, phone: str) -> None:
    """R14, R15, Q1: postponed; another window while one is open does not ask, the next start does; the first Cancel is mailed."""
    before = len(mails(demo, "postponed the answer"))
    me = desk("D")
    answer(me, "Cancel")
    eventually(lambda: len(mails(demo, "postponed the answer")) == before + 1)
    demo.phone_sends(phone, demo.user("D").numbers[0].number, "Hello?")
    other = me.another_window("/settings")
    expect(other.page.get_by_role("main")).to_contain_text(say("number.postponed"))
    expect(question(other)).to_have_count(0)
    expect(me.row(phone)).to_have_count(0)
    desk.close()
    settle(demo)
    again = desk("D")
    answer(again, "Cancel")
    expect(again.row(phone)).to_have_count(0)
    again.page.keyboard.press("g")
    again.page.keyboard.press("s")
    again.page.get_by_role("button", name=say("number.answer")).click()
    answer(again, "Yes")
    again.page.keyboard.press("g")
    again.page.keyboard.press("c")
    expect(again.row(phone)).to_contain_text("Hello?")
    assert len(mails(demo, "postponed the answer")) == before + 1


@pytest.mark.parametrize("letter", ["A", "B", "C"])
def test_who_has_answered_is_not_asked(desk: Desks, letter: str) -> None:
    """R5, R16, R19: A to C have agreed before."""
    me = desk(letter, at="/settings")
    expect(me.page.get_by_role("main")).to_contain_text("555-01")
    expect(question(me)).to_have_count(0)


@pytest.mark.usefixtures("asked")
def test_everybody_can_read_and_answer_the_question(desk: Desks) -> None:
    """R6, ui.md, AA: axe finds nothing in any look; the focus is on the question, not on an answer, and all answers are in reach."""
    for scheme, width in LOOKS:
        me = desk("D", color_scheme=scheme, viewport={"width": width, "height": 844})
        expect(question(me)).to_be_visible()
        me.accessible()
        me.no_side_scroll()
        for word in ("Cancel", "No", "Yes"):
            me.page.keyboard.press("Tab")
            expect(question(me).get_by_role("button", name=word, exact=True)).to_be_focused()
        for word in ("Cancel", "No", "Yes"):
            expect(question(me).get_by_role("button", name=word, exact=True)).to_be_in_viewport()
