"""What the other side wants, as its user sees it (G17, G35; P31, P32, P34), and the light beside the composer (product idea 6)."""

import pytest
from browser_client import LOOKS, say
from browser_desks import Desks
from browser_portal import Portal, somebody
from playwright.sync_api import expect

from demo_fixture import Demo

REFUSED = r"status of 422"


def test_a_stop_closes_the_conversation_on_every_device_until_a_start(desk: Desks, demo: Demo, phone: str) -> None:
    """G35, P31: a line in the conversation, a word in the list, a clear sentence instead of the composer; START opens it again."""
    number = demo.user("B").numbers[0].number
    first, second = desk("B"), desk("B")
    first.open_new(phone, text="Hello there")
    second.open(phone)
    demo.phone_sends(phone, number, "Stop. Thank you")
    for me in (first, second):
        expect(me.pane).to_contain_text("asked for no more texts. Nobody in your business can text them now.")
        expect(me.pane).to_contain_text(say("stopped.person"))
        expect(me.row(phone)).to_contain_text(say("list.stopped"))
        expect(me.composer).to_have_count(0)
    for scheme, width in LOOKS:
        first.page.emulate_media(color_scheme=scheme)
        first.page.set_viewport_size({"width": width, "height": 844})
        first.no_side_scroll()
        first.accessible()
    first.page.set_viewport_size({"width": 1440, "height": 900})
    demo.phone_sends(phone, number, "START")
    for me in (first, second):
        expect(me.composer).to_be_visible()
        expect(me.row(phone)).not_to_contain_text(say("list.stopped"))


def test_help_is_answered_by_itself(desk: Desks, demo: Demo, phone: str) -> None:
    """G35: the phone gets the group's words once, and the conversation shows that nobody here wrote them."""
    me = desk("B")
    me.open_new(phone, text="Hello there")
    demo.phone_sends(phone, demo.user("B").numbers[0].number, "HELP")
    expect(me.pane).to_contain_text(say("consent.answered"))
    expect(me.pane).to_contain_text("A person reads what you write here. Reply STOP for no more texts.")
    demo.phone_sends(phone, demo.user("B").numbers[0].number, "help?")
    expect(me.bubble("help?")).to_be_visible()
    expect(me.pane.get_by_text(say("consent.answered"))).to_have_count(1)


def test_a_wish_is_offered_agreed_to_and_taken_back(desk: Desks, demo: Demo, phone: str) -> None:
    """P32: "please stop texting me" does nothing by itself. Agreed to, it is a STOP; a colleague's note can be taken back."""
    number = demo.user("A").numbers[0].number
    me = desk("A")
    me.open_new(phone, text="Hello there")
    demo.phone_sends(phone, number, "please stop texting me")
    banner = me.pane.get_by_role("group", name=say("wish.label"))
    expect(banner).to_contain_text(say("wish.text"))
    expect(me.composer).to_be_visible()
    me.accessible()
    banner.get_by_role("button", name=say("wish.dismiss")).click()
    expect(banner).to_have_count(0)
    demo.phone_sends(phone, number, "I said no more texts!")
    banner.get_by_role("button", name=say("wish.stop")).click()
    expect(me.pane).to_contain_text(say("stopped.colleague"))
    expect(me.pane).to_contain_text(say("consent.agreed"))
    me.pane.get_by_role("button", name=say("stopped.allow")).click()
    expect(me.composer).to_be_visible()

    me.pane.get_by_role("button", name=say("conversation.more")).click()
    me.page.get_by_role("menuitem", name=say("stopped.note")).click()
    expect(me.pane).to_contain_text(say("stopped.colleague"))


@pytest.mark.parametrize("width", [1440, 390])
def test_the_light_says_before_sending_what_would_happen(desk: Desks, demo: Demo, phone: str, width: int) -> None:
    """Idea 6: green, amber with the fix as a button, red with the reason; and somebody who stopped is red before a word is sent."""
    me = desk("A", viewport={"width": width, "height": 844})
    me.open_new(phone)
    form = me.page.get_by_role("form", name=say("composer.form"))
    me.composer.fill("Hello")
    expect(form).to_contain_text(say("light.ok"))
    me.composer.fill("’" + "a" * 100)
    expect(form).to_contain_text(say("light.warn"))
    expect(form).to_contain_text("with plain characters it is 1")
    me.no_side_scroll()
    me.accessible()
    form.get_by_role("button", name="Use plain '").click()
    expect(me.composer).to_have_value("'" + "a" * 100)
    expect(form).to_contain_text(say("light.ok"))
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "STOP")
    expect(me.pane).to_contain_text(say("stopped.person"))
    me.goto(f"/new?to={phone.removeprefix('+')}")
    me.composer.fill("Hello again")
    expect(form).to_contain_text(say("light.stop"))
    expect(form).to_contain_text("They can text START")
    expect(me.send_button).to_be_disabled()
    me.composer.fill("")
    me.page.get_by_role("button", name=say("new.open")).first.click()
    expect(me.pane).to_contain_text(say("stopped.person"))


def test_another_number_is_offered_where_it_can_do_what_this_one_cannot(desk: Desks, phone: str) -> None:
    """Idea 6: Restcomm's 160 bytes; the same text goes from the Inteliquent number with one click."""
    me = desk("C")
    me.open_new(phone)
    form = me.page.get_by_role("form", name=say("composer.form"))
    me.composer.fill("a" * 161)
    expect(form).to_contain_text("160")
    form.get_by_role("button", name="Text from").click()
    expect(form).to_contain_text(say("light.ok"))
    expect(me.composer).to_have_value("a" * 161)
    me.composer.fill("")


def test_a_group_writes_its_own_answer_to_help(desk: Desks, demo: Demo) -> None:
    """G35: in the group's details; what does not fit into one plain text is refused and stays as typed."""
    desk.allow(REFUSED)
    me = Portal(desk, demo, somebody("group", demo)).enter()
    section = me.page.get_by_role("region", name=say("help-answer.title"))
    field = section.get_by_label(say("help-answer.words"))
    field.fill("Блю Дор")
    section.get_by_role("button", name=say("form.save")).click()
    expect(section).to_contain_text("The answer to HELP has to fit into one text")
    expect(field).to_have_value("Блю Дор")
    field.fill("Blue Door. Call us at 201-555-0110.")
    section.get_by_role("button", name=say("form.save")).click()
    expect(section).to_contain_text("Sent now: “Blue Door. Call us at 201-555-0110.”")
    field.fill("")
    section.get_by_role("button", name=say("form.save")).click()
    expect(section).to_contain_text("A person reads what you write here")
