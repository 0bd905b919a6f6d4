"""Routes of conversations and messages (design §7): parse, authorise, call one command, present."""

from typing import Annotated

import msgspec
from litestar import Response, get, post, put
from litestar.params import Parameter

from kereru.carriers.numbering import habits_of
from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope
from kereru.kernel.limits import DRAFT_CHARACTERS, PAGE_ITEMS, PAGE_ITEMS_DEFAULT
from kereru.kernel.paging import CursorCodec, Page
from kereru.kernel.settings import Settings
from kereru.messaging import commands, queries
from kereru.messaging.attachments import api as attachments_api
from kereru.messaging.attachments.links import reachable
from kereru.messaging.blocking import api as blocking_api
from kereru.messaging.commands import Draft, Preflight, Sender
from kereru.messaging.errors import NoSuchConversation, NoSuchMessage, NoSuchNumber
from kereru.messaging.log import api as log_api
from kereru.messaging.model import Conversation, Message
from kereru.messaging.remote_consent import api as consent_api
from kereru.messaging.search import api as search_api
from kereru.tenancy.policy import END_USER, Principal, UserIdentity, policy

Limit = Annotated[int, Parameter(ge=1, le=PAGE_ITEMS)]


class DraftBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to send: `to` in any national or international form (Q7)."""

    number_id: str
    to: Annotated[str, msgspec.Meta(max_length=200)]
    text: str
    attachments: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=20)], ...], msgspec.Meta(max_length=100)] = ()


class ResendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest attempt the person saw; `despite_unknown` once warned that it may make a double."""

    attempt: Annotated[int, msgspec.Meta(ge=1, le=32767)]
    despite_unknown: bool = False


class ReadBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to which message the conversation was read; null: all of it."""

    up_to: str | None = None


class DraftText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was begun to be written; empty: nothing any more."""

    text: Annotated[str, msgspec.Meta(max_length=DRAFT_CHARACTERS)]


def _user(principal: Principal) -> UserIdentity:
    assert principal.user is not None  # noqa: S101 - the policy END_USER lets nobody else in
    return principal.user


def _sender(principal: Principal, settings: Settings) -> Sender:
    user = _user(principal)
    habits = habits_of(user.region, exclude_leading_zero=user.exclude_leading_zero)
    return Sender(principal.provider_id, user.id, habits, settings.media_base, reachable(settings))


def _draft(body: DraftBody) -> Draft:
    return Draft(_decode(body.number_id, NoSuchNumber), body.to, body.text, body.attachments)


def _decode(text: str, missing: type[Exception]) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise missing from error


@get("/conversations", opt=policy(END_USER))
async def list_conversations(
    principal: Principal, database: Database, clock: Clock, cursors: CursorCodec, cursor: str | None = None, limit: Limit = PAGE_ITEMS_DEFAULT
) -> Page[Conversation]:
    """The activity list, newest first (R82, R87)."""
    user = _user(principal)
    before = ids.MAX_ID if cursor is None else cursors.decode(cursor)
    async with database.transaction(ProviderScope(principal.provider_id), reading=True) as tx:
        items, goes_on = await queries.conversation_page(tx, user.id, user.region, before=before, now=clock.now(), limit=limit)
    return Page(items=items, next=None if goes_on is None else cursors.encode(goes_on))


@get("/conversations/{conversation_id:str}", opt=policy(END_USER, conversation_id="conversation"))
async def read_conversation(conversation_id: str, principal: Principal, database: Database) -> Conversation:
    """One conversation."""
    user = _user(principal)
    async with database.transaction(ProviderScope(principal.provider_id), reading=True) as tx:
        return await queries.conversation(tx, user.id, user.region, _decode(conversation_id, NoSuchConversation))


@get("/conversations/{conversation_id:str}/messages", opt=policy(END_USER, conversation_id="conversation"))
async def list_messages(
    conversation_id: str,
    principal: Principal,
    database: Database,
    clock: Clock,
    cursors: CursorCodec,
    cursor: str | None = None,
    limit: Limit = PAGE_ITEMS_DEFAULT,
) -> Page[Message]:
    """A conversation's messages, newest first; older pages by the cursor."""
    wanted = _decode(conversation_id, NoSuchConversation)
    before = ids.MAX_ID if cursor is None else cursors.decode(cursor)
    async with database.transaction(ProviderScope(principal.provider_id), reading=True) as tx:
        items = await queries.message_page(tx, _user(principal).id, wanted, before=before, now=clock.now(), limit=limit)
    return Page(items=items, next=cursors.encode(int(items[-1].id)) if len(items) == limit else None)


@post("/conversations/{conversation_id:str}/read", opt=policy(END_USER, conversation_id="conversation"), status_code=200)
async def read(conversation_id: str, data: ReadBody, principal: Principal, database: Database, settings: Settings, clock: Clock) -> Conversation:
    """Mark as read, on all devices at once (Q21)."""
    up_to = None if data.up_to is None else _decode(data.up_to, NoSuchMessage)
    wanted = _decode(conversation_id, NoSuchConversation)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await commands.mark_read(tx, _sender(principal, settings), _user(principal).feed_id, wanted, up_to=up_to, now=clock.now())


@post("/conversations/{conversation_id:str}/unread", opt=policy(END_USER, conversation_id="conversation"), status_code=200)
async def unread(conversation_id: str, principal: Principal, database: Database, settings: Settings) -> Conversation:
    """Mark as unread, as a reminder."""
    wanted = _decode(conversation_id, NoSuchConversation)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await commands.mark_unread(tx, _sender(principal, settings), _user(principal).feed_id, wanted)


@put("/conversations/{conversation_id:str}/draft", opt=policy(END_USER, conversation_id="conversation"))
async def keep_draft(conversation_id: str, data: DraftText, principal: Principal, database: Database, settings: Settings) -> Conversation:
    """Keep what you have begun to write, for all of your devices; the newest word stands."""
    wanted = _decode(conversation_id, NoSuchConversation)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await commands.keep_draft(tx, _sender(principal, settings), _user(principal).feed_id, wanted, data.text)


@put("/messages/{client_id:str}", opt=policy(END_USER))
async def send(client_id: str, data: DraftBody, principal: Principal, database: Database, settings: Settings) -> Response[Message]:
    """Send a text; the same `client_id` again is the same message (G9): 201 when new, 200 when repeated, 422 with another body."""
    message, created = await commands.send(database, _sender(principal, settings), client_id, _draft(data))
    return Response(message, status_code=201 if created else 200)


@post("/messages/{message_id:str}/resend", opt=policy(END_USER, message_id="message"), status_code=200)
async def resend(message_id: str, data: ResendBody, principal: Principal, database: Database, settings: Settings) -> Message:
    """Try once more, as a new attempt (R79, R81)."""
    wanted = _decode(message_id, NoSuchMessage)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await commands.resend(tx, _sender(principal, settings), wanted, attempt=data.attempt, despite_unknown=data.despite_unknown)


@post("/messages/preflight", opt=policy(END_USER), status_code=200)
async def preflight(data: DraftBody, principal: Principal, database: Database, settings: Settings) -> Preflight:
    """What would happen to a draft; nothing is sent."""
    draft = _draft(data)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await commands.preflight(tx, _sender(principal, settings), draft)


ROUTES = (
    list_conversations, read_conversation, list_messages, read, unread, keep_draft, send, resend, preflight,
    *attachments_api.ROUTES, *blocking_api.ROUTES, *consent_api.ROUTES, *log_api.ROUTES, *search_api.ROUTES,
)  # fmt: skip
