"""What a person sets for himself."""

from collections.abc import Callable

from browser_client import say
from browser_desks import Desks
from playwright.sync_api import expect

from demo_fixture import Demo


def test_r27_to_r32_country_and_leading_zero_are_filled_in_and_can_be_changed(desk: Desks, demo: Demo, new_phone: Callable[[], str]) -> None:
    """R27 to R30, R32: at once in what is typed and in how numbers are shown, in every window."""
    phone = new_phone()
    me = desk("C", at="/settings")
    other = me.another_window()
    demo.phone_sends(phone, demo.user("C").numbers[0].number, "Hello")
    national, international = f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}", f"+1 {phone[2:5]}-{phone[5:8]}-{phone[8:]}"
    expect(other.row(national)).to_be_visible()
    country = me.page.get_by_label(say("settings.region"))
    zero = me.page.get_by_role("switch", name=say("settings.zero"))
    expect(country).to_have_value("US")
    expect(country.get_by_role("option")).not_to_have_count(1)
    try:
        country.select_option("IT")
        expect(me.page.get_by_text("read as +39")).to_be_visible()
        zero.click()
        expect(zero).not_to_be_checked()
        expect(other.list.get_by_text(international, exact=True)).to_be_visible()
        me.page.reload()
        expect(country).to_have_value("IT")
        expect(zero).not_to_be_checked()
    finally:
        demo.signed_in(demo.user("C")).call("PATCH", "/api/v1/settings", {"region": "US", "exclude_leading_zero": True})
    expect(other.row(national)).to_be_visible()
    expect(country).to_have_value("US")
