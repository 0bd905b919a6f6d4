"""The activity list: the documents' table."""

from collections.abc import Callable

from browser_client import national
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
