"""Shared computers: whoever signs out leaves nothing behind, whoever is signed out loses nothing, and nobody finds what somebody else typed."""

import base64
import io
import re
from collections.abc import Iterator

import pytest
from browser_client import Client, say
from browser_desks import Desks
from browser_portal import somebody
from PIL import Image
from playwright.sync_api import Locator, Route, expect

from demo_fixture import Demo, eventually

BROKEN = r"net::ERR_|status of 401|status of 404 .*/conversations/"
LEFT = """
    async () => {
      const ask = (request) => new Promise((done, fail) => { request.onsuccess = () => done(request.result); request.onerror = fail })
      const held = [JSON.stringify(sessionStorage), document.cookie]
      for (const key of Object.keys(localStorage)) if (key !== 'kereru.preferences') held.push(key, localStorage.getItem(key))
      for (const { name } of await indexedDB.databases()) {
        const base = await ask(indexedDB.open(name))
        for (const store of base.objectStoreNames) held.push(...(await ask(base.transaction(store).objectStore(store).getAll())))
        base.close()
      }
      for (const name of await caches.keys()) held.push(...(await (await caches.open(name)).keys()).map((one) => one.url))
      return held.filter((one) => one && one !== '{}').map((one) => typeof one === 'string' ? one : JSON.stringify(one))
    }
"""
"""All that a browser still has of anybody. Nobody sees it on a screen; the promise is that nobody can."""


KEPT = """async (address) => {
  const one = await fetch(address, { cache: 'only-if-cached', mode: 'same-origin' }).catch(() => null)
  return one !== null && one.status === 200
}"""
"""Whether this browser would show an address without asking the server."""


def sign_out(me: Client) -> None:
    """By the menu."""
    me.page.get_by_role("button", name=re.compile("settings and sign out")).click()
    me.page.get_by_role("menuitem", name=say("settings.sign-out")).click()


def nothing_left(me: Client) -> None:
    """Signed out, and the browser as before the first sign-in but for its looks."""
    expect(me.page.get_by_label("Password")).to_be_visible()
    expect(me.page.get_by_label("E-mail address")).to_have_value("")
    me.page.wait_for_function(f"async () => (await ({LEFT})()).length === 0")


def hold_back(me: Client) -> None:
    """From now on no text of this browser reaches the server."""

    def hold(route: Route) -> None:
        if route.request.method == "PUT":
            route.abort()
        else:
            route.continue_()

    me.page.context.route("**/api/v1/messages/*", hold)


def drawing() -> bytes:
    """A picture."""
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(out, "PNG")
    return out.getvalue()


def sign_in(me: Client) -> None:
    """By the form, and wait for the client."""
    me.sign_in()
    expect(me.page.get_by_role("navigation", name="Main")).to_be_visible()


def question(me: Client, count: int) -> Locator:
    """What is asked before texts are discarded."""
    named = f"{count} texts are not sent yet" if count > 1 else "A text is not sent yet"
    return me.page.get_by_role("alertdialog", name=named)


def test_whoever_signs_out_leaves_nothing_in_any_window(desk: Desks, demo: Demo, phone: str) -> None:
    """Texts, names, drafts, panels, the address: all gone; what was being written is with the server, and there on the next sign-in."""
    desk.allow(BROKEN)
    me = desk("A", signed_in=False)
    sign_in(me)
    me.open_new(phone, text="For my eyes")
    other = me.another_window(me.page.url.removeprefix(demo.client))
    expect(other.bubble("For my eyes")).to_be_visible()
    me.page.wait_for_function(f"async () => (await ({LEFT})()).some((one) => one.includes('For my eyes'))")
    me.composer.press_sequentially("Begun and")
    sign_out(me)
    nothing_left(me)
    nothing_left(other)
    expect(other.page.get_by_text("For my eyes")).to_have_count(0)
    sign_in(me)
    me.open(phone)
    expect(me.composer).to_have_value("Begun and")
    me.composer.fill("")
    expect(me.row(phone)).not_to_contain_text("Begun and")


def test_unsent_texts_are_asked_about_and_can_still_be_sent(desk: Desks, demo: Demo, phone: str) -> None:
    """Nothing typed is lost silently: stay, and it goes out as soon as it can."""
    desk.allow(BROKEN)
    me = desk("A")
    me.open_new(phone)
    hold_back(me)
    expect(me.send("Before I go")).to_have_attribute("data-status", "waiting")
    me.goto("/settings/you")
    me.page.get_by_role("button", name=say("settings.sign-out"), exact=True).click()
    expect(question(me, 1)).to_be_visible()
    me.accessible()
    me.page.context.unroute_all()
    question(me, 1).get_by_role("button", name=say("leaving.stay")).click()
    me.delivered("Before I go")
    me.phone_gets(phone, "Before I go")
    sign_out(me)
    nothing_left(me)


def test_unsent_texts_are_discarded_when_their_writer_says_so(desk: Desks, demo: Demo, phone: str) -> None:
    """Said with their number; no other window brings them back, and nobody gets them."""
    desk.allow(BROKEN)
    me = desk("A")
    me.open_new(phone)
    hold_back(me)
    expect(me.send("Never mind")).to_have_attribute("data-status", "waiting")
    other = me.another_window("/new")
    other.composer.fill("To nobody yet")
    other.page.bring_to_front()
    sign_out(me)
    question(me, 2).get_by_role("button", name="Sign out and discard 2 texts").click()
    nothing_left(me)
    nothing_left(other)
    me.page.context.unroute_all()
    sign_in(me)
    me.goto("/new")
    expect(me.composer).to_have_value("")
    me.open(phone)
    expect(me.bubble("Never mind")).to_have_count(0)
    me.send("Something else")
    me.phone_gets(phone, "Something else")
    assert me.got(phone, "Never mind") == 0


def test_signed_out_by_the_server_one_finds_it_again_and_nobody_else_does(desk: Desks, demo: Demo, phone: str) -> None:
    """A session that ended takes nothing along; between, somebody else uses the browser, sees none of it, and leaves."""
    desk.allow(BROKEN)
    me = desk("A")
    me.open_new(phone)
    at = me.page.url.removeprefix(demo.client)
    hold_back(me)
    expect(me.send("Still mine")).to_have_attribute("data-status", "waiting")
    assert me.page.context.request.delete(f"{demo.client}/api/v1/session").status == 204
    expect(me.page.get_by_label("Password")).to_be_visible()
    me.page.context.unroute_all()
    ben = Client(me.page, demo, demo.user("B"))
    ben.goto("/")
    sign_in(ben)
    ben.goto(at)
    expect(ben.page.get_by_text("Still mine")).to_have_count(0)
    sign_out(ben)
    expect(question(ben, 1)).to_have_count(0)
    expect(ben.page.get_by_label("Password")).to_be_visible()
    assert me.got(phone, "Still mine") == 0
    sign_in(me)
    me.goto(at)
    expect(me.bubble("Still mine")).to_be_visible()
    me.phone_gets(phone, "Still mine")
    assert me.sends(phone, "Still mine") == 1


def test_whoever_signs_out_leaves_no_picture_in_the_cache(desk: Desks, demo: Demo, phone: str) -> None:
    """A preview is kept for some minutes so that a thread can be scrolled; not beyond its reader's session."""
    desk.allow(BROKEN)
    me = desk("A")
    picture = base64.b64encode(drawing()).decode()
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "Look", media=[{"data": picture, "content_type": "image/png"}])
    me.open(phone)
    image = me.page.get_by_role("list", name="Texts").get_by_role("button", name=re.compile("^Show ")).locator("img")
    eventually(lambda: image.evaluate("(one) => one.complete && one.naturalWidth > 0"))
    address = image.evaluate("(one) => one.src")
    assert address.endswith("/preview")
    assert me.page.evaluate(KEPT, address)
    sign_out(me)
    nothing_left(me)
    assert not me.page.evaluate(KEPT, address)


@pytest.fixture
def ana_manages(demo: Demo) -> Iterator[None]:
    """User A manages the group, too."""
    group = demo.signed_in(somebody("group", demo)).get("/api/v1/session")["roles"][0]["organisation_id"]
    admin = demo.signed_in(somebody("provider", demo))
    role = {"level": "group", "organisation_id": group, "name": "Ana Torres", "email": demo.user("A").email}
    made = admin.post("/api/v1/portal-accounts", role)
    yield
    assert admin.call("DELETE", f"/api/v1/portal-accounts/{made['id']}")[0] in (200, 204)


def leave_portal(me: Client) -> None:
    """By the menu, without a pointer."""
    me.goto("/portal")
    menu = me.page.get_by_role("button", name=re.compile("your account and sign out"))
    menu.focus()
    menu.press("Enter")
    way_out = me.page.get_by_role("menuitem", name=say("settings.sign-out"))
    expect(me.page.get_by_role("menu")).to_be_focused()
    me.page.keyboard.press("End")
    expect(way_out).to_be_focused()
    me.page.keyboard.press("Enter")
    expect(question(me, 1)).to_be_focused()


def test_the_portal_asks_before_the_clients_texts_go(desk: Desks, demo: Demo, phone: str, ana_manages: None) -> None:
    """What only this browser has is found from there as well; nobody discards it by a key pressed once too often; all of it by keyboard."""
    desk.allow(BROKEN)
    me = desk("A")
    me.open_new(phone)
    at = me.page.url
    hold_back(me)
    expect(me.send("From the portal")).to_have_attribute("data-status", "waiting")
    leave_portal(me)
    me.accessible()
    me.page.keyboard.press("Enter")
    me.page.keyboard.press("Tab")
    me.page.keyboard.press("Tab")
    expect(question(me, 1).get_by_role("button", name=say("leaving.stay"))).to_be_focused()
    me.page.keyboard.press("Escape")
    expect(me.page).to_have_url(at)
    expect(me.bubble("From the portal")).to_have_attribute("data-status", "waiting")
    leave_portal(me)
    me.page.keyboard.press("Tab")
    expect(question(me, 1).get_by_role("button", name="Sign out and discard 1 text")).to_be_focused()
    me.page.keyboard.press("Enter")
    nothing_left(me)
    me.page.context.unroute_all()
    me.sign_in()
    expect(me.page.get_by_role("navigation", name=say("tree.label"))).to_be_visible()
    me.goto("/")
    me.open(phone)
    expect(me.bubble("From the portal")).to_have_count(0)
    me.send("Another day")
    me.phone_gets(phone, "Another day")
    assert me.got(phone, "From the portal") == 0


def test_a_file_on_its_way_in_another_window_is_asked_about(desk: Desks, demo: Demo, phone: str) -> None:
    """Nobody loses what another window is just bringing to the server; once it is there, or taken out, it is no reason to ask twice."""
    desk.allow(BROKEN)
    me = desk("A")
    me.open_new(phone)
    other = me.another_window(me.page.url.removeprefix(demo.client))
    expect(other.composer).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    other.page.route("**/api/v1/attachments", hold)
    files = other.page.locator("form.composer input[type=file]")
    name = say("files.cancel", name="teal.png")
    files.set_input_files({"name": "teal.png", "mimeType": "image/png", "buffer": drawing()})
    expect(other.page.get_by_role("button", name=name)).to_be_visible()
    me.page.bring_to_front()
    sign_out(me)
    expect(question(me, 1)).to_be_visible()
    question(me, 1).get_by_role("button", name=say("leaving.stay")).click()
    other.page.get_by_role("button", name=name).click()
    expect(other.page.get_by_role("button", name=name)).to_have_count(0)
    sign_out(me)
    nothing_left(me)
    nothing_left(other)
