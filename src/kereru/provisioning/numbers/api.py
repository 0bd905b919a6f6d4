"""Routes of numbers in the portal (R143 to R158, R173 to R185, R198, R200): parse, authorise, call one command, present."""

from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.params import Parameter, QueryParameter
from litestar.response import Stream
from msgspec import UNSET, UnsetType

from kereru.kernel import ids, spreadsheet
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.kernel.limits import PAGE_ITEMS, PAGE_ITEMS_DEFAULT, SEARCH_CHARACTERS
from kereru.kernel.paging import CursorCodec
from kereru.provisioning.desk import Desk
from kereru.provisioning.errors import NoSuchAssignment, NoSuchPlatform, NoSuchUser
from kereru.provisioning.numbers import assigning, commands, deletion, listing, watching
from kereru.provisioning.numbers.listing import DEFAULT_SORT, ListLevel, Search, State, searched
from kereru.provisioning.numbers.model import KEEP, MMS_AND_SMS, SMS, AssignmentChanges, NewAssignment
from kereru.provisioning.numbers.presenting import COLUMNS, AssignmentShown, MessagingType, assignment_shown, cells
from kereru.provisioning.opt_in import commands as opt_in
from kereru.provisioning.portal import AnyRequest, author_of, may_write
from kereru.tenancy.policy import PORTAL, Principal, policy, reach

PATIENCE_S = 8.0
"""How long somebody waits for a carrier before he sees the state instead (R150)."""

EXPORT_PAGE = 500
Typed = Annotated[str, msgspec.Meta(max_length=200)]
Level = Annotated[ListLevel | None, Parameter(description="Numbers at this level and below; with `organisation`.")]
Organisation = Annotated[str | None, Parameter(description="The id of the provider, reseller, group or user that `level` speaks of.")]
Which = Annotated[State, QueryParameter(name="state", description="Live assignments, past ones, or both (R178).")]
Query = Annotated[
    str,
    Parameter(description="Part of a number, friendly name, user or e-mail; wildcards are put around it (R176).", max_length=SEARCH_CHARACTERS),
]


class AssignmentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form "Add CPaaS Number" (R147). Ten digits suffice (R148); null takes the platform's setting (R152).

    `platform_id` is needed when there are several (R153); `confirm_enable` answers `texting_is_off` (Q17).
    """

    number: Typed
    platform_id: str | None = None
    friendly_name: Annotated[str, msgspec.Meta(max_length=400)] = ""
    messaging_type: MessagingType | None = None
    user_can_block: bool | None = None
    confirm_enable: bool = False


class AssignmentChangesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is not named stays, null takes the platform's setting (R152)."""

    friendly_name: Annotated[str, msgspec.Meta(max_length=400)] | UnsetType = UNSET
    messaging_type: MessagingType | UnsetType | None = UNSET
    user_can_block: bool | UnsetType | None = UNSET


class AssignmentList(msgspec.Struct, frozen=True):
    """A page of the list. `searched` shows the wildcards that were put around the search (R176), null without one."""

    items: list[AssignmentShown]
    next: str | None
    searched: str | None


class DeletedMessages(msgspec.Struct, frozen=True):
    """How much was deleted; what stays are the evidence and a usage row without number and text (Q27)."""

    messages: int
    conversations: int


class DeletedNumber(msgspec.Struct, frozen=True):
    """The ended assignment, and what was deleted with it."""

    assignment: AssignmentShown
    deleted: DeletedMessages


@get("/assignments", opt=policy(PORTAL()), operation_id="listAssignments", summary="The CPaaS Numbers tab of any level")
async def list_assignments(
    principal: Principal,
    database: Database,
    desk: Desk,
    cursors: CursorCodec,
    level: Level = None,
    organisation: Organisation = None,
    q: Query = "",
    which: Which = "live",
    sort: Annotated[str, Parameter(description="A column, with - before it downwards.")] = DEFAULT_SORT,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=PAGE_ITEMS)] = PAGE_ITEMS_DEFAULT,
) -> AssignmentList:
    """All numbers assigned at that level and below, within your reach (R173 to R178)."""
    after = None if cursor is None else cursors.decode(cursor)
    search = Search(level, _organisation(level, organisation), q, which, sort, after, limit)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        rows = await listing.entries(tx, reach(principal), search)
    items = [assignment_shown(row, desk.carriers, writable=may_write(principal)) for row in rows]
    return AssignmentList(items, cursors.encode(rows[-1].id) if len(rows) == limit else None, searched(q) or None)


@get(
    "/assignments/export",
    opt=policy(PORTAL()),
    operation_id="exportAssignments",
    summary="The same list as a CSV file",
    media_type="text/csv",
)
async def export_assignments(
    principal: Principal,
    database: Database,
    level: Level = None,
    organisation: Organisation = None,
    q: Query = "",
    which: Which = "live",
    sort: Annotated[str, Parameter(description="A column, with - before it downwards.")] = DEFAULT_SORT,
) -> Stream:
    """The whole list as it is shown, for a spreadsheet; no cell is taken for a formula (bad input 22)."""
    of = _organisation(level, organisation)

    async def pages() -> AsyncGenerator[list[tuple[str, ...]]]:
        after: int | None = None
        while True:
            search = Search(level, of, q, which, sort, after, EXPORT_PAGE)
            async with database.transaction(ProviderScope(principal.provider_id)) as tx:
                rows = await listing.entries(tx, reach(principal), search)
            yield [cells(row) for row in rows]
            if len(rows) < EXPORT_PAGE:
                return
            after = rows[-1].id

    file = await spreadsheet.streamed(COLUMNS, pages())
    return Stream(file, media_type=spreadsheet.MEDIA_TYPE, headers=spreadsheet.disposition("cpaas-numbers.csv"))


@post(
    "/users/{user_id:str}/assignments",
    opt=policy(PORTAL(), user_id="user"),
    status_code=202,
    operation_id="assignNumber",
    summary="Give a user a number and set it up at the carrier",
)
async def assign_number(
    request: AnyRequest, user_id: str, principal: Principal, database: Database, desk: Desk, data: AssignmentBody
) -> AssignmentShown:
    """Answers with the state it has reached: `enabled`, or an earlier one while the carrier takes its time (R150); ask for it again then.

    What the person must decide or put right is an error, and nothing is kept: `number_not_in_account` (R155), `texting_is_off` (Q17), `number_taken`.
    """
    user, within = _decode(user_id, NoSuchUser), reach(principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        if not await listing.user_within(tx, within, user):
            raise NoSuchUser
    platform = None if data.platform_id is None else _decode(data.platform_id, NoSuchPlatform)
    mms = None if data.messaging_type is None else data.messaging_type == "mms_sms"
    wanted = NewAssignment(user, data.number, platform, data.friendly_name, mms, data.user_can_block, data.confirm_enable)
    made = await assigning.assign_number(desk, principal.provider_id, wanted, author_of(request, principal), patience_s=PATIENCE_S)
    return await _shown(desk, principal, made.id, warnings=made.warnings)


@get(
    "/assignments/{assignment_id:str}",
    opt=policy(PORTAL(), assignment_id="assignment"),
    operation_id="getAssignment",
    summary="One number: how far it is set up, opt-in, saved messages",
)
async def read_assignment(assignment_id: str, principal: Principal, desk: Desk) -> AssignmentShown:
    """The number's page (R179, R180, R182, R200)."""
    return await _shown(desk, principal, _decode(assignment_id))


@patch(
    "/assignments/{assignment_id:str}",
    opt=policy(PORTAL(), assignment_id="assignment"),
    operation_id="updateAssignment",
    summary="Change friendly name, messaging type and blocking",
)
async def update_assignment(
    request: AnyRequest, assignment_id: str, principal: Principal, desk: Desk, data: AssignmentChangesBody
) -> AssignmentShown:
    """MMS only where the platform has it (R151)."""
    wanted = await _within(desk, principal, assignment_id)
    kind = data.messaging_type
    changes = AssignmentChanges(
        friendly_name=KEEP if data.friendly_name is UNSET else data.friendly_name,
        messaging_type=KEEP if kind is UNSET else None if kind is None else MMS_AND_SMS if kind == "mms_sms" else SMS,
        user_can_block=KEEP if data.user_can_block is UNSET else data.user_can_block,
    )
    await commands.change_assignment(desk, principal.provider_id, wanted, changes, author_of(request, principal))
    return await _shown(desk, principal, wanted)


@post(
    "/assignments/{assignment_id:str}/reset-opt-in",
    opt=policy(PORTAL(), assignment_id="assignment"),
    status_code=200,
    operation_id="resetOptIn",
    summary="Have the user asked again at the next start of the client",
)
async def reset_opt_in(request: AnyRequest, assignment_id: str, principal: Principal, database: Database, desk: Desk) -> AssignmentShown:
    """Whatever the user answered before (R16, R181)."""
    wanted = await _within(desk, principal, assignment_id)
    author = author_of(request, principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        row = await listing.entry(tx, reach(principal), wanted)
        if row is None:
            raise NoSuchAssignment
        shown = assignment_shown(row, desk.carriers, writable=False)
        before, after = {"opt_in": shown.opt_in.state}, {"opt_in": "pending"}
        await desk.record_history(tx, author.principal, "opt_in.reset", "assignment", wanted, row.e164, before, after)
        await opt_in.reset(tx, principal.provider_id, wanted, author.witness, desk.release_withheld)
    return await _shown(desk, principal, wanted)


@post(
    "/assignments/{assignment_id:str}/delete-messages",
    opt=policy(PORTAL(), assignment_id="assignment"),
    status_code=200,
    operation_id="deleteSavedMessages",
    summary="Delete the messages saved for a number; the number stays with its user",
)
async def delete_messages(request: AnyRequest, assignment_id: str, principal: Principal, desk: Desk) -> DeletedMessages:
    """For example when another person takes the account over (R182, R183)."""
    wanted = await _within(desk, principal, assignment_id)
    deleted = await deletion.delete_saved_messages(desk, principal.provider_id, wanted, author_of(request, principal))
    return DeletedMessages(deleted.messages, deleted.conversations)


@post(
    "/assignments/{assignment_id:str}/retry",
    opt=policy(PORTAL(), assignment_id="assignment"),
    status_code=202,
    operation_id="retryAssignment",
    summary="Try again to set up a number that failed",
)
async def retry(request: AnyRequest, assignment_id: str, principal: Principal, desk: Desk) -> AssignmentShown:
    """409 `not_failed` for a number whose set-up did not fail."""
    wanted = await _within(desk, principal, assignment_id)
    await commands.retry_assignment(desk, principal.provider_id, wanted, author_of(request, principal), patience_s=PATIENCE_S)
    return await _shown(desk, principal, wanted)


@post(
    "/assignments/{assignment_id:str}/repoint",
    opt=policy(PORTAL(), assignment_id="assignment"),
    status_code=200,
    operation_id="repointNumber",
    summary="Point the number's webhook at the carrier here again",
)
async def repoint(request: AnyRequest, assignment_id: str, principal: Principal, desk: Desk) -> AssignmentShown:
    """For one whose `webhook` does not stand; raises what the carrier says. 404 for a number that is not in use."""
    wanted = await _within(desk, principal, assignment_id)
    await watching.repair_webhook(desk, principal.provider_id, wanted, author_of(request, principal))
    return await _shown(desk, principal, wanted)


@delete(
    "/assignments/{assignment_id:str}",
    opt=policy(PORTAL(), assignment_id="assignment"),
    status_code=200,
    operation_id="deleteNumber",
    summary="Delete a number: its messages go, its webhook is removed, the assignment ends",
)
async def delete_number(request: AnyRequest, assignment_id: str, principal: Principal, desk: Desk) -> DeletedNumber:
    """At once and for good (R184, R185); the past assignment stays in the list with its end date (R178, Q18)."""
    wanted = await _within(desk, principal, assignment_id)
    ended = await deletion.delete_number(desk, principal.provider_id, wanted, author_of(request, principal))
    counts = DeletedMessages(ended.deleted.messages, ended.deleted.conversations)
    return DeletedNumber(await _shown(desk, principal, wanted), counts)


async def _within(desk: Desk, principal: Principal, text: str) -> int:
    """The assignment's id, if it is within the caller's reach. Raises NoSuchAssignment."""
    wanted = _decode(text)
    async with desk.database.transaction(ProviderScope(principal.provider_id)) as tx:
        if await listing.entry(tx, reach(principal), wanted) is None:
            raise NoSuchAssignment
    return wanted


async def _shown(desk: Desk, principal: Principal, assignment_id: int, *, warnings: tuple[str, ...] = ()) -> AssignmentShown:
    async with desk.database.transaction(ProviderScope(principal.provider_id)) as tx:
        row = await listing.entry(tx, reach(principal), assignment_id)
        if row is None:
            raise NoSuchAssignment
        saved = await desk.messages.count(tx, principal.provider_id, assignment_id)
    return assignment_shown(row, desk.carriers, writable=may_write(principal), saved=saved, warnings=warnings)


def _organisation(level: ListLevel | None, organisation: str | None) -> int | None:
    if (level is None) != (organisation is None):
        raise Invalid(fields=(FieldProblem("organisation", "missing", "Name the level together with the organisation, or neither."),))
    return None if organisation is None else ids.decode(organisation)


def _decode(text: str, missing: type[Exception] = NoSuchAssignment) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise missing from error


ROUTES = (
    list_assignments, export_assignments, assign_number, read_assignment, update_assignment, reset_opt_in, delete_messages, retry, repoint,
    delete_number,
)  # fmt: skip
