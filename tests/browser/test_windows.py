"""Where conversations are open: in the middle, docked at the bottom, or in windows of their own."""

from collections.abc import Callable, Iterator

import pytest
from browser_client import Client, national, say
from browser_desks import Desks
from playwright.sync_api import Locator, Page, expect

from demo_fixture import Account, Demo

TOOLS = (say("conversation.mark-unread"), say("stopped.note"), say("block.dots"))
"""What a conversation offers, wherever it stands."""


@pytest.fixture
def apart(demo: Demo) -> Iterator[Account]:
    """B, whose conversations open in windows of their own."""
    me = demo.user("B")
    http = demo.signed_in(me)
    http.call("PATCH", "/api/v1/settings", {"text_windows": "windows"})
    yield me
    http.call("PATCH", "/api/v1/settings", {"text_windows": "docked", "chat_windows": "docked"})


def panel(me: Client, phone: str) -> Locator:
    """The docked conversation with this phone, standing open."""
    return me.page.get_by_role("region", name=say("dock.panel", name=national(phone)), exact=True)


def dock(me: Client) -> None:
    """Take the conversation in the middle to the bottom."""
    me.pane.get_by_role("button", name=say("conversation.more"), exact=True).click()
    me.page.get_by_role("menuitem", name=say("dock.open")).click()


def field(where: Locator | Page) -> Locator:
    """Where a text is written there."""
    return where.get_by_role("textbox", name=say("composer.label"), exact=True)


def offers(me: Client, where: Locator | Page) -> None:
    """R64, R68: the tool tip names the kind, and the menu has what every place offers."""
    title = where.get_by_role("group", name="Text messages (SMS) with")
    title.hover()
    expect(me.page.locator(".tip")).to_have_text(title.get_attribute("aria-label") or "none")
    where.get_by_role("button", name=say("conversation.more"), exact=True).click()
    for tool in TOOLS:
        expect(me.page.get_by_role("menuitem", name=tool)).to_be_visible()
    me.page.keyboard.press("Escape")
    expect(where.get_by_role("button", name=say("files.attach"))).to_be_visible()


def test_r33_r62_r63_several_conversations_are_docked_and_keep_what_is_written(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R33, R62, R63, R74: two at the bottom and one in the middle, each alive; folding, other pages and a new start lose neither panel nor draft."""
    one, other, third = new_phone(), new_phone(), new_phone()
    me = desk("A", viewport={"width": 1600, "height": 900})
    for phone, words in ((one, "Hello from me"), (other, "From me too")):
        me.open_new(phone, text=words)
        dock(me)
        expect(panel(me, phone)).to_be_visible()
    me.open_new(third, text="And me")
    field(panel(me, one)).fill("Half a thought")
    panel(me, one).get_by_role("button", name=say("dock.fold")).click()
    bar = me.page.get_by_role("button", name=f"Unfold {national(one)}")
    demo.phone_sends(one, demo.user("A").numbers[0].number, "Are you there?")
    expect(bar).to_have_accessible_name(f"Unfold {national(one)}, one new text")
    me.page.get_by_role("link", name=say("rail.contacts")).click()
    bar.click()
    expect(panel(me, one)).to_contain_text("Are you there?")
    expect(field(panel(me, one))).to_have_value("Half a thought")
    me.page.reload()
    expect(field(panel(me, one))).to_have_value("Half a thought")
    expect(panel(me, other)).to_be_visible()
    field(panel(me, one)).fill("Yes, I am")
    field(panel(me, one)).press("Enter")
    expect(panel(me, one)).to_contain_text("Delivered")
    me.phone_gets(one, "Yes, I am")
    me.goto("/")
    me.row(other).click()
    expect(field(panel(me, other))).to_be_focused()
    offers(me, panel(me, other))
    me.accessible()
    me.no_side_scroll()
    panel(me, other).get_by_role("button", name=say("dock.close"), exact=True).click()
    expect(panel(me, other)).to_have_count(0)
    me.row(other).click()
    expect(me.pane.get_by_role("heading", level=1)).to_have_text(national(other))


def test_r74_a_docked_conversation_is_expanded_and_collapsed(desk: Desks, demo: Demo, phone: str) -> None:
    """R74, R68, R64: into a window of its own and back, with what was being written, and with the same functions in both."""
    me = desk("A")
    me.open_new(phone, text="Can you see this?")
    dock(me)
    field(panel(me, phone)).fill("I am about to")
    with me.page.expect_popup() as opened:
        panel(me, phone).get_by_role("button", name=say("windows.float")).click()
    expect(panel(me, phone)).to_have_count(0)
    alone = Client(opened.value, demo, me.account)
    expect(alone.page).to_have_title(f"{national(phone)} · Kererū")
    expect(alone.composer).to_have_value("I am about to")
    offers(alone, alone.page)
    alone.accessible()
    alone.no_side_scroll()
    alone.send("I am about to leave")
    alone.delivered("I am about to leave")
    alone.composer.fill("And then")
    with alone.page.expect_event("close"):
        # The click closes the window it is made in, which a click that is waited for would not survive.
        alone.page.get_by_role("button", name=say("windows.collapse")).evaluate("(button) => void setTimeout(() => button.click())")
    expect(field(panel(me, phone))).to_have_value("And then")
    expect(panel(me, phone)).to_contain_text("I am about to leave")


def test_r35_windows_of_their_own_open_as_phones_and_where_they_were_left(desk: Desks, demo: Demo, phone: str, apart: Account) -> None:
    """R33, R35: as wide and high as a phone, once for a conversation; opened again it is as large as it was left."""
    me = desk(apart)
    demo.phone_sends(phone, apart.numbers[0].number, "In the hand")
    with me.page.expect_popup() as opened:
        me.row(phone).click()
    alone = Client(opened.value, demo, apart)
    expect(alone.bubble("In the hand")).to_be_visible()
    assert alone.page.evaluate("[innerWidth, innerHeight]") == [420, 720]
    expect(me.pane).to_have_count(0)
    me.row(phone).click()
    expect(alone.composer).to_be_focused()
    assert len(me.page.context.pages) == 2
    alone.page.get_by_role("button", name=say("conversation.more"), exact=True).click()
    alone.page.get_by_role("menuitem", name=say("conversation.details")).click()
    expect(alone.page.get_by_role("complementary", name=say("details.label"))).to_be_visible()
    alone.page.get_by_role("button", name=say("details.close")).click()
    alone.page.set_viewport_size({"width": 500, "height": 640})
    alone.page.wait_for_function("innerWidth === 500")
    alone.page.close()
    with me.page.expect_popup() as again:
        me.row(phone).click()
    expect(Client(again.value, demo, apart).bubble("In the hand")).to_be_visible()
    assert again.value.evaluate("[innerWidth, innerHeight]") == [500, 640]


def test_r39_a_text_to_a_known_pair_goes_on_in_its_window(desk: Desks, demo: Demo, phone: str, apart: Account) -> None:
    """R39, R40: begun in the dial field, its first text makes the conversation, which has a window of its own."""
    me = desk(apart, at="/new")
    me.dial.fill(national(phone))
    expect(me.dial_note).to_contain_text(national(phone))
    me.composer.fill("Good morning")
    with me.page.expect_popup() as opened:
        me.composer.press("Enter")
    expect(Client(opened.value, demo, apart).bubble("Good morning")).to_be_visible()
    expect(me.row(phone)).to_be_visible()
    expect(me.dial).to_have_count(0)


def test_r34_only_texts_are_chosen_for_until_there_are_instant_messages(desk: Desks, apart: Account) -> None:
    """R33, R34: the choice for texts is a setting of its own, and the one for instant messages is kept without being shown."""
    me = desk(apart, at="/settings")
    ways = me.page.get_by_role("group", name=say("settings.windows.texts"))
    expect(ways.get_by_role("radio", name=say("settings.windows.windows"))).to_be_checked()
    ways.get_by_text(say("settings.windows.docked")).click()
    other = desk(apart, at="/settings")
    expect(other.page.get_by_role("radio", name=say("settings.windows.docked"))).to_be_checked()
    expect(me.page.get_by_role("main")).not_to_contain_text("nstant")


def test_a_phone_shows_one_conversation_at_a_time(desk: Desks, demo: Demo, phone: str, apart: Account) -> None:
    """ui.md: at 390 the setting says what holds there, and a conversation fills the screen."""
    me = desk(apart, at="/settings", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    expect(me.page.get_by_role("main")).to_contain_text(say("settings.windows.small"))
    me.goto("/")
    demo.phone_sends(phone, apart.numbers[0].number, "On the way")
    me.row(phone).tap()
    expect(me.bubble("On the way")).to_be_visible()
    expect(me.page.get_by_role("button", name=say("windows.float"))).to_have_count(0)
    assert len(me.page.context.pages) == 1
