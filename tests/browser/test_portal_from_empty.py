"""From an installation with nothing in it to a text that was answered, wholly by hand: issue 4, "shown by". The simulators' page is the phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from browser_client import Client, national, say
from browser_company import fill_platform
from browser_desks import Desks
from browser_portal import PASSWORD, REFUSED, Portal
from empty_installation import Installation, empty_installation
from playwright.sync_api import Browser, expect

from demo_fixture import Account

PHONE = "+12025550142"


@pytest.fixture
def machine() -> Iterator[Installation]:
    """A new machine for each carrier: nobody was here before."""
    with empty_installation() as running:
        yield running


@pytest.fixture
def desk(browser: Browser, browser_context_args: dict[str, Any], machine: Installation) -> Iterator[Desks]:
    """Browsers for the people of that machine."""
    expect.set_options(timeout=15_000)
    desks = Desks(browser, browser_context_args, machine)
    desks.allow(REFUSED)
    yield desks
    desks.close()
    assert desks.troubles == []


def add(portal: Portal, tab: str, button: str, name: str) -> None:
    """A reseller or group: its tab, its button, its dialog."""
    portal.tab(tab)
    portal.button(button).click()
    portal.dialog().get_by_label(say("field.name")).fill(name)
    portal.dialog().get_by_role("button", name=say("add")).click()
    portal.heading(name)


def arrive(desk: Desks, machine: Installation) -> Portal:
    """The operator's command, the link it prints, a password: Pat is at the top of an empty provider."""
    said = machine.admin("set-up", "Southern Phone Co.", "Pat Lee", "pat@southern.example")
    [link] = re.findall(r"http\S+", said)
    portal = Portal(desk, machine, Account("provider", "pat@southern.example", PASSWORD, ()))
    portal.page.goto(link)
    portal.choose_password(PASSWORD)
    portal.heading("Southern Phone Co.")
    return portal


def dora(portal: Portal) -> None:
    """Provider → reseller → group → user, who is invited by mail."""
    portal.tab(say("tab.resellers"))
    add(portal, say("tab.resellers"), say("resellers.add"), "Harbour Resellers")
    add(portal, say("tab.groups"), say("groups.add"), "Blue Door Ltd")
    portal.tab(say("tab.users"))
    portal.button(say("users.add")).first.click()
    for label, value in (("field.name", "Dora Lund"), ("signin.email", "dora@bluedoor.example"), ("field.external", "dora.lund@voice.example")):
        portal.field(say(label)).fill(value)
    portal.field(say("licence.product")).select_option("desktop")
    portal.button(say("users.add")).click()
    portal.heading("Dora Lund")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("carrier", "digits"), [("restcomm", "2015550117"), ("inteliquent", "3125550146")])
def test_from_nothing_to_an_answer(desk: Desks, machine: Installation, carrier: str, digits: str) -> None:
    """R4 to R8, R103 to R105, R109, R116, R117, R120, R142 to R150, R153, R154, R156, R157, R173, R174, R179, R180, R186, R190, R198, S3, P73."""
    portal, number = arrive(desk, machine), "+1" + digits
    start = portal.section(say("start.title"))
    expect(start).to_contain_text(say("start.done", done=1, all=6))
    portal.sound()

    start.get_by_role("link", name=say("start.platform")).click()
    fill_platform(portal, carrier)
    portal.button(say("platform.add")).click()
    portal.shows("Checked at")
    expect(portal.page.get_by_role("list", name=say("platform.check")).get_by_role("listitem").first).to_contain_text(say("check.good"))

    portal.node("Southern Phone Co.").click()
    dora(portal)
    watching = Portal(desk, machine, portal.who).signed_in()
    watching.page.goto(portal.page.url.replace("details", "numbers"))
    expect(watching.page.get_by_text(say("number.empty.user", name="Dora Lund"))).to_be_visible()

    # The carrier takes its time, so that each step is seen; nobody loads a page again.
    machine.fault(carrier, "slow", on="all", count=3, delay_ms=1500)
    portal.tab(say("tab.numbers"))
    portal.button(say("number.add")).first.click()
    expect(portal.field(say("number.platform"))).to_have_count(0)
    portal.field(say("number.column.number")).fill(digits)
    portal.button(say("number.add")).click()
    expect(portal.page.get_by_role("list", name=say("number.progress"))).to_contain_text(say("number.step.checking"))
    row = watching.rows().filter(has_text=national(number))
    expect(row).to_be_visible()
    expect(portal.section(say("number.setup"))).to_contain_text(say("number.state.enabled"))
    expect(row).to_contain_text(say("number.state.enabled"))
    expect(row).to_contain_text(say("number.optin.pending"))

    # Dora: the mail, a password, the client, the question.
    window = Portal(desk, machine)
    window.goto(window.mailed("dora@bluedoor.example"))
    window.choose_password(PASSWORD)
    client = Client(window.page, machine, Account("user", "dora@bluedoor.example", PASSWORD, ()))
    question = client.page.get_by_role("alertdialog")
    expect(question).to_contain_text(national(number))
    question.get_by_role("button", name="Yes", exact=True).click()
    expect(question).to_have_count(0)
    expect(row).to_contain_text(say("number.optin.opted_in"))

    # A customer's phone, on the simulators' page.
    phone = desk("", signed_in=False, at="/health/live").page
    phone.goto(machine.simulator.base)
    phone.get_by_label("This phone's number").fill(PHONE)
    phone.get_by_label("Texts with").select_option(number)
    expect(phone.get_by_text("no webhook yet")).to_have_count(0)
    phone.get_by_label("Text message").fill("Is this Dora?")
    phone.get_by_role("button", name="Send", exact=True).click()
    client.open(PHONE)
    expect(client.bubble("Is this Dora?")).to_be_visible()
    client.send("It is. Good morning.")
    client.delivered("It is. Good morning.")
    expect(phone.get_by_role("log", name="Texts")).to_contain_text("It is. Good morning.")

    # What the portal says of it afterwards: the evidence, the texts, and a first page without a list of things to do.
    evidence = portal.section(say("number.optin"))
    expect(evidence).to_contain_text(re.compile(r"Opted-in: \w+, \d+ \w+ 20\d\d at \d\d:\d\d:\d\d"))
    expect(evidence.get_by_role("listitem").first).to_contain_text(say("evidence.accepted"))
    expect(evidence.get_by_role("listitem").first).to_contain_text("dora@bluedoor.example")
    portal.tab(say("tab.message-log"))
    expect(portal.rows().filter(has_text="It is. Good morning.")).to_contain_text(say("status.delivered"))
    portal.node("Southern Phone Co.").click()
    expect(portal.section(say("details.title"))).to_be_visible()
    expect(start).to_have_count(0)
