"""Organisations and people in the portal, by hand: R138 to R140, R145, R146, R186 to R191, R195, R200, R201, S27."""

import re

import pytest
from browser_client import LOOKS, say
from browser_desks import Desks
from browser_portal import PASSWORD, Portal, somebody, unique
from playwright.sync_api import expect

from demo_fixture import Demo


@pytest.fixture
def olive(desk: Desks, demo: Demo) -> Portal:
    """The provider's portal account, at the top of the tree."""
    return Portal(desk, demo, somebody("provider", demo)).enter()


def add(me: Portal, button: str, name: str) -> None:
    """A reseller or group, by the dialog."""
    me.button(button).click()
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_label(say("field.name")).fill(name)
    dialog.get_by_role("button", name=say("add")).click()
    me.heading(name)


def test_r186_from_provider_to_user(olive: Portal, demo: Demo) -> None:
    """R145, R146, R186 to R188, R201, S27: reseller, group, user with every field and a licence; the tree, the path and the history follow."""
    me = olive
    reseller, group, name = unique("Quayside"), unique("Lantern"), unique("Wes Lane")
    email = f"{name.split()[-1]}@people.example"
    me.tab("Resellers")
    add(me, say("resellers.add"), reseller)
    expect(me.node(reseller)).to_have_attribute("aria-current", "page")
    me.tab("Groups")
    add(me, say("groups.add"), group)
    me.tab("Users")
    expect(me.page.get_by_text(say("users.empty"))).to_be_visible()
    me.button(say("users.add")).click()
    me.button(say("users.add")).click()
    expect(me.field(say("field.name"))).to_be_focused()
    for label, value in {
        "field.name": name, "signin.email": email, "field.external": "00-1b-63-84-45-e6", "field.computer": "DESK-7", "field.reference": "C-1042",
    }.items():  # fmt: skip
        me.field(say(label)).fill(value)
    expect(me.page.get_by_text("BroadWorks")).to_be_visible()
    me.page.get_by_label(say("field.timezone")).select_option("Europe/London")
    me.page.get_by_label(say("licence.product")).select_option("agent")
    me.button(say("users.add")).click()
    me.said(say("users.invited", name=name))
    me.heading(name)
    expect(me.page.get_by_label(say("licence.product"))).to_have_value("agent")
    path = me.page.get_by_role("navigation", name=say("crumbs.label"))
    for above in ("Southern Phone Co.", reseller, group):
        expect(path.get_by_role("link", name=above)).to_be_visible()
    expect(me.node(name)).to_have_attribute("aria-current", "page")
    me.page.get_by_label(say("field.computer")).fill("DESK-8")
    me.button(say("form.save")).first.click()
    me.said(say("form.saved"))
    me.tab("History Log")
    row = me.page.get_by_role("row").filter(has_text="User changed")
    expect(row).to_contain_text("DESK-7")
    expect(row).to_contain_text("DESK-8")
    expect(row).to_contain_text(somebody("provider", demo).email)
    with me.page.expect_download() as download:
        me.page.get_by_role("link", name=say("export")).click()
    assert "DESK-8" in download.value.path().read_text()


def test_r139_the_last_who_gets_alerts_stays(olive: Portal) -> None:
    """R126, R127, R138 to R140: the refusal names the reason and the way out, at the switch and at the deletion; the form keeps what was set."""
    me = olive
    me.tab("Portal User Accounts")
    me.page.get_by_role("link", name="Olive Park").click()
    switches = me.page.get_by_role("group", name=say("mails.title")).get_by_role("switch")
    expect(switches).to_have_count(4)
    alerts = me.page.get_by_role("switch", name=say("mails.alerts"))
    alerts.click()
    me.button(say("form.save")).click()
    refused = me.page.get_by_role("alert")
    expect(refused).to_contain_text("Nobody would receive alerts any more")
    expect(refused).to_contain_text("set up another recipient")
    expect(alerts).to_have_attribute("aria-checked", "false")
    me.button(say("form.cancel")).click()
    expect(alerts).to_have_attribute("aria-checked", "true")


def test_r140_a_new_portal_user_gets_no_mails_until_told(olive: Portal) -> None:
    """R140, R190: all four are off at first; one switched on is remembered; the address can be used once."""
    me, name = olive, unique("Kit Moss")
    email = f"{name.split()[-1]}@people.example"
    me.tab("Portal User Accounts")
    for again in (False, True):
        me.button(say("accounts.add")).click()
        me.field(say("field.name")).fill(name)
        me.page.get_by_label(say("signin.email")).fill(email)
        for switch in me.page.get_by_role("group", name=say("mails.title")).get_by_role("switch").all():
            expect(switch).to_have_attribute("aria-checked", "false")
        if not again:
            me.page.get_by_role("switch", name=say("mails.technical")).click()
        me.button(say("accounts.add")).click()
        if not again:
            me.said(say("users.invited", name=name))
    expect(me.page.get_by_role("alert")).to_be_visible()
    expect(me.page.get_by_label(say("signin.email"))).to_have_value(email)
    me.button(say("form.cancel")).click()
    row = me.page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("Technical")
    expect(row).to_contain_text(say("standing.invited"))


def test_g26_somebody_is_signed_out_everywhere(olive: Portal, desk: Desks, demo: Demo) -> None:
    """G26, G34: where somebody is signed in stands on the page about him; one question ends all of it, and the log says who did it."""
    me, name = olive, unique("Sam Reed")
    email = f"{name.split()[-1]}@people.example"
    organisation = demo.signed_in(somebody("provider", demo)).get("/api/v1/providers")["items"][0]["id"]
    me.place("provider", organisation, "accounts", "new")
    me.field(say("field.name")).fill(name)
    me.field(say("signin.email")).fill(email)
    me.button(say("accounts.add")).click()
    me.page.get_by_role("link", name=name).click()
    held = me.section(say("sessions.of.title"))
    expect(held).to_contain_text(say("sessions.of.none", name=name))
    expect(me.button(say("sessions.of.end"))).to_have_count(0)
    him = Portal(desk, demo)
    him.goto(him.mailed(email))
    him.choose_password(PASSWORD)
    him.heading("Southern Phone Co.")
    me.page.reload()
    expect(held.get_by_role("listitem")).to_contain_text("Chrome")
    me.sound()
    me.button(say("sessions.of.end")).click()
    expect(me.dialog()).to_contain_text("asks for the password again")
    me.dialog().get_by_role("button", name=say("sessions.of.end")).click()
    me.said(say("sessions.of.ended", name=name))
    expect(held).to_contain_text(say("sessions.of.none", name=name))
    him.tab("Resellers")
    expect(him.page.get_by_role("heading", name=say("portal.ended"))).to_be_visible()
    me.tab("History Log")
    row = me.rows().filter(has_text=email).filter(has_text="essions ended")
    expect(row).to_contain_text(somebody("provider", demo).email)


def test_deleting_needs_the_name_typed(olive: Portal) -> None:
    """ui.md: the sentence says what goes with it; until the name stands there the last button waits; nothing is left in the tree."""
    me, name = olive, unique("Driftwood")
    me.tab("Resellers")
    add(me, say("resellers.add"), name)
    me.button(say("delete.button")).click()
    dialog = me.page.get_by_role("dialog")
    expect(dialog).to_contain_text("0 groups")
    last = dialog.get_by_role("button", name=say("delete.button"))
    expect(last).to_be_disabled()
    dialog.get_by_label(f"Type {name} to confirm").fill(name)
    last.click()
    me.said(say("delete.done", name=name))
    me.heading("Southern Phone Co.")
    expect(me.node(name)).to_have_count(0)


def test_numbers_first(olive: Portal) -> None:
    """R184, R185: a group whose users have numbers is not deleted; the words say what to do first."""
    me = olive
    me.node("Harbour Resellers").click()
    me.tab("Groups")
    me.button(say("table.actions.of", name="Blue Door Ltd")).click()
    me.page.get_by_role("menuitem", name=say("delete.dots")).click()
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_label("Type Blue Door Ltd to confirm").fill("Blue Door Ltd")
    dialog.get_by_role("button", name=say("delete.button")).click()
    expect(dialog.get_by_role("alert")).to_contain_text("numbers assigned here")


def test_something_unsaved_is_not_left_by_accident(olive: Portal) -> None:
    """ui.md: unsaved changes are guarded, against links and the back button; Cancel brings back what was."""
    me = olive
    me.tab("Resellers")
    me.tab("Details")
    name = me.field(say("field.name"))
    expect(me.button(say("form.save"))).to_be_disabled()
    name.fill("Northern Phone Co.")
    for go in (lambda: me.node("Valley Partners").click(), me.page.go_back):
        go()
        expect(me.page.get_by_role("dialog", name=say("unsaved.title"))).to_be_visible()
        me.button(say("unsaved.stay")).click()
        expect(name).to_have_value("Northern Phone Co.")
    me.node("Valley Partners").click()
    me.button(say("unsaved.leave")).click()
    me.heading("Valley Partners")


def test_r195_a_group_sees_itself_only(desk: Desks, demo: Demo) -> None:
    """R195: the tree begins at one's own level; what is above looks as if it did not exist."""
    admin = demo.signed_in(somebody("provider", demo))
    me = Portal(desk, demo, somebody("group", demo)).enter()
    me.heading("Blue Door Ltd")
    expect(me.node("Harbour Resellers")).to_have_count(0)
    expect(me.button(say("delete.button"))).to_have_count(0)
    me.goto(f"/portal/reseller/{admin.get('/api/v1/resellers')['items'][0]['id']}/details")
    expect(me.page.get_by_role("alert")).to_contain_text(re.compile("may not see it|does not allow"))


def test_search_finds_anything(olive: Portal, demo: Demo) -> None:
    """ui.md: one box for organisations, users and numbers; R177: a number leads to its user."""
    me = olive
    box = me.page.get_by_role("searchbox", name=say("tree.search"))
    found = me.page.get_by_role("list", name=say("tree.found"))
    box.fill("harb")
    expect(found.get_by_role("link").filter(has_text="Harbour Resellers")).to_be_visible()
    box.fill("ben@")
    found.get_by_role("link").filter(has_text="ben@bluedoor.example").click()
    me.heading("Ben Carter")
    box.fill(demo.user("A").numbers[0].number[2:])
    found.get_by_role("link").filter(has_text="Front desk").click()
    me.heading("Ana Torres")
    box.fill("nobody at all")
    expect(me.page.get_by_text(say("tree.none", q="nobody at all"))).to_be_visible()


def test_the_tree_by_keys(olive: Portal) -> None:
    """ui.md: keyboard alone; right opens, left closes, Enter goes there; users come when their group is opened."""
    me, keys = olive, olive.page.keyboard
    me.node("Harbour Resellers").focus()
    keys.press("ArrowRight")
    expect(me.node("Blue Door Ltd")).to_be_visible()
    keys.press("ArrowDown")
    expect(me.node("Blue Door Ltd")).to_be_focused()
    keys.press("ArrowRight")
    expect(me.node("Chloe Meyer")).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    me.heading("Ana Torres")
    me.node("Blue Door Ltd").focus()
    keys.press("ArrowLeft")
    expect(me.node("Chloe Meyer")).to_have_count(0)


def test_a_list_is_where_its_address_says(olive: Portal) -> None:
    """ui.md: words and order stand in the address, and survive a reload."""
    me = olive
    me.tab("Resellers")
    table = me.page.get_by_role("table", name=say("tab.resellers"))
    expect(table.get_by_role("row")).not_to_have_count(0)
    table.get_by_role("button", name=say("field.name")).click()
    expect(table.get_by_role("columnheader", name=say("field.name"))).to_have_attribute("aria-sort", "descending")
    me.page.get_by_role("searchbox", name=say("resellers.filter")).fill("valley")
    expect(table.locator("tbody tr")).to_have_count(1)
    me.page.reload()
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.get_by_role("columnheader", name=say("field.name"))).to_have_attribute("aria-sort", "descending")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing_in_the_portal(desk: Desks, demo: Demo, scheme: str, width: int) -> None:
    """ui.md, AA, each screen: tabs of every level, forms, dialogs, own pages; the tree is a drawer in a hand."""
    me = Portal(desk, demo, somebody("provider", demo), color_scheme=scheme, viewport={"width": width, "height": 900})
    admin = demo.signed_in(somebody("provider", demo))
    provider = admin.get("/api/v1/providers")["items"][0]["id"]
    group = next(one for one in admin.get("/api/v1/groups")["items"] if one["name"] == "Blue Door Ltd")["id"]
    user = admin.get(f"/api/v1/users?group={group}")["items"][0]["id"]
    account = next(one for one in admin.get("/api/v1/portal-accounts?level=provider")["items"] if one["name"] == "Olive Park")["id"]
    me.page.context.request.post(f"{demo.client}/api/v1/session", data={"email": me.who.email, "password": me.who.password} if me.who else {})
    for path, seen in (
        (f"provider/{provider}/details", "Nothing has changed."),
        (f"provider/{provider}/accounts", "Olive Park"),
        (f"provider/{provider}/accounts/{account}", say("mails.expiry")),
        (f"provider/{provider}/resellers", "Valley Partners"),
        (f"provider/{provider}/resellers/new", say("add")),
        (f"provider/{provider}/history", "Platform added"),
        (f"group/{group}/users", "Chloe Meyer"),
        (f"group/{group}/users/new", say("users.invite")),
        (f"user/{user}/details", say("licence.product")),
        ("security", say("security.factor")),
        ("sessions", say("sessions.current")),
        ("api-keys", say("keys.add")),
    ):
        me.goto(f"/portal/{path}")
        if seen != "Nothing has changed.":
            expect(me.page.get_by_text(seen).filter(visible=True).first).to_be_visible()
        else:
            expect(me.button(say("form.save"))).to_be_visible()
        me.sound()
    if width == 390:
        me.button(say("tree.open")).click()
        expect(me.node("Valley Partners")).to_be_visible()
        me.sound()
