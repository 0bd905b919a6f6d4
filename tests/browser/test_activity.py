"""The activity list: the documents' table."""

from collections.abc import Callable

from browser_client import LOOKS, Client, national, say
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Demo, eventually


def lines(me: Client) -> Locator:
    """The table's conversations; headings of groups are rows too."""
    return me.page.get_by_role("table", name="Activity").get_by_role("row").filter(has=me.page.get_by_role("time"))


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
    row = lines(me).first
    expect(row).to_contain_text(national(one))
    demo.phone_sends(other, support.number, "Second")
    expect(row.get_by_role("cell").nth(0)).to_contain_text("Second")
    expect(row.get_by_role("cell").nth(1)).to_contain_text("Support line")
    expect(row.get_by_role("cell").nth(1)).to_contain_text("(312) 555-0143")
    expect(row.get_by_role("cell").nth(2)).to_have_text(national(other))
    expect(row.get_by_role("cell").nth(3)).to_have_text(national(other))
    expect(lines(me).nth(1)).to_contain_text(national(one))
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
    rows = lines(me)
    rows.first.focus()
    me.page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    expect(rows.nth(1)).to_contain_text(national(one))
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


def test_new_ones_stand_on_top_until_opened(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R90, R91, Q21: what came while nobody looked is counted at the tab and headed "New"; opening it moves it below, on every device."""
    one, other = new_phone(), new_phone()
    scripted = demo.signed_in(demo.user("A"))
    for phone in (one, other):
        demo.phone_sends(phone, demo.user("A").numbers[0].number, "While you were out")
        # A carrier may deliver two texts in either order; here the second is to be the newer one.
        eventually(lambda: scripted.get("/api/v1/conversations")["items"][0]["remote"] == phone)  # noqa: B023 - asked at once
    first, second = desk("A"), desk("A", at="/activity")
    table = second.page.get_by_role("table", name="Activity")
    fresh = table.get_by_role("row", name=say("list.new"), exact=True)
    expect(fresh).to_be_visible()
    expect(lines(second).first).to_contain_text(national(other))
    badge = second.page.get_by_role("link", name="Activity").locator(".badge")
    expect(badge).to_be_visible()
    count = int(badge.inner_text())
    first.open(other)
    expect(badge).to_have_text(str(count - 1))
    expect(lines(second).filter(has_text=national(other))).not_to_contain_text(say("list.unread"))


def test_the_right_click_menu_offers_what_is_possible(desk: Desks, demo: Demo, phone: str) -> None:
    """R89, R56: send, copy, columns, gridlines; nothing of systems that are not here; by mouse and by the menu key."""
    me = desk("C", at="/activity")
    demo.phone_sends(phone, demo.user("C").numbers[0].number, "Hello")
    row = lines(me).filter(has_text=national(phone))
    row.click(button="right")
    menu = me.page.get_by_role("menu", name=national(phone))
    offered = menu.get_by_role("menuitem").all_inner_texts()
    texts = [one for one in offered if one.startswith("Text ")]
    assert len(texts) == 2, offered
    assert say("details.copy") in offered
    assert say("activity.reset") in offered
    assert not [one for one in offered if "call" in one.lower() or "CRM" in one]
    me.accessible()
    me.page.keyboard.press("Escape")
    expect(row).to_be_focused()
    row.focus()
    me.page.keyboard.press("Shift+F10")
    expect(menu).to_be_visible()
    menu.get_by_role("menuitem", name=say("offer.open")).click()
    expect(me.bubble("Hello")).to_be_visible()


def test_columns_are_as_somebody_left_them(desk: Desks, demo: Demo, phone: str) -> None:
    """R89: widths by pointer and by keyboard, kept over a reload and put back; gridlines on and off; nothing runs over the edge."""
    me = desk("A", at="/activity", viewport={"width": 1440, "height": 900})
    demo.phone_sends(phone, demo.user("A").numbers[0].number, "Hello")
    edge = me.page.get_by_role("separator", name=say("activity.width", column=say("activity.last")))
    heading = me.page.get_by_role("columnheader").first

    def width() -> int:
        box = heading.bounding_box()
        assert box
        return round(box["width"])

    usual = width()
    edge.focus()
    me.page.keyboard.press("ArrowRight")
    me.page.keyboard.press("ArrowRight")
    wider = width()
    assert wider > usual
    box = edge.bounding_box()
    assert box
    me.page.mouse.move(box["x"] + 2, box["y"] + 2)
    me.page.mouse.down()
    me.page.mouse.move(box["x"] - 150, box["y"] + 2, steps=5)
    me.page.mouse.up()
    narrow = width()
    assert narrow < usual
    me.page.reload()
    expect(lines(me).first).to_be_visible()
    assert width() == narrow
    lines(me).first.click(button="right")
    me.page.get_by_role("menuitem", name=say("activity.gridlines")).click()
    lines(me).first.click(button="right")
    me.page.get_by_role("menuitem", name=say("activity.reset")).click()
    assert width() == usual
    for scheme, wide in LOOKS:
        me.page.emulate_media(color_scheme=scheme)
        me.page.set_viewport_size({"width": wide, "height": 844})
        me.no_side_scroll()
        me.accessible()
