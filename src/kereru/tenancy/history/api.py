"""Routes of the history log (R191): a page of it, or all that was looked for as CSV."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import get
from litestar.params import Parameter, QueryParameter
from litestar.response import Stream

from kereru.kernel import ids, spreadsheet
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.paging import CursorCodec, Page
from kereru.tenancy.history import queries
from kereru.tenancy.history.model import COLUMNS, Entry, cells
from kereru.tenancy.history.queries import Filter
from kereru.tenancy.model import Level, Path
from kereru.tenancy.policy import PORTAL, Principal, policy, reach
from kereru.tenancy.requests import Cursor, Limit, Query, organisation_id, organisation_within, person_id, user_within

MOST_EXPORTED = 20_000
EXPORT_PAGE = 500
_MORE = "The file ends here, and there is more. Narrow the time for older changes."

Where = Annotated[
    Literal["provider", "reseller", "group", "user"] | None, Parameter(description="With `organisation`: whose log, with all below it.")
]
Organisation = Annotated[str | None, Parameter(description="The id of the provider, reseller, group or user that `level` names.")]
Since = Annotated[datetime | None, QueryParameter(name="from", description="Changes at or after this time.")]
Until = Annotated[datetime | None, QueryParameter(name="to", description="Changes before this time.")]
Kind = Annotated[str, Parameter(max_length=40, description="Kind of what was changed: user, group, portal-account, platform, assignment …")]


class HistoryTarget(msgspec.Struct, frozen=True):
    """What was changed, by the name it had then."""

    kind: str
    id: str
    name: str


class HistoryChange(msgspec.Struct, frozen=True):
    """One field, before and after."""

    field: str
    before: Any
    after: Any


class HistoryEntry(msgspec.Struct, frozen=True):
    """One change. `who` is the e-mail address, or "operator"; `address` is where the request came from; `via` session, api_key, link, operator
    or schedule.
    """

    id: str
    at: datetime
    who: str
    address: str
    via: str
    action: str
    target: HistoryTarget
    changes: list[HistoryChange]


@get("/history", opt=policy(PORTAL()), operation_id="listHistory", summary="What was changed, by whom, from where; newest first")
async def list_history(
    principal: Principal,
    database: Database,
    cursors: CursorCodec,
    level: Where = None,
    organisation: Organisation = None,
    who: Query = "",
    kind: Kind = "",
    since: Since = None,
    until: Until = None,
    q: Query = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[HistoryEntry]:
    """Your own level and what lies below it (R191, R195). Raises NoSuchOrganisation, NoSuchPerson, BadCursor."""
    below = cursors.decode(cursor) if cursor else ids.MAX_ID
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        wanted = Filter(
            place=await _place(tx, principal, level, organisation), who=who, kind=kind, since=_aware("from", since), until=_aware("to", until), q=q
        )
        found = await queries.entries(tx, reach(principal), wanted, below=below, limit=limit + 1)
    more = len(found) > limit
    return Page([_shown(entry) for entry in found[:limit]], cursors.encode(found[limit - 1].id) if more else None)


@get(
    "/history/export",
    opt=policy(PORTAL()),
    operation_id="exportHistory",
    summary="The same as CSV, without a spreadsheet's formulas",
    media_type="text/csv",
)
async def export_history(
    principal: Principal,
    database: Database,
    level: Where = None,
    organisation: Organisation = None,
    who: Query = "",
    kind: Kind = "",
    since: Since = None,
    until: Until = None,
    q: Query = "",
) -> Stream:
    """At most 20,000 changes, the newest; narrow the time for older ones. Raises NoSuchOrganisation, NoSuchPerson."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        place = await _place(tx, principal, level, organisation)
    wanted = Filter(place=place, who=who, kind=kind, since=_aware("from", since), until=_aware("to", until), q=q)

    async def pages() -> AsyncGenerator[list[tuple[str, ...]]]:
        below = ids.MAX_ID
        for _ in range(MOST_EXPORTED // EXPORT_PAGE):
            async with database.transaction(ProviderScope(principal.provider_id)) as tx:
                found = await queries.entries(tx, reach(principal), wanted, below=below, limit=EXPORT_PAGE)
            yield [line for entry in found for line in cells(entry)]
            if len(found) < EXPORT_PAGE:
                return
            below = found[-1].id
        yield [(_MORE,)]

    return Stream(await spreadsheet.streamed(COLUMNS, pages()), media_type=spreadsheet.MEDIA_TYPE, headers=spreadsheet.disposition("history.csv"))


async def _place(tx: Transaction, principal: Principal, level: str | None, organisation: str | None) -> Path | None:
    if (level is None) != (organisation is None):
        raise Invalid(fields=(FieldProblem("organisation", "missing", "Name both: the level, and which one of it."),))
    if level is None or organisation is None:
        return None
    if level == "user":
        return await user_within(tx, principal, person_id(organisation))
    return await organisation_within(tx, principal, Level.of(level), organisation_id(organisation))


def _aware(field: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid(fields=(FieldProblem(field, "no_zone", "Give the time with its zone, like 2026-05-01T00:00:00Z."),))
    return at


def _shown(entry: Entry) -> HistoryEntry:
    return HistoryEntry(
        id=ids.encode(entry.id),
        at=entry.at,
        who=entry.actor,
        address=entry.address,
        via=entry.via,
        action=entry.action,
        target=HistoryTarget(entry.target_kind, ids.encode(entry.target_id), entry.target_name),
        changes=[HistoryChange(change.field, change.before, change.after) for change in entry.changes],
    )


ROUTES = (list_history, export_history)
