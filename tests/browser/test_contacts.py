"""People and their names: own contacts, colleagues, and every way to text from where somebody is shown (R54 to R58, R61, R65 to R67, R73)."""

from pathlib import Path

import pytest
from browser_client import LOOKS, Client, national, say
from browser_desks import Desks
from playwright.sync_api import Locator, expect

from demo_fixture import Demo


@pytest.fixture(autouse=True)
def no_contacts(demo: Demo) -> None:
    """Every test begins with empty address books."""
    for letter in "ABC":
        person = demo.signed_in(demo.user(letter))
        for one in person.get("/api/v1/contacts?which=personal&limit=200")["items"]:
            person.delete(f"/api/v1/contacts/{one['id']}")


def entries(menu: Locator) -> list[str]:
    """What a menu offers, first lines only."""
    expect(menu.get_by_role("menuitem").first).to_be_visible()
    return [one.split("\n")[0] for one in menu.get_by_role("menuitem").all_inner_texts()]


def keep(me: Client, name: str, *numbers: tuple[str, str]) -> None:
    """Fill the dialog that is open and save it."""
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_label(say("contact.name"), exact=True).fill(name)
    for place, (number, kind) in enumerate(numbers, 1):
        field = dialog.get_by_label(say("contact.number", place=place), exact=True)
        if not field.count():
            dialog.get_by_role("button", name=say("contact.number.add")).click()
        field.fill(number)
        dialog.get_by_label(say("contact.kind", place=place)).select_option(kind)
    dialog.get_by_role("button", name=say("contact.keep")).click()
    expect(dialog).to_have_count(0)


def test_a_number_in_the_title_becomes_a_contact_and_is_named_everywhere(desk: Desks, phone: str) -> None:
    """R65, R67, R73, R85: by right click on the title; list, title and activity of every device follow at once, a change and its end as well."""
    first, second = desk("A"), desk("A")
    first.open_new(phone, text="Hello there")
    second.open(phone)
    title = first.pane.get_by_role("heading", level=1)
    title.click(button="right")
    first.page.get_by_role("menuitem", name=say("contact.add.dots")).click()
    expect(first.page.get_by_role("dialog").get_by_label(say("contact.number", place=1), exact=True)).to_have_value(national(phone))
    first.accessible()
    keep(first, "Mia Ruiz")
    for me in (first, second):
        expect(me.pane.get_by_role("heading", level=1)).to_have_text("Mia Ruiz (Mobile)")
        expect(me.list).to_contain_text("Mia Ruiz")
        expect(me.pane).to_contain_text(national(phone))
    second.page.get_by_role("link", name="Activity").click()
    expect(second.page.get_by_role("table")).to_contain_text("Mia Ruiz (Mobile)")

    title.click(button="right")
    first.page.get_by_role("menuitem", name=say("contact.edit.dots")).click()
    keep(first, "Mia Paz")
    expect(second.page.get_by_role("table")).to_contain_text("Mia Paz")
    title.click(button="right")
    first.page.get_by_role("menuitem", name=say("contact.edit.dots")).click()
    first.page.get_by_role("button", name=say("contact.delete")).click()
    first.page.get_by_role("button", name=say("contact.delete.sure")).click()
    expect(title).to_have_text(national(phone))
    expect(second.page.get_by_role("table")).not_to_contain_text("Mia Paz")


def test_the_title_names_the_kind_of_conversation(desk: Desks, phone: str) -> None:
    """R64: a tool tip over the title bar, and the same for a screen reader."""
    me = desk("A")
    me.open_new(phone)
    me.pane.get_by_role("heading", level=1).hover()
    expect(me.page.get_by_text(say("conversation.type", name=national(phone)))).to_be_visible()


def test_every_number_from_every_own_number(desk: Desks, demo: Demo, phone: str) -> None:
    """R54, R55, R56, R58, R61: a person with a mobile, an office and a fax line, seen by somebody with two numbers of their own."""
    me = desk("C", at="/contacts")
    me.page.get_by_role("button", name=say("contact.add.button")).click()
    keep(me, "Mia Ruiz", (phone, "mobile"), ("+442079460142", "work"), ("2025550177", "fax"))
    row = me.page.get_by_role("listitem").filter(has_text="Mia Ruiz")
    row.click(button="right")
    menu = me.page.get_by_role("menu", name="Mia Ruiz")
    names = ("Orders", "Support line")
    offered = entries(menu)
    assert [one for one in offered if one.startswith("Text ")] == [
        say("offer.text.from", number=shown, own=own) for shown in (national(phone), "+44 20 7946 0142") for own in names
    ]
    expect(menu.get_by_role("menuitem").first).to_contain_text("Mobile")
    assert [one for one in offered if one.startswith("Copy ")] == [f"Copy {one}" for one in (national(phone), "+44 20 7946 0142", "(202) 555-0177")]
    me.accessible()
    menu.get_by_role("menuitem", name=say("offer.text.from", number=national(phone), own=names[1])).click()
    expect(me.page.get_by_role("region", name=say("new.title"))).to_contain_text(names[1])
    expect(me.dial_note).to_contain_text(national(phone))


def test_one_own_number_asks_for_none(desk: Desks, phone: str) -> None:
    """R53, R39: an existing conversation opens at once; whoever stopped is not offered."""
    me = desk("A")
    me.open_new(phone, text="Hello there")
    me.goto("/contacts")
    me.page.get_by_role("button", name=say("contact.add.button")).click()
    keep(me, "Mia Ruiz", (phone, "mobile"))
    row = me.page.get_by_role("listitem").filter(has_text="Mia Ruiz")
    row.get_by_role("button", name="Text").click()
    expect(me.bubble("Hello there")).to_be_visible()
    me.pane.get_by_role("button", name=say("conversation.more")).click()
    me.page.get_by_role("menuitem", name=say("stopped.note")).click()
    expect(me.pane).to_contain_text(say("stopped.colleague"))
    me.page.get_by_role("link", name=say("rail.contacts")).click()
    row.click(button="right")
    assert not [one for one in entries(me.page.get_by_role("menu")) if one.startswith("Text ")]


def test_a_long_press_is_a_right_click(desk: Desks, phone: str) -> None:
    """ui.md, R54: on a touch screen, without opening what lies under the finger."""
    me = desk("A", viewport={"width": 390, "height": 844}, has_touch=True)
    me.demo.phone_sends(phone, me.demo.user("A").numbers[0].number, "Hello")
    row = me.row(phone)
    expect(row).to_be_visible()
    row.dispatch_event("pointerdown", {"pointerType": "touch", "isPrimary": True, "bubbles": True, "clientX": 100, "clientY": 200})
    expect(me.page.get_by_role("menu")).to_be_visible()
    row.dispatch_event("pointerup", {"pointerType": "touch", "isPrimary": True, "bubbles": True})
    row.dispatch_event("click", {"bubbles": True})
    me.accessible()
    assert me.page.url.endswith("/"), "the press did not open the conversation"


def test_two_devices_show_the_same_contacts(desk: Desks, phone: str) -> None:
    """R73: what is added, changed or deleted on one is on the other at once, also somebody with whom nobody texts."""
    first, second = desk("A", at="/contacts"), desk("A", at="/contacts")
    people = second.page.get_by_role("list", name=say("contacts.title"))
    expect(people).to_contain_text(say("source.colleague"))
    first.page.get_by_role("button", name=say("contact.add.button")).click()
    keep(first, "Mia Ruiz", (phone, "mobile"))
    expect(people).to_contain_text("Mia Ruiz")
    first.page.get_by_role("button", name="Edit Mia Ruiz").click()
    keep(first, "Mia Paz")
    expect(people).to_contain_text("Mia Paz")
    expect(people).not_to_contain_text("Mia Ruiz")


def test_search_by_name_and_by_digits(desk: Desks, demo: Demo, phone: str) -> None:
    """P9: as typed; colleagues are there without being added (R61), and nobody else."""
    me = desk("B", at="/contacts")
    me.page.get_by_role("button", name=say("contact.add.button")).click()
    keep(me, "Mia Ruiz", (phone, "mobile"))
    people = me.page.get_by_role("list", name=say("contacts.title"))
    expect(people).to_contain_text(say("source.colleague"))
    field = me.page.get_by_role("searchbox", name=say("contacts.search"))
    for query in ("mia", phone[2:8], national(phone), f"001 {phone[2:5]} {phone[5:]}"):
        field.fill(query)
        expect(people.get_by_role("button", name="Edit Mia Ruiz")).to_be_visible()
        expect(people).not_to_contain_text(say("source.colleague"))
    field.fill("nobody at all")
    expect(me.page.get_by_text(say("contacts.none"), exact=True)).to_be_visible()
    field.fill("")
    for scheme, width in LOOKS:
        me.page.emulate_media(color_scheme=scheme)
        me.page.set_viewport_size({"width": width, "height": 844})
        me.no_side_scroll()
        me.accessible()


def test_a_file_in_and_out(desk: Desks, tmp_path: Path) -> None:
    """Contacts of another program come in, with what was left out said in words; both files come out."""
    desk.allow("status of 422")
    me = desk("B", at="/contacts")
    file = tmp_path / "people.csv"
    file.write_text("First Name,Last Name,Mobile Phone\nAna,Torres,2025550142\n" + "y" * 70 + ",,2025550143\n")
    me.page.locator("input[type=file]").set_input_files(file)
    expect(me.page.get_by_text("1 new contact, 0 completed, 0 here already.")).to_be_visible()
    expect(me.page.get_by_text("Enter a name of at most 64 characters.")).to_be_visible()
    expect(me.page.get_by_role("list", name=say("contacts.title"))).to_contain_text("Ana Torres")
    for entry, name, piece in (
        (say("contacts.export.vcard"), "contacts.vcf", "FN:Ana Torres"),
        (say("contacts.export.csv"), "contacts.csv", "(202) 555-0142"),
    ):
        me.page.get_by_role("button", name=say("conversation.more")).click()
        with me.page.expect_download() as coming:
            me.page.get_by_role("menuitem", name=entry).click()
        assert coming.value.suggested_filename == name
        assert piece in Path(coming.value.path()).read_text()
    file.write_text("hello")
    me.page.locator("input[type=file]").set_input_files(file)
    expect(me.page.get_by_text("This is neither a vCard nor a CSV file")).to_be_visible()


def test_the_dial_field_takes_a_name(desk: Desks, phone: str) -> None:
    """ui.md, R50: digits or a name; a chosen number is filled in, with its type beside it."""
    me = desk("A", at="/contacts")
    me.page.get_by_role("button", name=say("contact.add.button")).click()
    keep(me, "Zoë Quist", (phone, "mobile"))
    me.goto("/new")
    me.dial.fill("zoë")
    offered = me.page.get_by_role("list", name=say("new.people")).get_by_role("button")
    expect(offered).to_contain_text("Zoë Quist")
    expect(offered).to_contain_text("Mobile")
    offered.click()
    expect(me.dial_note).to_have_text(say("new.goes", number=national(phone)))
    expect(me.composer).to_be_focused()
