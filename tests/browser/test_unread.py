"""What is new, and who is told."""

from collections.abc import Callable

from browser_client import national, read_everything, say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo, eventually

NOTICES = """
    window.notices = []
    window.Notification = class {
      static permission = 'default'
      static async requestPermission() { return (this.permission = 'granted') }
      constructor(title, options) { window.notices.push([title, options.body]); window.lastNotice = this }
      close() {}
    }
    document.hasFocus = () => false
    window.tones = 0
    const start = OscillatorNode.prototype.start
    OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when) }
"""


def test_unread_is_counted_and_cleared_on_every_device(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R90, R91, Q21: dot, New group, title and filter; opening on one device clears it in its other windows and on others."""
    read_everything(demo, demo.user("A"))
    one, other = new_phone(), new_phone()
    first, second = desk("A"), desk("A")
    window = first.another_window()
    for number, phone in enumerate((one, other, other), 1):
        demo.phone_sends(phone, demo.user("A").numbers[0].number, f"Text {number}")
    for me in (first, second, window):
        expect(me.page).to_have_title("(3) Kererū")
        expect(me.row(other)).to_contain_text("2 new texts")
        expect(me.list.get_by_text(say("list.new"), exact=True)).to_be_visible()
    second.page.get_by_text("Unread · 3").click()
    expect(second.list.get_by_role("link")).to_have_count(2)
    first.open(other)
    for me in (first, second, window):
        expect(me.page).to_have_title("(1) Kererū")
    second.open(one)
    for me in (first, second, window):
        expect(me.page).to_have_title("Kererū")


def test_unread_can_be_set_by_hand(desk: Desks, demo: Demo, phone: str) -> None:
    """ui.md: `u`."""
    read_everything(demo, demo.user("B"))
    me = desk("B")
    me.open_new(phone)
    expect(me.page).to_have_title("Kererū")
    me.page.keyboard.press("Escape")
    me.page.keyboard.press("u")
    expect(me.page).to_have_title("(1) Kererū")
    expect(me.pane).to_have_count(0)


def test_notices_and_sounds_are_switches(desk: Desks, demo: Demo, phone: str) -> None:
    """R36: off until wanted; then a text that nobody looks at makes a notice, which opens it, and a sound that can be off."""
    number = demo.user("A").numbers[0].number
    me = desk("A", at="/settings", script=NOTICES)
    notices = me.page.get_by_role("switch", name=say("settings.notices"))
    sound = me.page.get_by_role("switch", name=say("settings.sound"))
    expect(sound).to_be_checked()
    expect(notices).not_to_be_checked()
    # Started: what comes before that is in the list, not announced.
    expect(me.page.get_by_text(national(number), exact=True)).to_be_visible()
    sound.uncheck()
    notices.check()
    demo.phone_sends(phone, number, "Ring")
    eventually(lambda: me.page.evaluate("window.notices.length") == 1)
    title, body = me.page.evaluate("window.notices[0]")
    assert body == "Ring"
    assert phone[-4:] in title
    assert me.page.evaluate("window.tones") == 0
    sound.check()
    eventually(lambda: me.page.evaluate("window.tones") > 0)
    before = me.page.evaluate("window.tones")
    demo.phone_sends(phone, number, "Ring again")
    eventually(lambda: me.page.evaluate("window.tones") > before)
    me.page.evaluate("window.lastNotice.onclick()")
    expect(me.bubble("Ring again")).to_be_visible()


def test_a_refused_permission_is_explained(desk: Desks) -> None:
    """R36: a browser that blocks notices is said to do so, and the switch stays off."""
    me = desk("A", at="/settings", script=NOTICES.replace("(this.permission = 'granted')", "(this.permission = 'denied')"))
    notices = me.page.get_by_role("switch", name=say("settings.notices"))
    notices.click()
    expect(me.page.get_by_role("main")).to_contain_text(say("settings.notices.denied"))
    expect(notices).not_to_be_checked()


def test_r46_r49_what_came_while_nobody_was_there_is_there_at_the_next_start(desk: Desks, demo: Demo, phone: str) -> None:
    """R46, R49: held until the client runs again, and joined to the one conversation it belongs to."""
    number = demo.user("A").numbers[0].number
    me = desk("A")
    me.open_new(phone, number, "Before you left")
    desk.close()
    demo.phone_sends(phone, number, "While you were out")
    demo.phone_sends(phone, number, "And once more")
    again = desk("A")
    expect(again.row(phone)).to_have_count(1)
    expect(again.row(phone)).to_contain_text("2 new texts")
    again.open(phone)
    for text in ("Before you left", "While you were out", "And once more"):
        expect(again.bubble(text)).to_be_visible()
