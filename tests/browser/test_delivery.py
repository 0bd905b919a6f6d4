"""What the screen says when a carrier does not do as it should, and sending again."""

import pytest
from browser_client import say
from browser_desks import Desks
from playwright.sync_api import Route, expect

from demo_fixture import Demo, eventually


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_failed_text_says_why_and_goes_again_once(desk: Desks, demo: Demo, phone: str, letter: str) -> None:
    """R78, R79, R81: red mark, the reason in words; a double click is one attempt more, which the carrier's ledger shows."""
    me = desk(letter)
    me.open_new(phone)
    demo.fault(demo.user(letter).numbers[0].carrier, "failed_receipt", count=1, to=phone)
    text = "Your order is ready"
    bubble = me.send(text)
    expect(bubble).to_contain_text("Not delivered")
    why = bubble.locator(".why")
    expect(why).to_contain_text(" ")
    assert len(why.inner_text().split()) > 4, why.inner_text()
    expect(me.row(phone)).to_contain_text("Failed")
    assert me.sends(phone, text) == 1
    bubble.get_by_role("button", name="Send again").dblclick()
    me.delivered(text)
    expect(bubble.get_by_role("button", name="Send again")).to_have_count(0)
    assert me.sends(phone, text) == 2
    expect(me.bubble(text)).to_have_count(1)


def test_a_text_without_an_answer_is_amber_and_warns_before_it_goes_again(desk: Desks, demo: Demo, phone: str) -> None:
    """G10, G11, R79: the carrier took the text and hung up; nobody sends it again but a person who was warned."""
    me = desk("B")
    me.open_new(phone)
    demo.fault("inteliquent", "no_receipt", count=1, to=phone)
    demo.fault("inteliquent", "reset_after_accept", count=1, to=phone)
    demo.fault("inteliquent", "error", on="all")
    text = "Shall I keep it for you?"
    bubble = me.send(text)
    expect(bubble).to_contain_text(say("message.unknown"))
    expect(bubble).to_contain_text("Not confirmed")
    demo.simulator.delete("/faults?kind=error")
    before = me.sends(phone, text)
    bubble.get_by_role("button", name="Send again").click()
    warning = me.page.get_by_role("dialog")
    expect(warning).to_contain_text("the phone may get it twice")
    warning.get_by_role("button", name=say("doubt.wait")).click()
    expect(warning).to_have_count(0)
    assert me.sends(phone, text) == before
    bubble.get_by_role("button", name="Send again").click()
    warning.get_by_role("button", name=say("doubt.send")).click()
    me.delivered(text)
    assert me.sends(phone, text) == before + 1


def test_a_refused_text_fails_with_words(desk: Desks, demo: Demo, phone: str) -> None:
    """R78: the carrier said no."""
    me = desk("A")
    me.open_new(phone)
    demo.fault("restcomm", "refuse", count=1, to=phone)
    bubble = me.send("This is refused")
    expect(bubble).to_contain_text("Failed")
    expect(bubble.get_by_role("button", name="Send again")).to_be_visible()
    bubble.get_by_role("button", name="Send again").click()
    me.delivered("This is refused")
    me.phone_gets(phone, "This is refused")


def test_the_mark_changes_in_other_windows_too(desk: Desks, demo: Demo, phone: str) -> None:
    """R77, R80: a receipt reaches every running client, also on another device."""
    first, second = desk("A"), desk("A")
    first.open_new(phone)
    second.open(phone)
    first.send("Seen by both")
    second.delivered("Seen by both")
    first.delivered("Seen by both")
    eventually(lambda: first.got(phone, "Seen by both") == 1)


def test_what_happens_while_a_window_starts_is_in_it(desk: Desks, demo: Demo, phone: str) -> None:
    """G22, R77: its texts and its place in the live line come by different answers; what falls between them must not be missing."""
    first, second = desk("A"), desk("A")
    first.open_new(phone)
    demo.fault("restcomm", "failed_receipt", count=1, to=phone)
    expect(first.send("The older one")).to_contain_text("Not delivered")
    first.send("The newer one")
    first.delivered("The newer one")
    second.open(phone)

    def meanwhile(route: Route) -> None:
        second.bubble("The older one").get_by_role("button", name="Send again").click()
        expect(second.bubble("The older one")).to_have_attribute("data-status", "delivered")
        route.continue_()

    first.page.route("**/api/v1/licence", meanwhile, times=1)
    first.page.reload()
    expect(first.bubble("The older one")).to_have_attribute("data-status", "delivered")
