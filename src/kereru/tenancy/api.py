"""Routes of the session: sign in, who am I, sign out (design §7), and all routes of tenancy."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie

from kereru.kernel import ids
from kereru.kernel.clock import Clock
from kereru.kernel.db import Database
from kereru.kernel.errors import KereruError
from kereru.kernel.secrets import Sealer, Secret
from kereru.kernel.settings import Settings
from kereru.tenancy.access import api as access_api
from kereru.tenancy.access import commands
from kereru.tenancy.access.commands import Lifetimes, Try
from kereru.tenancy.access.model import Credential, session_credential
from kereru.tenancy.access.queries import Authenticator, cookie_name
from kereru.tenancy.history import api as history_api
from kereru.tenancy.organisations import api as organisations_api
from kereru.tenancy.people import api as people_api
from kereru.tenancy.people.sessions import api as sessions_api
from kereru.tenancy.policy import ANYONE, SIGNED_IN, Principal, abilities, policy


class SignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: six digits of the authenticator app, or a recovery code, where the sign-in has a second factor."""

    email: Annotated[str, msgspec.Meta(max_length=320)]
    password: Annotated[str, msgspec.Meta(max_length=1000)]
    code: Annotated[str, msgspec.Meta(max_length=40)] = ""


class SessionUser(msgspec.Struct, frozen=True):
    """The end user who signed in."""

    id: str
    name: str
    email: str
    language: str
    timezone: str
    region: str


class SessionRole(msgspec.Struct, frozen=True):
    """A portal account of whoever signed in."""

    level: str
    organisation_id: str
    organisation: str


class Session(msgspec.Struct, frozen=True):
    """Who is signed in, as what, and what that person can do."""

    email: str
    user: SessionUser | None
    roles: list[SessionRole]
    can: list[str]


class SignedIn(Session, frozen=True):
    """The answer to a sign-in. `recovery_codes` where it has ended the set-up of a second factor; they are shown this once."""

    recovery_codes: tuple[str, ...] = ()


AnyRequest = Request[Any, Any, Any]


@post("/session", opt=policy(ANYONE), status_code=200)
async def sign_in(
    request: AnyRequest, data: SignInBody, database: Database, settings: Settings, clock: Clock, sealer: Sealer, authenticator: Authenticator
) -> Response[SignedIn]:
    """Sign in. The token is always a new one, and the one the browser came with ends (bad input 96)."""
    tried = Try(
        email=data.email,
        password=Secret(data.password),
        code=data.code,
        address=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", ""),
    )
    entered = await commands.sign_in(database, sealer, clock, Lifetimes(settings.session_idle_s, settings.session_max_s), tried)
    await _end_own(request, database, authenticator)
    fresh = session_credential(entered.token.reveal())
    principal = await authenticator.principal(fresh) if fresh else None
    if principal is None:
        raise KereruError
    said = present(principal)
    answer = SignedIn(said.email, said.user, said.roles, said.can, entered.recovery_codes)
    return Response(answer, cookies=[_cookie(settings, entered.token.reveal(), settings.session_max_s)])


@get("/session", opt=policy(SIGNED_IN))
async def who_am_i(principal: Principal) -> Session:
    """Who is signed in."""
    return present(principal)


@delete("/session", opt=policy(ANYONE), status_code=204)
async def sign_out(request: AnyRequest, database: Database, settings: Settings, authenticator: Authenticator) -> Response[None]:
    """Sign out: the session ends at once here, within 5 s everywhere (G26). The cookie goes even if it was no good any more,
    and with it what the browser may keep of answers (previews of files); browsers do that over https and on loopback.
    """
    await _end_own(request, database, authenticator)
    return Response(None, status_code=204, cookies=[_cookie(settings, "", 0)], headers={"Clear-Site-Data": '"cache"'})


def present(principal: Principal) -> Session:
    """A principal as the API shows it."""
    user = principal.user
    return Session(
        email=principal.email,
        user=user and SessionUser(ids.encode(user.id), user.name, principal.email, user.language, user.timezone, user.region),
        roles=[SessionRole(role.level.word, ids.encode(role.organisation_id), role.name) for role in principal.roles],
        can=abilities(principal),
    )


async def _end_own(request: AnyRequest, database: Database, authenticator: Authenticator) -> None:
    credential: Credential | None = authenticator.credential(request.scope["headers"])
    if credential is not None and credential.kind == "session":
        await commands.sign_out(database, credential)
        authenticator.forget(credential)


def _cookie(settings: Settings, value: str, max_age_s: int) -> Cookie:
    return Cookie(key=cookie_name(settings), value=value, path="/", max_age=max_age_s, httponly=True, secure=settings.secure, samesite="lax")


ROUTES = (
    sign_in, who_am_i, sign_out, *access_api.ROUTES, *organisations_api.ROUTES, *people_api.ROUTES, *sessions_api.ROUTES,
    *history_api.ROUTES,
)  # fmt: skip
