"""The activity list: the documents' table."""

from collections.abc import Callable

from browser_client import national, say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo


def test_the_table_has_the_documents_columns(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R82, R83, R84, R85, R87, R88: four columns, own number with its friendly name, newest first, live; a double click opens, ready to send."""
    orders, support = demo.user("C").numbers
    one, other = new_phone(), new_phone()
    me = desk("C")
    demo.phone_sends(one, orders.number, "First")
    expect(me.row(one)).to_be_visible()
    me.page.get_by_role("link", name="Activity").click()
    table = me.page.get_by_role("table", name="Activity")
    expect(table.get_by_role("columnheader")).to_have_text(["Last message received", "CPaaS number", "Phone number", "Name"])
    row = table.get_by_role("row").nth(1)
    expect(row).to_contain_text(national(one))
    demo.phone_sends(other, support.number, "Second")
    expect(row.get_by_role("cell").nth(0)).to_contain_text("Second")
    expect(row.get_by_role("cell").nth(1)).to_contain_text("Support line")
    expect(row.get_by_role("cell").nth(1)).to_contain_text("(312) 555-0143")
    expect(row.get_by_role("cell").nth(2)).to_have_text(national(other))
    expect(row.get_by_role("cell").nth(3)).to_have_text(national(other))
    expect(table.get_by_role("row").nth(2)).to_contain_text(national(one))
    row.dblclick()
    expect(me.composer).to_be_focused()
    expect(me.bubble("Second")).to_be_visible()


def test_the_table_by_keyboard(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R88, ui.md: arrows and Enter."""
    one, other = new_phone(), new_phone()
    me = desk("A")
    for phone in (one, other):
        demo.phone_sends(phone, demo.user("A").numbers[0].number, "Hello")
        expect(me.row(phone)).to_be_visible()
    me.page.keyboard.press("g")
    me.page.keyboard.press("a")
    rows = me.page.get_by_role("table", name="Activity").get_by_role("row")
    rows.nth(1).focus()
    me.page.keyboard.press("ArrowDown")
    expect(rows.nth(2)).to_be_focused()
    expect(rows.nth(2)).to_contain_text(national(one))
    me.page.keyboard.press("Enter")
    expect(me.pane.get_by_role("heading", level=1)).to_have_text(national(one))


def test_r84_a_number_without_a_friendly_name_stands_alone(desk: Desks, demo: Demo, phone: str) -> None:
    """R84: the number itself, once."""
    orders = demo.user("C").numbers[0]
    portal = demo.signed_in(next(account for account in demo.accounts if account.role == "provider"))
    [assignment] = portal.get(f"/api/v1/assignments?q={orders.number[1:]}")["items"]
    me = desk("C", at="/activity")
    portal_says = f"/api/v1/assignments/{assignment['id']}"
    assert portal.call("PATCH", portal_says, {"friendly_name": ""})[0] == 200
    try:
        demo.phone_sends(phone, orders.number, "To a plain number")
        row = me.page.get_by_role("table", name="Activity").get_by_role("row").filter(has_text="To a plain number")
        expect(row.get_by_role("cell").nth(1)).to_have_text(national(orders.number))
    finally:
        assert portal.call("PATCH", portal_says, {"friendly_name": "Orders"})[0] == 200


def test_r78_a_failed_text_is_marked_in_the_table(desk: Desks, demo: Demo, phone: str) -> None:
    """R78, R82: the table says it as well."""
    me = desk("A")
    me.open_new(phone)
    demo.fault(demo.user("A").numbers[0].carrier, "failed_receipt", count=1, to=phone)
    expect(me.send("Will not arrive")).to_contain_text("Not delivered")
    me.page.get_by_role("link", name="Activity").click()
    row = me.page.get_by_role("table", name="Activity").get_by_role("row").filter(has_text="Will not arrive")
    expect(row.get_by_role("cell").nth(0)).to_contain_text(say("status.failed"))
