"""The way into the portal: second factor, invitation, forgotten password, a session that ends (R190, R195, bad inputs 95, 96)."""

import re
from collections.abc import Callable

import pytest
from browser_client import LOOKS, say
from browser_desks import Desks
from browser_portal import PASSWORD, Portal, somebody, unique
from playwright.sync_api import expect
from pyotp.totp import TOTP

from demo_fixture import Account, Demo, Http


def invited(demo: Demo, door: Portal, level: str, organisation: str) -> tuple[str, str]:
    """A new portal account; its address and the link of its mail."""
    name = unique("Nora Field")
    email = f"{name.split()[-1]}@people.example"
    admin = demo.signed_in(somebody("provider", demo))
    admin.post("/api/v1/portal-accounts", {"level": level, "organisation_id": organisation, "name": name, "email": email})
    return email, door.mailed(email)


def group_of(demo: Demo) -> str:
    """A new group of the first reseller."""
    admin = demo.signed_in(somebody("provider", demo))
    [reseller] = [one for one in admin.get("/api/v1/resellers")["items"] if one["name"] == "Harbour Resellers"]
    return admin.post("/api/v1/groups", {"reseller_id": reseller["id"], "name": unique("Quay")})["id"]


def test_an_invitation_becomes_a_password_becomes_a_session(desk: Desks, demo: Demo) -> None:
    """Issue 4, point 1: mail → link → password, said twice → signed in at one's own level; the link is good once, in words."""
    door = Portal(desk, demo)
    email, link = invited(demo, door, "group", group_of(demo))
    door.goto(link)
    expect(door.page.get_by_role("heading", name=say("password.title.invitation"))).to_be_visible()
    expect(door.page.get_by_text(say("password.text", email=email))).to_be_visible()
    door.choose_password(PASSWORD, PASSWORD + "x")
    expect(door.page.get_by_text(say("password.differs"))).to_be_visible()
    door.choose_password("short")
    expect(door.page.get_by_text(re.compile("8 to 200 characters"))).to_be_visible()
    door.choose_password(PASSWORD)
    expect(door.page).to_have_url(re.compile(r"/portal/group/\d+/details$"))
    expect(door.page.get_by_role("heading", level=1)).to_contain_text("Quay")
    other = Portal(desk, demo)
    other.goto(link)
    expect(other.page.get_by_role("heading", name=say("password.not-good"))).to_be_visible()


def test_an_end_users_link_leads_into_the_client(desk: Desks, demo: Demo) -> None:
    """S27: users are invited by the same mails; after choosing a password they are in the client."""
    admin = demo.signed_in(somebody("provider", demo))
    email = f"{unique('u').split()[-1]}@people.example"
    admin.post("/api/v1/users", {"group_id": group_of(demo), "name": "Uma Field", "email": email})
    door = Portal(desk, demo)
    door.goto(door.mailed(email))
    door.choose_password(PASSWORD)
    expect(door.page.get_by_role("navigation", name="Main")).to_be_visible()


def test_a_demanded_second_factor_is_set_up_at_the_door(desk: Desks, demo: Demo) -> None:
    """Issue 4, point 1: QR code, the app's code, recovery codes shown once; then a code each time, or one for recovery."""
    door, group = Portal(desk, demo), group_of(demo)
    email, link = invited(demo, door, "group", group)
    demo.signed_in(somebody("provider", demo)).call("PATCH", f"/api/v1/groups/{group}", {"demands_second_factor": True})
    assert Http(demo.client).call("POST", f"/api/v1/password-resets/{link.split('#')[1]}", {"password": PASSWORD})[0] == 204
    door.goto("/portal")
    door.sign_in(email, PASSWORD)
    expect(door.page.get_by_role("img", name=say("factor.qr"))).to_be_visible()
    door.sound()
    door.page.get_by_text(say("factor.no-camera")).click()
    key = door.page.locator("details code").inner_text().replace(" ", "")
    code = door.page.get_by_label(say("signin.code.first"))
    code.fill("000000")
    door.button(say("signin.submit")).click()
    expect(door.page.get_by_role("alert")).to_contain_text(say("signin.code.wrong"))
    code.fill(TOTP(key).now())
    door.button(say("signin.submit")).click()
    codes = door.page.get_by_role("list", name=say("codes.title")).get_by_role("listitem")
    expect(codes).to_have_count(10)
    spare = codes.first.inner_text()
    door.sound()
    door.button(say("codes.saved")).click()
    expect(door.page.get_by_role("navigation", name=say("tree.label"))).to_be_visible()
    again = Portal(desk, demo)
    again.goto("/portal")
    again.sign_in(email, PASSWORD)
    expect(again.page.get_by_role("heading", name=say("signin.code.title"))).to_be_visible()
    again.field(say("signin.code")).fill(spare)
    again.button(say("signin.submit")).click()
    expect(again.page.get_by_role("navigation", name=say("tree.label"))).to_be_visible()


def test_a_forgotten_password(desk: Desks, demo: Demo) -> None:
    """Bad input 95: the same words for everybody; whoever has the address gets a link."""
    door = Portal(desk, demo)
    email, _ = invited(demo, door, "group", group_of(demo))
    for address in ("nobody@people.example", email):
        door.goto("/portal")
        door.button(say("forgotten.link")).click()
        door.page.get_by_label(say("signin.email")).fill(address)
        door.button(say("forgotten.submit")).click()
        expect(door.page.get_by_text(say("forgotten.mailed.text", email=address))).to_be_visible()
    door.goto(door.mailed(email, 2))
    expect(door.page.get_by_role("heading", name=say("password.title.reset"))).to_be_visible()


def test_a_session_that_ends_keeps_what_was_typed(desk: Desks, demo: Demo) -> None:
    """Nothing typed is lost: the sign-in form is laid over the page, and afterwards the form stands as it was."""
    olive = somebody("provider", demo)
    me = Portal(desk, demo, olive).enter()
    name = me.field(say("field.name"))
    name.fill("Southern Phone Company")
    me.page.context.clear_cookies()
    me.button(say("form.save")).click()
    expect(me.page.get_by_role("heading", name=say("portal.ended"))).to_be_visible()
    me.sign_in(olive.email, olive.password)
    expect(me.page.get_by_role("heading", name=say("portal.ended"))).to_have_count(0)
    expect(name).to_have_value("Southern Phone Company")
    me.button(say("form.cancel")).click()
    expect(name).to_have_value("Southern Phone Co.")


def test_own_sessions_and_api_keys(desk: Desks, demo: Demo) -> None:
    """G26: what is ended is out; a key is shown once and works within its rights."""
    gina = somebody("group", demo)
    demo.signed_in(gina)
    me = Portal(desk, demo, gina).enter("/portal/sessions")
    expect(me.page.get_by_text(say("sessions.current"), exact=True)).to_be_visible()
    me.button(say("sessions.end.others")).click()
    me.said(say("sessions.ended.others"))
    expect(me.page.get_by_role("listitem").filter(has_text="Chrome")).to_have_count(1)
    me.goto("/portal/api-keys")
    me.button(say("keys.add")).click()
    me.field(say("field.name")).fill("Billing")
    me.button(say("keys.make")).click()
    token = me.page.get_by_role("alertdialog").locator("code").inner_text()
    bearer = {"Authorization": f"Bearer {token}"}
    assert Http(demo.client).call("GET", "/api/v1/tree", headers=bearer)[0] == 200
    me.button(say("keys.saved")).click()
    me.button(say("keys.end")).click()
    me.page.get_by_role("dialog").get_by_role("button", name=say("keys.end"), exact=True).click()
    me.said(say("keys.ended", name="Billing"))
    assert Http(demo.client).call("GET", "/api/v1/tree", headers=bearer)[0] == 401


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing_at_the_door(desk: Desks, demo: Demo, new_phone: Callable[[], str], scheme: str, width: int) -> None:
    """ui.md, AA: sign-in, forgotten password, a link that is not good."""
    door = Portal(desk, demo, Account("group", "", "", ()), color_scheme=scheme, viewport={"width": width, "height": 900})
    door.goto("/portal")
    expect(door.field(say("signin.password"))).to_be_visible()
    door.sound()
    door.button(say("forgotten.link")).click()
    expect(door.button(say("forgotten.submit"))).to_be_visible()
    door.sound()
    door.goto("/portal/password#1.nothing")
    expect(door.button(say("password.sign-in"))).to_be_visible()
    door.sound()
