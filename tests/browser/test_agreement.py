"""Windows and devices of one person agree: what was sent, what was read, and who is signed in (issue 5, point 10)."""

import pytest
from browser_client import read_everything, say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo

NO_WORKER = "delete window.SharedWorker"


@pytest.mark.parametrize("script", ["", NO_WORKER], ids=["worker", "page"])
def test_windows_and_devices_agree(desk: Desks, demo: Demo, phone: str, script: str) -> None:
    """R47, Q21, G22: with one line for all windows of a browser, and where each window has its own."""
    account = demo.user("B")
    read_everything(demo, account)
    first, second = desk(account, script=script), desk(account, script=script)
    window = first.another_window()
    everywhere = (first, window, second)
    demo.phone_sends(phone, account.numbers[0].number, "Is it open?")
    for me in everywhere:
        expect(me.page).to_have_title("(1) Kererū")
    first.open(phone)
    for me in everywhere:
        expect(me.page).to_have_title("Kererū")
    window.open(phone)
    second.open(phone)
    first.send("Until six")
    for me in everywhere:
        me.delivered("Until six")
        expect(me.bubble("Until six")).to_have_count(1)
    second.send("And on Sundays")
    for me in everywhere:
        me.delivered("And on Sundays")
        expect(me.bubble("And on Sundays")).to_have_count(1)
    # Signing out ends one browser's session in all its windows; the other device stays.
    first.page.get_by_role("button", name="settings and sign out").click()
    first.page.get_by_role("menuitem", name=say("settings.sign-out")).click()
    for me in (first, window):
        expect(me.page.get_by_label("Password")).to_be_visible()
    expect(second.bubble("Until six")).to_be_visible()
    demo.phone_sends(phone, account.numbers[0].number, "See you then")
    expect(second.bubble("See you then")).to_be_visible()
