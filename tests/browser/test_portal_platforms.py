"""Platforms in the portal, on a provider of this file's own, against the simulated carriers: R116 to R133, R142, R202, P73."""

import uuid

import pytest
from browser_client import LOOKS
from browser_company import CREDENTIALS, Company, account_at, fill_platform, found_company
from browser_desks import Desks
from browser_portal import Portal
from playwright.sync_api import expect

from demo_fixture import Demo, eventually

FIELDS = {"restcomm": ["Account/Key", "Token/Secret"], "inteliquent": ["Account/Key", "Token/Secret", "Outbound API Key"]}
TITLES = {"restcomm": "Restcomm", "inteliquent": "Inteliquent"}


@pytest.fixture(scope="module")
def company(demo: Demo) -> Company:
    """An empty provider; nobody receives its alerts."""
    return found_company(demo, "Harbourline Voice", alerts=False)


@pytest.fixture
def portal(desk: Desks, company: Company) -> Portal:
    """Its manager's window."""
    return Portal(desk, company.demo, company.manager).signed_in()


def platforms(company: Company) -> list[str]:
    """The names of what is saved."""
    return [one["name"] for one in company.api.get("/api/v1/platforms")["items"]]


def test_r126_r127_nobody_hears_of_trouble(portal: Portal, company: Company) -> None:
    """R126, R127: the reason stands there, the button does not, Cancel does, and the way to the switch; with a recipient the form comes."""
    company.alerts(False)
    portal.place("provider", company.id, "platforms")
    portal.shows("nobody with a login at this level receives alerts")
    expect(portal.button("Add CPaaS Platform")).to_have_count(0)
    portal.place("provider", company.id, "platforms", "new")
    portal.shows("nobody with a login at this level receives alerts")
    expect(portal.button("Add CPaaS Platform")).to_have_count(0)
    expect(portal.page.get_by_role("link", name="Go to portal user accounts")).to_have_attribute("href", f"/portal/provider/{company.id}/accounts")
    portal.client.accessible()
    portal.button("Cancel").click()
    company.alerts(True)
    portal.place("provider", company.id, "platforms")
    expect(portal.page.get_by_text("No platform yet")).to_be_visible()
    portal.button("Add CPaaS Platform").click()
    expect(portal.field("Account/Key")).to_be_visible()
    # It goes while the form is open: the server refuses, and says the same.
    company.alerts(False)
    fill_platform(portal, "restcomm")
    portal.button("Add CPaaS Platform").click()
    portal.shows("nobody with a login at this level receives alerts")
    expect(portal.button("Add CPaaS Platform")).to_have_count(0)
    assert platforms(company) == []
    company.alerts(True)


@pytest.mark.parametrize("carrier", list(FIELDS))
def test_r120_r142_a_platform_is_tried_before_it_is_saved(portal: Portal, company: Company, carrier: str) -> None:
    """R117, R120 to R122, R142, P73: fields by carrier; on any problem all stays as typed and nothing is saved; then the self-check, row by row."""
    company.alerts(True)
    before = platforms(company)
    portal.place("provider", company.id, "platforms", "new")
    portal.field("Platform").select_option(carrier)
    for label in CREDENTIALS.values():
        expect(portal.field(label)).to_have_count(int(label in FIELDS[carrier]))
    for switch in ("User Confirmation Required", "User Can Block Numbers", "MMS Available (includes SMS)"):
        expect(portal.switch(switch)).to_be_checked()
    portal.button("Add CPaaS Platform").click()
    expect(portal.field("Account/Key")).to_have_attribute("aria-invalid", "true")
    expect(portal.field("Account/Key")).to_be_focused()
    fill_platform(portal, carrier, token_secret="wrong")
    portal.field("Name").fill(f"Ours at {carrier}")
    portal.button("Add CPaaS Platform").click()
    expect(portal.page.get_by_role("alert")).to_contain_text("does not accept")
    expect(portal.field("Account/Key")).to_have_value(account_at(company.demo, carrier)["account_key"])
    expect(portal.field("Token/Secret")).to_have_value("wrong")
    assert platforms(company) == before
    portal.field("Token/Secret").fill(account_at(company.demo, carrier)["token_secret"])
    portal.button("Add CPaaS Platform").click()
    rows = portal.page.get_by_role("list", name="Check platform").get_by_role("listitem")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("Good")
    expect(rows.filter(has_text="Webhook address")).to_contain_text("KERERU_PUBLIC_URL")
    portal.shows("Checked at")
    assert platforms(company) == [*before, f"Ours at {carrier}"]
    portal.place("provider", company.id, "platforms")
    row = portal.page.get_by_role("row").filter(has_text=f"Ours at {carrier}")
    expect(row).to_contain_text(TITLES[carrier])
    expect(row).to_contain_text("Sending")


def test_r142_a_change_is_tried_too_and_secrets_are_only_replaced(portal: Portal, company: Company) -> None:
    """R123, R142, design §9: what is saved is hinted at, never shown; a wrong secret and a strange address change nothing."""
    company.alerts(True)
    held = company.platform("restcomm")
    secret = account_at(company.demo, "restcomm")["token_secret"]
    portal.place("provider", company.id, "platforms", held["id"])
    expect(portal.field("Name")).to_have_value(held["name"])
    portal.shows("•••" + secret[-4:])
    assert secret not in portal.page.content()
    portal.replace("Token/Secret")
    portal.field("Token/Secret").fill("wrong")
    portal.switch("MMS Available").click()
    portal.button("Update").click()
    expect(portal.page.get_by_role("alert")).to_contain_text("does not accept")
    expect(portal.field("Token/Secret")).to_have_value("wrong")
    assert company.api.get(f"/api/v1/platforms/{held['id']}")["mms"] is True
    portal.button("Keep what is saved").click()
    portal.field("Address: api").fill("http://192.0.2.7/")
    portal.button("Update").click()
    expect(portal.field("Address: api")).to_have_attribute("aria-invalid", "true")
    portal.field("Address: api").fill(held["endpoints"]["api"])
    portal.button("Update").click()
    portal.said("Saved.")
    after = company.api.get(f"/api/v1/platforms/{held['id']}")
    assert (after["mms"], after["credentials"]["token_secret"]["set"]) == (False, True)
    portal.switch("MMS Available").click()
    portal.button("Update").click()
    eventually(lambda: company.api.get(f"/api/v1/platforms/{held['id']}")["mms"])


def test_what_is_unsaved_is_not_left_unasked(portal: Portal, company: Company) -> None:
    """ui.md: unsaved changes are guarded; Cancel gives back what was."""
    company.alerts(True)
    held = company.platform("restcomm")
    portal.place("provider", company.id, "platforms", held["id"])
    portal.field("Name").fill("Another name")
    portal.page.get_by_role("link", name="All platforms").click()
    portal.dialog().get_by_role("button", name="Stay here").click()
    expect(portal.field("Name")).to_have_value("Another name")
    portal.button("Cancel").click()
    expect(portal.field("Name")).to_have_value(held["name"])


def test_r141_a_stopped_platform_says_why_and_runs_again(portal: Portal, company: Company, phone: str) -> None:
    """The carrier takes the key away while texts go out: the list and the page say so; once it is right, one button."""
    company.alerts(True)
    demo, [account] = company.demo, list(company.demo.simulator.get("/console")["inteliquent"])
    key = demo.simulator.post(f"/console/inteliquent/{account['account']}/keys")
    credentials = {**account_at(demo, "inteliquent"), "outbound_api_key": key["key"]}
    made = company.add_platform("inteliquent", name="Second account", credentials=credentials, user_confirmation=False)
    ana = company.user("Ana Lopes")
    number = company.api.post(f"/api/v1/users/{ana}/assignments", {"number": "3125550147", "platform_id": made["id"]})
    demo.simulator.delete(f"/console/inteliquent/{account['account']}/authorizations/{key['auth_id']}")
    me = demo.signed_in(company.users[ana])
    text = {"number_id": number["number_id"], "to": phone, "text": "Hello", "attachments": []}
    me.put(f"/api/v1/messages/{uuid.uuid4()}", text)
    eventually(lambda: company.api.get(f"/api/v1/platforms/{made['id']}")["stopped"])
    portal.place("provider", company.id, "platforms")
    expect(portal.page.get_by_role("row").filter(has_text="Second account")).to_contain_text("Stopped")
    portal.page.get_by_role("link", name="Second account").click()
    expect(portal.page.get_by_role("alert")).to_contain_text("Nothing is sent since")
    portal.button("Run again").click()
    portal.said("It sends again.")
    # Nothing was put right, so it may stop once more; a good key takes the stop off by itself.
    portal.page.reload()
    portal.replace("Outbound API Key")
    portal.field("Outbound API Key").fill(account_at(demo, "inteliquent")["outbound_api_key"])
    portal.button("Update").click()
    portal.said("Saved.")
    expect(portal.page.get_by_role("alert")).to_have_count(0)
    assert company.api.get(f"/api/v1/platforms/{made['id']}")["stopped"] is None


def test_r202_deletion_names_what_goes_and_asks_for_the_name(portal: Portal, company: Company) -> None:
    """R202, R184: how many numbers go, the name typed, and both are gone."""
    company.alerts(True)
    ana = company.user("Ana Lopes")
    made = company.add_platform("restcomm", name="To be closed")
    company.api.post(f"/api/v1/users/{ana}/assignments", {"number": "2015550119", "platform_id": made["id"]})
    portal.place("provider", company.id, "platforms", made["id"])
    portal.section("Delete Platform").get_by_role("button").click()
    expect(portal.dialog()).to_contain_text("and 1 number with all its messages")
    last = portal.dialog().get_by_role("button", name="Delete Platform")
    expect(last).to_have_attribute("aria-disabled", "true")
    portal.dialog().get_by_label("Type To be closed to confirm").fill("To be closed")
    # Somebody adds a number at this moment: the count does not hold any more, and nothing is deleted.
    company.api.post(f"/api/v1/users/{ana}/assignments", {"number": "2015550118", "platform_id": made["id"]})
    last.click()
    expect(portal.dialog()).to_contain_text("2 numbers")
    assert "To be closed" in platforms(company)
    last.click()
    portal.said("To be closed was deleted.")
    assert "To be closed" not in platforms(company)
    ended = company.api.get("/api/v1/assignments?state=past")["items"]
    assert {"+12015550119", "+12015550118"} <= {one["number"] for one in ended}


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_everybody_can_use_platforms(desk: Desks, company: Company, scheme: str, width: int) -> None:
    """ui.md: axe finds nothing and nothing sticks out, by day and night, on a desk and in a hand."""
    company.alerts(True)
    held = company.platform("restcomm")
    portal = Portal(desk, company.demo, company.manager).signed_in()
    portal.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    portal.page.set_viewport_size({"width": width, "height": 900})
    for path, words in (
        (("details",), "Second factor for everybody"),
        (("platforms",), held["name"]),
        (("platforms", "new"), "Token/Secret"),
        (("platforms", held["id"]), "Replace"),
        (("platforms", held["id"], "check"), "Checked at"),
    ):
        portal.place("provider", company.id, *path)
        portal.shows(words)
        portal.sound()
