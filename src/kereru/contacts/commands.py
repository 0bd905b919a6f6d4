"""Adding, changing, deleting and importing contacts. Each runs in one transaction; whoever is on screen under one of the numbers is renamed there."""

from collections.abc import Sequence

from kereru.carriers.numbering import DialingHabits
from kereru.contacts import store
from kereru.contacts.errors import BadContact, NoSuchContact, TooManyContacts
from kereru.contacts.model import CONTACTS_MOST, ContactBody, Draft, Imported, affected, clean, is_same_person, merged
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


async def bring_in(
    tx: Transaction, provider_id: int, user_id: int, read: Sequence[ContactBody], unread: Sequence[str], habits: DialingHabits
) -> Imported:
    """Add what a file brought. Nobody comes in twice: who is there already gains what is new, and loses nothing. Raises TooManyContacts.

    `unread`: what of the file could not be read, in words.
    """
    room = CONTACTS_MOST - await store.hold(tx, user_id)
    held: dict[str, list[tuple[int, Draft]]] = {}
    for row in await store.all_own(tx, user_id):
        held.setdefault(row.name.casefold(), []).append((row.id, store.draft_of(row)))
    added: dict[str, list[Draft]] = {}
    changed: dict[int, Draft] = {}
    unchanged, skipped = 0, list(unread)
    for body in read:
        try:
            draft = clean(body, habits)
        except BadContact as error:
            skipped.append(f"{body.name[:40] or '?'}: {error.fields[0].text}")
            continue
        name = draft.name.casefold()
        known = next(((id_, changed.get(id_, old)) for id_, old in held.get(name, []) if is_same_person(changed.get(id_, old), draft)), None)
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
    new = [draft for drafts in added.values() for draft in drafts]
    if len(new) > room:
        raise TooManyContacts
    await store.add_many(tx, user_id, new)
    for contact_id, draft in changed.items():
        await store.change(tx, user_id, contact_id, draft)
    await tell_renamed(tx, provider_id, user_id, affected(*new, *changed.values()))
    more = len(skipped) - SKIPPED_MOST
    told = (*skipped[:SKIPPED_MOST], *([f"… and {more} more."] if more > 0 else []))
    return Imported(len(new), len(changed), unchanged, told)
