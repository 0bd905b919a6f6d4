"""What can be done to platforms. Credentials are tried at the carrier before anything is saved, and outside of any transaction (R142)."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence

from kereru.carriers.contract import CarrierAdapter, Credentials, CredentialsGood, PlatformAccess, PlatformOptions, Problem
from kereru.kernel.db import ProviderScope, Row, Transaction
from kereru.provisioning.desk import Desk, refusal
from kereru.provisioning.errors import NoSuchPlatform
from kereru.provisioning.opt_in.commands import stop_asking
from kereru.provisioning.platforms import store
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL
from kereru.provisioning.platforms.model import (
    NewPlatform,
    Platform,
    PlatformChanges,
    SavedPlatform,
    clean_credentials,
    open_access,
    seal_credentials,
    seal_token,
)  # fmt: skip

TOKEN_BYTES = 32
SWITCHES = ("endpoints", "user_confirmation", "user_can_block", "mms", "mail_on_postpone", "takes_long_texts", "token_hash")
_NO_RECEIPTS = "The carrier account sends no delivery receipts, so texts will not show as delivered. Switch receipts on at the carrier."


async def create_platform(desk: Desk, provider_id: int, wanted: NewPlatform) -> SavedPlatform:
    """A platform whose credentials the carrier accepts (R116 to R122, R142), with a webhook address of its own.

    Raises UnknownCarrier, BadCredentials, CredentialsRefused, CarrierUnreachable; then nothing is saved.
    """
    adapter = desk.carriers.of(wanted.carrier)
    credentials = clean_credentials(adapter, wanted.credentials)
    good = await _try(adapter, provider_id, credentials, wanted.endpoints)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        platform_id = await store.new_id(tx)
        switches = {name: getattr(wanted, name) for name in SWITCHES}
        await store.insert(
            tx,
            {
                **switches,
                "id": platform_id,
                "carrier": wanted.carrier,
                "name": wanted.name.strip() or adapter.title,
                "account": good.account_id or "",
                "sealed": seal_credentials(desk.sealer, provider_id, platform_id, credentials),
                "rate": adapter.capabilities.rate_per_second,
            },
        )
        sealed = seal_token(desk.sealer, provider_id, platform_id, token)
        await store.put_token(tx, hashlib.sha256(token.encode()).digest(), provider_id, platform_id, sealed)
        tx.notify(CONFIG_CHANNEL)
    return SavedPlatform(platform_id, _warnings(good))


async def update_platform(desk: Desk, provider_id: int, platform_id: int, changes: PlatformChanges) -> SavedPlatform:
    """Change a platform; new credentials or addresses are tried at the carrier first (R142). New credentials take a stop off.

    Switching User Confirmation off lets pending numbers be used; those who said No stay unavailable (Q16).
    Raises NoSuchPlatform and what `create_platform` raises; then nothing is saved.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await _access(tx, platform_id)
    adapter = desk.carriers.of(row.carrier)
    before = open_access(row, desk.sealer)
    credentials = None if changes.credentials is None else clean_credentials(adapter, changes.credentials)
    good = None
    if credentials is not None or changes.endpoints is not None:
        endpoints = before.endpoints if changes.endpoints is None else changes.endpoints
        good = await _try(adapter, provider_id, credentials or before.credentials, endpoints, platform_id)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        values = {name: getattr(changes, name) for name in ("name", *SWITCHES)}
        sealed = None if credentials is None else seal_credentials(desk.sealer, provider_id, platform_id, credentials)
        account = good.account_id if good else None
        if not await store.update(tx, {**values, "id": platform_id, "sealed": sealed, "account": account}):
            raise NoSuchPlatform
        if credentials is not None:
            await store.resume(tx, platform_id)
        tx.notify(CONFIG_CHANNEL)
        if changes.user_confirmation is False and row.user_confirmation:
            await stop_asking(tx, provider_id, platform_id, desk.release_withheld)
    return SavedPlatform(platform_id, _warnings(good) if good else ())


async def resume_platform(tx: Transaction, platform_id: int) -> None:
    """Send again through a platform that was stopped because the carrier refused the account. Doing it twice is doing it once.

    Raises NoSuchPlatform.
    """
    await _access(tx, platform_id)
    if await store.resume(tx, platform_id):
        tx.notify(CONFIG_CHANNEL)
        tx.notify("kereru_outbox")


async def list_platforms(tx: Transaction) -> Sequence[Platform]:
    """The provider's live platforms, oldest first."""
    return [Platform(**row._asdict()) for row in await store.live(tx)]


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
