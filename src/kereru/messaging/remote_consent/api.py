"""Routes of remote consent: the user's judgement of one conversation's other side, and a group's answer to HELP in the portal."""

from typing import Annotated, Literal

import msgspec
from litestar import get, post, put

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Row
from kereru.messaging import queries
from kereru.messaging.errors import NoSuchConversation, NoSuchMessage
from kereru.messaging.model import Conversation
from kereru.messaging.remote_consent import commands, store
from kereru.provisioning.portal import AnyRequest, author_of
from kereru.tenancy.errors import NoSuchOrganisation
from kereru.tenancy.model import Level
from kereru.tenancy.policy import END_USER, PORTAL, Principal, policy
from kereru.tenancy.requests import may_write, organisation_id, organisation_within


class JudgementBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the other side stands: it wants no more texts, its words meant something else, or what a colleague noted is taken back.

    `up_to`: the newest text that was read; wishes in later ones stay open.
    """

    answer: Literal["stop", "dismiss", "allow"]
    up_to: str | None = None


class HelpAnswerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The group's own words; empty: the usual ones."""

    text: Annotated[str, msgspec.Meta(max_length=400)]


class HelpAnswer(msgspec.Struct, frozen=True):
    """What HELP is answered with; `text` is the group's own words, empty where it has none."""

    answer: str
    text: str
    can: list[str]


@post(
    "/conversations/{conversation_id:str}/consent",
    opt=policy(END_USER, conversation_id="conversation"),
    status_code=200,
    operation_id="judgeConsent",
    summary="Say whether the other side of a conversation wants no more texts",
)
async def judge(request: AnyRequest, conversation_id: str, data: JudgementBody, principal: Principal, database: Database) -> Conversation:
    """It counts for the whole group (G17, P34). 409 `not_yours_to_allow` where the person or their carrier asked for it."""
    assert principal.user is not None  # noqa: S101 - the policy END_USER lets nobody else in
    user, provider_id = principal.user, principal.provider_id
    wanted = _decode(conversation_id, NoSuchConversation)
    up_to = ids.MAX_ID if data.up_to is None else _decode(data.up_to, NoSuchMessage)
    author = author_of(request, principal)
    async with database.transaction(ProviderScope(provider_id)) as tx:
        if data.answer == "stop":
            await commands.stop(tx, provider_id, user.id, wanted, up_to, author)
        elif data.answer == "dismiss":
            await commands.dismiss(tx, provider_id, user.id, wanted, up_to)
        else:
            await commands.allow(tx, provider_id, user.id, wanted, author)
    async with database.transaction(ProviderScope(provider_id)) as tx:
        return await queries.conversation(tx, user.id, user.region, wanted)


@get("/groups/{group_id:str}/help-answer", opt=policy(PORTAL(), group_id="group"), operation_id="getHelpAnswer", summary="What HELP is answered with")
async def get_help_answer(group_id: str, principal: Principal, database: Database) -> HelpAnswer:
    """At most once a day for each person (G35). Raises NoSuchOrganisation."""
    id_ = organisation_id(group_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await organisation_within(tx, principal, Level.GROUP, id_)
        row = await store.help_answer(tx, id_)
    if row is None:
        raise NoSuchOrganisation
    return _shown(row, principal)


@put(
    "/groups/{group_id:str}/help-answer",
    opt=policy(PORTAL(), group_id="group"),
    operation_id="setHelpAnswer",
    summary="Change what HELP is answered with",
)
async def set_help_answer(request: AnyRequest, group_id: str, data: HelpAnswerBody, principal: Principal, database: Database) -> HelpAnswer:
    """Raises NoSuchOrganisation, BadHelpAnswer."""
    id_ = organisation_id(group_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        path = await organisation_within(tx, principal, Level.GROUP, id_)
        row = await commands.set_help_answer(tx, path, data.text, author_of(request, principal))
    return _shown(row, principal)


def _shown(row: Row, principal: Principal) -> HelpAnswer:
    return HelpAnswer(row.answer, row.own, ["update"] if may_write(principal) else [])


def _decode(text: str, missing: type[Exception]) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise missing from error


ROUTES = (judge, get_help_answer, set_help_answer)
