"""Contacts as files: vCard (RFC 6350 and its elders) and CSV, in and out. What comes in is a stranger's: bounded, and read as far as it goes.

A file may hold anything: other programs' fields are left out, a card that cannot be read is named and the others are taken, and a cell that a
spreadsheet would compute leaves as words (bad inputs 22, 85).
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

import msgspec

from kereru.contacts.cards import Card, Line, card_of, cards_in, escaped
from kereru.contacts.errors import UnreadableFile
from kereru.contacts.model import NOTE_CHARACTERS, NUMBERS_MOST, Contact, ContactBody, Kind, NumberBody
from kereru.kernel.spreadsheet import MARK, lines, words_of

CARDS_MOST = 2000
_CELL_CHARACTERS = 400
# What a line cannot do counts more than where it stands: a fax at work is a fax.
_KIND_OF: dict[str, Kind] = {
    "fax": "fax", "pager": "pager", "cell": "mobile", "mobile": "mobile", "text": "mobile", "iphone": "mobile", "work": "work", "business": "work",
    "company": "work", "main": "work", "office": "work", "home": "home",
}  # fmt: skip
_TYPE_OF: dict[Kind, str] = {"mobile": "CELL", "work": "WORK", "home": "HOME", "fax": "FAX", "pager": "PAGER", "other": "VOICE"}
_NAME = ("name", "full name", "display name", "file as")
_NAMES = (("first name", "given name"), ("middle name",), ("last name", "family name", "surname"))
_ORGANISATION = ("organisation", "organization", "company", "organization 1 - name", "organization name")
_EMAIL = ("e-mail", "email", "e-mail address", "email address", "e-mail 1 - value")
_NOTE = ("note", "notes")
# A column of numbers that people can be reached under: neither a phonetic name nor what somebody is filed or taxed under.
_PHONE = re.compile(r"phone(?!tic)|mobile|\bcell|\b(?:fax|pager|tel|telephone)\b|^(?:contact |primary |main )?number\b", re.IGNORECASE)
_BESIDE_A_PHONE = ("type", "label", "extension")


def read(text: str) -> tuple[list[ContactBody], list[str]]:
    """The contacts in a file, and in words what could not be read of it. Raises UnreadableFile for what is neither kind of file."""
    text = text.removeprefix("\ufeff").replace("\x00", "")
    return _read_cards(text) if text.lstrip()[:11].upper() == "BEGIN:VCARD" else _read_table(text)


def as_cards(contacts: Iterable[Contact]) -> str:
    """The contacts as one vCard 3.0 file."""
    return "".join(_card(contact) for contact in contacts)


def as_table(contacts: Sequence[Contact]) -> str:
    """The contacts as CSV (RFC 4180, with a byte order mark), each number beside its type; this program reads it back."""
    most = max((len(contact.numbers) for contact in contacts), default=1)
    pairs = [heading for place in range(1, most + 1) for heading in (f"Number {place}", f"Type {place}")]
    rows = [["Name", "Organisation", "E-mail", "Note", *pairs]]
    for contact in contacts:
        numbers = [cell for number in contact.numbers for cell in (number.display, number.kind)]
        rows.append([contact.name, contact.organisation, contact.email, contact.note, *numbers])
    return MARK + lines(rows)


def _read_cards(text: str) -> tuple[list[ContactBody], list[str]]:
    found: list[ContactBody] = []
    unread: list[str] = []
    some = False
    for count, card in enumerate(cards_in(text), 1):
        if count > CARDS_MOST:
            unread.append(f"Only the first {CARDS_MOST:,} contacts of the file were read.")
            break
        some = some or card.whole
        if card.whole:
            found.append(_fitting(_of_card(card), unread))
        else:
            name = card.first("fn")
            unread.append(f"{_flat(name.text)[:40] if name else '?'}: this card breaks off.")
    if not some:
        raise UnreadableFile
    return found, unread


def _fitting(body: ContactBody, unread: list[str]) -> ContactBody:
    """A note that is too long is no reason to lose a contact."""
    if len(body.note) <= NOTE_CHARACTERS:
        return body
    unread.append(f"{body.name[:40]}: only the first {NOTE_CHARACTERS:,} characters of the note were kept.")
    return msgspec.structs.replace(body, note=body.note[:NOTE_CHARACTERS])


def _of_card(card: Card) -> ContactBody:
    def first(name: str) -> str:
        line = card.first(name)
        return "" if line is None else _flat(" ".join(line.pieces) if name == "org" else line.text)

    labels = {line.group: line.text for line in card.lines if line.name == "x-ablabel" and line.group}
    phones = [line for line in card.lines if line.name == "tel"][:NUMBERS_MOST]
    numbers = [NumberBody(_number(line.text), _kind_in(" ".join((*line.words, labels.get(line.group, ""))))) for line in phones]
    note = card.first("note")
    organisation, email = first("org"), first("email")
    name = first("fn") or _whole(card.first("n")) or organisation or email
    return ContactBody(name, organisation, email, note.text if note else "", tuple(numbers))


def _whole(line: Line | None) -> str:
    """A name of parts, as it is spoken: title, given names, family name, what follows it."""
    if line is None:
        return ""
    family, given, more, before, after = (*line.pieces, *[""] * 5)[:5]
    return _flat(" ".join((before, given, more, family, after)))


def _kind_in(words: str) -> Kind:
    for word, kind in _KIND_OF.items():
        if word in words.lower():
            return kind
    return "other"


def _card(contact: Contact) -> str:
    words = (("ORG", contact.organisation), ("EMAIL", contact.email), ("NOTE", contact.note))
    return card_of(
        (
            ("N", f";{escaped(contact.name)};;;"),
            ("FN", escaped(contact.name)),
            *((name, escaped(value)) for name, value in words if value),
            *((f"TEL;TYPE={_TYPE_OF[number.kind]}", escaped(number.number)) for number in contact.numbers),
        )
    )


def _read_table(text: str) -> tuple[list[ContactBody], list[str]]:
    heading = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t", key=heading.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = [column.strip().lower() for column in next(rows, list[str]())]
        if not any(column in (*_NAME, *_NAMES[0], *_NAMES[2]) for column in columns) or not any(map(_PHONE.search, columns)):
            raise UnreadableFile
        found: list[ContactBody] = []
        unread: list[str] = []
        for row in rows:
            if len(found) >= CARDS_MOST:
                unread.append(f"Only the first {CARDS_MOST:,} contacts of the file were read.")
                break
            cells = {column: _cell(cell) for column, cell in zip(columns, row, strict=False) if column}
            if any(cells.values()):
                found.append(_fitting(_of_row(cells), unread))
    except csv.Error as error:
        raise UnreadableFile from error
    if text.count('"') % 2:
        unread.append("A quotation mark in the file is never closed, so some of what stands behind it may be missing.")
    return found, unread


def _of_row(cells: dict[str, str]) -> ContactBody:
    def first(names: Iterable[str]) -> str:
        return next((cells[name] for name in names if cells.get(name)), "")

    whole = " ".join(filter(None, (first(names) for names in _NAMES)))
    numbers = [
        NumberBody(_number(piece), _kind_of_column(column, cells))
        for column, cell in cells.items()
        if cell and _PHONE.search(column) and not column.endswith(_BESIDE_A_PHONE)
        for piece in cell.split(":::")
    ]
    organisation, email = first(_ORGANISATION), first(_EMAIL)
    return ContactBody(first(_NAME) or whole or organisation or email, organisation, email, first(_NOTE), tuple(numbers[:NUMBERS_MOST]))


def _kind_of_column(column: str, cells: dict[str, str]) -> Kind:
    """From the cell beside it ("Type 2", "Phone 2 - Type"), else from what the column is called ("Mobile Phone")."""
    beside = (column.replace("number", "type"), column.replace("- value", "- type"), column.replace("- value", "- label"))
    told = next((cells[one] for one in beside if one != column and cells.get(one)), column)
    return _kind_in(told)


def _cell(cell: str) -> str:
    return words_of(cell.strip())


def _number(text: str) -> str:
    # An extension stays: without it the number would be somebody else's (bad input 28).
    return _flat(text.strip().removeprefix("tel:"))


def _flat(text: str) -> str:
    return " ".join(text.split())[:_CELL_CHARACTERS]
