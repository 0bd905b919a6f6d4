"""The list that leads from an empty provider to the first text, where something is missing or was undone, and pages that have nothing to show."""

import re

import pytest
from browser_client import say
from browser_company import Company, found_company
from browser_desks import Desks
from browser_portal import Portal
from playwright.sync_api import Locator, expect

from demo_fixture import Demo


@pytest.fixture(scope="module")
def company(demo: Demo) -> Company:
    """An empty provider; nobody receives its alerts."""
    return found_company(demo, "Emptyholm Voice", alerts=False)


@pytest.fixture
def portal(desk: Desks, company: Company) -> Portal:
    """Its manager's window."""
    return Portal(desk, company.demo, company.manager).signed_in()


def step(portal: Portal, key: str) -> Locator:
    """A line of the list."""
    return portal.section(say("start.title")).get_by_role("listitem").filter(has_text=say(key))


def ticked(portal: Portal, key: str, done: bool) -> None:
    """Wait until a line says that it is done, or that it is not."""
    expect(step(portal, key).get_by_text(say("progress.done"))).to_have_count(int(done))


def test_what_cannot_be_done_yet_leads_nowhere(portal: Portal, company: Company) -> None:
    """R126, ui.md: each step leads where it is done, once that can be done; one that is undone is to do again; it follows without a reload."""
    portal.place("provider", company.id, "details")
    expect(portal.section(say("start.title"))).to_contain_text(say("start.done", done=0, all=6))
    for key, leads in (("alerts", True), ("platform", True), ("group", True), ("user", False), ("number", False), ("text", False)):
        expect(step(portal, f"start.{key}").get_by_role("link")).to_have_count(int(leads))
    company.alerts(True)
    ticked(portal, "start.alerts", True)
    company.platform("inteliquent")
    ticked(portal, "start.platform", True)
    expect(step(portal, "start.number").get_by_role("link")).to_have_count(0)
    company.api.post("/api/v1/groups", {"name": "Blue Door", "reseller_id": company.api.get("/api/v1/resellers")["items"][0]["id"]})
    ticked(portal, "start.group", True)
    step(portal, "start.user").get_by_role("link").click()
    expect(portal.page).to_have_url(re.compile(r"/portal/group/\d+/users/new$"))


def test_a_list_that_cannot_be_asked_for_is_in_nobodys_way(desk: Desks, portal: Portal, company: Company) -> None:
    """ui.md: the list only helps; where its questions fail, the page comes without it."""
    desk.allow("net::ERR_FAILED .*/platforms")
    portal.page.route("**/api/v1/platforms", lambda route: route.abort())
    portal.place("provider", company.id, "details")
    expect(portal.field(say("field.name"))).to_have_value(company.name)
    expect(portal.section(say("start.title"))).to_have_count(0)


def test_pages_with_nothing_in_them_teach(portal: Portal, company: Company) -> None:
    """ui.md: one sentence each, and nothing that looks broken; a log that was searched only so far says so instead of "none"."""
    for tab, words in (("message-log", "log.empty"), ("numbers", "number.empty"), ("numbers?state=past", "number.past.empty")):
        portal.place("provider", company.id, tab)
        expect(portal.page.get_by_role("heading", name=say(words))).to_be_visible()
        portal.sound()
    empty = {"items": [], "next": "1", "searched_to": "2026-01-05T10:00:00Z"}
    portal.page.route("**/api/v1/message-log?*", lambda route: route.fulfill(json=empty))
    portal.place("provider", company.id, "message-log")
    expect(portal.page.get_by_role("heading", name=say("log.sofar"))).to_be_visible()
    portal.shows("2026")
    expect(portal.button(say("table.next"))).to_be_enabled()
