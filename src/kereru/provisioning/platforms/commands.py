"""What can be done to platforms. Credentials are tried at the carrier before anything is saved, and outside of any transaction (R142)."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence

from kereru.carriers.contract import CarrierAdapter, Credentials, CredentialsGood, PlatformAccess, PlatformOptions, Problem
from kereru.kernel.db import ProviderScope, Row, Transaction
from kereru.kernel.errors import Conflict
from kereru.kernel.secrets import CannotOpen, Secret
from kereru.provisioning.changes import Owned, lock_numbers, tell_owners
from kereru.provisioning.desk import OPERATOR, Author, Desk, refusal
from kereru.provisioning.errors import BadCredentials, NoSuchPlatform
from kereru.provisioning.opt_in import store as opt_in_store
from kereru.provisioning.opt_in.commands import stop_asking
from kereru.provisioning.platforms import store
from kereru.provisioning.platforms.alerts import platform_guard
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL
from kereru.provisioning.platforms.model import (
    SWITCHES,
    NewPlatform,
    Platform,
    PlatformChanges,
    SavedPlatform,
    clean_credentials,
    clean_platform_name,
    merge_credentials,
    open_access,
    seal_credentials,
    seal_token,
)  # fmt: skip

TOKEN_BYTES = 32
_SHOWN_TO_OWNERS = ("mms", "user_can_block")
_NO_RECEIPTS = "The carrier account sends no delivery receipts, so texts will not show as delivered. Switch receipts on at the carrier."


async def create_platform(desk: Desk, provider_id: int, wanted: NewPlatform, author: Author = OPERATOR) -> SavedPlatform:
    """A platform whose credentials the carrier accepts (R116 to R122, R142), with a webhook address of its own.

    Raises UnknownCarrier, NoAlertRecipient (R126), BadCredentials, CredentialsRefused, CarrierUnreachable; then nothing is saved.
    """
    adapter = desk.carriers.of(wanted.carrier)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        await platform_guard(tx, provider_id)
    credentials = clean_credentials(adapter, wanted.credentials)
    name = clean_platform_name(wanted.name) or adapter.title
    good = await _try(adapter, provider_id, credentials, wanted.endpoints)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        platform_id = await store.new_id(tx)
        switches = {switch: getattr(wanted, switch) for switch in SWITCHES}
        await store.insert(
            tx,
            {
                **switches,
                "endpoints": wanted.endpoints,
                "id": platform_id,
                "carrier": wanted.carrier,
                "name": name,
                "account": good.account_id or "",
                "sealed": seal_credentials(desk.sealer, provider_id, platform_id, credentials),
                "rate": adapter.capabilities.rate_per_second,
            },
        )
        sealed = seal_token(desk.sealer, provider_id, platform_id, token)
        await store.put_token(tx, hashlib.sha256(token.encode()).digest(), provider_id, platform_id, sealed)
        after: dict[str, object] = {"carrier": wanted.carrier, "name": name, **switches, "endpoints": dict(wanted.endpoints)}
        await desk.record_history(tx, author.principal, "platform.created", "platform", platform_id, name, {}, after)
        tx.notify(CONFIG_CHANNEL)
        # Again, and last: whoever switches the only recipient off at this moment waits, or made us wait and is seen now.
        await platform_guard(tx, provider_id)
    return SavedPlatform(platform_id, _warnings(good))


async def update_platform(
    desk: Desk, provider_id: int, platform_id: int, changes: PlatformChanges, author: Author = OPERATOR, *, keep_unnamed: bool = False
) -> SavedPlatform:
    """Change a platform; its details are tried at the carrier first, whatever is changed (R142). New credentials take a stop off.

    With `keep_unnamed`, credentials that are not named, or are empty, stay as they are. Switching User Confirmation off lets pending numbers be used;
    those who said No stay unavailable (Q16). Raises NoSuchPlatform, Conflict when somebody else changed the details meanwhile, and what
    `create_platform` raises; then nothing is saved.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await _access(tx, platform_id)
    adapter = desk.carriers.of(row.carrier)
    credentials = _credentials(desk, adapter, row, changes.credentials, keep_unnamed=keep_unnamed)
    endpoints = row.endpoints if changes.endpoints is None else changes.endpoints
    good = await _try(adapter, provider_id, credentials or _opened(desk, row), endpoints, platform_id)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await _unchanged(tx, platform_id, row)
        values: dict[str, object] = {switch: getattr(changes, switch) for switch in SWITCHES}
        values |= {"name": None if changes.name is None else clean_platform_name(changes.name) or adapter.title, "endpoints": changes.endpoints}
        sealed = None if credentials is None else seal_credentials(desk.sealer, provider_id, platform_id, credentials)
        await store.update(tx, {**values, "id": platform_id, "sealed": sealed, "account": good.account_id})
        if credentials is not None:
            await store.resume(tx, platform_id)
        before, after = _differences(row, values, secrets_changed=credentials is not None)
        if after:
            await desk.record_history(tx, author.principal, "platform.changed", "platform", platform_id, row.name, before, after)
        tx.notify(CONFIG_CHANNEL)
        if changes.user_confirmation is False:
            await stop_asking(tx, provider_id, platform_id, desk.release_withheld)
        if any(after.get(switch) is not None for switch in _SHOWN_TO_OWNERS):
            await _tell_all(tx, provider_id, platform_id)
    return SavedPlatform(platform_id, _warnings(good))


async def resume_platform(tx: Transaction, platform_id: int) -> bool:
    """Send again through a platform that was stopped because the carrier refused the account; whether it was stopped.

    Doing it twice is doing it once. Raises NoSuchPlatform.
    """
    await _access(tx, platform_id)
    resumed = await store.resume(tx, platform_id)
    if resumed:
        tx.notify(CONFIG_CHANNEL)
        tx.notify("kereru_outbox")
    return resumed


async def list_platforms(tx: Transaction) -> Sequence[Platform]:
    """The provider's live platforms, oldest first."""
    return [Platform(**row._asdict()) for row in await store.live(tx)]


def _credentials(desk: Desk, adapter: CarrierAdapter, row: Row, given: Credentials | None, *, keep_unnamed: bool) -> Credentials | None:
    """The new credentials; None when nothing was typed."""
    if given is None or not keep_unnamed:
        return None if given is None else clean_credentials(adapter, given)
    typed = {name: value.reveal() if isinstance(value, Secret) else value for name, value in given.items()}
    if not any(value.strip() for value in typed.values()):
        return None
    return clean_credentials(adapter, merge_credentials(_opened(desk, row), typed))


def _opened(desk: Desk, row: Row) -> Credentials:
    try:
        return open_access(row, desk.sealer).credentials
    except CannotOpen as error:
        message = "The credentials that are stored cannot be read with this installation's key. Enter all of them anew."
        raise BadCredentials(message) from error


def _differences(row: Row, values: Mapping[str, object], *, secrets_changed: bool) -> tuple[dict[str, object], dict[str, object]]:
    """What the history shows; of credentials only that they were changed."""
    changed = {name: value for name, value in values.items() if value is not None and value != getattr(row, name)}
    before = {name: getattr(row, name) for name in changed}
    return before, {**changed, **({"credentials": "changed"} if secrets_changed else {})}


async def _tell_all(tx: Transaction, provider_id: int, platform_id: int) -> None:
    """Every owner's client learns what his number can do now."""
    held = await opt_in_store.of_platform(tx, platform_id)
    await lock_numbers(tx, [row.number_id for row in held])
    await tell_owners(tx, provider_id, [Owned(row.number_id, row.feed_id) for row in held])


async def _unchanged(tx: Transaction, platform_id: int, tried: Row) -> Row:
    """The platform, held against everybody else. Raises NoSuchPlatform; Conflict when its details are not those that were tried (R142)."""
    row = await store.hold(tx, platform_id)
    if row is None:
        raise NoSuchPlatform
    if (bytes(row.credentials_sealed), row.endpoints) != (bytes(tried.credentials_sealed), tried.endpoints):
        raise Conflict
    return row


async def _access(tx: Transaction, platform_id: int) -> Row:
    row = await store.access(tx, platform_id)
    if row is None:
        raise NoSuchPlatform
    return row


async def _try(
    adapter: CarrierAdapter, provider_id: int, credentials: Credentials, endpoints: Mapping[str, str], platform_id: int = 0
) -> CredentialsGood:
    access = PlatformAccess(provider_id, platform_id, adapter.kind, credentials, endpoints, PlatformOptions())
    verdict = await adapter.verify_credentials(access)
    if isinstance(verdict, Problem):
        raise refusal(verdict)
    return verdict


def _warnings(good: CredentialsGood) -> tuple[str, ...]:
    return tuple(text for text in (_NO_RECEIPTS if good.receipts_on is False else "", good.note) if text)
