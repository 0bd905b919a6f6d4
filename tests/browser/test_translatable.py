"""A made language, accented, longer and from right to left, goes over every screen: what stays English was never given to translators, what axe
finds or sticks out would do so in any language (issue 5, point 10)."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_client import Client, national
from browser_desks import Desks
from browser_portal import Portal, somebody
from playwright.sync_api import Page, expect

from demo_fixture import Demo, eventually

LISTEN = """
    window.said = new Set()
    const note = (value) => {
      if (typeof value === 'string') window.said.add(value)
      else if (value && typeof value === 'object') Object.values(value).forEach(note)
    }
    const ask = window.fetch
    window.asking = 0
    window.fetch = async (...what) => {
      window.asking += 1
      try {
        const answer = await ask(...what)
        await answer.clone().json().then(note, () => undefined)
        return answer
      } finally {
        // Whoever asked draws what came before this is looked at again.
        setTimeout(() => (window.asking -= 1), 50)
      }
    }
"""
"""Whatever the server said is data: names, what people wrote, codes."""
ENGLISH = r"""
    () => {
        const said = [...window.said].filter((one) => /[A-Za-z]{2,}/.test(one)).sort((a, b) => b.length - a.length)
        const plain = (text) => {
            let left = text.replace(/\u2068[^\u2069]*\u2069/g, '')
            for (const one of said) left = left.replaceAll(one, '')
            return /[A-Za-z]{2,}/.test(left)
        }
        const ZONE = /^(UTC|[A-Z][A-Za-z]+\/[A-Za-z /-]+)$/
        const apart = (held) => held.closest('bdi, [dir=auto], kbd, code, [translate=no]')
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
        const found = []
        while (walk.nextNode()) {
            const { data, parentElement: held } = walk.currentNode
            if (plain(data) && !apart(held) && !ZONE.test(data)) found.push(data.trim())
        }
        for (const held of document.querySelectorAll('*'))
            for (const name of ['aria-label', 'title', 'placeholder', 'alt', 'aria-valuetext', 'aria-description'])
                if (plain(held.getAttribute(name) ?? '')) found.push(`${name}: ${held.getAttribute(name)}`)
        return [...new Set(found)]
    }
"""
SCRAMBLED = r"""
    () => {
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
        const found = []
        while (walk.nextNode()) {
            const { data, parentElement: held } = walk.currentNode
            const bare = data.replace(/\u2068[^\u2069]*\u2069/g, '')
            // Brackets and the plus of a number change sides unless something keeps its direction. One inside a sentence is the translator's.
            const alone = !/\p{L}/u.test(bare) && /(\+|\(\d{3}\) )[\d -]{6,}/.test(bare)
            if (alone && getComputedStyle(held).direction === 'rtl' && !held.closest('bdi')) found.push(data.trim())
        }
        return [...new Set(found)]
    }
"""


def look(page: Page, where: str) -> list[str]:
    """What this screen has that it should not."""
    page.wait_for_function("() => window.asking === 0 && !document.querySelector('[aria-busy=true]') && document.querySelector('h1, h2, form')")
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert page.evaluate("document.documentElement.dir") == "rtl"
    axe = Axe().run(page)
    assert axe.violations_count == 0, axe.generate_report()
    found = [f"{where}: {text}" for text in page.evaluate(ENGLISH)] + [
        f"{where}: a number turned around: {text}" for text in page.evaluate(SCRAMBLED)
    ]
    return found + ([f"{where}: sticks out at the side, {wide}"] if wide[0] > wide[1] else [])


def screens(me: Client, phone: str) -> Iterator[str]:
    """The client's, one after the other; every one is on the page while its name is given."""
    page, shown = me.page, national(phone)
    yield "list"
    page.locator("[data-conversation]").filter(has_text=shown).click()
    expect(page.locator("[data-message]").last).to_be_visible()
    page.locator("textarea").fill("It’s here")
    yield "conversation"
    page.locator("textarea").fill("")
    me.goto("/")
    page.locator("[data-conversation]").filter(has_text=shown).dispatch_event("contextmenu")
    expect(page.get_by_role("menu")).to_be_visible()
    yield "context menu"
    page.keyboard.press("Escape")
    page.locator("[data-search]").fill("clock")
    expect(page.locator("[data-hit]").first).to_be_visible()
    yield "search"
    page.locator("[data-search]").fill("")
    conversation = page.locator("[data-conversation]").filter(has_text=shown).get_attribute("data-conversation")
    me.goto(f"/window/{conversation}")
    expect(page.locator("[data-message]").last).to_be_visible()
    yield "a window of its own"
    for path in ("/new", "/activity", "/contacts", "/settings", "/settings/you"):
        me.goto(path)
        expect(page.locator("h1").last).to_be_visible()
        yield path
    page.locator("h1").last.click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "keys"


@pytest.mark.parametrize("width", [1440, 390])
def test_every_string_of_the_client_can_be_translated(desk: Desks, demo: Demo, phone: str, width: int) -> None:
    """ui.md: right to left; nothing English is left, no number is turned around, nothing sticks out."""
    viewport, shown = {"width": width, "height": 900}, national(phone)
    stranger = desk("C", signed_in=False, at="/?locale=pseudo", script=LISTEN, viewport=viewport)
    expect(stranger.page.locator("form")).to_be_visible()
    found = look(stranger.page, "sign-in")
    demo.phone_sends(phone, demo.user("C").numbers[0].number, "12 o’clock?")
    me = desk("C", signed_in=False, at="/?locale=pseudo", script=LISTEN, viewport=viewport)
    me.page.locator("input[type=email]").fill(demo.user("C").email)
    me.page.locator("input[type=password]").fill(demo.user("C").password)
    me.page.keyboard.press("Enter")
    expect(me.page.locator("[data-conversation]").filter(has_text=shown)).to_be_visible()
    for where in screens(me, phone):
        found += look(me.page, where)
    assert found == []


@pytest.mark.parametrize("role", ["provider", "reseller", "group"])
def test_every_string_of_the_portal_can_be_translated(desk: Desks, demo: Demo, role: str) -> None:
    """ui.md: the same for every tab of every level."""
    portal = Portal(desk, demo, somebody(role, demo), script=LISTEN).signed_in()
    page = portal.page
    portal.goto("/portal?locale=pseudo")
    tabs = page.locator(f'a[href^="/portal/{role}/"][href$="/details"]')
    expect(tabs.first).to_be_visible()
    eventually(lambda: f"/portal/{role}/" in page.url)
    here = page.url.rsplit("/", 1)[0].removeprefix(demo.client)
    paths = page.locator("nav a").evaluate_all("held => held.map((one) => one.getAttribute('href'))")
    found: list[str] = []
    for path in sorted({path for path in paths if path.startswith(here + "/")}):
        portal.goto(path)
        expect(page.locator("h1, h2").first).to_be_visible()
        found += look(page, path)
    if role == "group":
        portal.goto(here + "/users")
        page.locator("[data-row] a").first.click()
        eventually(lambda: "/portal/user/" in page.url or "/users/" in page.url)
        found += look(page, "user")
    assert found == []
