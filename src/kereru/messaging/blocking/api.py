"""Routes of blocking: the user's own, and the portal's list of whom a number's user blocked (Q13, P63)."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import Parameter

from kereru.carriers.numbering import display
from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.limits import PAGE_ITEMS, PAGE_ITEMS_DEFAULT
from kereru.kernel.paging import CursorCodec, Page
from kereru.messaging import queries
from kereru.messaging.blocking import commands, store
from kereru.messaging.blocking.model import REASON_CHARACTERS, Blocked
from kereru.messaging.errors import NoSuchConversation
from kereru.messaging.model import Conversation
from kereru.provisioning.errors import NoSuchAssignment
from kereru.provisioning.numbers import listing
from kereru.provisioning.portal import AnyRequest, author_of
from kereru.tenancy.policy import END_USER, PORTAL, Principal, UserIdentity, policy, reach

_REGION = "US"


class BlockBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, for whoever looks after the number; may be empty. `ends_at`: when texts are shown again (P63); null: once somebody takes it back."""

    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARACTERS)] = ""
    ends_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


@post(
    "/conversations/{conversation_id:str}/block",
    opt=policy(END_USER, conversation_id="conversation"),
    status_code=200,
    operation_id="blockConversation",
    summary="Block the other side of a conversation",
)
async def block(request: AnyRequest, conversation_id: str, data: BlockBody, principal: Principal, database: Database) -> Conversation:
    """Nothing it sends is shown from now on; it is not told (R129, R130, Q13). 409 `blocking_off` where the number does not allow it (R131),
    422 `end_is_past`.
    """
    user, wanted = _user(principal), _conversation_id(conversation_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await commands.block(tx, principal.provider_id, user.id, wanted, data.reason, author_of(request, principal), ends_at=data.ends_at)
    return await _conversation(database, principal, wanted)


@delete(
    "/conversations/{conversation_id:str}/block",
    opt=policy(END_USER, conversation_id="conversation"),
    status_code=200,
    operation_id="unblockConversation",
    summary="Unblock the other side of a conversation",
)
async def unblock(request: AnyRequest, conversation_id: str, principal: Principal, database: Database) -> Conversation:
    """What it sends from now on is shown again; what was kept back stays so (Q13)."""
    user, wanted = _user(principal), _conversation_id(conversation_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await commands.unblock(tx, principal.provider_id, user.id, wanted, author_of(request, principal))
    return await _conversation(database, principal, wanted)


@get(
    "/assignments/{assignment_id:str}/blocked",
    opt=policy(PORTAL(), assignment_id="assignment"),
    operation_id="listBlocked",
    summary="Whom a number's user blocked, and how many of their texts were kept back",
)
async def list_blocked(
    assignment_id: str,
    principal: Principal,
    database: Database,
    clock: Clock,
    cursors: CursorCodec,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=PAGE_ITEMS)] = PAGE_ITEMS_DEFAULT,
) -> Page[Blocked]:
    """Newest first. The texts themselves are in the message log (Q13)."""
    before = ids.MAX_ID if cursor is None else cursors.decode(cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        number = await _number(tx, principal, assignment_id)
        rows = await store.page(tx, number.id, before=before, since=queries.oldest_kept(clock.now()), limit=limit)
    return Page([_blocked(row) for row in rows], cursors.encode(rows[-1].id) if len(rows) == limit else None)


@delete(
    "/assignments/{assignment_id:str}/blocked/{remote:str}",
    opt=policy(PORTAL(), assignment_id="assignment"),
    status_code=204,
    operation_id="deleteBlocked",
    summary="Unblock a number for its user",
)
async def delete_blocked(request: AnyRequest, assignment_id: str, remote: str, principal: Principal, database: Database) -> None:
    """`remote` as the list shows it, with + as %2B. 404 when it is not blocked (any more)."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        number = await _number(tx, principal, assignment_id)
        author = author_of(request, principal)
        await commands.unblock_for(tx, principal.provider_id, number.id, number.number_id, number.e164, remote, author)


async def _number(tx: Transaction, principal: Principal, assignment_id: str) -> Row:
    try:
        row = await listing.entry(tx, reach(principal), ids.decode(assignment_id))
    except ids.InvalidId as error:
        raise NoSuchAssignment from error
    if row is None:
        raise NoSuchAssignment
    return row


async def _conversation(database: Database, principal: Principal, conversation_id: int) -> Conversation:
    user = _user(principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await queries.conversation(tx, user.id, user.region, conversation_id)


def _conversation_id(text: str) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise NoSuchConversation from error


def _user(principal: Principal) -> UserIdentity:
    assert principal.user is not None  # noqa: S101 - the policy END_USER lets nobody else in
    return principal.user


def _blocked(row: Row) -> Blocked:
    return Blocked(
        remote=row.remote,
        display=display(row.remote, _REGION),
        at=row.at,
        blocked_by=row.blocked_by,
        reason=row.reason,
        ends_at=row.ends_at,
        texts=row.texts,
        last_text_at=None if row.newest is None else ids.made_at(row.newest),
    )


ROUTES = (block, unblock, list_blocked, delete_blocked)
