"""The Message Log tab and a text's page (R94 to R101, R197; S24)."""

import re
import uuid
from collections.abc import Callable

import pytest
from browser_client import LOOKS, Client, national, say
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Account, Demo, Http, eventually

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""One pixel."""


class Log:
    """The portal of one account, at the tab of one level."""

    def __init__(self, desk: Desks, demo: Demo, account: Account, level: str, id_: str, rest: str = "") -> None:
        self.window: Client = desk(signed_in=False)
        self.page = self.window.page
        answer = self.page.context.request.post(f"{demo.client}/api/v1/session", data={"email": account.email, "password": account.password})
        assert answer.ok, answer.text()
        self.page.goto(f"{demo.client}/portal/{level}/{id_}/message-log{rest}")

    @property
    def rows(self) -> Locator:
        """The lines of the table."""
        return self.page.get_by_role("table", name=say("tab.message-log")).locator("tbody tr")

    @property
    def sheet(self) -> Locator:
        """The text that is open."""
        return self.page.get_by_role("dialog")


@pytest.fixture
def operator(demo: Demo) -> Account:
    """The provider's account."""
    return next(account for account in demo.accounts if account.role == "provider")


@pytest.fixture
def owner(demo: Demo, operator: Account) -> dict:
    """User A, as the portal knows them: ids of all levels."""
    listed = demo.signed_in(operator).get("/api/v1/assignments")["items"]
    return next(one for one in listed if one["number"] == demo.user("A").numbers[0].number)


def test_files_are_named_and_not_shown(desk: Desks, demo: Demo, operator: Account, owner: dict, new_phone: Callable[[], str]) -> None:
    """R96, R97: how many in the list; on the text's page how it travelled, and each by name, type and size."""
    number, phone = demo.user("A").numbers[0], new_phone()
    demo.phone_sends(phone, number.number, f"Look {phone[-4:]}", [{"data": PICTURE, "content_type": "image/png"}])
    portal = demo.signed_in(operator)
    eventually(lambda: [one for one in portal.get("/api/v1/message-log")["items"] if [file["state"] for file in one["files"]] == ["ready"]])
    log = Log(desk, demo, operator, "user", owner["user"]["id"])
    line = log.rows.filter(has_text=f"Look {phone[-4:]}")
    expect(line).to_contain_text("1 file")
    line.get_by_role("link").first.click()
    expect(log.sheet).to_contain_text("MMS")
    files = log.sheet.get_by_role("list", name=say("log.files"))
    expect(files).to_contain_text(re.compile(r"\.png\s*image/png, \d+ bytes"))
    expect(log.sheet.get_by_role("img", name=re.compile("png"))).to_have_count(0)
    for scheme, width in LOOKS:
        log.page.emulate_media(color_scheme=scheme)
        log.page.set_viewport_size({"width": width, "height": 844})
        log.window.no_side_scroll()
        log.window.accessible()


def send(me: Http, number: str, to: str, text: str) -> str:
    return me.put(f"/api/v1/messages/{uuid.uuid4()}", {"number_id": number, "to": to, "text": text, "attachments": []})["id"]


def test_columns_filters_and_live(desk: Desks, demo: Demo, operator: Account, owner: dict, new_phone: Callable[[], str]) -> None:
    """R94 to R96: a text appears by itself, with its columns; filters stand in the address and can be taken off one by one."""
    number, phone, other = demo.user("A").numbers[0], new_phone(), new_phone()
    log = Log(desk, demo, operator, "group", owner["group"]["id"])
    words = f"Is it there? {phone[-4:]}"
    demo.phone_sends(phone, number.number, words)
    line = log.rows.filter(has_text=words)
    for cell in (national(phone), national(number.number), say("log.in"), say("status.received"), words):
        expect(line).to_contain_text(cell)
    send(demo.signed_in(demo.user("A")), number.id, other, f"Here {other[-4:]}")
    expect(log.rows.filter(has_text=f"Here {other[-4:]}")).to_contain_text(say("log.out"))

    log.page.get_by_role("button", name=say("log.filters")).click()
    log.sheet.get_by_label(say("log.from"), exact=True).fill(national(phone))
    log.sheet.get_by_label(say("log.direction"), exact=True).select_option(label=say("log.in"))
    log.sheet.get_by_role("button", name=say("log.apply")).click()
    expect(log.rows).to_have_count(1)
    expect(log.page).to_have_url(re.compile(r"from=.*direction=in"))
    log.page.reload()
    expect(log.rows).to_have_count(1)
    log.page.get_by_role("button", name=say("log.drop", name=say("log.from"))).click()
    expect(log.page).not_to_have_url(re.compile("from="))
    log.page.get_by_role("searchbox", name=say("log.filter")).fill(phone[-4:])
    expect(log.rows.filter(has_text=words)).to_have_count(1)
    log.page.get_by_role("searchbox", name=say("log.filter")).fill("no such words anywhere")
    expect(log.page.get_by_text(say("table.none"))).to_be_visible()


def test_a_text_that_failed_says_who_must_act(desk: Desks, demo: Demo, operator: Account, owner: dict, phone: str) -> None:
    """R97, R98, R197: SID, dates with offset, hops, the carrier's reason and no ticket; what is copied holds all of it and no secret."""
    number = demo.user("A").numbers[0]
    me = demo.signed_in(demo.user("A"))
    demo.fault("restcomm", "failed_receipt", count=1)
    message = send(me, number.id, phone, "It is with us")
    shown = f"/api/v1/message-log/{message}"
    eventually(lambda: demo.signed_in(operator).get(shown)["status"] in ("failed", "undelivered"))
    log = Log(desk, demo, operator, "user", owner["user"]["id"], f"/{message}")
    told = demo.signed_in(operator).get(shown)
    expect(log.sheet).to_contain_text(told["verdict"]["title"])
    expect(log.sheet).to_contain_text(told["reason"]["text"])
    expect(log.sheet).to_contain_text(told["sids"][0])
    expect(log.sheet).to_contain_text("13 characters (1 segment)")
    expect(log.sheet).to_contain_text(re.compile(r"GMT[-+]\d\d:\d\d"))
    expect(log.sheet.get_by_role("listitem").filter(has_text="Handed over; the carrier took it")).to_be_visible()
    log.sheet.get_by_text("hand over").click()
    expect(log.sheet.get_by_text(re.compile("POST ")).first).to_be_visible()
    log.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log.sheet.get_by_role("button", name=say("log.ticket.none")).click()
    expect(log.page.get_by_text(say("log.copied"))).to_be_visible()
    copied = log.page.evaluate("navigator.clipboard.readText()")
    secrets = [str(value) for platform in demo.info["platforms"] for name, value in platform["credentials"].items() if name != "account_key"]
    assert told["sids"][0] in copied
    assert [secret for secret in secrets if secret in copied or secret in log.page.content()] == []
    log.page.keyboard.press("Escape")
    expect(log.sheet).to_have_count(0)
    expect(log.page).to_have_url(re.compile("message-log$"))


def test_for_everybody(desk: Desks, demo: Demo, operator: Account, owner: dict, phone: str) -> None:
    """ui.md: both schemes, on a desk and in a hand: names for everything, nothing sticks out; by keyboard alone."""
    number = demo.user("A").numbers[0]
    demo.phone_sends(phone, number.number, f"Hello from {phone}")
    log = Log(desk, demo, operator, "provider", demo.signed_in(operator).get("/api/v1/tree")["items"][0]["id"])
    expect(log.rows.filter(has_text=f"Hello from {phone}")).to_be_visible()
    for open_ in (False, True):
        if open_:
            log.rows.filter(has_text=f"Hello from {phone}").get_by_role("link").press("Enter")
            expect(log.sheet).to_contain_text(say("log.life"))
        for scheme, width in LOOKS:
            log.page.emulate_media(color_scheme=scheme)
            log.page.set_viewport_size({"width": width, "height": 844})
            log.window.no_side_scroll()
            log.window.accessible()
