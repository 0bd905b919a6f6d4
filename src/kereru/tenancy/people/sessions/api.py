"""Routes of other people's sessions: at a user's or a portal account's own address, for whoever manages all that this person is."""

from litestar import delete, get

from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.paging import Page
from kereru.kernel.settings import Settings
from kereru.tenancy.access.api import SessionShown, session_shown
from kereru.tenancy.access.model import Credential
from kereru.tenancy.access.queries import Authenticator
from kereru.tenancy.errors import NoSuchPerson
from kereru.tenancy.history.model import actor_of
from kereru.tenancy.model import Path
from kereru.tenancy.people import store
from kereru.tenancy.people.sessions.commands import end_sessions_of, sessions_of
from kereru.tenancy.policy import PORTAL, Principal, policy, reach
from kereru.tenancy.requests import person_id


@get(
    "/users/{user_id:str}/sessions",
    opt=policy(PORTAL(), user_id="user"),
    operation_id="listSessionsOfUser",
    summary="Where a user is signed in",
)
async def list_of_user(user_id: str, principal: Principal, database: Database, settings: Settings) -> Page[SessionShown]:
    """The one used last first. Raises NoSuchPerson, BelongsHigher."""
    return await _listed(principal, database, settings, store.USER, user_id)


@delete(
    "/users/{user_id:str}/sessions",
    opt=policy(PORTAL(), user_id="user"),
    status_code=204,
    operation_id="endSessionsOfUser",
    summary="Sign a user out everywhere",
)
async def end_of_user(user_id: str, principal: Principal, database: Database, authenticator: Authenticator) -> None:
    """At once here, within 5 s everywhere (G26); API keys and password stay. Raises NoSuchPerson, BelongsHigher, OwnAccount."""
    await _ended(principal, database, authenticator, store.USER, user_id)


@get(
    "/portal-accounts/{portal_account_id:str}/sessions",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    operation_id="listSessionsOfPortalAccount",
    summary="Where somebody with a portal account is signed in",
)
async def list_of_account(portal_account_id: str, principal: Principal, database: Database, settings: Settings) -> Page[SessionShown]:
    """The one used last first. Raises NoSuchPerson, BelongsHigher."""
    return await _listed(principal, database, settings, store.ACCOUNT, portal_account_id)


@delete(
    "/portal-accounts/{portal_account_id:str}/sessions",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    status_code=204,
    operation_id="endSessionsOfPortalAccount",
    summary="Sign somebody with a portal account out everywhere",
)
async def end_of_account(portal_account_id: str, principal: Principal, database: Database, authenticator: Authenticator) -> None:
    """At once here, within 5 s everywhere (G26); API keys and password stay. Raises NoSuchPerson, BelongsHigher, OwnAccount."""
    await _ended(principal, database, authenticator, store.ACCOUNT, portal_account_id)


async def _listed(principal: Principal, database: Database, settings: Settings, person: str, id_: str) -> Page[SessionShown]:
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        sign_in_id = await _sign_in_of(tx, principal, person, id_)
        rows = await sessions_of(tx, settings, principal.provider_id, sign_in_id, reach(principal))
    return Page([session_shown(row, principal) for row in rows])


async def _ended(principal: Principal, database: Database, authenticator: Authenticator, person: str, id_: str) -> None:
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        sign_in_id = await _sign_in_of(tx, principal, person, id_)
        ended = await end_sessions_of(tx, principal.provider_id, sign_in_id, reach(principal), actor_of(principal))
    for token_hash in ended:
        authenticator.forget(Credential("session", principal.provider_id, token_hash))


async def _sign_in_of(tx: Transaction, principal: Principal, person: str, id_: str) -> int:
    """`person`: the statement that finds one. Raises NoSuchPerson: foreign looks like missing (G29)."""
    row = await tx.row(person, {"provider_id": principal.provider_id, "id": person_id(id_)})
    if row is None or not reach(principal).covers(Path(principal.provider_id, row.reseller_id, row.group_id)):
        raise NoSuchPerson
    return row.sign_in_id


ROUTES = (list_of_user, end_of_user, list_of_account, end_of_account)
