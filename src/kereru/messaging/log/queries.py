"""Reading the message log: what is searched, page by page (R94 to R96)."""

from datetime import datetime
from typing import Literal

import msgspec

from kereru.carriers.numbering import DialingHabits, TypedNumber, read_typed
from kereru.kernel import ids
from kereru.kernel.db import Row, Transaction
from kereru.messaging.log import store
from kereru.messaging.model import Status
from kereru.messaging.queries import oldest_kept
from kereru.tenancy.policy import Reach

LogLevel = Literal["provider", "reseller", "group", "user", "assignment"]

_HABITS = DialingHabits("US", "1", exclude_leading_zero=True)
_SENDER = "CASE WHEN m.outbound THEN n.e164 ELSE v.remote END"
_RECIPIENT = "CASE WHEN m.outbound THEN v.remote ELSE n.e164 END"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. `place`: the id that `level` speaks of; `start` and `end` in UTC, `end` not included; `sender` and `recipient` as typed."""

    level: LogLevel = "provider"
    place: int | None = None
    sender: str = ""
    recipient: str = ""
    start: datetime | None = None
    end: datetime | None = None
    text: str = ""
    direction: Literal["in", "out"] | None = None
    status: Status | None = None
    hidden: Literal["withheld", "blocked"] | None = None


class Found(msgspec.Struct, frozen=True):
    """A page's rows, and the id it goes on from (not included); None at the end."""

    rows: list[Row]
    next: int | None


class _End(msgspec.Struct, frozen=True):
    """A number as it was typed: whole, then `exact` is how it is stored; or a piece of one, then `like` finds it."""

    exact: str | None = None
    like: str | None = None


async def page(tx: Transaction, within: Reach, search: Search, *, before: int, now: datetime, limit: int) -> Found:
    """The newest texts before the id `before`. May hold fewer than `limit`, even none, and yet go on."""
    sender, recipient = _end(search.sender), _end(search.recipient)
    wanted = _conditions(search, sender, recipient)
    narrow = not within.whole or search.level != "provider"
    params: dict[str, object] = {
        **within.params(), "place": search.place, "limit": limit,
        "sender": sender.exact or sender.like, "recipient": recipient.exact or recipient.like,
        "words": search.text, "status": None if search.status is None else int(search.status),
        "before": min(before, ids.MAX_ID if search.end is None else ids.lowest_at(search.end)),
        "since": max(oldest_kept(now), 0 if search.start is None else ids.lowest_at(search.start)),
    }  # fmt: skip
    numbers = [end.exact for end in (sender, recipient) if end.exact]
    if narrow or numbers:
        conversations = await store.candidates(tx, search.level, numbers, params)
        if conversations is not None:
            rows = await store.by_conversation(tx, conversations, wanted, params)
            return Found(rows, rows[-1].id if len(rows) == limit else None)
    owned = narrow or search.sender or search.recipient
    params["most"] = store.LOOKED_AT_WITH_OWNER if owned else store.LOOKED_AT if wanted else limit
    rows = await store.from_the_top(tx, search.level, wanted, params)
    return Found(rows, rows[-1].id if len(rows) == limit else await store.bottom(tx, params))


def _conditions(search: Search, sender: _End, recipient: _End) -> str:
    """What is asked of a text `m` and of its two numbers, as SQL."""
    wanted = ""
    if search.direction:
        wanted += f" AND {'' if search.direction == 'out' else 'NOT '}m.outbound"
    if search.status is not None:
        wanted += " AND m.status = %(status)s"
    if search.hidden:
        wanted += f" AND m.visibility = {1 if search.hidden == 'withheld' else 2}"
    if search.text:
        # What is withheld is shown to nobody, so nobody finds it by its words (Q26).
        wanted += " AND m.visibility <> 1 AND strpos(lower(m.text), lower(%(words)s)) > 0"
    for end, side, name in ((sender, _SENDER, "sender"), (recipient, _RECIPIENT, "recipient")):
        if end.exact:
            wanted += f" AND {side} = %({name})s"
        elif end.like:
            wanted += f" AND {side} LIKE %({name})s"
    return wanted


def _end(typed: str) -> _End:
    """Whole numbers in any form, names, and pieces of numbers, which are found wherever they stand in one (R176's way)."""
    core = typed.strip()
    read = read_typed(core, _HABITS)
    if isinstance(read, TypedNumber):
        return _End(exact=read.e164)
    digits = "".join(character for character in core if character.isascii() and character.isdigit())
    return _End(like=f"%{digits}%") if digits and not any(character.isalpha() for character in core) else _End(exact=core or None)
