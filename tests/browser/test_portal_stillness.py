"""Nothing moves under somebody's hand: what a page needs is there before it is shown, however late one part of it comes (ui.md)."""

from collections.abc import Callable
from typing import Any

import pytest
from browser_client import say
from browser_company import Company, found_company
from browser_desks import Desks
from browser_portal import Portal
from playwright.sync_api import Route, expect

from demo_fixture import Demo, eventually

WATCH = """
globalThis.shifts = []
new PerformanceObserver((list) => {
  for (const one of list.getEntries())
    globalThis.shifts.push(`${one.value.toFixed(4)} ${one.sources.map((source) => source.node?.parentElement?.outerHTML.slice(0, 160)).join(' | ')}`)
}).observe({ type: 'layout-shift', buffered: true })
"""

SHOWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Until what is known by now is on screen."""


@pytest.fixture(scope="module")
def company(demo: Demo) -> Company:
    """A provider with one number that has everything: evidence, saved messages, somebody blocked, an owner before."""
    made = found_company(demo, "Stillwater Voice", alerts=True)
    made.platform("inteliquent")
    before = made.assigned(made.user("Olaf Reed"), "3125550148")
    status, said = made.api.call("DELETE", f"/api/v1/assignments/{before}")
    assert status == 200, said
    noor = made.user("Noor Reed")
    held = made.assigned(noor, "3125550148")
    me = demo.signed_in(made.users[noor])
    me.post(f"/api/v1/numbers/{made.api.get(f'/api/v1/assignments/{held}')['number_id']}/opt-in", {"answer": "yes"})
    demo.phone_sends("+16175550177", "+13125550148", "Hello")
    [conversation] = eventually(lambda: me.get("/api/v1/conversations")["items"])
    me.post(f"/api/v1/conversations/{conversation['id']}/block", {"reason": ""})
    return made


def number_page(company: Company) -> tuple[tuple[str, ...], str, str, str]:
    """Its place, what comes late, what comes in time, and what stands at its end."""
    return ("user", company.user("Noor Reed"), "numbers", company.assigned("", "3125550148")), "/evidence?", "/blocked", say("number.delete.text")


def user_page(company: Company) -> tuple[tuple[str, ...], str, str, str]:
    """The same of a user's page."""
    return ("user", company.user("Noor Reed"), "details"), "/licence", "/sessions", say("users.delete.title")


def provider_page(company: Company) -> tuple[tuple[str, ...], str, str, str]:
    """The same of a provider's first page, which may have a list of what to do first."""
    return ("provider", company.id, "details"), "/message-log?", "/users?", say("field.demands.help")


@pytest.mark.parametrize("page", [number_page, user_page, provider_page])
def test_nothing_moves_while_a_page_loads(desk: Desks, company: Company, page: Callable[[Company], Any]) -> None:
    """No layout shift at all, although one part is answered after all the others."""
    place, late, early, end = page(company)
    portal = Portal(desk, company.demo, company.manager, script=WATCH).signed_in()
    held: list[Route] = []
    holding = True

    def hold(route: Route) -> None:
        if holding:
            held.append(route)
        else:
            route.continue_()

    portal.page.route(lambda url: late in url, hold)
    with portal.page.expect_response(lambda answer: early in answer.url):
        portal.place(*place)
    portal.page.evaluate(SHOWN)
    holding = False
    for route in held:
        route.continue_()
    expect(portal.page.get_by_text(end)).to_be_visible()
    portal.page.evaluate(SHOWN)
    assert (len(held) > 0, portal.page.evaluate("globalThis.shifts")) == (True, [])


def test_the_first_text_moves_nothing(desk: Desks, company: Company) -> None:
    """R182: the button that deletes messages comes and goes by itself while the page is open; what stands below it stays where it is."""
    ida = company.user("Ida Reed")
    held = company.assigned(ida, "3125550141")
    portal = Portal(desk, company.demo, company.manager, script=WATCH).signed_in()
    portal.place("user", ida, "numbers", held)
    last = portal.button(say("number.delete"))
    before = last.bounding_box()
    company.demo.phone_sends("+16175550178", "+13125550141", "Hello")
    expect(portal.button(say("number.messages.delete"))).to_be_visible()
    assert last.bounding_box() == before
