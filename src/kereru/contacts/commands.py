"""Adding, changing, deleting and importing contacts. Each runs in one transaction; whoever is on screen under one of the numbers is renamed there."""

import asyncio
from collections.abc import Sequence

from kereru.carriers.numbering import DialingHabits
from kereru.contacts import store
from kereru.contacts.errors import BadContact, NoSuchContact, TooManyContacts
from kereru.contacts.model import CONTACTS_MOST, ContactBody, Draft, Imported, affected, clean, joined
from kereru.kernel.db import Transaction
from kereru.messaging.names import tell_renamed

SKIPPED_MOST = 20
"""So many reasons are told one by one; the rest is counted."""


async def add(tx: Transaction, provider_id: int, user_id: int, body: ContactBody, habits: DialingHabits) -> int:
    """A new contact; its id. Raises BadContact, TooManyContacts."""
    draft = clean(body, habits)
    if await store.hold(tx, user_id) >= CONTACTS_MOST:
        raise TooManyContacts
    contact_id = await store.add(tx, user_id, draft)
    await tell_renamed(tx, provider_id, user_id, affected(draft))
    return contact_id


async def change(tx: Transaction, provider_id: int, user_id: int, contact_id: int, body: ContactBody, habits: DialingHabits) -> None:
    """Replace a contact. Raises NoSuchContact, BadContact."""
    await store.hold(tx, user_id)
    row = await store.one(tx, user_id, contact_id)
    if row is None:
        raise NoSuchContact
    draft = clean(body, habits)
    await store.change(tx, user_id, contact_id, draft)
    await tell_renamed(tx, provider_id, user_id, affected(store.draft_of(row), draft))


async def delete(tx: Transaction, provider_id: int, user_id: int, contact_id: int) -> None:
    """Delete a contact; conversations stay. Raises NoSuchContact."""
    row = await store.one(tx, user_id, contact_id)
    if row is None:
        raise NoSuchContact
    await store.delete(tx, user_id, contact_id)
    await tell_renamed(tx, provider_id, user_id, affected(store.draft_of(row)))


def cleaned(read: Sequence[ContactBody], habits: DialingHabits) -> tuple[list[Draft], list[str]]:
    """What of a file's contacts is fit to be kept, and in words what is not. Thousands of numbers take a while: call it in a thread."""
    drafts: list[Draft] = []
    refused: list[str] = []
    for body in read:
        try:
            drafts.append(clean(body, habits))
        except BadContact as error:
            refused.append(f"{body.name[:40] or '?'}: {error.fields[0].text}")
    return drafts, refused


async def bring_in(tx: Transaction, provider_id: int, user_id: int, drafts: Sequence[Draft], skipped: Sequence[str]) -> Imported:
    """Add what a file brought. Nobody comes in twice: who is there already gains what is new, and loses nothing. Raises TooManyContacts.

    `skipped`: what of the file is left out, in words.
    """
    room = CONTACTS_MOST - await store.hold(tx, user_id)
    held = [(row.id, store.draft_of(row)) for row in await store.all_own(tx, user_id)]
    found = await asyncio.to_thread(joined, held, drafts)
    if len(found.new) > room:
        raise TooManyContacts
    await store.add_many(tx, user_id, found.new)
    for contact_id, draft in found.changed.items():
        await store.change(tx, user_id, contact_id, draft)
    await tell_renamed(tx, provider_id, user_id, affected(*found.new, *found.changed.values()))
    more = len(skipped) - SKIPPED_MOST
    told = (*skipped[:SKIPPED_MOST], *([f"… and {more} more."] if more > 0 else []))
    return Imported(len(found.new), len(found.changed), found.unchanged, told)
