"""The way in and out."""

import re

from browser_client import say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Account, Demo, Http

REFUSED = r"status of (401|429)"


def test_sign_in_and_out(desk: Desks, demo: Demo) -> None:
    """R1: by the form; the session is remembered through a reload, and gone after signing out, in every window."""
    me = desk("A", signed_in=False)
    expect(me.page.get_by_label("E-mail address")).to_be_focused()
    me.sign_in()
    main = me.page.get_by_role("navigation", name="Main")
    expect(main).to_be_visible()
    me.page.reload()
    expect(main).to_be_visible()
    other = me.another_window()
    expect(other.page.get_by_role("navigation", name="Main")).to_be_visible()
    me.page.get_by_role("button", name="Ana Torres: settings and sign out").click()
    me.page.get_by_role("menuitem", name="Sign out").click()
    expect(me.page.get_by_label("Password")).to_be_visible()
    expect(other.page.get_by_label("Password")).to_be_visible()
    expect(me.page.get_by_label("E-mail address")).to_have_value("")
    me.page.go_back()
    expect(main).to_have_count(0)


def test_a_wrong_password_keeps_the_address(desk: Desks) -> None:
    """Bad input 95: words that tell nothing about who exists; the address stays, the password is asked for anew."""
    desk.allow(REFUSED)
    me = desk("B", signed_in=False)
    me.sign_in("not-the-password")
    expect(me.page.get_by_role("alert")).to_contain_text(say("signin.wrong"))
    expect(me.page.get_by_label("E-mail address")).to_have_value("ben@bluedoor.example")
    expect(me.page.get_by_label("Password")).to_have_value("")
    expect(me.page.get_by_label("Password")).to_be_focused()
    me.sign_in()
    expect(me.page.get_by_role("navigation", name="Main")).to_be_visible()


def test_empty_fields_say_what_is_missing(desk: Desks) -> None:
    """ui.md: errors at the field."""
    me = desk(signed_in=False)
    me.page.get_by_role("button", name="Sign in").click()
    expect(me.page.get_by_text(say("signin.email.missing"))).to_be_visible()
    expect(me.page.get_by_text(say("signin.password.missing"))).to_be_visible()


def test_too_many_tries_say_how_long_to_wait(desk: Desks, demo: Demo) -> None:
    """Bad input 94: throttled, in words, with the seconds."""
    desk.allow(REFUSED)
    nobody = Account("user", "nobody@bluedoor.example", "guess", ())
    for _ in range(20):
        if Http(demo.client).call("POST", "/api/v1/session", {"email": nobody.email, "password": "guess"})[0] == 429:
            break
    me = desk(nobody, signed_in=False)
    me.sign_in()
    alert = me.page.get_by_role("alert")
    expect(alert).to_contain_text(say("signin.throttled"))
    expect(alert).to_contain_text(re.compile(r"Try again in \d+ seconds?\."))
    expect(me.page.get_by_role("button", name="Sign in")).to_be_disabled()


def test_a_portal_account_is_shown_the_portal(desk: Desks, demo: Demo) -> None:
    """Design §7: it has no texting; the client says so, and the portal lets it in."""
    [olive] = [account for account in demo.accounts if account.role == "provider"]
    me = desk(olive, signed_in=False)
    me.sign_in()
    expect(me.page.get_by_role("heading", name=say("nouser.title"))).to_be_visible()
    me.page.get_by_role("button", name=say("nouser.portal")).click()
    expect(me.page).to_have_url(re.compile(r"/portal/provider/\d+/details$"))
    expect(me.page.get_by_role("heading", name="Southern Phone Co.", level=1)).to_be_visible()


def test_a_text_survives_the_end_of_the_session(desk: Desks, demo: Demo, phone: str) -> None:
    """Nothing typed is lost when the session ends under one's hands."""
    desk.allow(REFUSED)
    me = desk("A")
    me.open_new(phone)
    me.composer.press_sequentially("Half")
    me.page.context.clear_cookies()
    me.page.reload()
    me.sign_in()
    expect(me.composer).to_have_value("Half")
    me.composer.fill("")
