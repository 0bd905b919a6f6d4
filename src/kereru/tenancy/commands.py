"""What can be made: organisations and people, inside the caller's transaction, in its provider's scope. Who may is decided before (policy).

Each of them writes a row of the history log; `by` says who did it, and without it the operator of this machine did.
"""

from kereru.kernel.db import Transaction
from kereru.kernel.errors import FieldProblem, sentence
from kereru.tenancy import queries, store
from kereru.tenancy.access import store as access_store
from kereru.tenancy.access.passwords import NO_PASSWORD, PASSWORDS
from kereru.tenancy.errors import EmailTaken, ExternalIdTaken, NameTaken, NoSuchOrganisation, RoleTaken, WrongScope
from kereru.tenancy.history.commands import record
from kereru.tenancy.history.model import OPERATOR, Actor
from kereru.tenancy.model import Level, NewPortalAccount, NewProvider, NewUser, Path, check_locale, clean_detail, clean_email, clean_name

DIRECT = "Direct"
_USER_FEED = 1


async def create_provider(tx: Transaction, name: str, *, by: Actor = OPERATOR) -> NewProvider:
    """A provider with its reseller "Direct", since groups always hang under one (design §7).

    `tx` is opened with INSTALLATION and is in the new provider's scope from here on. Raises NotAName, WrongScope inside another provider.
    """
    name = clean_name(name)
    if await tx.value(store.SCOPE) is not None:
        raise WrongScope
    provider_id = await tx.value(store.NEW_ID)
    await tx.run(store.ENTER, {"provider_id": provider_id})
    await tx.run(store.ADD_PROVIDER, {"provider_id": provider_id, "name": name})
    await record(tx, by, "provider.created", "provider", provider_id, name, {}, {"name": name})
    return NewProvider(provider_id, await create_reseller(tx, provider_id, DIRECT, by=by))


async def create_reseller(tx: Transaction, provider_id: int, name: str, *, by: Actor = OPERATOR) -> int:
    """A reseller; answers its id. Raises NotAName, NameTaken, NoSuchOrganisation."""
    await _require(tx, provider_id, Level.PROVIDER, provider_id)
    reseller_id, name = await tx.value(store.NEW_ID), clean_name(name)
    if not await tx.run(store.ADD_RESELLER, {"provider_id": provider_id, "id": reseller_id, "name": name}):
        raise NameTaken
    await record(tx, by, "reseller.created", "reseller", reseller_id, name, {}, {"name": name}, path=Path(provider_id, reseller_id))
    return reseller_id


async def create_group(tx: Transaction, provider_id: int, reseller_id: int, name: str, *, by: Actor = OPERATOR) -> int:
    """A group under a reseller; answers its id. Raises NotAName, NameTaken, NoSuchOrganisation."""
    await _require(tx, provider_id, Level.RESELLER, reseller_id)
    group_id = await tx.value(store.NEW_ID)
    name = clean_name(name)
    values = {"provider_id": provider_id, "id": group_id, "reseller_id": reseller_id, "name": name}
    if not await tx.run(store.ADD_GROUP, values):
        raise NameTaken
    path = Path(provider_id, reseller_id, group_id)
    await record(tx, by, "group.created", "group", group_id, name, {}, {"name": name}, path=path)
    return group_id


async def create_user(
    tx: Transaction,
    provider_id: int,
    group_id: int,
    name: str,
    email: str,
    password: str | None,
    region: str = "US",
    *,
    external_id: str = "",
    computer_name: str = "",
    external_reference: str = "",
    exclude_leading_zero: bool = True,
    language: str = "en",
    timezone: str = "America/New_York",
    by: Actor = OPERATOR,
) -> NewUser:
    """An end user with his feed and his sign-in (R145, S27). `region` is an ISO 3166 code, `timezone` a name of the IANA database.

    Without a password he has to be invited. An e-mail that signs in at this provider already gains a user and keeps its password. Raises NotAName,
    NotAnEmail, WeakPassword, Invalid, NoSuchOrganisation, ExternalIdTaken, EmailTaken when that sign-in has a user, or belongs to another provider
    (same words).
    """
    check_locale(region, timezone, language)
    shown = {
        "name": clean_name(name),
        "external_id": clean_detail(external_id, "external_id"),
        "computer_name": clean_detail(computer_name, "computer_name"),
        "external_reference": clean_detail(external_reference, "external_reference"),
        "region": region,
        "exclude_leading_zero": exclude_leading_zero,
        "language": language,
        "timezone": timezone,
    }
    path = await _require(tx, provider_id, Level.GROUP, group_id)
    sign_in_id, joined, has_user = await _sign_in_for(tx, provider_id, email, password)
    if has_user:
        raise email_taken()
    user_id, feed_id = await tx.value(store.NEW_ID), await tx.value(store.NEW_ID)
    await tx.run(store.ADD_FEED, {"provider_id": provider_id, "id": feed_id, "kind": _USER_FEED})
    values = {"provider_id": provider_id, "id": user_id, "group_id": group_id, "sign_in_id": sign_in_id, "feed_id": feed_id, **shown}
    if not await tx.run(store.ADD_USER, values):
        raise external_id_taken()
    at = Path(provider_id, path.reseller_id, group_id, user_id)
    await record(tx, by, "user.created", "user", user_id, str(shown["name"]), {}, {"email": clean_email(email), **shown}, path=at)
    return NewUser(user_id, sign_in_id, feed_id, joined)


async def create_portal_account(
    tx: Transaction,
    provider_id: int,
    level: Level,
    organisation_id: int,
    name: str,
    email: str,
    password: str | None,
    *,
    send_technical: bool = False,
    send_alerts: bool = False,
    send_invoices: bool = False,
    send_licence_expiry: bool = False,
    by: Actor = OPERATOR,
) -> NewPortalAccount:
    """A portal account at one organisation (R190), with a sign-in if the e-mail has none yet; an existing one keeps its password.

    All four switches are off for a new one (R140). Without a password the person has to be invited.

    Raises NotAName, NotAnEmail, WeakPassword, NoSuchOrganisation, RoleTaken, EmailTaken when the e-mail belongs to another provider.
    """
    name = clean_name(name)
    path = await _require(tx, provider_id, level, organisation_id)
    sign_in_id, joined, _ = await _sign_in_for(tx, provider_id, email, password)
    account_id = await tx.value(store.NEW_ID)
    switches = {
        "send_technical": send_technical,
        "send_alerts": send_alerts,
        "send_invoices": send_invoices,
        "send_licence_expiry": send_licence_expiry,
    }
    standing = {"level": int(level), "organisation_id": organisation_id}
    if not await tx.run(
        store.ADD_PORTAL_ROLE, {"provider_id": provider_id, "id": account_id, "sign_in_id": sign_in_id, "name": name, **standing, **switches}
    ):
        raise RoleTaken
    after = {"name": name, "email": clean_email(email), "level": level.word, **switches}
    await record(tx, by, "portal_account.created", "portal-account", account_id, name, {}, after, path=path)
    return NewPortalAccount(account_id, sign_in_id, joined)


async def _sign_in_for(tx: Transaction, provider_id: int, email: str, password: str | None) -> tuple[int, bool, bool]:
    """(sign-in, whether it was there already, whether it has a user)."""
    email = clean_email(email)
    there = await tx.row(access_store.SIGN_IN_BY_EMAIL, {"provider_id": provider_id, "email": email})
    if there is not None:
        return there.id, True, there.has_user
    hashed = NO_PASSWORD if password is None else await PASSWORDS.hash(password)
    sign_in_id = await tx.value(store.NEW_ID)
    if not await tx.value(access_store.TAKE_EMAIL, {"email": email, "provider_id": provider_id, "sign_in_id": sign_in_id}):
        raise email_taken()
    await tx.run(access_store.ADD_SIGN_IN, {"provider_id": provider_id, "id": sign_in_id, "email": email, "password_hash": hashed})
    return sign_in_id, False, False


def email_taken() -> EmailTaken:
    """The conflict, named at its field."""
    return EmailTaken(fields=(FieldProblem("email", EmailTaken.code, sentence(EmailTaken)),))


def external_id_taken() -> ExternalIdTaken:
    """The conflict, named at its field."""
    return ExternalIdTaken(fields=(FieldProblem("external_id", ExternalIdTaken.code, sentence(ExternalIdTaken)),))


_HOLDS = {Level.RESELLER: store.HOLD_RESELLER, Level.GROUP: store.HOLD_GROUP}


async def _require(tx: Transaction, provider_id: int, level: Level, organisation_id: int) -> Path:
    hold = _HOLDS.get(level)
    if hold is not None:
        await tx.run(hold, {"provider_id": provider_id, "id": organisation_id})
    path = await queries.path_of(tx, provider_id, level, organisation_id)
    if path is None:
        raise NoSuchOrganisation
    return path
