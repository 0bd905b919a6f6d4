"""What can be done to organisations and people, inside the caller's transaction, in its provider's scope. Who may is decided before (policy)."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kereru.kernel.db import Transaction
from kereru.kernel.errors import FieldProblem, Invalid
from kereru.tenancy import queries, store
from kereru.tenancy.access import store as access_store
from kereru.tenancy.access.passwords import PASSWORDS
from kereru.tenancy.errors import EmailTaken, NameTaken, NoSuchOrganisation, RoleTaken, WrongScope
from kereru.tenancy.model import Level, NewPortalAccount, NewProvider, NewUser, Path, clean_email, clean_name

DIRECT = "Direct"
_USER_FEED = 1


async def create_provider(tx: Transaction, name: str) -> NewProvider:
    """A provider with its reseller "Direct", since groups always hang under one (design §7).

    `tx` is opened with INSTALLATION and is in the new provider's scope from here on. Raises NotAName, WrongScope inside another provider.
    """
    name = clean_name(name)
    if await tx.value(store.SCOPE) is not None:
        raise WrongScope
    provider_id = await tx.value(store.NEW_ID)
    await tx.run(store.ENTER, {"provider_id": provider_id})
    await tx.run(store.ADD_PROVIDER, {"provider_id": provider_id, "name": name})
    return NewProvider(provider_id, await create_reseller(tx, provider_id, DIRECT))


async def create_reseller(tx: Transaction, provider_id: int, name: str) -> int:
    """A reseller; answers its id. Raises NotAName, NameTaken, NoSuchOrganisation."""
    await _require(tx, provider_id, Level.PROVIDER, provider_id)
    reseller_id = await tx.value(store.NEW_ID)
    if not await tx.run(store.ADD_RESELLER, {"provider_id": provider_id, "id": reseller_id, "name": clean_name(name)}):
        raise NameTaken
    return reseller_id


async def create_group(tx: Transaction, provider_id: int, reseller_id: int, name: str) -> int:
    """A group under a reseller; answers its id. Raises NotAName, NameTaken, NoSuchOrganisation."""
    await _require(tx, provider_id, Level.RESELLER, reseller_id)
    group_id = await tx.value(store.NEW_ID)
    values = {"provider_id": provider_id, "id": group_id, "reseller_id": reseller_id, "name": clean_name(name)}
    if not await tx.run(store.ADD_GROUP, values):
        raise NameTaken
    return group_id


async def move_group(tx: Transaction, provider_id: int, group_id: int, reseller_id: int) -> None:
    """Hang a group under another reseller; authority over it follows at once (G32). Raises NoSuchOrganisation."""
    await _require(tx, provider_id, Level.RESELLER, reseller_id)
    if not await tx.run(store.MOVE_GROUP, {"provider_id": provider_id, "group_id": group_id, "reseller_id": reseller_id}):
        raise NoSuchOrganisation


async def create_user(
    tx: Transaction,
    provider_id: int,
    group_id: int,
    name: str,
    email: str,
    password: str,
    region: str = "US",
    *,
    external_id: str = "",
    exclude_leading_zero: bool = True,
    language: str = "en",
    timezone: str = "America/New_York",
) -> NewUser:
    """An end user with his feed and his sign-in. `region` is an ISO 3166 code, `timezone` a name of the IANA database.

    An e-mail that signs in at this provider already gains a user and keeps its password. Raises NotAName, NotAnEmail, WeakPassword,
    NoSuchOrganisation, EmailTaken when that sign-in has a user, or belongs to another provider (same words).
    """
    _check_region(region, timezone)
    name = clean_name(name)
    await _require(tx, provider_id, Level.GROUP, group_id)
    sign_in_id, joined, has_user = await _sign_in_for(tx, provider_id, email, password)
    if has_user:
        raise EmailTaken
    user_id, feed_id = await tx.value(store.NEW_ID), await tx.value(store.NEW_ID)
    await tx.run(store.ADD_FEED, {"provider_id": provider_id, "id": feed_id, "kind": _USER_FEED})
    await tx.run(
        store.ADD_USER,
        {
            "provider_id": provider_id,
            "id": user_id,
            "group_id": group_id,
            "sign_in_id": sign_in_id,
            "feed_id": feed_id,
            "name": name,
            "external_id": external_id,
            "region": region,
            "exclude_leading_zero": exclude_leading_zero,
            "language": language,
            "timezone": timezone,
        },
    )
    return NewUser(user_id, sign_in_id, feed_id, joined)


async def create_portal_account(
    tx: Transaction,
    provider_id: int,
    level: Level,
    organisation_id: int,
    name: str,
    email: str,
    password: str,
    *,
    send_technical: bool = False,
    send_alerts: bool = False,
    send_invoices: bool = False,
    send_licence_expiry: bool = False,
) -> NewPortalAccount:
    """A portal account at one organisation (R190), with a sign-in if the e-mail has none yet; an existing one keeps its password.

    Raises NotAName, NotAnEmail, WeakPassword, NoSuchOrganisation, RoleTaken, EmailTaken when the e-mail belongs to another provider.
    """
    name = clean_name(name)
    await _require(tx, provider_id, level, organisation_id)
    sign_in_id, joined, _ = await _sign_in_for(tx, provider_id, email, password)
    account_id = await tx.value(store.NEW_ID)
    values = {
        "provider_id": provider_id,
        "id": account_id,
        "sign_in_id": sign_in_id,
        "name": name,
        "level": int(level),
        "organisation_id": organisation_id,
        "send_technical": send_technical,
        "send_alerts": send_alerts,
        "send_invoices": send_invoices,
        "send_licence_expiry": send_licence_expiry,
    }
    if not await tx.run(store.ADD_PORTAL_ROLE, values):
        raise RoleTaken
    return NewPortalAccount(account_id, sign_in_id, joined)


async def _sign_in_for(tx: Transaction, provider_id: int, email: str, password: str) -> tuple[int, bool, bool]:
    """(sign-in, whether it was there already, whether it has a user)."""
    email = clean_email(email)
    there = await tx.row(access_store.SIGN_IN_BY_EMAIL, {"provider_id": provider_id, "email": email})
    if there is not None:
        return there.id, True, there.has_user
    hashed = await PASSWORDS.hash(password)
    sign_in_id = await tx.value(store.NEW_ID)
    if not await tx.value(access_store.TAKE_EMAIL, {"email": email, "provider_id": provider_id, "sign_in_id": sign_in_id}):
        raise EmailTaken
    await tx.run(access_store.ADD_SIGN_IN, {"provider_id": provider_id, "id": sign_in_id, "email": email, "password_hash": hashed})
    return sign_in_id, False, False


async def _require(tx: Transaction, provider_id: int, level: Level, organisation_id: int) -> Path:
    path = await queries.path_of(tx, provider_id, level, organisation_id)
    if path is None:
        raise NoSuchOrganisation
    return path


def _check_region(region: str, timezone: str) -> None:
    problems: list[FieldProblem] = []
    if not (len(region) == 2 and region.isascii() and region.isupper()):
        problems.append(FieldProblem("region", "not_a_region", "Give the country as two capital letters, like US."))
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(FieldProblem("timezone", "not_a_timezone", "Give the time zone by its name, like America/New_York."))
    if problems:
        raise Invalid(fields=tuple(problems))
