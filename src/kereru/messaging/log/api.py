"""Routes of the message log at every level (R94 to R101, R197): a page, the same as CSV, one message with its verdict."""

from datetime import datetime
from typing import Annotated, Literal

from litestar import Response, get
from litestar.params import Parameter, QueryParameter

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.limits import SEARCH_CHARACTERS
from kereru.kernel.paging import CursorCodec
from kereru.messaging.errors import NoSuchMessage
from kereru.messaging.life.queries import life_of
from kereru.messaging.log import queries, store
from kereru.messaging.log.detail import MessageDetail, detail
from kereru.messaging.log.model import LogPage, as_csv, logged
from kereru.messaging.log.queries import LogLevel, Search
from kereru.messaging.model import Status
from kereru.messaging.queries import oldest_kept
from kereru.provisioning.errors import NoSuchAssignment
from kereru.provisioning.numbers import listing
from kereru.tenancy.errors import NoSuchPerson
from kereru.tenancy.model import Level, Path
from kereru.tenancy.policy import PORTAL, Principal, policy, reach
from kereru.tenancy.requests import Cursor, Limit, organisation_id, organisation_within, person_id, user_within

MOST_EXPORTED = 20_000
EXPORT_PAGES = 50

Where = Annotated[LogLevel | None, Parameter(description="With `organisation`: whose log, with all below it.")]
Organisation = Annotated[str | None, Parameter(description="The id of the provider, reseller, group, user or assignment that `level` names.")]
Email = Annotated[str, Parameter(max_length=SEARCH_CHARACTERS, description="A user by e-mail, instead of `level` and `organisation` (R95).")]
From = Annotated[str, QueryParameter(name="from", max_length=SEARCH_CHARACTERS, description="Who sent it: a number in any form, or a piece of one.")]
To = Annotated[str, QueryParameter(name="to", max_length=SEARCH_CHARACTERS, description="Who was to get it, likewise.")]
Start = Annotated[datetime | None, Parameter(description="Texts at or after this time.")]
End = Annotated[datetime | None, Parameter(description="Texts before this time.")]
Words = Annotated[str, Parameter(max_length=SEARCH_CHARACTERS, description="Part of the message body.")]
Way = Annotated[Literal["in", "out"] | None, Parameter(description="Only inbound or outbound texts.")]
State = Annotated[
    Literal["queued", "sending", "sent", "delivered", "undelivered", "failed", "expired", "unknown", "received"] | None,
    QueryParameter(name="status", description="Only texts that stand so."),
]
Hidden = Annotated[Literal["withheld", "blocked"] | None, Parameter(description="Only texts that were kept from their owner (Q13, Q26).")]


@get("/message-log", opt=policy(PORTAL()), operation_id="listMessageLog", summary="What became of each text, newest first")
async def list_message_log(
    principal: Principal,
    database: Database,
    clock: Clock,
    cursors: CursorCodec,
    level: Where = None,
    organisation: Organisation = None,
    email: Email = "",
    sender: From = "",
    recipient: To = "",
    start: Start = None,
    end: End = None,
    text: Words = "",
    direction: Way = None,
    standing: State = None,
    hidden: Hidden = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> LogPage:
    """Your own level and what lies below it (R195). A page may be empty and yet go on: see `searched_to`.

    Raises NoSuchOrganisation, NoSuchPerson, NoSuchAssignment, BadCursor.
    """
    before = cursors.decode(cursor) if cursor else ids.MAX_ID
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        which, place = await _place(tx, principal, level, organisation, email)
        search = Search(
            level=which, place=place, sender=sender, recipient=recipient, start=_aware("start", start), end=_aware("end", end), text=text,
            direction=direction, status=_status(standing), hidden=hidden,
        )  # fmt: skip
        found = await queries.page(tx, reach(principal), search, before=before, now=clock.now(), limit=limit)
    following = None if found.next is None else cursors.encode(found.next)
    return LogPage([logged(row) for row in found.rows], following, None if found.next is None else ids.made_at(found.next))


@get(
    "/message-log/export",
    opt=policy(PORTAL()),
    operation_id="exportMessageLog",
    summary="The same as a CSV file",
    media_type="text/csv",
)
async def export_message_log(
    principal: Principal,
    database: Database,
    clock: Clock,
    level: Where = None,
    organisation: Organisation = None,
    email: Email = "",
    sender: From = "",
    recipient: To = "",
    start: Start = None,
    end: End = None,
    text: Words = "",
    direction: Way = None,
    standing: State = None,
    hidden: Hidden = None,
) -> Response[str]:
    """At most the newest 20,000 texts; narrow the time for older ones. No cell is taken for a formula (bad input 22)."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        which, place = await _place(tx, principal, level, organisation, email)
        search = Search(
            level=which, place=place, sender=sender, recipient=recipient, start=_aware("start", start), end=_aware("end", end), text=text,
            direction=direction, status=_status(standing), hidden=hidden,
        )  # fmt: skip
        rows = queries.everything(tx, reach(principal), search, now=clock.now(), most=MOST_EXPORTED, pages=EXPORT_PAGES)
        lines = [logged(row) async for row in rows]
    headers = {"content-disposition": 'attachment; filename="message-log.csv"'}
    return Response(as_csv(lines), media_type="text/csv", headers=headers)


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


async def _place(tx: Transaction, principal: Principal, level: LogLevel | None, organisation: str | None, email: str) -> tuple[LogLevel, int | None]:
    """What the level's id is, if the caller reaches it."""
    if email and level is None and organisation is None:
        user = await store.user_by_email(tx, email.strip())
        if user is None:
            raise NoSuchPerson
        await user_within(tx, principal, user)
        return "user", user
    if (level is None) != (organisation is None) or email:
        words = "Name both, the level and which one of it, or a user by e-mail."
        raise Invalid(fields=(FieldProblem("organisation", "missing", words),))
    if level is None or organisation is None:
        return "provider", None
    if level == "assignment":
        row = await listing.entry(tx, reach(principal), ids.decode(organisation))
        if row is None:
            raise NoSuchAssignment
        return level, row.id
    if level == "user":
        user = person_id(organisation)
        await user_within(tx, principal, user)
        return level, user
    named = organisation_id(organisation)
    await organisation_within(tx, principal, Level.of(level), named)
    return level, named


def _status(word: str | None) -> Status | None:
    return None if word is None else Status[word.upper()]


def _aware(field: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid(fields=(FieldProblem(field, "no_zone", "Give the time with its zone, like 2026-05-01T00:00:00Z."),))
    return at


ROUTES = (list_message_log, export_message_log, read_logged_message)
