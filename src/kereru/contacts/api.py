"""Routes of contacts: a user's own, and the colleagues of the group (R54 to R58, R73)."""

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import Parameter

from kereru.carriers.numbering import DialingHabits, habits_of
from kereru.contacts import commands, files, store
from kereru.contacts.errors import NoSuchContact
from kereru.contacts.model import Contact, ContactBody, Imported, Source, number_shown, patterns
from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.limits import PAGE_ITEMS, PAGE_ITEMS_DEFAULT, SEARCH_CHARACTERS
from kereru.kernel.paging import CursorCodec, Page
from kereru.tenancy import lists
from kereru.tenancy.policy import END_USER, Principal, UserIdentity, policy

Which = Literal["all", "personal", "colleagues"]


class FileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vCard or CSV file's words."""

    text: str


def _user(principal: Principal) -> UserIdentity:
    assert principal.user is not None  # noqa: S101 - the policy END_USER lets nobody else in
    return principal.user


def _habits(user: UserIdentity) -> DialingHabits:
    return habits_of(user.region, exclude_leading_zero=user.exclude_leading_zero)


@get("/contacts", opt=policy(END_USER), operation_id="listContacts", summary="Your contacts and the colleagues of your group, by name")
async def list_contacts(
    principal: Principal,
    database: Database,
    cursors: CursorCodec,
    q: Annotated[str, Parameter(max_length=SEARCH_CHARACTERS, description="Part of a name, or digits of a number in any form.")] = "",
    which: Annotated[Which, Parameter(description="Whose.")] = "all",
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=PAGE_ITEMS)] = PAGE_ITEMS_DEFAULT,
) -> Page[Contact]:
    """Raises BadCursor."""
    user = _user(principal)
    words, digits = patterns(q, _habits(user))
    params = {
        "user": user.id,
        "group": user.group_id,
        "words": words,
        "digits": digits,
        "any_number": user.any_number,
        "own": which != "colleagues",
        "colleagues": which != "personal",
    }
    wanted = lists.wanted(store.PEOPLE, "name", limit, cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await lists.page(tx, store.PEOPLE, params, wanted, cursors, lambda row: _shown(row, user.region))


@post("/contacts", opt=policy(END_USER), status_code=201, operation_id="addContact", summary="Add a contact")
async def add_contact(data: ContactBody, principal: Principal, database: Database) -> Contact:
    """Raises BadContact, TooManyContacts."""
    user = _user(principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        contact_id = await commands.add(tx, principal.provider_id, user.id, data, _habits(user))
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _one(tx, user, contact_id)


@get("/contacts/{contact_id:str}", opt=policy(END_USER, contact_id="contact"), operation_id="getContact", summary="One contact")
async def get_contact(contact_id: str, principal: Principal, database: Database) -> Contact:
    """Raises NoSuchContact."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _one(tx, _user(principal), _id(contact_id))


@put("/contacts/{contact_id:str}", opt=policy(END_USER, contact_id="contact"), operation_id="changeContact", summary="Change a contact")
async def change_contact(contact_id: str, data: ContactBody, principal: Principal, database: Database) -> Contact:
    """What is not named is emptied. Raises NoSuchContact, BadContact."""
    user, wanted = _user(principal), _id(contact_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await commands.change(tx, principal.provider_id, user.id, wanted, data, _habits(user))
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _one(tx, user, wanted)


@delete(
    "/contacts/{contact_id:str}",
    opt=policy(END_USER, contact_id="contact"),
    status_code=204,
    operation_id="deleteContact",
    summary="Delete a contact",
)
async def delete_contact(contact_id: str, principal: Principal, database: Database) -> None:
    """Conversations with it stay, under the number. Raises NoSuchContact."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await commands.delete(tx, principal.provider_id, _user(principal).id, _id(contact_id))


@post("/contacts/import", opt=policy(END_USER), status_code=200, operation_id="importContacts", summary="Add the contacts of a vCard or CSV file")
async def import_contacts(data: FileBody, principal: Principal, database: Database) -> Imported:
    """Whoever is there already gains what is new and loses nothing. Raises UnreadableFile, TooManyContacts."""
    user = _user(principal)
    read, unread = await asyncio.to_thread(files.read, data.text)
    drafts, refused = await asyncio.to_thread(commands.cleaned, read, _habits(user))
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await commands.bring_in(tx, principal.provider_id, user.id, drafts, [*unread, *refused])


@get(
    "/contacts/export/vcard",
    opt=policy(END_USER),
    media_type="text/vcard",
    operation_id="exportContactsAsCards",
    summary="Your own contacts as a vCard file",
)
async def export_cards(principal: Principal, database: Database) -> Response[str]:
    """Version 3.0, which every address book reads."""
    text = await asyncio.to_thread(files.as_cards, await _own(principal, database))
    return Response(text, media_type="text/vcard", headers={"content-disposition": 'attachment; filename="contacts.vcf"'})


@get(
    "/contacts/export/csv",
    opt=policy(END_USER),
    media_type="text/csv",
    operation_id="exportContactsAsTable",
    summary="Your own contacts as CSV",
)
async def export_table(principal: Principal, database: Database) -> Response[str]:
    """No spreadsheet computes a cell of it (bad input 22), and the import reads it back."""
    text = await asyncio.to_thread(files.as_table, await _own(principal, database))
    return Response(text, media_type="text/csv", headers={"content-disposition": 'attachment; filename="contacts.csv"'})


async def _own(principal: Principal, database: Database) -> list[Contact]:
    user = _user(principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return [_shown(row, user.region) for row in await store.all_own(tx, user.id)]


async def _one(tx: Transaction, user: UserIdentity, contact_id: int) -> Contact:
    row = await store.one(tx, user.id, contact_id, any_number=user.any_number)
    if row is None:
        raise NoSuchContact
    return _shown(row, user.region)


def _shown(row: Row, region: str) -> Contact:
    own = row.source == Source.PERSONAL
    return Contact(
        id=ids.encode(row.id),
        source="personal" if own else "colleague",
        name=row.name,
        organisation=row.organisation,
        email=row.email,
        note=row.note,
        numbers=tuple(number_shown(number, store.kind_of(kind), label, region, may=may) for number, kind, label, may in row.numbers),
        can=("update", "delete") if own else (),
    )


def _id(text: str) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise NoSuchContact from error


ROUTES = (list_contacts, add_contact, import_contacts, export_cards, export_table, get_contact, change_contact, delete_contact)
