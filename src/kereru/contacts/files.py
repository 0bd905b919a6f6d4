"""Contacts as files: vCard (RFC 6350 and its elders) and CSV, in and out. What comes in is a stranger's: bounded, and read as far as it goes.

A file may hold anything: other programs' fields are left out, a card that cannot be read is named and the others are taken, and a cell that a
spreadsheet would compute leaves as words (bad inputs 22, 85).
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

import vobject  # pyright: ignore[reportMissingTypeStubs] - it has none

from kereru.contacts.errors import UnreadableFile
from kereru.contacts.model import NUMBERS_MOST, Contact, ContactBody, Kind, NumberBody
from kereru.kernel.spreadsheet import MARK, lines

CARDS_MOST = 2000
_CELL_CHARACTERS = 400
_CARD = re.compile(r"^BEGIN:VCARD[ \t]*\r?$.*?^END:VCARD[ \t]*\r?$", re.IGNORECASE | re.DOTALL | re.MULTILINE)
# Pictures, sounds and keys are most of such a file and nothing of ours; with the lines that they are folded into.
_BULK = re.compile(r"^(?:[\w.-]+\.)?(?:PHOTO|LOGO|SOUND|KEY)[;:].*\r?\n(?:[ \t].*\r?\n)*", re.IGNORECASE | re.MULTILINE)
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
_PHONE = re.compile(r"phone|mobile|cell|number|fax|pager|\btel", re.IGNORECASE)


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
    for count, match in enumerate(_CARD.finditer(text), 1):
        if count > CARDS_MOST:
            unread.append(f"Only the first {CARDS_MOST:,} contacts of the file were read.")
            break
        try:
            found.append(_of_card(_BULK.sub("", match[0])))
        except Exception:  # noqa: BLE001 - the library raises whatever a stranger's card makes it raise; the other cards are taken
            unread.append(f"Contact {count} of the file cannot be read.")
    if not found and not unread:
        raise UnreadableFile
    return found, unread


def _of_card(text: str) -> ContactBody:
    card = cast("Any", vobject.readOne(text, ignoreUnreadable=True))  # pyright: ignore[reportUnknownMemberType]
    contents = cast("dict[str, list[Any]]", card.contents)

    def first(key: str) -> str:
        value: Any = contents[key][0].value if key in contents else ""
        return _flat(" ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value))

    labels = {line.group: _flat(str(line.value)) for line in contents.get("x-ablabel", []) if line.group}
    numbers = [NumberBody(_number(str(line.value)), _kind(line, labels)) for line in contents.get("tel", [])[:NUMBERS_MOST]]
    email = first("email")
    return ContactBody(first("fn") or first("n") or first("org") or email, first("org"), email, first("note")[:1000], tuple(numbers))


def _kind(line: Any, labels: dict[str, str]) -> Kind:
    words = [str(word) for values in line.params.values() for word in values] + [str(word) for word in line.singletonparams]
    return _kind_in(" ".join([*words, labels.get(line.group or "", "")]))


def _kind_in(words: str) -> Kind:
    for word, kind in _KIND_OF.items():
        if word in words.lower():
            return kind
    return "other"


def _card(contact: Contact) -> str:
    card: Any = vobject.vCard()  # pyright: ignore[reportUnknownMemberType]
    card.add("fn").value = contact.name
    card.add("n").value = vobject.vcard.Name(given=contact.name)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    if contact.organisation:
        card.add("org").value = [contact.organisation]
    if contact.email:
        card.add("email").value = contact.email
    if contact.note:
        card.add("note").value = contact.note
    for number in contact.numbers:
        line = card.add("tel")
        line.value = number.number
        line.type_param = _TYPE_OF[number.kind]
    return str(card.serialize())


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
                found.append(_of_row(cells))
    except csv.Error as error:
        raise UnreadableFile from error
    return found, unread


def _of_row(cells: dict[str, str]) -> ContactBody:
    def first(names: Iterable[str]) -> str:
        return next((cells[name] for name in names if cells.get(name)), "")

    whole = " ".join(filter(None, (first(names) for names in _NAMES)))
    numbers = [
        NumberBody(_number(piece), _kind_of_column(column, cells))
        for column, cell in cells.items()
        if cell and _PHONE.search(column) and not column.endswith(("type", "label"))
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
    # The apostrophe that keeps a spreadsheet from computing a cell is none of the words.
    cell = cell.strip()[: 1000 + 1]
    return cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@") else cell


def _number(text: str) -> str:
    return _flat(text.removeprefix("tel:").partition(";")[0])[:_CELL_CHARACTERS]


def _flat(text: str) -> str:
    return " ".join(text.split())[:_CELL_CHARACTERS]
