"""What can be done to users and portal accounts that are there: change, shut out, delete."""

from typing import Any

import msgspec
from psycopg.errors import UniqueViolation

from kereru.kernel.db import Row, Transaction
from kereru.tenancy import queries
from kereru.tenancy import store as tenancy_store
from kereru.tenancy.access import commands as access
from kereru.tenancy.access import store as access_store
from kereru.tenancy.access.mails import MailKind, write_mail
from kereru.tenancy.commands import email_taken, external_id_taken
from kereru.tenancy.errors import BelongsHigher, NoSuchOrganisation, NoSuchPerson, OwnAccount
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import OPERATOR, Actor
from kereru.tenancy.model import Level, Path, check_locale, clean_detail, clean_email, clean_name
from kereru.tenancy.people import store
from kereru.tenancy.people.deletion import delete_people, drop_empty_sign_ins, require_no_numbers
from kereru.tenancy.policy import Reach
from kereru.tenancy.ports import AlertGuard, ConsentFollows, Holdings

SWITCHES = ("send_technical", "send_alerts", "send_invoices", "send_licence_expiry")
_DETAILS = ("external_id", "computer_name", "external_reference")
_HABITS = ("region", "timezone", "language", "exclude_leading_zero", "any_number")


class UserChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a user (R145, S27); None stays."""

    name: str | None = None
    email: str | None = None
    external_id: str | None = None
    computer_name: str | None = None
    external_reference: str | None = None
    region: str | None = None
    exclude_leading_zero: bool | None = None
    language: str | None = None
    timezone: str | None = None
    any_number: bool | None = None
    disabled: bool | None = None


class AccountChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a portal account (R190, R140); None stays."""

    name: str | None = None
    email: str | None = None
    send_technical: bool | None = None
    send_alerts: bool | None = None
    send_invoices: bool | None = None
    send_licence_expiry: bool | None = None
    disabled: bool | None = None


async def update_user(
    tx: Transaction, provider_id: int, user_id: int, changes: UserChanges, guard: AlertGuard, *, within: Reach | None = None, by: Actor = OPERATOR
) -> None:
    """Change a user. Raises NoSuchPerson, NotAName, NotAnEmail, Invalid, ExternalIdTaken, EmailTaken, BelongsHigher, OwnAccount."""
    row = await _lock(tx, store.LOCK_USER, provider_id, user_id)
    before = {"name": row.name, "email": row.email, "disabled": row.disabled, **{field: getattr(row, field) for field in (*_DETAILS, *_HABITS)}}
    after: dict[str, Any] = {**before, **_named(changes)}
    after["name"], after["email"] = clean_name(after["name"]), clean_email(after["email"])
    after.update({field: clean_detail(after[field], field) for field in _DETAILS})
    check_locale(after["region"], after["timezone"], after["language"])
    try:
        await tx.run(store.SET_USER, {"provider_id": provider_id, "id": user_id, **after})
    except UniqueViolation as error:
        raise external_id_taken() from error
    await _change_sign_in(tx, provider_id, row, after, within, by)
    path = Path(provider_id, row.reseller_id, row.group_id, user_id)
    await record(tx, by, "user.changed", "user", user_id, after["name"], before, after, path=path)
    access.tell(tx, provider_id, row.sign_in_id)
    if after["disabled"] and not before["disabled"]:
        await guard(tx, provider_id)


async def move_user(tx: Transaction, provider_id: int, user_id: int, group_id: int, follows: ConsentFollows, *, by: Actor = OPERATOR) -> None:
    """Move a user to another group; authority over him follows at once (G32). His numbers, messages, opt-in and blocks go with him, and so does what
    people said to his numbers. Raises NoSuchPerson, NoSuchOrganisation.
    """
    row = await _lock(tx, store.LOCK_USER, provider_id, user_id)
    if row.group_id == group_id:
        return
    name = await tx.value(tenancy_store.HOLD_GROUP, {"provider_id": provider_id, "id": group_id})
    path = await queries.path_of(tx, provider_id, Level.GROUP, group_id)
    if name is None or path is None:
        raise NoSuchOrganisation
    await tx.run(store.MOVE_USER, {"provider_id": provider_id, "id": user_id, "group_id": group_id})
    at = Path(provider_id, path.reseller_id, group_id, user_id)
    await record(tx, by, "user.moved", "user", user_id, row.name, {"group": row.group_name}, {"group": name}, path=at)
    access.tell(tx, provider_id, row.sign_in_id)
    await follows(tx, provider_id, user_id, row.group_id, group_id)


async def update_portal_account(
    tx: Transaction, provider_id: int, account_id: int, changes: AccountChanges, guard: AlertGuard, *, within: Reach | None = None,
    by: Actor = OPERATOR,
) -> None:  # fmt: skip
    """Change a portal account. Raises NoSuchPerson, NotAName, NotAnEmail, EmailTaken, BelongsHigher, OwnAccount, and what the alert guard raises."""
    row = await _lock(tx, store.LOCK_ACCOUNT, provider_id, account_id)
    before = {"name": row.name, "email": row.email, "disabled": row.disabled, **{switch: getattr(row, switch) for switch in SWITCHES}}
    after: dict[str, Any] = {**before, **_named(changes)}
    after["name"], after["email"] = clean_name(after["name"]), clean_email(after["email"])
    await tx.run(store.SET_ACCOUNT, {"provider_id": provider_id, "id": account_id, **after})
    await _change_sign_in(tx, provider_id, row, after, within, by)
    await record(tx, by, "portal_account.changed", "portal-account", account_id, after["name"], before, after, path=_path(provider_id, row))
    if (before["send_alerts"] and not after["send_alerts"]) or (after["disabled"] and not before["disabled"]):
        await guard(tx, provider_id)


async def delete_user(tx: Transaction, provider_id: int, user_id: int, holdings: Holdings, guard: AlertGuard, *, by: Actor = OPERATOR) -> None:
    """Delete a user: sign-in, sessions, keys and licence go; the address is free again. Raises NoSuchPerson, HasNumbers, OwnAccount."""
    row = await _lock(tx, store.LOCK_USER, provider_id, user_id)
    if by.sign_in_id == row.sign_in_id:
        raise OwnAccount
    path = Path(provider_id, row.reseller_id, row.group_id, user_id)
    await require_no_numbers(tx, holdings, path)
    await delete_people(tx, holdings, path, [])
    await record(tx, by, "user.deleted", "user", user_id, row.name, {"name": row.name, "email": row.email}, {}, path=path)
    await guard(tx, provider_id)


async def delete_portal_account(tx: Transaction, provider_id: int, account_id: int, guard: AlertGuard, *, by: Actor = OPERATOR) -> None:
    """Delete a portal account, and the sign-in if it is nothing else. Raises NoSuchPerson, OwnAccount, and what the alert guard raises."""
    row = await _lock(tx, store.LOCK_ACCOUNT, provider_id, account_id)
    if by.sign_in_id == row.sign_in_id:
        raise OwnAccount
    await tx.run(store.DELETE_ACCOUNT, {"provider_id": provider_id, "id": account_id})
    await drop_empty_sign_ins(tx, provider_id, [row.sign_in_id])
    before = {"name": row.name, "email": row.email, "level": Level(row.level).word, **{switch: getattr(row, switch) for switch in SWITCHES}}
    await record(tx, by, "portal_account.deleted", "portal-account", account_id, row.name, before, {}, path=_path(provider_id, row))
    await guard(tx, provider_id)


async def require_all_within(tx: Transaction, provider_id: int, sign_in_id: int, within: Reach | None) -> None:
    """Pass when everything this sign-in is lies within reach (None: the operator's). Raises BelongsHigher: authority never flows up (G32)."""
    if within is None:
        return
    rows = await tx.rows(store.STANDINGS, {"provider_id": provider_id, "sign_in_id": sign_in_id})
    if not all(within.covers(Path(provider_id, row.reseller_id, row.group_id)) for row in rows):
        raise BelongsHigher


async def require_may_join(tx: Transaction, provider_id: int, sign_in_id: int, within: Reach) -> None:
    """Pass when a new user or account may be somebody who signs in already: all that he is must lie within reach, or whoever manages one group could
    take him from those who manage him elsewhere (BelongsHigher would stop them). Raises EmailTaken, in the words of another provider's address.
    """
    try:
        await require_all_within(tx, provider_id, sign_in_id, within)
    except BelongsHigher as error:
        raise email_taken() from error


async def _change_sign_in(tx: Transaction, provider_id: int, row: Row, after: dict[str, object], within: Reach | None, by: Actor) -> None:
    """What belongs to the whole sign-in: its address, and whether it is shut out. A new address ends the sessions, and the old one is told."""
    email, disabled = str(after["email"]), bool(after["disabled"])
    if (email, disabled) == (row.email, row.disabled):
        return
    await require_all_within(tx, provider_id, row.sign_in_id, within)
    whom = {"provider_id": provider_id, "sign_in_id": row.sign_in_id}
    if disabled != row.disabled:
        if by.sign_in_id == row.sign_in_id:
            raise OwnAccount
        await access.set_disabled(tx, provider_id, row.sign_in_id, disabled=disabled, recorded=True)
    if email != row.email:
        if not await tx.value(access_store.TAKE_EMAIL, {**whom, "email": email}):
            raise email_taken()
        await write_mail(tx, provider_id, row.sign_in_id, MailKind.EMAIL_CHANGED, row.email)
        await tx.run(store.SET_EMAIL, {**whom, "email": email})
        await tx.run(store.RELEASE_EMAIL, {"provider_id": provider_id, "email": row.email})
        await tx.run(access_store.END_SESSIONS, whom)
        access.tell(tx, provider_id, row.sign_in_id)
    # What was mailed before opens nothing any more: it lies in the box of the old address, or belongs to somebody who is shut out.
    await tx.run(access_store.USE_LINKS, whom)


async def _lock(tx: Transaction, statement: str, provider_id: int, id_: int) -> Row:
    row = await tx.row(statement, {"provider_id": provider_id, "id": id_})
    if row is None:
        raise NoSuchPerson
    return row


def _named(changes: msgspec.Struct) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}


def _path(provider_id: int, row: Row) -> Path:
    return Path(provider_id, row.reseller_id, row.group_id)
