"""Blocking somebody from the client (R129, R130, Q13; P63)."""

from browser_client import LOOKS, Client, say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo, eventually


def block(me: Client, reason: str = "") -> None:
    """By the conversation's menu, with the question answered."""
    me.pane.get_by_role("button", name=say("conversation.more")).click()
    me.page.get_by_role("menuitem", name=say("block.dots")).click()
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_label(say("block.reason"), exact=True).fill(reason)
    dialog.get_by_role("button", name=say("block.button"), exact=True).click()
    expect(me.pane).to_contain_text(say("blocked.notice"))


def test_every_device_agrees_and_the_portal_counts(desk: Desks, demo: Demo, phone: str) -> None:
    """Blocked: said in the conversation and its row on all devices, nothing shown, nothing to write; counted and reversible in the portal."""
    number = demo.user("A").numbers[0]
    first, second = desk("A"), desk("A")
    first.open_new(phone, text="Buy now")
    second.open(phone)
    block(first, "advertising")
    for me in (first, second):
        expect(me.pane).to_contain_text(say("blocked.notice"))
        expect(me.composer).to_have_count(0)
        expect(me.row(phone)).to_contain_text(say("list.blocked"))
    demo.phone_sends(phone, number.number, "Buy two")
    operator = demo.signed_in(next(account for account in demo.accounts if account.role == "provider"))
    [assignment] = [one for one in operator.get("/api/v1/assignments")["items"] if one["number"] == number.number]
    path = f"/api/v1/assignments/{assignment['id']}/blocked"
    [listed] = eventually(lambda: [one for one in operator.get(path)["items"] if one["remote"] == phone and one["texts"] == 1])
    assert (listed["reason"], listed["blocked_by"]) == ("advertising", demo.user("A").email)
    expect(first.bubble("Buy two")).to_have_count(0)

    operator.delete(f"{path}/{phone.replace('+', '%2B')}")
    for me in (first, second):
        expect(me.composer).to_be_visible()
        expect(me.row(phone)).not_to_contain_text(say("list.blocked"))
    demo.phone_sends(phone, number.number, "Sorry")
    for me in (first, second):
        expect(me.bubble("Sorry")).to_be_visible()
        expect(me.bubble("Buy two")).to_have_count(0)


def test_in_a_hand_and_for_everybody(desk: Desks, phone: str) -> None:
    """At 390 px, in both schemes: the menu, the question and the notice fit and have names; Cancel does nothing; unblocking is one question more."""
    me = desk("A", viewport={"width": 390, "height": 844})
    me.open_new(phone)
    me.pane.get_by_role("button", name=say("conversation.more")).click()
    me.page.get_by_role("menuitem", name=say("block.dots")).click()
    for scheme, _ in LOOKS[::2]:
        me.page.emulate_media(color_scheme=scheme)
        me.no_side_scroll()
        me.accessible()
    me.page.get_by_role("dialog").get_by_role("button", name=say("block.cancel")).click()
    expect(me.composer).to_be_visible()
    block(me)
    for scheme, width in LOOKS:
        me.page.emulate_media(color_scheme=scheme)
        me.page.set_viewport_size({"width": width, "height": 844})
        me.no_side_scroll()
        me.accessible()
    me.pane.get_by_role("button", name=say("unblock.dots")).click()
    me.page.get_by_role("dialog").get_by_role("button", name=say("unblock.button"), exact=True).click()
    expect(me.composer).to_be_visible()
