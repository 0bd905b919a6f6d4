"""Reading the history log: each level sees its own part and what lies below it (R195)."""

from datetime import datetime

import msgspec

from kereru.kernel.db import Transaction
from kereru.kernel.ids import MAX_ID
from kereru.tenancy.history import store
from kereru.tenancy.history.model import Entry, changes_of
from kereru.tenancy.model import Path
from kereru.tenancy.policy import Reach


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
