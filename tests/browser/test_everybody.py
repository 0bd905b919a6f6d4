"""For everybody: keyboard alone, screen readers, small screens, dark rooms, less motion, long names."""

from collections.abc import Callable

import pytest
from browser_client import LOOKS, Client, say
from browser_desks import Desks
from playwright.sync_api import Page, expect

from demo_fixture import Demo


def focus_ring(page: Page) -> bool:
    """Whether what has the focus shows it: an outline, or a line that only focus draws (a field's own caret counts for text fields)."""
    return page.evaluate(
        """() => {
            const held = document.activeElement
            if (!held || held === document.body) return false
            const look = getComputedStyle(held)
            if (look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0) return true
            return ['INPUT', 'TEXTAREA'].includes(held.tagName) || look.backgroundImage !== 'none' || Boolean(held.closest('label:focus-within'))
        }"""
    )


def test_keyboard_alone(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """ui.md: `/`, arrows, Enter, `u`, `?`, Esc; the focus is always visible."""
    one, other = new_phone(), new_phone()
    me = desk("A")
    keys = me.page.keyboard
    for phone in (one, other):
        demo.phone_sends(phone, demo.user("A").numbers[0].number, "Hello")
        expect(me.row(phone)).to_be_visible()
    me.row(other).focus()
    keys.press("ArrowDown")
    expect(me.row(one)).to_be_focused()
    assert focus_ring(me.page)
    keys.press("Enter")
    expect(me.bubble("Hello")).to_be_visible()
    expect(me.composer).to_be_focused()
    keys.type("By keys alone")
    keys.press("Enter")
    me.delivered("By keys alone")
    keys.press("Escape")
    expect(me.composer).not_to_be_focused()
    keys.press("?")
    help_page = me.page.get_by_role("dialog", name=say("keys.title"))
    expect(help_page).to_contain_text(say("keys.unread"))
    keys.press("Escape")
    expect(help_page).to_have_count(0)
    keys.press("u")
    expect(me.row(one)).to_contain_text("1 new text")
    keys.press("/")
    expect(me.dial).to_be_focused()
    keys.press("Escape")
    expect(me.dial).to_have_count(0)


def test_every_stop_of_the_tab_key_shows_itself(desk: Desks, phone: str) -> None:
    """ui.md: keyboard alone; nothing takes the focus unseen, and the way round comes to an end."""
    me = desk("C")
    me.open_new(phone)
    stops: list[str] = []
    rounds = 0
    for _ in range(200):
        me.page.keyboard.press("Tab")
        stop = me.page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
        if stop.startswith("<body"):
            # Between the page's end and its beginning nothing has the focus.
            rounds += 1
            if rounds == 2:
                break
        else:
            stops.append(stop)
            assert focus_ring(me.page), stop
    assert rounds == 2
    assert len(stops) > 8


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing(desk: Desks, demo: Demo, new_phone: Callable[[], str], scheme: str, width: int) -> None:
    """ui.md, AA: sign-in, list, conversation with a failed text, dial field, activity, settings, keys; no sideways scrolling at any of them."""
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    stranger = desk("C", signed_in=False, **look)
    expect(stranger.page.get_by_label("Password")).to_be_visible()
    check(stranger)
    phone = new_phone()
    me = desk("C", **look)
    demo.fault("restcomm", "failed_receipt", count=1, to=phone)
    demo.phone_sends(phone, demo.user("C").numbers[0].number, "Is it done?")
    expect(me.row(phone)).to_be_visible()
    check(me)
    me.row(phone).click()
    expect(me.bubble("Is it done?")).to_be_visible()
    me.composer.fill("We’re done")
    me.composer.press("Enter")
    expect(me.bubble("We’re done")).to_contain_text("Not delivered")
    me.composer.fill("It’s here")
    check(me)
    me.composer.fill("")
    for path, name in (("/activity", "Activity"), ("/settings", "Settings"), ("/new", "New text")):
        me.goto(path)
        expect(me.page.get_by_role("heading", name=name, level=1)).to_be_visible()
        if path == "/new":
            me.dial.fill("1")
            expect(me.dial_note).to_contain_text("number")
        check(me)
    me.goto("/settings")
    me.page.get_by_role("heading", name="Settings").click()
    me.page.keyboard.press("?")
    expect(me.page.get_by_role("dialog")).to_be_visible()
    check(me)


def check(me: Client) -> None:
    """Both at once."""
    me.accessible()
    me.no_side_scroll()


def test_one_pane_at_a_time_on_a_phone(desk: Desks, demo: Demo, phone: str) -> None:
    """ui.md: at 390 the list gives way to the conversation, and the way back leads to it."""
    me = desk("A", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "On the way")
    me.row(phone).tap()
    expect(me.bubble("On the way")).to_be_visible()
    expect(me.row(phone)).to_be_hidden()
    me.composer.tap()
    me.composer.fill("See you")
    me.send_button.tap()
    me.delivered("See you")
    for control in (me.send_button, me.page.get_by_role("button", name=say("conversation.back"))):
        box = control.bounding_box()
        assert box
        assert box["height"] >= 44, box
    me.page.get_by_role("button", name=say("conversation.back")).tap()
    expect(me.row(phone)).to_be_visible()
    expect(me.pane).to_be_hidden()
    me.page.go_back()
    expect(me.pane).to_be_visible()
    me.no_side_scroll()


def test_less_motion_means_none(desk: Desks, phone: str) -> None:
    """ui.md: no transition and no animation where the system asks for less."""
    me = desk("A", reduced_motion="reduce")
    me.open_new(phone)
    moving = me.page.evaluate(
        """() => [...document.querySelectorAll('*')].flatMap((one) => {
            const look = getComputedStyle(one)
            const long = (times) => times.split(',').some((time) => parseFloat(time) > 0.001)
            const moves = long(look.transitionDuration) || (look.animationName !== 'none' && long(look.animationDuration))
            return moves ? [one.className || one.tagName] : []
        })"""
    )
    assert moving == []


LONG = "Bartholomew-Maximilian Featherstonehaugh-Cholmondeley " * 4


@pytest.mark.parametrize("width", [1440, 390])
def test_very_long_words_stay_inside(desk: Desks, demo: Demo, phone: str, width: int) -> None:
    """ui.md: very long texts without a space, and very long names, break nothing.

    No directory gives names yet, so the name is put into the server's answer.
    """
    word = "donaudampfschifffahrts" * 7
    me = desk("B", viewport={"width": width, "height": 844}, signed_in=False)

    def name_it(route) -> None:
        answer = route.fetch()
        body = answer.json()
        for held in body["items"]:
            held["name"], held["name_source"] = LONG, "CRM Lead"
        route.fulfill(response=answer, json=body)

    me.page.route("**/api/v1/conversations?*", name_it)
    demo.phone_sends(phone, demo.user("B").numbers[0].number, word)
    me.start()
    me.list.get_by_role("link").filter(has_text=word[:30]).first.click()
    expect(me.page.locator("[data-message] .bubble").first).to_have_text(word)
    me.no_side_scroll()
    bubble, pane = me.page.locator("[data-message] .bubble").first.bounding_box(), me.pane.bounding_box()
    assert bubble
    assert pane
    assert bubble["x"] + bubble["width"] <= pane["x"] + pane["width"]
    heading = me.pane.get_by_role("heading", level=1).bounding_box()
    assert heading
    assert heading["height"] < 40
    me.goto("/activity")
    expect(me.page.get_by_role("table").get_by_role("row").filter(has_text="Bartholomew").first).to_be_visible()
    me.no_side_scroll()


def test_a_long_conversation_opens_at_its_end(desk: Desks, demo: Demo, phone: str) -> None:
    """ui.md: virtual lists; going back fetches older texts without a jump, and the newest is what one sees first."""
    me = desk("A")
    for number in range(1, 71):
        demo.phone_sends(phone, demo.user("A").numbers[0].number, f"Line {number:03d}")
    expect(me.row(phone)).to_contain_text("70 new texts")
    me.row(phone).click()
    expect(me.page.locator("[data-message]").last).to_be_in_viewport()
    assert me.page.locator("[data-message]").count() < 60
    texts = me.page.get_by_role("list", name="Texts")
    seen: set[str] = set()
    for _ in range(60):
        seen.update(me.page.locator("[data-message] .bubble").all_inner_texts())
        if me.page.get_by_text(say("messages.begin")).is_visible():
            break
        texts.evaluate("held => held.scrollBy(0, -600)")
        me.page.wait_for_function("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    assert seen == {f"Line {number:03d}" for number in range(1, 71)}
