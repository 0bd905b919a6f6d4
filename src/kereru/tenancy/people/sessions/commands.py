"""Seeing and ending the sessions of somebody whom one manages. Only who manages everything that person is sees any of it (G32)."""

from kereru.kernel.db import Row, Transaction
from kereru.kernel.settings import Settings
from kereru.tenancy.access import store
from kereru.tenancy.access.recording import record_sign_in, tell
from kereru.tenancy.errors import OwnAccount
from kereru.tenancy.history.model import Actor
from kereru.tenancy.people.commands import require_all_within
from kereru.tenancy.policy import Reach


async def sessions_of(tx: Transaction, settings: Settings, provider_id: int, sign_in_id: int, within: Reach) -> list[Row]:
    """Those that are good still, the one used last first. Raises BelongsHigher."""
    await require_all_within(tx, provider_id, sign_in_id, within)
    whom = {"provider_id": provider_id, "sign_in_id": sign_in_id}
    return await tx.rows(store.SESSIONS, {**whom, "idle_s": settings.session_idle_s, "max_s": settings.session_max_s})


async def end_sessions_of(tx: Transaction, provider_id: int, sign_in_id: int, within: Reach, by: Actor) -> list[bytes]:
    """Sign somebody out everywhere, within 5 s (G26); the password stays good. Answers the hashes of the tokens. Raises OwnAccount, BelongsHigher."""
    if by.sign_in_id == sign_in_id:
        raise OwnAccount
    await require_all_within(tx, provider_id, sign_in_id, within)
    ended = await tx.rows(store.END_SESSIONS, {"provider_id": provider_id, "sign_in_id": sign_in_id})
    if ended:
        tell(tx, provider_id, sign_in_id)
        await record_sign_in(tx, by, "sessions.ended", provider_id, sign_in_id, {}, {"sessions": len(ended)})
    return [bytes(row.token_hash) for row in ended]
