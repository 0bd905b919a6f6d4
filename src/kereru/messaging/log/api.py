"""Routes of the message log at every level (R94 to R101, R197): a page, the same as CSV, one message with its verdict."""

from collections.abc import AsyncGenerator

from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.response import Stream

from kereru.kernel import ids, spreadsheet
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.paging import CursorCodec
from kereru.messaging.errors import NoSuchMessage
from kereru.messaging.life.queries import files_of, life_of
from kereru.messaging.log import queries, store
from kereru.messaging.log.detail import MessageDetail, detail
from kereru.messaging.log.filters import Filters, filters, search_for
from kereru.messaging.log.model import COLUMNS, LogPage, cells, logged
from kereru.messaging.queries import oldest_kept
from kereru.tenancy.model import Path
from kereru.tenancy.policy import PORTAL, Principal, policy, reach
from kereru.tenancy.requests import Cursor, Limit

MOST_EXPORTED = 20_000
EXPORT_PAGE = 200
EXPORT_PAGES = 250
_ASKED = {"asked": Provide(filters, sync_to_thread=False)}
_MORE = "The file ends here, and there may be more. Narrow the time for older texts."


@get(
    "/message-log",
    opt=policy(PORTAL()),
    dependencies=_ASKED,
    operation_id="listMessageLog",
    summary="What became of each text, newest first",
)
async def list_message_log(
    principal: Principal,
    database: Database,
    clock: Clock,
    cursors: CursorCodec,
    asked: NamedDependency[Filters],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> LogPage:
    """Your own level and what lies below it (R195). A page may be empty and yet go on: see `searched_to`.

    Raises NoSuchOrganisation, NoSuchPerson, NoSuchAssignment, BadCursor.
    """
    before = cursors.decode(cursor) if cursor else ids.MAX_ID
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        search = await search_for(tx, principal, asked)
        found = await queries.page(tx, reach(principal), search, before=before, now=clock.now(), limit=limit)
        files = await files_of(tx, found.rows)
    following = None if found.next is None else cursors.encode(found.next)
    return LogPage([logged(row, files.get(row.id, ())) for row in found.rows], following, None if found.next is None else ids.made_at(found.next))


@get(
    "/message-log/export",
    opt=policy(PORTAL()),
    dependencies=_ASKED,
    operation_id="exportMessageLog",
    summary="The same as a CSV file",
    media_type="text/csv",
)
async def export_message_log(principal: Principal, database: Database, clock: Clock, asked: NamedDependency[Filters]) -> Stream:
    """At most the newest 20,000 texts; the last line says when there may be more: narrow the time. No cell is taken for a formula (bad input 22)."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        search = await search_for(tx, principal, asked)

    async def pages() -> AsyncGenerator[list[tuple[str, ...]]]:
        before, left, now = ids.MAX_ID, MOST_EXPORTED, clock.now()
        for _ in range(EXPORT_PAGES):
            async with database.transaction(ProviderScope(principal.provider_id)) as tx:
                found = await queries.page(tx, reach(principal), search, before=before, now=now, limit=min(left, EXPORT_PAGE))
                files = await files_of(tx, found.rows)
            yield [cells(logged(row, files.get(row.id, ()))) for row in found.rows]
            if found.next is None:
                return
            before, left = found.next, left - len(found.rows)
            if not left:
                break
        yield [(_MORE,)]

    file = await spreadsheet.streamed(COLUMNS, pages())
    return Stream(file, media_type=spreadsheet.MEDIA_TYPE, headers=spreadsheet.disposition("message-log.csv"))


@get(
    "/message-log/{message_id:str}",
    opt=policy(PORTAL(), message_id="message"),
    operation_id="getLoggedMessage",
    summary="One text: its whole life, the raw exchange with the carrier, and who must act",
)
async def read_logged_message(message_id: str, principal: Principal, database: Database, clock: Clock) -> MessageDetail:
    """SID, segments, each hop, what went over the wire with secrets masked, and the verdict with a text for the ticket (R97 to R101, R197)."""
    now = clock.now()
    try:
        wanted = ids.decode(message_id)
    except ids.InvalidId as error:
        raise NoSuchMessage from error
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        place = await store.place_of(tx, wanted, oldest_kept(now))
        if place is None or not reach(principal).covers(Path(principal.provider_id, **place._asdict())):
            raise NoSuchMessage
        life = await life_of(tx, wanted, now)
    return detail(life, now)


ROUTES = (list_message_log, export_message_log, read_logged_message)
