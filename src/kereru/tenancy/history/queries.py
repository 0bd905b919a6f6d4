"""Reading the history log: each level sees its own part and what lies below it (R195)."""

import hashlib
from datetime import datetime

import msgspec

from kereru.kernel.db import Transaction
from kereru.kernel.ids import MAX_ID
from kereru.tenancy.errors import HistoryBroken, NoSuchOrganisation
from kereru.tenancy.history import store
from kereru.tenancy.history.model import Entry, changes_of
from kereru.tenancy.model import Path
from kereru.tenancy.policy import Reach

_AT_ONCE = 1_000


class Verified(msgspec.Struct, frozen=True):
    """A log whose chain holds: its length and last hash, which a later look must find again at that place."""

    entries: int
    head: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for: below an organisation or user, by whom, of which kind, since and until (UTC), and a word anywhere in it."""

    place: Path | None = None
    who: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    q: str = ""


async def entries(tx: Transaction, within: Reach, wanted: Filter, *, below: int = MAX_ID, limit: int = 50) -> list[Entry]:
    """The newest rows first, older than the id `below`."""
    place = wanted.place or Path(within.provider_id)
    params = {
        "provider_id": within.provider_id,
        **within.params(),
        "reseller_id": None if place.group_id else place.reseller_id,
        "group_id": None if place.user_id else place.group_id,
        "user_id": place.user_id,
        "who": wanted.who,
        "kind": wanted.kind,
        "since": wanted.since,
        "until": wanted.until,
        "q": wanted.q,
        "below": below,
        "limit": limit,
    }
    return [
        Entry(
            row.id, row.at, row.actor_id, row.actor, row.address, row.via, row.action, row.target_kind, row.target_id, row.target_name,
            changes_of(row.before, row.after),
        )
        for row in await tx.rows(store.LIST, params)
    ]  # fmt: skip


async def verify(tx: Transaction, provider_id: int) -> Verified:
    """Check that no row of a provider's log was changed, taken out or put in (G34). Raises NoSuchOrganisation; HistoryBroken, naming the place."""
    head = await tx.row(store.HEAD, {"provider_id": provider_id})
    if head is None:
        raise NoSuchOrganisation
    previous, number = hashlib.sha256(f"kereru history {provider_id}".encode()).digest(), 0
    # What is written while this reads is left for the next look.
    while rows := await tx.rows(store.LINKS, {"provider_id": provider_id, "after": number, "until": head.number, "limit": _AT_ONCE}):
        for row in rows:
            number += 1
            if row.number != number or row.body is None:
                raise _broken(number, "is missing")
            previous = hashlib.sha256(previous + row.body.encode()).digest()
            if previous != bytes(row.hash):
                raise _broken(number, "was changed after it was written")
    if head.number != number or (number and previous != bytes(head.hash)):
        raise _broken(number + 1, "is missing")
    if head.rows != number:
        message = f"The log has {head.rows} entries and its chain {number}: something was put in past the chain."
        raise HistoryBroken(message)
    return Verified(number, previous.hex())


def _broken(number: int, what: str) -> HistoryBroken:
    message = f"Entry {number} of the history log {what}."
    return HistoryBroken(message)
