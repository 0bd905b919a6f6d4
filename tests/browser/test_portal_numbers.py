"""Numbers in the portal, from an empty provider to a text in the client, and each refusal on the way: R143 to R158, R173 to R184, R198, R200, Q17."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_client import LOOKS, national
from browser_company import Company, found_company
from browser_desks import Desks
from browser_portal import Portal
from playwright.sync_api import expect

from demo_fixture import Demo, eventually

MANY = "2015550113"
"""Restcomm's numbers from here on are this file's; 3125550149 is the one that cannot text yet (Q17)."""


@pytest.fixture(scope="module")
def company(demo: Demo) -> Company:
    """A provider with both carriers."""
    made = found_company(demo, "Lakeside Voice", alerts=True)
    made.platform("restcomm")
    made.platform("inteliquent")
    return made


@pytest.fixture
def portal(desk: Desks, company: Company) -> Portal:
    """Its manager's window."""
    return Portal(desk, company.demo, company.manager).signed_in()


@pytest.fixture
def carla(company: Company) -> str:
    """A user of it."""
    return company.user("Carla Nunes")


def open_form(portal: Portal, user: str, platform: str = "") -> None:
    """The form "Add CPaaS Number" of a user."""
    portal.place("user", user, "numbers")
    portal.button("Add CPaaS Number").first.click()
    if platform:
        portal.field("CPaaS platform").select_option(label=platform)


def test_what_is_typed_stays_with_the_reason(portal: Portal, company: Company, carla: str) -> None:
    """R148, R151, R153, R154, R155, P71: each refusal in words, at its field, with the way out; the same form goes through in the end."""
    company.assigned(company.user("Ana Lopes"), MANY, friendly_name="Front desk")
    open_form(portal, carla)
    portal.field("Friendly name").fill("Back office")
    portal.field("CPaaS number").fill("12")
    portal.button("Add CPaaS Number").click()
    expect(portal.field("CPaaS number")).to_have_attribute("aria-invalid", "true")
    portal.field("CPaaS number").fill("2015550199")
    portal.button("Add CPaaS Number").click()
    portal.shows("There are several platforms.")
    portal.field("CPaaS platform").select_option(company.platform("restcomm")["id"])
    portal.button("Add CPaaS Number").click()
    portal.shows("(201) 555-0199 is not in the Restcomm account")
    way_out = portal.page.get_by_role("link", name="Open the portal of Restcomm")
    expect(way_out).to_have_attribute("href", company.platform("restcomm")["portal_url"])
    expect(portal.field("CPaaS number")).to_have_value("2015550199")
    portal.field("CPaaS number").fill(MANY)
    portal.button("Add CPaaS Number").click()
    portal.shows("is assigned to Ana Lopes")
    expect(portal.page.get_by_role("link", name=f"See {national('+1' + MANY)} with Ana Lopes")).to_be_visible()
    expect(portal.field("Friendly name")).to_have_value("Back office")
    portal.field("CPaaS number").fill("(201) 555-0114")
    portal.button("Add CPaaS Number").click()
    expect(portal.page.get_by_role("heading", level=2).filter(has_text="(201) 555-0114")).to_contain_text("Back office")
    expect(portal.section("Set-up")).to_contain_text("Enabled")


def test_q17_texting_is_switched_on_after_one_confirmation(portal: Portal, company: Company, carla: str) -> None:
    """Q17: the account holds the number without messaging: said, asked once, switched on there."""
    open_form(portal, carla, "Inteliquent")
    portal.field("CPaaS number").fill("3125550149")
    portal.button("Add CPaaS Number").click()
    expect(portal.dialog()).to_contain_text("Inteliquent holds this number, but texting is off for it.")
    portal.dialog().get_by_role("button", name="Cancel").click()
    assert not [one for one in company.api.get("/api/v1/assignments")["items"] if one["number"] == "+13125550149"]
    expect(portal.field("CPaaS number")).to_have_value("3125550149")
    portal.button("Add CPaaS Number").click()
    portal.dialog().get_by_role("button", name="Switch texting on").click()
    expect(portal.section("Set-up")).to_contain_text("Enabled")


def test_r150_its_steps_are_live(portal: Portal, company: Company, carla: str) -> None:
    """R150, R174: while the carrier takes its time, the form shows how far it is; the list shows the same, and the end by itself."""
    portal.demo.fault("restcomm", "slow", on="all", count=2, delay_ms=3000)
    open_form(portal, carla, "Restcomm")
    portal.field("CPaaS number").fill("2015550115")
    portal.button("Add CPaaS Number").click()
    steps = portal.page.get_by_role("list", name="How far it is set up")
    expect(steps).to_contain_text("Looked for at the carrier(now)")
    expect(portal.section("Set-up")).to_contain_text("Enabled")


def test_r141_a_failed_number_says_why_and_is_tried_again(portal: Portal, company: Company, carla: str) -> None:
    """R141, R174: the carrier refuses the webhook for good: failed, with its reason; one button tries again."""
    demo = company.demo
    demo.fault("restcomm", "slow", on="all", count=1, delay_ms=1)
    demo.fault("restcomm", "refuse", on="all", count=1)
    open_form(portal, carla, "Restcomm")
    portal.field("CPaaS number").fill("2015550116")
    portal.button("Add CPaaS Number").click()
    setup = portal.section("Set-up")
    expect(setup).to_contain_text("Failed")
    expect(setup.get_by_role("alert")).to_be_visible()
    expect(setup.get_by_role("link", name="Open the portal of Restcomm")).to_be_visible()
    portal.button("Try again").click()
    expect(setup).to_contain_text("Enabled")
    expect(setup.get_by_role("alert")).to_have_count(0)


def test_r152_settings_inherit_and_override(portal: Portal, company: Company, carla: str) -> None:
    """R149, R151, R152, R200: as the platform says, or not; back to it; and MMS only where the platform has it."""
    held = company.assigned(carla, "2015550114")
    portal.place("user", carla, "numbers", held)
    portal.field("Friendly name").fill("Night desk")
    portal.field("Messaging type").select_option("sms")
    portal.field("User can block numbers").select_option("no")
    portal.button("Save").click()
    portal.said("Saved.")
    now = company.api.get(f"/api/v1/assignments/{held}")
    assert (now["friendly_name"], now["messaging_type"], now["user_can_block"]) == ("Night desk", "sms", False)
    portal.field("Messaging type").select_option("")
    portal.field("User can block numbers").select_option("")
    portal.button("Save").click()
    eventually(lambda: company.api.get(f"/api/v1/assignments/{held}")["user_can_block_set"] is None)
    now = company.api.get(f"/api/v1/assignments/{held}")
    assert (now["messaging_type"], now["messaging_type_set"], now["user_can_block"]) == ("mms_sms", None, True)


def test_r173_the_list_at_every_level(portal: Portal, company: Company, carla: str, tmp_path: Path) -> None:
    """R173 to R178: columns, wildcards said, a click leads to the user's number, past ones with their date, all of it as a file."""
    ana = company.user("Ana Lopes")
    live = company.assigned(ana, MANY, friendly_name="Front desk")
    gone = company.assigned(carla, "3125550141", friendly_name="Gone")
    status, said = company.api.call("DELETE", f"/api/v1/assignments/{gone}")
    assert status == 200, said
    user = company.api.get(f"/api/v1/users/{ana}")
    for place in (("provider", company.id), ("reseller", user["reseller_id"]), ("group", user["group_id"]), ("user", ana)):
        portal.place(*place, "numbers")
        row = portal.rows().filter(has_text=national("+1" + MANY))
        for words in ("Front desk", "MMS & SMS", "Enabled", "To be asked", "Active Assignment"):
            expect(row).to_contain_text(words)
    portal.place("provider", company.id, "numbers")
    titles = ["User", "CPaaS number", "Friendly name", "Messaging type", "State", "Opt-in", "End date"]
    expect(portal.page.get_by_role("columnheader")).to_have_text(titles)
    portal.page.get_by_role("searchbox", name="Number, friendly name, user or e-mail").fill("0113")
    portal.shows("Searched for *0113*; the wildcards are added for you.")
    expect(portal.rows()).to_have_count(1)
    with portal.page.expect_download() as download:
        portal.page.get_by_role("link", name="Download CSV").click()
    download.value.save_as(tmp_path / "numbers.csv")
    text = (tmp_path / "numbers.csv").read_text(encoding="utf-8-sig")
    assert (len(text.splitlines()), "Front desk" in text, "Active Assignment" in text) == (2, True, True)
    portal.page.get_by_role("searchbox", name="Number, friendly name").fill("nobody at all")
    portal.shows("Nothing here matches")
    portal.button("Show all").click()
    portal.page.get_by_text("Past", exact=True).click()
    row = portal.rows().filter(has_text="Gone")
    expect(row).not_to_contain_text("Active Assignment")
    expect(row).to_contain_text("Ended")
    portal.page.get_by_text("Active", exact=True).click()
    portal.rows().filter(has_text=national("+1" + MANY)).get_by_role("link").click()
    expect(portal.page).to_have_url(re.compile(f"/portal/user/{ana}/numbers/{live}$"))


def test_r181_r184_asked_again_messages_deleted_number_deleted(
    portal: Portal, company: Company, desk: Desks, carla: str, new_phone: Callable[[], str]
) -> None:
    """R179, R181, R182, R183, R184, Q27: No with date and time; a reset; what may be deleted is counted and stays away where there is nothing."""
    held = company.assigned(carla, "2015550114")
    number = company.api.get(f"/api/v1/assignments/{held}")
    shown = number["display"]
    me = company.demo.signed_in(company.users[carla])
    if number["opt_in"]["state"] == "pending":
        me.post(f"/api/v1/numbers/{number['number_id']}/opt-in", {"answer": "no"})
    portal.place("user", carla, "numbers", held)
    expect(portal.section("Opt-in state")).to_contain_text(re.compile(r"Opted-out: \w+, \d+ \w+ 20\d\d at \d\d:\d\d:\d\d"))
    expect(portal.section("Saved messages")).to_contain_text("No messages are saved")
    expect(portal.button("Delete saved messages")).to_have_count(0)
    with portal.page.expect_download() as download:
        portal.page.get_by_role("link", name="Download the whole evidence").click()
    assert '"format":"kereru-evidence-1"' in Path(download.value.path()).read_text()
    portal.button("Reset Opt-In State").click()
    portal.dialog().get_by_role("button", name="Reset Opt-In State").click()
    expect(portal.section("Opt-in state")).to_contain_text("is asked at the next start of the client")
    expect(portal.section("Opt-in state").get_by_role("listitem").first).to_contain_text("Opt-in state reset")
    expect(portal.section("Opt-in state").get_by_role("listitem").first).to_contain_text(company.manager.email)
    company.demo.phone_sends(new_phone(), number["number"], "Anybody there?")
    eventually(lambda: company.api.get(f"/api/v1/assignments/{held}")["saved"]["messages"])
    portal.page.reload()
    expect(portal.section("Opt-in state").get_by_role("listitem")).to_have_count(2)
    expect(portal.section("Saved messages")).to_contain_text("1 message is saved")
    portal.button("Delete saved messages").click()
    expect(portal.dialog()).to_contain_text("Carla Nunes keeps the number")
    portal.dialog().get_by_role("button", name="Delete saved messages").click()
    expect(portal.section("Saved messages")).to_contain_text("No messages are saved")
    expect(portal.button("Delete saved messages")).to_have_count(0)
    expect(portal.section("Opt-in state").get_by_role("listitem").first).to_contain_text("Saved messages deleted")
    portal.button("Delete number").click()
    last = portal.dialog().get_by_role("button", name="Delete number")
    expect(last).to_have_attribute("aria-disabled", "true")
    portal.dialog().get_by_role("textbox").fill(shown)
    last.click()
    expect(portal.page).to_have_url(re.compile(f"/portal/user/{carla}/numbers$"))
    expect(portal.rows().filter(has_text=shown)).to_have_count(0)
    # Somebody else gets it: the page says who had it before (R178, Q28).
    again = company.assigned(company.user("Ana Lopes"), "2015550114")
    portal.place("user", company.user("Ana Lopes"), "numbers", again)
    expect(portal.section("Other assignments of this number")).to_contain_text("Carla Nunes")


def test_below_the_provider_there_are_numbers_and_no_platforms(desk: Desks, company: Company, carla: str) -> None:
    """R195: whoever manages a group gives numbers out, and sees neither platforms nor the whole evidence."""
    user = company.api.get(f"/api/v1/users/{carla}")
    gil = company.account("group", user["group_id"], "Gil Moss")
    portal = Portal(desk, company.demo, gil).signed_in()
    held = company.assigned(carla, "2015550115")
    portal.place("user", carla, "numbers", held)
    expect(portal.section("Set-up")).to_contain_text("Restcomm")
    expect(portal.section("Set-up").get_by_role("link")).to_have_count(0)
    expect(portal.page.get_by_role("link", name="Download the whole evidence")).to_have_count(0)
    portal.place("user", carla, "numbers", "new")
    expect(portal.field("CPaaS platform")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_everybody_can_use_numbers(desk: Desks, company: Company, carla: str, scheme: str, width: int) -> None:
    """ui.md: axe finds nothing and nothing sticks out, by day and night, on a desk and in a hand."""
    held = company.assigned(carla, "2015550115", friendly_name="A very long friendly name that nobody ever gave to their numbers")
    portal = Portal(desk, company.demo, company.manager).signed_in()
    portal.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    portal.page.set_viewport_size({"width": width, "height": 900})
    for path, words in (
        (("provider", company.id, "numbers"), "Active Assignment"),
        (("user", carla, "numbers"), "Active Assignment"),
        (("user", carla, "numbers", "new"), "Ten digits"),
        (("user", carla, "numbers", held), "Delete number"),
    ):
        portal.place(*path)
        portal.shows(words)
        portal.sound()
