"""Routes of users and portal accounts (R145, R190, R195, S27): parse, authorise, call one command, present."""

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import Parameter

from kereru.kernel import ids
from kereru.kernel.db import Database, ProviderScope, Row, Transaction
from kereru.kernel.paging import CursorCodec, Page
from kereru.tenancy import commands, lists
from kereru.tenancy.access.mails import MailKind
from kereru.tenancy.errors import NoSuchPerson
from kereru.tenancy.history.model import actor_of
from kereru.tenancy.lists import Sort, wanted
from kereru.tenancy.model import Level, Path
from kereru.tenancy.people import mailing, store
from kereru.tenancy.people.commands import (
    AccountChanges,
    UserChanges,
    delete_portal_account,
    delete_user,
    move_user,
    require_may_join,
    update_portal_account,
    update_user,
)  # fmt: skip
from kereru.tenancy.policy import PORTAL, Principal, policy, reach
from kereru.tenancy.ports import AlertGuard, ConsentFollows, Holdings
from kereru.tenancy.requests import Cursor, Limit, Query, Typed, may_write, organisation_id, organisation_within, person_id, user_within

OfReseller = Annotated[str | None, Parameter(description="Only those below this reseller.")]
OfGroup = Annotated[str | None, Parameter(description="Only those of this group.")]
LevelWord = Literal["group", "provider", "reseller"]
OfLevel = Annotated[LevelWord | None, Parameter(description="Only those of this level.")]
OfOrganisation = Annotated[str | None, Parameter(description="With `level`: only those of this organisation.")]


class UserShown(msgspec.Struct, frozen=True):
    """A user. `invited`: has set no password yet; `external_id` is the user id or MAC address, which must equal the one in BroadWorks (R146)."""

    id: str
    name: str
    email: str
    group_id: str
    group: str
    reseller_id: str
    reseller: str
    external_id: str
    computer_name: str
    external_reference: str
    region: str
    exclude_leading_zero: bool
    language: str
    timezone: str
    invited: bool
    second_factor: bool
    disabled: bool
    can: list[str]


class AccountShown(msgspec.Struct, frozen=True):
    """A portal account, with its four notification switches (R140)."""

    id: str
    name: str
    email: str
    level: str
    organisation_id: str
    organisation: str
    send_technical: bool
    send_alerts: bool
    send_invoices: bool
    send_licence_expiry: bool
    invited: bool
    second_factor: bool
    disabled: bool
    can: list[str]


class UserBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new user; he is invited by mail to choose a password."""

    group_id: str
    name: Typed
    email: Typed
    external_id: Typed = ""
    computer_name: Typed = ""
    external_reference: Typed = ""
    region: Typed = "US"
    exclude_leading_zero: bool = True
    language: Typed = "en"
    timezone: Typed = "America/New_York"
    invite: bool = True


class ChangeUserBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is not named, or null, stays. `group_id`: the group he moves to, with his numbers and messages."""

    group_id: str | None = None
    name: Typed | None = None
    email: Typed | None = None
    external_id: Typed | None = None
    computer_name: Typed | None = None
    external_reference: Typed | None = None
    region: Typed | None = None
    exclude_leading_zero: bool | None = None
    language: Typed | None = None
    timezone: Typed | None = None
    disabled: bool | None = None


class AccountBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new portal account; the person is invited by mail to choose a password. All switches are off (R140)."""

    level: LevelWord
    organisation_id: str
    name: Typed
    email: Typed
    send_technical: bool = False
    send_alerts: bool = False
    send_invoices: bool = False
    send_licence_expiry: bool = False
    invite: bool = True


class ChangeAccountBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is not named, or null, stays."""

    name: Typed | None = None
    email: Typed | None = None
    send_technical: bool | None = None
    send_alerts: bool | None = None
    send_invoices: bool | None = None
    send_licence_expiry: bool | None = None
    disabled: bool | None = None


@get("/users", opt=policy(PORTAL()), operation_id="listUsers", summary="Users")
async def list_users(
    principal: Principal,
    database: Database,
    cursors: CursorCodec,
    reseller: OfReseller = None,
    group: OfGroup = None,
    q: Query = "",
    sort: Sort = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserShown]:
    """Those you reach, found by name, e-mail, external id, computer or reference. Raises BadCursor, Invalid, NoSuchOrganisation."""
    listing = store.USERS_NAMED if q else store.USERS
    which = wanted(listing, sort, limit, cursor)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        of_reseller = None if reseller is None else organisation_id(reseller)
        if of_reseller is not None:
            await organisation_within(tx, principal, Level.RESELLER, of_reseller)
        of_group = None if group is None else organisation_id(group)
        if of_group is not None:
            await organisation_within(tx, principal, Level.GROUP, of_group)
        params = {"provider_id": principal.provider_id, **reach(principal).params(), "reseller": of_reseller, "group": of_group, "q": q}
        return await lists.page(tx, listing, params, which, cursors, lambda row: _user_shown(row, principal))


@post("/users", opt=policy(PORTAL()), status_code=201, operation_id="createUser", summary="Add a user to a group")
async def create_user(principal: Principal, database: Database, data: UserBody) -> UserShown:
    """Raises NoSuchOrganisation, NotAName, NotAnEmail, Invalid, EmailTaken, ExternalIdTaken."""
    by = actor_of(principal)
    fields = {name: value for name, value in msgspec.structs.asdict(data).items() if name not in {"group_id", "name", "email", "region", "invite"}}
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        path = await organisation_within(tx, principal, Level.GROUP, organisation_id(data.group_id))
        made = await commands.create_user(tx, principal.provider_id, path.group_id or 0, data.name, data.email, None, data.region, **fields, by=by)
        await require_may_join(tx, principal.provider_id, made.sign_in_id, reach(principal))
        if data.invite and not made.joined:
            await mailing.send(tx, principal.provider_id, "user", made.id, MailKind.INVITATION, by)
        return await _user(tx, principal, made.id)


@get("/users/{user_id:str}", opt=policy(PORTAL(), user_id="user"), operation_id="getUser", summary="One user")
async def get_user(user_id: str, principal: Principal, database: Database) -> UserShown:
    """Raises NoSuchPerson."""
    id_ = person_id(user_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await user_within(tx, principal, id_)
        return await _user(tx, principal, id_)


@patch("/users/{user_id:str}", opt=policy(PORTAL(), user_id="user"), operation_id="updateUser", summary="Change a user, or move him to another group")
async def change_user(
    user_id: str, principal: Principal, database: Database, alert_guard: AlertGuard, consent_follows: ConsentFollows, data: ChangeUserBody
) -> UserShown:
    """A move needs authority over both groups. Who said STOP to one of his numbers is stopped in the new group too.

    Raises NoSuchPerson, NoSuchOrganisation, NotAName, NotAnEmail, Invalid, EmailTaken, ExternalIdTaken, BelongsHigher, OwnAccount.
    """
    id_ = person_id(user_id)
    fields = msgspec.structs.asdict(data)
    changes = UserChanges(**{name: value for name, value in fields.items() if name != "group_id"})
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await user_within(tx, principal, id_)
        await update_user(tx, principal.provider_id, id_, changes, alert_guard, within=reach(principal), by=actor_of(principal))
        if data.group_id is not None:
            to = organisation_id(data.group_id)
            await organisation_within(tx, principal, Level.GROUP, to)
            await move_user(tx, principal.provider_id, id_, to, consent_follows, by=actor_of(principal))
        return await _user(tx, principal, id_)


@delete("/users/{user_id:str}", opt=policy(PORTAL(), user_id="user"), status_code=204, operation_id="deleteUser", summary="Delete a user")
async def remove_user(user_id: str, principal: Principal, database: Database, holdings: Holdings, alert_guard: AlertGuard) -> None:
    """His numbers must be deleted first. Raises NoSuchPerson, HasNumbers, OwnAccount."""
    id_ = person_id(user_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await user_within(tx, principal, id_)
        await delete_user(tx, principal.provider_id, id_, holdings, alert_guard, by=actor_of(principal))


@post("/users/{user_id:str}/invite", opt=policy(PORTAL(), user_id="user"), status_code=202, operation_id="inviteUser", summary="Invite a user again")
async def invite_user(user_id: str, principal: Principal, database: Database) -> UserShown:
    """The mail's link is good for a day. Raises NoSuchPerson, HasPassword."""
    return await _mail_user(user_id, principal, database, MailKind.INVITATION)


@post(
    "/users/{user_id:str}/password-reset",
    opt=policy(PORTAL(), user_id="user"),
    status_code=202,
    operation_id="resetUserPassword",
    summary="Mail a user a link to choose a new password",
)
async def reset_user_password(user_id: str, principal: Principal, database: Database) -> UserShown:
    """Nobody sets another's password; this only starts it. Raises NoSuchPerson."""
    return await _mail_user(user_id, principal, database, MailKind.RESET)


@get("/portal-accounts", opt=policy(PORTAL()), operation_id="listPortalAccounts", summary="Portal accounts")
async def list_portal_accounts(
    principal: Principal,
    database: Database,
    cursors: CursorCodec,
    level: OfLevel = None,
    organisation: OfOrganisation = None,
    q: Query = "",
    sort: Sort = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AccountShown]:
    """Those you reach, found by name or e-mail. Raises BadCursor, Invalid, NoSuchOrganisation."""
    which = wanted(store.ACCOUNTS, sort, limit, cursor)
    at = None if level is None else Level.of(level)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        of = None if organisation is None else organisation_id(organisation)
        if at is not None and of is not None:
            await organisation_within(tx, principal, at, of)
        params = {
            "provider_id": principal.provider_id, **reach(principal).params(), "level": at and int(at), "organisation": of, "q": q,
        }  # fmt: skip
        return await lists.page(tx, store.ACCOUNTS, params, which, cursors, lambda row: _account_shown(row, principal))


@post("/portal-accounts", opt=policy(PORTAL()), status_code=201, operation_id="createPortalAccount", summary="Add a portal account")
async def create_account(principal: Principal, database: Database, data: AccountBody) -> AccountShown:
    """At your own level or below (R195). Raises NoSuchOrganisation, NotAName, NotAnEmail, EmailTaken, RoleTaken."""
    by = actor_of(principal)
    switches = {
        "send_technical": data.send_technical, "send_alerts": data.send_alerts, "send_invoices": data.send_invoices,
        "send_licence_expiry": data.send_licence_expiry,
    }  # fmt: skip
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        level, at = Level.of(data.level), organisation_id(data.organisation_id)
        await organisation_within(tx, principal, level, at)
        made = await commands.create_portal_account(tx, principal.provider_id, level, at, data.name, data.email, None, **switches, by=by)
        await require_may_join(tx, principal.provider_id, made.sign_in_id, reach(principal))
        if data.invite and not made.joined:
            await mailing.send(tx, principal.provider_id, "portal-account", made.id, MailKind.INVITATION, by)
        return await _account(tx, principal, made.id)


@get(
    "/portal-accounts/{portal_account_id:str}",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    operation_id="getPortalAccount",
    summary="One portal account",
)
async def get_account(portal_account_id: str, principal: Principal, database: Database) -> AccountShown:
    """Raises NoSuchPerson."""
    id_ = person_id(portal_account_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await _account(tx, principal, id_)


@patch(
    "/portal-accounts/{portal_account_id:str}",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    operation_id="updatePortalAccount",
    summary="Change a portal account and its notification switches",
)
async def change_account(
    portal_account_id: str, principal: Principal, database: Database, alert_guard: AlertGuard, data: ChangeAccountBody
) -> AccountShown:
    """While there is a platform, somebody at the provider's level keeps Send Alerts (R138, R139).

    Raises NoSuchPerson, NotAName, NotAnEmail, EmailTaken, BelongsHigher, OwnAccount, and 409 `last_alert_recipient`.
    """
    id_ = person_id(portal_account_id)
    changes = AccountChanges(**msgspec.structs.asdict(data))
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await _account(tx, principal, id_)
        await update_portal_account(tx, principal.provider_id, id_, changes, alert_guard, within=reach(principal), by=actor_of(principal))
        return await _account(tx, principal, id_)


@delete(
    "/portal-accounts/{portal_account_id:str}",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    status_code=204,
    operation_id="deletePortalAccount",
    summary="Delete a portal account",
)
async def remove_account(portal_account_id: str, principal: Principal, database: Database, alert_guard: AlertGuard) -> None:
    """Raises NoSuchPerson, OwnAccount, and 409 `last_alert_recipient` (R138, R139)."""
    id_ = person_id(portal_account_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await _account(tx, principal, id_)
        await delete_portal_account(tx, principal.provider_id, id_, alert_guard, by=actor_of(principal))


@post(
    "/portal-accounts/{portal_account_id:str}/invite",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    status_code=202,
    operation_id="invitePortalAccount",
    summary="Invite somebody again",
)
async def invite_account(portal_account_id: str, principal: Principal, database: Database) -> AccountShown:
    """The mail's link is good for a day. Raises NoSuchPerson, HasPassword."""
    return await _mail_account(portal_account_id, principal, database, MailKind.INVITATION)


@post(
    "/portal-accounts/{portal_account_id:str}/password-reset",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    status_code=202,
    operation_id="resetPortalAccountPassword",
    summary="Mail somebody a link to choose a new password",
)
async def reset_account_password(portal_account_id: str, principal: Principal, database: Database) -> AccountShown:
    """Nobody sets another's password; this only starts it. Raises NoSuchPerson."""
    return await _mail_account(portal_account_id, principal, database, MailKind.RESET)


@delete(
    "/portal-accounts/{portal_account_id:str}/second-factor",
    opt=policy(PORTAL(), portal_account_id="portal_account"),
    status_code=200,
    operation_id="resetSecondFactor",
    summary="Take off a lost second factor",
)
async def reset_second_factor(portal_account_id: str, principal: Principal, database: Database) -> AccountShown:
    """For somebody who lost phone and recovery codes: his sessions end. Raises NoSuchPerson, BelongsHigher, OwnAccount."""
    id_ = person_id(portal_account_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await _account(tx, principal, id_)
        await mailing.reset_second_factor(tx, principal.provider_id, id_, reach(principal), actor_of(principal))
        return await _account(tx, principal, id_)


async def _mail_user(user_id: str, principal: Principal, database: Database, kind: MailKind) -> UserShown:
    id_ = person_id(user_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await user_within(tx, principal, id_)
        await mailing.send(tx, principal.provider_id, "user", id_, kind, actor_of(principal))
        return await _user(tx, principal, id_)


async def _mail_account(account_id: str, principal: Principal, database: Database, kind: MailKind) -> AccountShown:
    id_ = person_id(account_id)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await _account(tx, principal, id_)
        await mailing.send(tx, principal.provider_id, "portal-account", id_, kind, actor_of(principal))
        return await _account(tx, principal, id_)


async def _user(tx: Transaction, principal: Principal, id_: int) -> UserShown:
    row = await tx.row(store.USER, {"provider_id": principal.provider_id, "id": id_})
    if row is None:
        raise NoSuchPerson
    return _user_shown(row, principal)


async def _account(tx: Transaction, principal: Principal, id_: int) -> AccountShown:
    row = await tx.row(store.ACCOUNT, {"provider_id": principal.provider_id, "id": id_})
    if row is None or not reach(principal).covers(Path(principal.provider_id, row.reseller_id, row.group_id)):
        raise NoSuchPerson
    return _account_shown(row, principal)


def _able(row: Row, principal: Principal, *more: str) -> list[str]:
    if not may_write(principal):
        return []
    own = row.sign_in_id == principal.sign_in_id
    return ["update", *([] if own else ["delete", "disable", "end_sessions"]), "invite" if row.invited else "reset_password", *more]


def _user_shown(row: Row, principal: Principal) -> UserShown:
    within = reach(principal)
    movable = ["move"] if within.whole or within.resellers or len(within.groups) > 1 else []
    return UserShown(
        id=ids.encode(row.id), name=row.name, email=row.email, group_id=ids.encode(row.group_id), group=row.group_name,
        reseller_id=ids.encode(row.reseller_id), reseller=row.reseller, external_id=row.external_id, computer_name=row.computer_name,
        external_reference=row.external_reference, region=row.region, exclude_leading_zero=row.exclude_leading_zero, language=row.language,
        timezone=row.timezone, invited=row.invited, second_factor=row.second_factor, disabled=row.disabled, can=_able(row, principal, *movable),
    )  # fmt: skip


def _account_shown(row: Row, principal: Principal) -> AccountShown:
    lost = ["reset_second_factor"] if row.second_factor and row.sign_in_id != principal.sign_in_id else []
    return AccountShown(
        id=ids.encode(row.id), name=row.name, email=row.email, level=Level(row.level).word, organisation_id=ids.encode(row.organisation_id),
        organisation=row.organisation, send_technical=row.send_technical, send_alerts=row.send_alerts, send_invoices=row.send_invoices,
        send_licence_expiry=row.send_licence_expiry, invited=row.invited, second_factor=row.second_factor, disabled=row.disabled,
        can=_able(row, principal, *lost),
    )  # fmt: skip


ROUTES = (
    list_users, create_user, get_user, change_user, remove_user, invite_user, reset_user_password, list_portal_accounts, create_account, get_account,
    change_account, remove_account, invite_account, reset_account_password, reset_second_factor,
)  # fmt: skip
