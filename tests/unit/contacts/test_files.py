"""Contacts as files: other programs' ones are read as far as they can be, ours come back as they went, hostile ones do no harm (inputs 22, 85)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.carriers.numbering import habits_of
from kereru.contacts.errors import BadContact, UnreadableFile
from kereru.contacts.files import CARDS_MOST, as_cards, as_table, read
from kereru.contacts.model import NUMBERS_MOST, Contact, ContactBody, NumberBody, clean, number_shown

US = habits_of("US", exclude_leading_zero=True)

CARDS = """BEGIN:VCARD\r
VERSION:3.0\r
N:Torres;Ana;;;\r
FN:Ana Torres\r
ORG:Blue Door Ltd\r
EMAIL;TYPE=INTERNET:ana@bluedoor.example\r
TEL;TYPE=CELL,VOICE:(202) 555-0142\r
item1.TEL:+1 202-555-0143\r
item1.X-ABLabel:_$!<Mobile>!$_\r
TEL;TYPE=WORK,FAX:202-555-0144\r
PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQ\r
 AAAQABAAD/2wBDAAUDBAQEAwUEBAQFBQUGBwwIBwcHBw8LCwkM\r
NOTE:Likes blue\\, and long\r
  lines\r
END:VCARD\r
BEGIN:VCARD
VERSION:4.0
FN:Ben Okafor
TEL;VALUE=uri;TYPE="cell,voice";PREF=1:tel:+1-312-555-0145
END:VCARD
BEGIN:VCARD
VERSION:2.1
N:Lane;Wes
TEL;HOME:2015550146
END:VCARD
"""


def test_cards_of_three_versions() -> None:
    """vCard 2.1, 3.0 with Apple's labels and a folded picture, 4.0 with tel: addresses."""
    found, unread = read(CARDS)
    assert unread == []
    ana, ben, wes = found
    assert (ana.name, ana.organisation, ana.email, ana.note) == ("Ana Torres", "Blue Door Ltd", "ana@bluedoor.example", "Likes blue, and long lines")
    assert [(one.number, one.kind) for one in ana.numbers] == [("(202) 555-0142", "mobile"), ("+1 202-555-0143", "mobile"), ("202-555-0144", "fax")]
    assert [(one.number, one.kind) for one in ben.numbers] == [("+1-312-555-0145", "mobile")]
    assert (wes.name.split(), [(one.number, one.kind) for one in wes.numbers]) == (["Wes", "Lane"], [("2015550146", "home")])


@pytest.mark.parametrize(
    "table",
    [
        "Name,Organisation,E-mail,Note,Number 1,Type 1\nAna Torres,Blue Door,,,202-555-0142,mobile\n",
        "First Name;Last Name;Company;Mobile Phone\r\nAna;Torres;Blue Door;202-555-0142\r\n",
        "Name\tOrganization 1 - Name\tPhone 1 - Type\tPhone 1 - Value\nAna Torres\tBlue Door\tMobile\t202-555-0142\n",
        '\ufeff"First Name",Last Name,Organization Name,Phone 1 - Label,Phone 1 - Value\nAna,Torres,"Blue Door",Mobile,202-555-0142\n',
    ],
    ids=["ours", "Outlook's", "Google's old", "Google's new"],
)
def test_tables_of_other_programs(table: str) -> None:
    """Whatever separates the cells."""
    [ana], unread = read(table)
    assert unread == []
    assert (ana.name, ana.organisation, ana.numbers) == ("Ana Torres", "Blue Door", (NumberBody("202-555-0142", "mobile"),))


@pytest.mark.parametrize("text", ["", "hello", "a,b\n1,2\n", "\x00\x01", "BEGIN:VCARD", "<?xml version='1.0'?><!DOCTYPE x>", "Name\nAna\n"])
def test_what_is_no_address_book_is_refused(text: str) -> None:
    """Inputs 85, 86: in words, with nothing taken."""
    with pytest.raises(UnreadableFile):
        read(text)


def test_one_bad_card_does_not_cost_the_others() -> None:
    """It is named by its place."""
    bad = "BEGIN:VCARD\nVERSION:3.0\nFN;ENCODING=QUOTED-PRINTABLE;CHARSET=nonsense:=FF=\nTEL\nEND:VCARD\n"
    found, unread = read(bad + CARDS)
    assert [one.name for one in found][-3:] == ["Ana Torres", "Ben Okafor", "Wes Lane"] or len(found) >= 3
    assert len(found) + len(unread) == 4


def test_hostile_files_are_bounded() -> None:
    """Input 85: thousands of cards, a card with thousands of lines, endless folding, a table with thousands of columns."""
    card = "BEGIN:VCARD\nVERSION:3.0\nFN:A\nEND:VCARD\n"
    found, unread = read(card * (CARDS_MOST + 5))
    assert (len(found), len(unread)) == (CARDS_MOST, 1)
    found, _ = read("BEGIN:VCARD\nVERSION:3.0\nFN:A\n" + "TEL:2025550142\n" * 5000 + "END:VCARD\n")
    assert len(found[0].numbers) == 20
    read("BEGIN:VCARD\nFN:A\nPHOTO:x\n" + " AAAA\n" * 50_000 + "END:VCARD\n")
    read("name," + "phone," * 20_000 + "\n" + "x," * 20_000 + "\n")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "card",
    [
        "BEGIN:VCARD\n" * 80_000,
        "FN:A\nTEL;" + "a;" * 400_000 + ":1",
        "FN:A\nTEL;" + "a=b;" * 200_000,
        'FN:A\nTEL;TYPE="' + 'a"b"' * 200_000,
        "FN:A\n" + "a." * 400_000 + "PHOTO",
        "FN:A\nNOTE:" + "\\" * 900_000,
        "FN:A\nN:" + ";" * 900_000,
        "FN:A\nNOTE;ENCODING=QUOTED-PRINTABLE:x" + "=\n a" * 200_000,
        "FN:A\n" + "NOTE;ENCODING=QUOTED-PRINTABLE" * 20_000 + "=\n" * 100_000,
        "FN:A\nAGENT:\n" + "BEGIN:VCARD\nAGENT:\n" * 40_000,
    ],
    ids=["unended cards", "bare words", "no colon", "quotes", "groups", "backslashes", "parts", "soft lines", "a long head", "cards in cards"],
)
def test_no_card_takes_longer_than_its_length(card: str) -> None:
    """Inputs 62, 85: each of these kept the library that was used before busy for minutes or for ever, with the whole process.

    That it ends within the tests' limit is the promise; and that nobody is made up of it.
    """
    try:
        found, unread = read(f"BEGIN:VCARD\nVERSION:3.0\n{card}\nEND:VCARD\n")
    except UnreadableFile:
        return
    assert len(found) + len(unread) <= CARDS_MOST + 1
    assert {one.name for one in found} <= {"A", ""}


def test_what_phones_and_old_programs_write() -> None:
    """Version 2.1 with quoted-printable words in their own character set and soft lines, a note of several lines, an assistant's card within."""
    found, unread = read(
        "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=BCrgen;;Dr.;\r\n"
        "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:Gr=FC=DFe,=0D=0Azwei =\r\nZeilen\r\n"
        "TEL;WORK;VOICE:202-555-0142\r\nAGENT:\r\nBEGIN:VCARD\r\nFN:Wes\r\nTEL:2025550199\r\nEND:VCARD\r\nTEL;CELL:202-555-0143\r\nEND:VCARD\r\n"
        "BEGIN:VCARD\nVERSION:4.0\nFN:Mia\\, née Paz\nNOTE:one\\ntwo\nTEL;VALUE=uri;TYPE=work:tel:+1-312-555-0145;ext=7\nEND:VCARD\n"
    )
    assert unread == []
    old, new = found
    assert (old.name, clean(old, US).note) == ("Dr. Jürgen Müller", "Grüße,\nzwei Zeilen")
    assert [(one.number, one.kind) for one in old.numbers] == [("202-555-0142", "work"), ("202-555-0143", "mobile")]
    assert (new.name, new.note) == ("Mia, née Paz", "one\ntwo")
    assert clean(new, US).numbers == (("+1-312-555-0145;ext=7", "work"),), "input 28: an extension is not dropped, and nobody texts it"


def test_only_numbers_to_call_are_numbers() -> None:
    """Outlook's and Google's tables have numbers and phonetic names beside them; what somebody is taxed under is nobody's phone."""
    [ana], _ = read(
        "First Name,Last Name,Phonetic First Name,Business Phone,Business Phone Extension,Telex,Government ID Number,Organizational ID Number\n"
        "Ana,Torres,アナ,202-555-0142,12,12345,078-05-1120,4711\n"
    )
    assert ana.numbers == (NumberBody("202-555-0142", "work"),)


def test_a_long_note_and_an_open_quotation_mark_are_told() -> None:
    """Neither costs a contact without a word."""
    [ana], told = read(f"Name,Phone,Notes\nAna,2025550142,{'x' * 1500}\n")
    assert (len(ana.note), len(told)) == (1000, 1)
    found, told = read('Name,Phone,Notes\nAna,2025550142,"5\nBen,2025550143,\n')
    assert ([one.name for one in found], len(told)) == (["Ana"], 1)


@given(st.text(max_size=300), st.booleans())
def test_no_file_breaks_it(text: str, card: bool) -> None:
    """Whatever it holds: contacts, or the one refusal; and what is read can be cleaned or is refused by its fields."""
    try:
        found, _ = read(f"BEGIN:VCARD\nVERSION:3.0\nFN:A\n{text}\nEND:VCARD\n" if card else f"name,phone\n{text}\n")
    except UnreadableFile:
        return
    for body in found:
        try:
            kept = clean(body, US)
        except BadContact:
            continue
        assert kept.name
        assert len(kept.numbers) <= NUMBERS_MOST


def contact(name: str, *numbers: tuple[str, str], note: str = "") -> Contact:
    """As the API shows it."""
    shown = tuple(number_shown(number, kind, "", "US") for number, kind in numbers)  # type: ignore[arg-type]
    return Contact("1", "personal", name, "Blue Door, Ltd; Co", "ana@bluedoor.example", note, shown, ())


@pytest.mark.parametrize("write", [as_cards, as_table])
def test_what_goes_out_comes_back(write) -> None:
    """Names with every separator, several lines, all kinds of numbers."""
    kinds = ("mobile", "work", "home", "fax", "pager", "other")
    held = contact('Ana "the" Torres; née, Ruiz\\Paz', *((f"+1202555014{place}", kind) for place, kind in enumerate(kinds)), note="one, two; three")
    [back], unread = read(write([held, contact("Ben", ("12345", "other"))]))[0][:1], read(write([held]))[1]
    assert unread == []
    assert (back.name, back.organisation, back.email, back.note) == (held.name, held.organisation, held.email, held.note)
    assert list(clean(back, US).numbers) == [(one.number, one.kind) for one in held.numbers]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3"])
def test_no_cell_is_computed(name: str) -> None:
    """Input 22: words are quoted, numbers stay usable, and both come back as they were."""
    table = as_table([contact(name, ("+12025550142", "mobile"))])
    assert f"'{name}" in table.replace('""', '"')
    assert ",(202) 555-0142," in table
    assert read(table)[0][0].name == name


def test_a_contact_is_clean_or_refused_by_field() -> None:
    """Numbers become E.164 by the user's habits and are kept once; what is none is kept as it is; each bad field is named (input 23)."""
    kept = clean(ContactBody("  Ana ", numbers=(NumberBody("202-555-0142", "mobile"), NumberBody("+1 202 555 0142"), NumberBody("12345"))), US)
    assert (kept.name, kept.numbers) == ("Ana", (("+12025550142", "mobile"), ("12345", "other")))
    with pytest.raises(BadContact) as refused:
        clean(ContactBody(" ", email="a\nb", note="x" * 1001, numbers=(NumberBody("x" * 61),)), US)
    assert [one.field for one in refused.value.fields] == ["name", "email", "note", "numbers.0.number"]
