"""Lists that people sort, search and page: one way for all nouns of the portal."""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

import msgspec
from litestar.params import Parameter

from kereru.kernel.db import Row, Transaction
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.ids import MAX_ID
from kereru.kernel.paging import CursorCodec, Page

Sort = Annotated[str, Parameter(max_length=40, description="What to sort by; a - in front turns it around.")]
Item = TypeVar("Item")


class Listing(msgspec.Struct, frozen=True):
    """What is listed: columns with `{key}` for the sort key, the rows and their conditions, the id's column, and what can be sorted by."""

    select: str
    id: str
    keys: Mapping[str, str]


class Wanted(msgspec.Struct, frozen=True):
    """Which page of a list."""

    sort: str
    limit: int
    cursor: str | None


def wanted(listing: Listing, sort: str, limit: int, cursor: str | None) -> Wanted:
    """The same, checked. Raises Invalid for what cannot be sorted by."""
    if sort.removeprefix("-") not in listing.keys:
        words = f"Sort by one of: {', '.join(listing.keys)}; with a - in front for the other way round."
        raise Invalid(fields=(FieldProblem("sort", "not_a_sort", words),))
    return Wanted(sort, limit, cursor)


async def page(
    tx: Transaction, listing: Listing, params: Mapping[str, object], which: Wanted, cursors: CursorCodec, present: Callable[[Row], Item]
) -> Page[Item]:
    """One page, from after its cursor. Raises BadCursor."""
    down = which.sort.startswith("-")
    key = listing.keys[which.sort.removeprefix("-")]
    after_key, after_id = cursors.decode_place(which.cursor, which.sort) if which.cursor else ("", 0)
    start = "true" if not which.cursor else f"({key}, {listing.id}) {'<' if down else '>'} (%(after_key)s, %(after_id)s)"
    turn = "DESC" if down else "ASC"
    statement = f"{listing.select.format(key=key)} AND {start} ORDER BY {key} {turn}, {listing.id} {turn} LIMIT %(limit)s"
    values = {**params, "after_key": after_key, "after_id": min(after_id, MAX_ID), "limit": which.limit + 1}
    rows = await tx.rows(statement, values)
    last = rows[which.limit - 1] if len(rows) > which.limit else None
    following = cursors.encode_place(which.sort, last.sort_key, last.id) if last is not None else None
    return Page([present(row) for row in rows[: which.limit]], following)
