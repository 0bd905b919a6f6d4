"""Routes of one's own sign-in: reset by mail, second factor, sessions, API keys. What decides who somebody is, no API key does for him."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database, ProviderScope, Row
from kereru.kernel.paging import Page
from kereru.kernel.secrets import Sealer, Secret
from kereru.kernel.settings import Settings
from kereru.tenancy.access import commands, links, own, second_factor, throttling
from kereru.tenancy.access.commands import Try, prove_password
from kereru.tenancy.access.errors import NoSuchApiKey, NoSuchSession
from kereru.tenancy.access.model import Credential
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.history.model import actor_of
from kereru.tenancy.policy import ANYONE, IN_PERSON, SIGNED_IN, Principal, policy

AnyRequest = Request[Any, Any, Any]
Password = Annotated[str, msgspec.Meta(max_length=1000)]
Email = Annotated[str, msgspec.Meta(max_length=320)]
Code = Annotated[str, msgspec.Meta(max_length=40)]


class ResetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose password is forgotten."""

    email: Email


class ChosenPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new password, 8 to 200 characters."""

    password: Password


class LinkShown(msgspec.Struct, frozen=True):
    """Whom a link from a mail is for: `kind` invitation or reset."""

    kind: str
    email: str


class SetUpBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One's own e-mail address and password, also when signed in: a borrowed browser must not do this."""

    email: Email
    password: Password


class CodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the authenticator app, or one for recovery."""

    code: Code


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Each is good once, in place of the app's code. They are shown this once."""

    recovery_codes: tuple[str, ...]


class SecondFactorShown(msgspec.Struct, frozen=True):
    """How it stands with one's own second factor."""

    set: bool
    demanded: bool
    recovery_codes_left: int
    can: list[str]


class SessionShown(msgspec.Struct, frozen=True):
    """One place where somebody is signed in; `current`: this one."""

    id: str
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    current: bool
    can: list[str]


class ApiKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new API key, which acts as its maker within `scopes`."""

    name: Annotated[str, msgspec.Meta(max_length=400)]
    scopes: Annotated[list[str], msgspec.Meta(max_length=20)]


class ApiKeyShown(msgspec.Struct, frozen=True):
    """An API key; `hint` is its last characters. `token` is there only in the answer that makes it."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    used_at: datetime | None
    can: list[str]
    token: str | None = None


@post(
    "/password-resets", opt=policy(ANYONE), status_code=202, operation_id="askForPasswordReset", summary="Have a link mailed to choose a new password"
)
async def ask_for_reset(request: AnyRequest, data: ResetBody, database: Database) -> None:
    """The answer is the same whether or not somebody signs in with this address (bad input 95). Raises TooManyTries."""
    await links.ask_for_reset(database, data.email, _address(request))


@get("/password-resets/{token:str}", opt=policy(ANYONE), operation_id="getPasswordReset", summary="Whom a link from a mail is for")
async def look_at_link(token: str, database: Database) -> LinkShown:
    """Raises LinkNotGood, for every reason in the same words."""
    link = await links.look_at(database, token)
    return LinkShown(link.kind.word, link.email)


@post(
    "/password-resets/{token:str}",
    opt=policy(ANYONE),
    status_code=204,
    operation_id="setPassword",
    summary="Choose a password, by a link from a mail",
)
async def use_link(request: AnyRequest, token: str, data: ChosenPassword, database: Database) -> None:
    """Every session of this person ends; sign in with the new password. Raises LinkNotGood, WeakPassword."""
    await links.use(database, token, data.password, _address(request))


@get("/session/totp", opt=policy(SIGNED_IN, scope=IN_PERSON), operation_id="getSecondFactor", summary="How it stands with your second factor")
async def get_second_factor(principal: Principal, database: Database) -> SecondFactorShown:
    """Whether there is one, whether your organisation demands it, how many recovery codes are left."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        found = await second_factor.standing(tx, principal.provider_id, principal.sign_in_id)
    able = ["renew_recovery_codes", *([] if found.demanded else ["remove"])] if found.set else ["set_up"]
    return SecondFactorShown(found.set, found.demanded, found.recovery_codes_left, able)


@post("/session/totp/setup", opt=policy(ANYONE), status_code=200, operation_id="beginSecondFactor", summary="Start the set-up of a second factor")
async def begin_second_factor(request: AnyRequest, data: SetUpBody, database: Database, sealer: Sealer) -> second_factor.SetUp:
    """The key for the authenticator app, shown once. Somebody whose sign-in answered `second_factor_needed` then signs in with the app's code.

    Raises WrongSignIn, TooManyTries, SecondFactorSet.
    """
    tried = Try(data.email, Secret(data.password), "", _address(request), request.headers.get("user-agent", ""))
    proven = await prove_password(database, tried)
    async with database.transaction(ProviderScope(proven.provider_id)) as tx:
        made = await second_factor.begin(tx, sealer, proven.provider_id, proven.sign_in_id)
        await throttling.give_back(tx, *proven.taken)
    return made


@post("/session/totp", opt=policy(SIGNED_IN, scope=IN_PERSON), status_code=200, operation_id="confirmSecondFactor", summary="Prove the app by a code")
async def confirm_second_factor(principal: Principal, database: Database, sealer: Sealer, clock: Clock, data: CodeBody) -> RecoveryCodes:
    """From now on a code is asked for. Raises SecondFactorNotBegun, SecondFactorSet, WrongCode, TooManyTries."""
    return RecoveryCodes(await own.confirm(database, sealer, clock, principal, data.code))


@post(
    "/session/recovery-codes",
    opt=policy(SIGNED_IN, scope=IN_PERSON),
    status_code=200,
    operation_id="renewRecoveryCodes",
    summary="New recovery codes; the old ones end",
)
async def renew_codes(principal: Principal, database: Database, sealer: Sealer, clock: Clock, data: CodeBody) -> RecoveryCodes:
    """Raises SecondFactorNotBegun, WrongCode, TooManyTries."""
    return RecoveryCodes(await own.renew_codes(database, sealer, clock, principal, data.code))


@post(
    "/session/totp/remove", opt=policy(SIGNED_IN, scope=IN_PERSON), status_code=204, operation_id="removeSecondFactor", summary="Remove it, by a code"
)
async def remove_second_factor(principal: Principal, database: Database, sealer: Sealer, clock: Clock, data: CodeBody) -> None:
    """Raises SecondFactorDemanded, SecondFactorNotBegun, WrongCode, TooManyTries."""
    await own.remove(database, sealer, clock, principal, data.code)


@get("/sessions", opt=policy(SIGNED_IN, scope=IN_PERSON), operation_id="listSessions", summary="Where you are signed in")
async def list_sessions(principal: Principal, database: Database, settings: Settings) -> Page[SessionShown]:
    """Your own, the one used last first."""
    rows = await own.sessions(database, settings, principal)
    return Page([session_shown(row, principal, "end") for row in rows])


def session_shown(row: Row, principal: Principal, *can: str) -> SessionShown:
    """A session, from a row of `store.SESSIONS`."""
    current = bytes(row.token_hash) == principal.credential
    return SessionShown(ids.encode(row.id), row.address, row.agent, row.created_at, row.seen_at, current, list(can))


@delete("/sessions", opt=policy(SIGNED_IN, scope=IN_PERSON), status_code=204, operation_id="endOtherSessions", summary="Sign out everywhere else")
async def end_other_sessions(principal: Principal, database: Database) -> None:
    """All but this one; within 5 s everywhere (G26)."""
    await own.end_other_sessions(database, principal)


@delete(
    "/sessions/{session_id:str}",
    opt=policy(SIGNED_IN, scope=IN_PERSON, session_id="session"),
    status_code=204,
    operation_id="endSession",
    summary="End one of your sessions",
)
async def end_session(session_id: str, principal: Principal, database: Database, authenticator: Authenticator) -> None:
    """At once here, within 5 s everywhere (G26). Raises NoSuchSession."""
    ended = await own.end_session(database, principal, _id(session_id, NoSuchSession))
    authenticator.forget(Credential("session", principal.provider_id, ended))


@get("/api-keys", opt=policy(SIGNED_IN, scope=IN_PERSON), operation_id="listApiKeys", summary="Your API keys")
async def list_api_keys(principal: Principal, database: Database) -> Page[ApiKeyShown]:
    """Your own, oldest first, without what makes them keys."""
    rows = await own.api_keys(database, principal)
    return Page([
        ApiKeyShown(ids.encode(row.id), row.name, row.hint, list(row.scopes), row.created_at, row.used_at, ["end"]) for row in rows
    ])  # fmt: skip


@post("/api-keys", opt=policy(SIGNED_IN, scope=IN_PERSON), status_code=201, operation_id="createApiKey", summary="Make an API key")
async def create_api_key(principal: Principal, database: Database, data: ApiKeyBody) -> ApiKeyShown:
    """`token` is shown this once. Only scopes of what you are: client.* of a user, portal.* of a portal account. Raises UnknownScope, NotAName."""
    own.require_scopes(principal, data.scopes)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        made = await commands.create_api_key(
            tx, principal.provider_id, principal.sign_in_id, data.name, data.scopes, by=actor_of(principal)
        )  # fmt: skip
    row = next(row for row in await own.api_keys(database, principal) if row.id == made.id)
    return ApiKeyShown(
        ids.encode(row.id), row.name, row.hint, list(row.scopes), row.created_at, row.used_at, ["end"], made.token.reveal()
    )  # fmt: skip


@delete(
    "/api-keys/{api_key_id:str}",
    opt=policy(SIGNED_IN, scope=IN_PERSON, api_key_id="api_key"),
    status_code=204,
    operation_id="endApiKey",
    summary="End one of your API keys",
)
async def end_api_key(api_key_id: str, principal: Principal, database: Database, authenticator: Authenticator) -> None:
    """At once here, within 5 s everywhere (G26). Raises NoSuchApiKey."""
    ended = await own.end_api_key(database, principal, _id(api_key_id, NoSuchApiKey))
    authenticator.forget(Credential("api_key", principal.provider_id, ended))


def _id(text: str, missing: type[NoSuchSession] | type[NoSuchApiKey]) -> int:
    try:
        return ids.decode(text)
    except ids.InvalidId as error:
        raise missing from error


def _address(request: AnyRequest) -> str:
    return request.client.host if request.client else ""


ROUTES = (
    ask_for_reset, look_at_link, use_link, get_second_factor, begin_second_factor, confirm_second_factor, renew_codes, remove_second_factor,
    list_sessions, end_other_sessions, end_session, list_api_keys, create_api_key, end_api_key,
)  # fmt: skip
