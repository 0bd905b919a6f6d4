"""What somebody does with his own sign-in while signed in: second factor, sessions, API keys. Tries of codes are counted (threat: TOTP guess)."""

from collections.abc import Sequence

from kereru.kernel.clock import Clock
from kereru.kernel.db import INSTALLATION, Database, ProviderScope, Row
from kereru.kernel.secrets import Sealer
from kereru.kernel.settings import Settings
from kereru.tenancy.access import second_factor, store, throttling
from kereru.tenancy.access.errors import NoSuchApiKey, NoSuchSession, UnknownScope
from kereru.tenancy.access.recording import record_sign_in, tell
from kereru.tenancy.access.throttling import Bucket
from kereru.tenancy.history.model import actor_of
from kereru.tenancy.policy import Principal

CODES = Bucket(10, 1 / 60)


async def confirm(database: Database, sealer: Sealer, clock: Clock, principal: Principal, code: str) -> tuple[str, ...]:
    """End the set-up of the second factor by a code; answers the recovery codes."""
    await _count(database, principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        codes = await second_factor.confirm(
            tx, sealer, clock, principal.provider_id, principal.sign_in_id, code, address=principal.address, via=principal.via
        )
        await throttling.give_back(tx, _bucket(principal))
    return codes


async def renew_codes(database: Database, sealer: Sealer, clock: Clock, principal: Principal, code: str) -> tuple[str, ...]:
    """New recovery codes, by a code."""
    await _count(database, principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        codes = await second_factor.renew_codes(
            tx, sealer, clock, principal.provider_id, principal.sign_in_id, code, actor_of(principal)
        )  # fmt: skip
        await throttling.give_back(tx, _bucket(principal))
    return codes


async def remove(database: Database, sealer: Sealer, clock: Clock, principal: Principal, code: str) -> None:
    """Remove the second factor, by a code."""
    await _count(database, principal)
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        await second_factor.remove_own(tx, sealer, clock, principal.provider_id, principal.sign_in_id, code, actor_of(principal))
        await throttling.give_back(tx, _bucket(principal))


async def sessions(database: Database, settings: Settings, principal: Principal) -> list[Row]:
    """One's own sessions that are good still, the one used last first."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await tx.rows(store.SESSIONS, {**_whom(principal), "idle_s": settings.session_idle_s, "max_s": settings.session_max_s})


async def end_session(database: Database, principal: Principal, id_: int) -> bytes:
    """End one of one's own; answers the hash of its token. Raises NoSuchSession."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        ended = await tx.value(store.END_SESSION_BY_ID, {**_whom(principal), "id": id_})
        if ended is None:
            raise NoSuchSession
        tell(tx, principal.provider_id, principal.sign_in_id)
        await record_sign_in(tx, actor_of(principal), "session.ended", principal.provider_id, principal.sign_in_id)
    return bytes(ended)


async def end_other_sessions(database: Database, principal: Principal) -> None:
    """End all but the one that asks."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        count = await tx.run(store.END_OTHER_SESSIONS, {**_whom(principal), "hash": principal.credential})
        if count:
            tell(tx, principal.provider_id, principal.sign_in_id)
            await record_sign_in(
                tx, actor_of(principal), "sessions.ended", principal.provider_id, principal.sign_in_id, {}, {"sessions": count}
            )  # fmt: skip


async def api_keys(database: Database, principal: Principal) -> list[Row]:
    """One's own API keys, oldest first."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        return await tx.rows(store.OWN_API_KEYS, _whom(principal))


async def end_api_key(database: Database, principal: Principal, id_: int) -> bytes:
    """End one of one's own; answers the hash of its token. Raises NoSuchApiKey."""
    async with database.transaction(ProviderScope(principal.provider_id)) as tx:
        row = await tx.row(store.END_OWN_API_KEY, {**_whom(principal), "id": id_})
        if row is None:
            raise NoSuchApiKey
        tell(tx, principal.provider_id, principal.sign_in_id)
        await record_sign_in(
            tx, actor_of(principal), "api_key.ended", principal.provider_id, principal.sign_in_id, {"name": row.name}, {}
        )  # fmt: skip
    return bytes(row.token_hash)


def require_scopes(principal: Principal, scopes: Sequence[str]) -> None:
    """Pass when a key with these scopes could do anything for its maker. Raises UnknownScope naming the first that could not."""
    areas = {"client": principal.user is not None, "portal": bool(principal.roles)}
    for scope in scopes:
        area = scope.partition(".")[0]
        if area in areas and not areas[area]:
            message = f"You are no {'user' if area == 'client' else 'portal account'}, so a key of yours can do nothing with {scope}."
            raise UnknownScope(message)


async def _count(database: Database, principal: Principal) -> None:
    # In a transaction of its own: the try stays counted when the code is wrong and everything else is rolled back.
    async with database.transaction(INSTALLATION) as tx:
        await throttling.take(tx, _bucket(principal), CODES)


def _bucket(principal: Principal) -> str:
    return f"code {principal.provider_id} {principal.sign_in_id}"


def _whom(principal: Principal) -> dict[str, object]:
    return {"provider_id": principal.provider_id, "sign_in_id": principal.sign_in_id}
