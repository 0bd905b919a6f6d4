"""Types of contacts and their pure rules: what a contact may hold, how numbers are kept, what a search looks for."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Literal

import msgspec

from kereru.carriers.numbering import DialingHabits, TypedNumber, display, is_e164, pieces_of, read_typed
from kereru.contacts.errors import BadContact
from kereru.kernel.errors import FieldProblem
from kereru.kernel.names import as_name

CONTACTS_MOST = 5000
NUMBERS_MOST = 20
NUMBER_CHARACTERS = 60
NOTE_CHARACTERS = 1000
EMAIL_CHARACTERS = 254

Kind = Literal["mobile", "work", "home", "fax", "pager", "other"]


class Source(IntEnum):
    """Where a name comes from, in the order in which they win (Q15); the value is what the database stores."""

    PERSONAL = 1
    CRM = 2
    COLLEAGUE = 3
    PHONE_LIST = 4
    OUTLOOK = 5
    THIRD_PARTY = 6


KINDS: tuple[Kind, ...] = ("mobile", "work", "home", "fax", "pager", "other")
"""By `contact_number.kind`, from 1."""

_DEAF = frozenset({"fax", "pager"})


class NumberBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number as typed, and what kind of line it is."""

    number: Annotated[str, msgspec.Meta(max_length=400)]
    kind: Kind = "other"


class ContactBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole contact; changing one replaces all of it."""

    name: Annotated[str, msgspec.Meta(max_length=1000)]
    organisation: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    email: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    note: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    numbers: tuple[NumberBody, ...] = ()


class Draft(msgspec.Struct, frozen=True):
    """A contact as it is kept: clean words, numbers in E.164 where they are numbers."""

    name: str
    organisation: str
    email: str
    note: str
    numbers: tuple[tuple[str, Kind], ...]


class ContactNumber(msgspec.Struct, frozen=True):
    """A number of somebody. `can` holds `text` where a text may be tried; `label` is a colleague's friendly name for it (R61)."""

    number: str
    display: str
    kind: Kind
    label: str
    can: tuple[str, ...]


class Contact(msgspec.Struct, frozen=True):
    """Somebody as one user sees them: a contact of their own, or a colleague of the same group."""

    id: str
    source: Literal["personal", "colleague"]
    name: str
    organisation: str
    email: str
    note: str
    numbers: tuple[ContactNumber, ...]
    can: tuple[str, ...]


class Imported(msgspec.Struct, frozen=True):
    """What a file brought: new contacts, ones that gained something, ones that were there already, and what was left out, with why."""

    added: int
    changed: int
    unchanged: int
    skipped: tuple[str, ...]


def clean(body: ContactBody, habits: DialingHabits) -> Draft:
    """A contact fit to be kept. Raises BadContact, naming each field that is not."""
    problems: list[FieldProblem] = []
    name = as_name(body.name)
    organisation = as_name(body.organisation)
    email = body.email.strip()
    if not name:
        problems.append(FieldProblem("name", "not_a_name", "Enter a name of at most 64 characters."))
    if organisation is None:
        problems.append(FieldProblem("organisation", "not_a_name", "At most 64 characters fit here."))
    if len(email) > EMAIL_CHARACTERS or not _plain(email):
        problems.append(FieldProblem("email", "not_an_email", "This is not an e-mail address."))
    note = _storable(body.note)
    if len(note) > NOTE_CHARACTERS:
        problems.append(FieldProblem("note", "too_long", f"At most {NOTE_CHARACTERS:,} characters fit here."))
    numbers: dict[str, Kind] = {}
    # Reading thousands would keep everybody else waiting; some of so many may be the same, written differently.
    for place, typed in enumerate(body.numbers[: 2 * NUMBERS_MOST]):
        number = as_kept(typed.number, habits)
        if len(number) > NUMBER_CHARACTERS or not _plain(number):
            problems.append(FieldProblem(f"numbers.{place}.number", "not_a_number", "This is not a phone number."))
        elif number:
            numbers.setdefault(number, typed.kind)
    if len(numbers) > NUMBERS_MOST or len(body.numbers) > 2 * NUMBERS_MOST:
        problems.append(FieldProblem("numbers", "too_many", f"At most {NUMBERS_MOST} numbers fit in one contact."))
    if problems:
        raise BadContact(fields=tuple(problems))
    return Draft(name or "", organisation or "", email, note, tuple(numbers.items()))


def as_kept(typed: str, habits: DialingHabits) -> str:
    """A number as it is kept and looked up: in E.164, or as typed where it is none (an extension, a short code)."""
    found = read_typed(typed, habits)
    return found.e164 if isinstance(found, TypedNumber) else " ".join(typed.split())


def number_shown(number: str, kind: Kind, label: str, region: str, *, may: bool = True) -> ContactNumber:
    """A number on one user's screen. `may`: the user's settings let him text it (R25, R26)."""
    return ContactNumber(number, display(number, region), kind, label, ("text",) if may and is_e164(number) and kind not in _DEAF else ())


def patterns(query: str, habits: DialingHabits) -> tuple[str, list[str]]:
    """What a search looks for, as patterns of LIKE: words in names, and digits in numbers however they were typed (P9, R43)."""
    words = "%" + query.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return words, [f"%{each}%" for each in pieces_of(query, habits)]


def merged(held: Draft, news: Draft) -> Draft:
    """A contact with what another description of the same person adds; nothing that is there is taken away."""
    known = {number for number, _ in held.numbers}
    ordered: list[tuple[str, Kind]] = [*held.numbers, *((number, kind) for number, kind in news.numbers if number not in known)]
    return Draft(held.name, held.organisation or news.organisation, held.email or news.email, held.note or news.note, tuple(ordered[:NUMBERS_MOST]))


def is_same_person(held: Draft, news: Draft) -> bool:
    """Whether two descriptions are of one person: the same name, and a number or the e-mail in common (or nothing else known of one of them)."""
    if held.name.casefold() != news.name.casefold():
        return False
    shared = {number for number, _ in held.numbers} & {number for number, _ in news.numbers}
    return bool(shared) or (held.email != "" and held.email.casefold() == news.email.casefold()) or not held.numbers or not news.numbers


class Joined(msgspec.Struct, frozen=True):
    """What becomes of somebody's contacts when others are brought in; `changed` by their id."""

    new: list[Draft]
    changed: dict[int, Draft]
    unchanged: int


def joined(held: Sequence[tuple[int, Draft]], drafts: Sequence[Draft]) -> Joined:
    """Nobody comes in twice: who is there already, or stood further up in the file, gains what is new, and loses nothing."""
    by_name: dict[str, list[tuple[int, Draft]]] = {}
    for id_, draft in held:
        by_name.setdefault(draft.name.casefold(), []).append((id_, draft))
    added: dict[str, list[Draft]] = {}
    changed: dict[int, Draft] = {}
    unchanged = 0
    for draft in drafts:
        name = draft.name.casefold()
        known = next(((id_, changed.get(id_, old)) for id_, old in by_name.get(name, []) if is_same_person(changed.get(id_, old), draft)), None)
        fresh = next((place for place, old in enumerate(added.get(name, [])) if is_same_person(old, draft)), None)
        if known is not None:
            whole = merged(known[1], draft)
            if whole == known[1]:
                unchanged += 1
            else:
                changed[known[0]] = whole
        elif fresh is not None:
            added[name][fresh] = merged(added[name][fresh], draft)
        else:
            added.setdefault(name, []).append(draft)
    return Joined([draft for drafts_ in added.values() for draft in drafts_], changed, unchanged)


def affected(*drafts: Draft | None) -> Sequence[str]:
    """The numbers whose name may look different now."""
    return sorted({number for draft in drafts if draft for number, _ in draft.numbers})


def _plain(text: str) -> bool:
    return all(character.isprintable() for character in text)


def _storable(text: str) -> str:
    return "".join(character for character in text.strip() if character.isprintable() or character == "\n")
