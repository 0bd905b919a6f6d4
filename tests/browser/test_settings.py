"""What a person sets for himself."""

from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from browser_client import LOOKS, say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Account, Demo, eventually

LISTENING = """
    window.notices = []
    window.Notification = class {
      static permission = 'default'
      static async requestPermission() { return (this.permission = 'granted') }
      constructor(title, options) { window.notices.push(options.body) }
      close() {}
    }
    document.hasFocus = () => false
    window.played = []
    const start = OscillatorNode.prototype.start
    OscillatorNode.prototype.start = function (...when) { window.played.push(Math.round(this.frequency.value)); return start.apply(this, when) }
"""
BELL, RISE = [1319, 2637, 1976], [523, 659, 784]


@pytest.fixture
def restored(demo: Demo) -> Iterator[Account]:
    """A, whose settings are afterwards what they were."""
    me = demo.user("A")
    before = demo.signed_in(me).get("/api/v1/licence")["settings"]
    yield me
    kept = {name: before[name] for name in ("text_windows", "chat_windows", "quiet_hours")}
    demo.signed_in(me).call("PATCH", "/api/v1/settings", kept)


def test_r21_r22_messaging_has_its_page_and_arrows_step_through_the_numbers(desk: Desks, demo: Demo) -> None:
    """R21, R22: one number at a time where there are several, and no arrows where there is one."""
    me = desk("C", at="/settings")
    pages = me.page.get_by_role("navigation", name=say("settings.pages"))
    expect(pages.get_by_role("link", name=say("settings.messaging"))).to_have_attribute("aria-current", "page")
    own = me.page.get_by_role("group", name=say("settings.numbers"))
    after = own.get_by_role("button", name=say("settings.number.after"))
    shown = [f"({one.number[2:5]}) {one.number[5:8]}-{one.number[8:]}" for one in demo.user("C").numbers]
    for number in (shown[0], shown[1], shown[0]):
        expect(own).to_contain_text(number)
        expect(own).to_contain_text(say("number.opted_in"))
        after.click()
    own.get_by_role("button", name=say("settings.number.before")).click()
    expect(own).to_contain_text(shown[0])
    alone = desk("A", at="/settings")
    expect(alone.page.get_by_role("group", name=say("settings.numbers"))).to_contain_text("555-01")
    expect(alone.page.get_by_role("button", name=say("settings.number.after"))).to_have_count(0)


def test_r36_each_person_chooses_a_sound_and_can_hear_it_first(desk: Desks, demo: Demo, phone: str) -> None:
    """R36, R37: choosing plays it, and so does Listen; from then on it is what an arriving text sounds like, with a notice or without."""
    me = desk("A", at="/settings", script=LISTENING)
    sound = me.page.get_by_role("switch", name=say("settings.sound"))
    tune = me.page.get_by_label(say("settings.tune"), exact=True)
    listen = me.page.get_by_role("button", name=say("settings.tune.listen"))

    def played() -> list[int]:
        heard: list[int] = me.page.evaluate("window.played")
        return heard

    sound.uncheck()
    expect(tune).to_be_disabled()
    expect(listen).to_have_attribute("aria-disabled", "true")
    sound.check()
    eventually(lambda: len(played()) == 2)
    tune.select_option(label=say("settings.tune.bell"))
    eventually(lambda: played()[2:] == BELL)
    tune.select_option(label=say("settings.tune.rise"))
    eventually(lambda: played()[5:] == RISE)
    listen.click()
    eventually(lambda: played()[8:] == RISE)
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "How does it sound?")
    eventually(lambda: played()[11:] == RISE)
    assert me.page.evaluate("window.notices") == []
    me.page.reload()
    expect(tune).to_have_value("rise")


def test_r36_in_quiet_hours_nothing_disturbs_and_nothing_is_missed(desk: Desks, demo: Demo, phone: str, restored: Account) -> None:
    """R36: over midnight, by the person's own clock, on every device; what comes is listed, counted and marked as new all the same."""
    number = restored.numbers[0].number
    today = datetime.now(ZoneInfo("America/New_York"))
    me = desk("A", at="/settings", script=LISTENING)
    me.page.get_by_role("switch", name=say("settings.notices")).check()
    other = desk("A", at="/settings")
    me.page.get_by_role("switch", name=say("settings.quiet.on")).check()
    expect(other.page.get_by_role("switch", name=say("settings.quiet.on"))).to_be_checked()
    other.page.get_by_label(say("settings.quiet.begin"), exact=True).fill("23:00")
    expect(me.page.get_by_label(say("settings.quiet.begin"), exact=True)).to_have_value("23:00")
    expect(me.page.get_by_label(say("settings.quiet.end"), exact=True)).to_have_value("07:00")
    me.page.clock.set_fixed_time(today.replace(hour=23, minute=30))
    me.read_everything()
    me.page.evaluate("window.played.length = 0")
    demo.phone_sends(phone, number, "In the night")
    expect(me.page).to_have_title("(1) Kererū")
    me.page.clock.set_fixed_time(today.replace(hour=7, minute=0))
    demo.phone_sends(phone, number, "In the morning")
    eventually(lambda: me.page.evaluate("window.notices") == ["In the morning"])
    eventually(lambda: len(me.page.evaluate("window.played")) == 2)
    me.goto("/")
    expect(me.row(phone)).to_contain_text("2 new texts")


def test_everybody_can_use_the_settings(desk: Desks, restored: Account) -> None:
    """ui.md, AA: axe finds nothing on either page in any look, and nothing sticks out."""
    for scheme, width in LOOKS:
        me = desk(restored, at="/settings", color_scheme=scheme, viewport={"width": width, "height": 844})
        quiet = me.page.get_by_role("switch", name=say("settings.quiet.on"))
        quiet.check()
        expect(me.page.get_by_label(say("settings.quiet.begin"), exact=True)).to_be_visible()
        me.accessible()
        me.no_side_scroll()
        me.page.get_by_role("link", name=say("settings.you")).click()
        expect(me.page.get_by_role("button", name=say("settings.sign-out"), exact=True)).to_be_visible()
        me.accessible()
        me.no_side_scroll()


def test_r27_to_r32_country_and_leading_zero_are_filled_in_and_can_be_changed(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R27 to R30, R32: at once in what is typed and in how numbers are shown, in every window."""
    phone = new_phone()
    me = desk("C", at="/settings")
    other = me.another_window()
    demo.phone_sends(phone, demo.user("C").numbers[0].number, "Hello")
    national, international = f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}", f"+1 {phone[2:5]}-{phone[5:8]}-{phone[8:]}"
    expect(other.row(national)).to_be_visible()
    country = me.page.get_by_label(say("settings.region"))
    zero = me.page.get_by_role("switch", name=say("settings.zero"))
    expect(country).to_have_value("US")
    expect(country.get_by_role("option")).not_to_have_count(1)
    try:
        country.select_option("IT")
        expect(me.page.get_by_text("read as +39")).to_be_visible()
        zero.click()
        expect(zero).not_to_be_checked()
        expect(other.list.get_by_text(international, exact=True)).to_be_visible()
        me.page.reload()
        expect(country).to_have_value("IT")
        expect(zero).not_to_be_checked()
    finally:
        demo.signed_in(demo.user("C")).call("PATCH", "/api/v1/settings", {"region": "US", "exclude_leading_zero": True})
    expect(other.row(national)).to_be_visible()
    expect(country).to_have_value("US")
