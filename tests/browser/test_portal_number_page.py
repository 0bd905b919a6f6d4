"""A number's page beside the straight way: whom its user blocked, and a number that the carrier would not have (R129, R141, R155, R174)."""

import pytest
from browser_client import national, say
from browser_company import Company, account_at, addresses, found_company
from browser_desks import Desks
from browser_portal import Portal
from playwright.sync_api import expect

from demo_fixture import Demo, Http, eventually

NUMBER = "3125550144"


@pytest.fixture(scope="module")
def company(demo: Demo) -> Company:
    """A provider with both carriers and one user."""
    made = found_company(demo, "Kelp Voice", alerts=True)
    made.platform("restcomm")
    made.platform("inteliquent")
    return made


@pytest.fixture
def portal(desk: Desks, company: Company) -> Portal:
    """Its manager's window."""
    return Portal(desk, company.demo, company.manager).signed_in()


def test_p63_who_is_blocked_is_seen_and_let_back(portal: Portal, company: Company, phone: str) -> None:
    """R129, R130, Q13, P63: whom, why, by whom, how many texts; they are a click away in the log; one question lets the number back."""
    demo, mira = company.demo, company.user("Mira Bell")
    held = company.assigned(mira, NUMBER)
    number_id = company.api.get(f"/api/v1/assignments/{held}")["number_id"]
    me = demo.signed_in(company.users[mira])
    me.post(f"/api/v1/numbers/{number_id}/opt-in", {"answer": "yes"})
    demo.phone_sends(phone, "+1" + NUMBER, "Buy now")
    [conversation] = eventually(lambda: [one for one in me.get("/api/v1/conversations")["items"] if one["remote"] == phone])
    me.post(f"/api/v1/conversations/{conversation['id']}/block", {"reason": "advertising"})
    demo.phone_sends(phone, "+1" + NUMBER, "Buy two")
    eventually(lambda: company.api.get(f"/api/v1/assignments/{held}/blocked")["items"][0]["texts"] == 1)

    portal.place("user", mira, "numbers", held)
    blocked = portal.section(say("blocked.title"))
    line = blocked.get_by_role("listitem").filter(has_text=national(phone))
    for words in ("advertising", company.users[mira].email, "1 text kept back"):
        expect(line).to_contain_text(words)
    portal.sound()
    line.get_by_role("link", name=say("blocked.log")).click()
    expect(portal.rows()).to_have_count(1)
    expect(portal.rows()).to_contain_text("Buy two")
    portal.page.go_back()
    line.get_by_role("button", name=say("unblock.dots")).click()
    expect(portal.dialog()).to_contain_text("What was kept back stays hidden.")
    portal.dialog().get_by_role("button", name=say("unblock.button")).click()
    portal.said(say("blocked.done", who=national(phone)))
    expect(blocked).to_contain_text(say("blocked.none"))
    portal.page.reload()
    evidence = portal.section(say("number.optin"))
    expect(evidence.get_by_role("listitem").first).to_contain_text(say("evidence.unblocked"))
    expect(evidence.get_by_role("listitem").first).to_contain_text(company.manager.email)


def test_r155_a_number_is_rejected_after_a_while(portal: Portal, company: Company) -> None:
    """R150, R154, R155, R174: a slow carrier: its page opens first, then says rejected and why, live, and leads back into the form."""
    mira = company.user("Mira Bell")
    company.demo.fault("inteliquent", "slow", on="all", count=1, delay_ms=9000)
    portal.place("user", mira, "numbers", "new")
    portal.field(say("number.platform")).select_option(label="Inteliquent")
    portal.field(say("number.column.number")).fill("3125550188")
    portal.button(say("number.add")).click()
    setup = portal.section(say("number.setup"))
    expect(setup).to_contain_text(say("number.state.rejected"))
    expect(setup.get_by_role("alert")).to_contain_text("(312) 555-0188 is not in the Inteliquent account")
    expect(setup.get_by_role("link", name=say("number.portal", name="Inteliquent"))).to_be_visible()
    failed = setup.get_by_role("list", name=say("number.progress")).get_by_role("listitem").filter(has_text=say("number.step.checking"))
    expect(failed).to_contain_text(say("progress.failed"))
    portal.sound()
    setup.get_by_role("button", name=say("number.again")).click()
    expect(portal.field(say("number.column.number"))).to_have_value("(312) 555-0188")


def test_r141_what_fails_twice_says_so_twice(portal: Portal, company: Company) -> None:
    """R141, R174: the carrier's own words stand on the page and in the list; trying again says what came of it, and in the end it is enabled."""
    mira, demo = company.user("Mira Bell"), company.demo

    def refuse_the_webhook() -> None:
        demo.fault("inteliquent", "slow", on="all", count=1, delay_ms=1)
        demo.fault("inteliquent", "refuse", on="all", count=1)

    refuse_the_webhook()
    held = company.assigned(mira, "3125550145")
    reason = eventually(lambda: company.api.get(f"/api/v1/assignments/{held}")["problem"])["text"]
    portal.place("user", mira, "numbers", held)
    setup = portal.section(say("number.setup"))
    expect(setup).to_contain_text(say("number.state.failed"))
    expect(setup.get_by_role("alert")).to_contain_text(reason)
    portal.sound()
    refuse_the_webhook()
    portal.button(say("number.retry")).click()
    expect(portal.button(say("number.retry"))).to_be_enabled()
    expect(setup).to_contain_text(say("number.state.failed"))
    portal.button(say("number.retry")).click()
    expect(setup).to_contain_text(say("number.state.enabled"))
    expect(setup.get_by_role("alert")).to_have_count(0)


def test_r141_a_webhook_that_went_astray_is_set_again(portal: Portal, company: Company, phone: str) -> None:
    """R141, R156, P73: somebody took the webhook away at the carrier; the page says so and what it means, and one button brings texts back."""
    mira, demo, number = company.user("Mira Bell"), company.demo, "3125550146"
    held = company.assigned(mira, number)
    eventually(lambda: company.api.get(f"/api/v1/assignments/{held}")["state"] == "enabled")
    broker = Http(addresses(demo, "inteliquent")["broker"])
    key = {"authorization": f"Bearer {account_at(demo, 'inteliquent')['outbound_api_key']}"}
    _, listed = broker.call("POST", "/selectAuthorization", {}, headers=key)
    standing = [entry for entry in listed["authConfig"]["authorizations"] if entry["inboundAuth"]]
    ours = [{"authId": entry["authId"]} for entry in standing if str(entry.get("tn", "")).endswith(number)]
    assert ours, standing
    broker.call("POST", "/removeAuthorization", {"authorizations": ours}, headers=key)
    company.api.post(f"/api/v1/platforms/{company.platform('inteliquent')['id']}/check")

    portal.place("user", mira, "numbers", held)
    setup = portal.section(say("number.setup"))
    expect(setup.get_by_role("alert")).to_contain_text(say("number.webhook.missing.text", name="Inteliquent"))
    portal.sound()
    setup.get_by_role("button", name=say("number.webhook.repair")).click()
    portal.said(say("number.webhook.repaired"))
    expect(setup.get_by_role("alert")).to_have_count(0)
    expect(setup).to_contain_text("Stands; looked at")
    me = demo.signed_in(company.users[mira])
    me.post(f"/api/v1/numbers/{company.api.get(f'/api/v1/assignments/{held}')['number_id']}/opt-in", {"answer": "yes"})
    demo.phone_sends(phone, "+1" + number, "Back again")
    eventually(lambda: any(one["last_message"]["text"] == "Back again" for one in me.get("/api/v1/conversations")["items"]))
