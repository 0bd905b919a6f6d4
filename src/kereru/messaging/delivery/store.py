"""The functions of 0007 that role `kereru_service` may call."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from kereru.kernel.db import Row, Transaction
from kereru.messaging.remote_consent import store as consent_store

_TAKE_LEASES = "SELECT * FROM take_leases(%(holder)s, %(ttl_s)s)"
_DROP_LEASES = "SELECT drop_leases(%(holder)s)"
_DISOWN = "SELECT feed_id, number FROM disown_open(%(provider)s, %(platform)s, %(epoch)s)"
_CLAIM = """SELECT * FROM claim_outbox(%(provider)s, %(platform)s, %(holder)s, %(epoch)s,
  CASE WHEN sending_allowed(%(since)s) THEN %(most)s::integer ELSE 0 END)"""
_GIVE_BACK = "SELECT feed_id, number FROM give_back(%(provider)s, %(platform)s, %(epoch)s, %(in_hand)s::bigint[])"
_SETTLE = "SELECT feed_id, number FROM settle_handovers(%(provider)s, %(platform)s, %(items)s::text::jsonb)"
_EXPIRE = "SELECT feed_id, number FROM expire_outbox(%(most)s)"
_LOOK_UPS = "SELECT * FROM due_look_ups(%(provider)s, %(platform)s, %(window_s)s, %(most)s)"
_RECEIPTS = "SELECT feed_id, number FROM ingest_receipts(%(items)s::text::jsonb)"
_FIGURES = "SELECT * FROM delivery_figures() CROSS JOIN trouble_figures()"
_RECEIPT_FIGURES = "SELECT * FROM receipt_figures(%(from_id)s, %(to_id)s)"

EVER = datetime(1970, 1, 1, tzinfo=UTC)


class ClaimedPart(msgspec.Struct, frozen=True):
    """A part to hand over. `tries` names this hand-over, numbers are E.164 (or a short code), `deferrals` says how often its text was put off.

    `media`: addresses of an MMS's files, which the carrier fetches; `fallback`: the same text with links to them (P27).
    """

    message_id: int
    attempt: int
    part: int
    tries: int
    from_number: str
    to_number: str
    text: str
    deferrals: int
    media: tuple[str, ...] = ()
    fallback: str | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How one hand-over ended, as `settle_handovers` takes it."""

    message: int
    attempt: int
    part: int
    tries: int
    outcome: str
    cid: str | None = None
    cut_to: str | None = None
    code: str | None = None
    reason: str | None = None
    retry_s: float = 0
    raw: str | None = None
    stop_account: bool = False
    credentials: str = ""
    """With `stop_account`: the SHA-256, in hexadecimal, of the sealed credentials that the carrier refused."""
    opted_out: bool = False
    as_links: bool = False
    """The MMS was refused for certain, and this is how its text with links ended."""


async def take_leases(tx: Transaction, holder: str, ttl_s: float) -> list[Row]:
    """Renew ours, take those nobody holds; answers every platform that is ours now."""
    return await tx.rows(_TAKE_LEASES, {"holder": holder, "ttl_s": ttl_s})


async def drop_leases(tx: Transaction, holder: str) -> None:
    """Let go of everything."""
    await tx.run(_DROP_LEASES, {"holder": holder})


async def disown_open(tx: Transaction, provider_id: int, platform_id: int, epoch: int) -> None:
    """Turn what earlier epochs left open into unknown (G13)."""
    _wake(tx, await tx.rows(_DISOWN, {"provider": provider_id, "platform": platform_id, "epoch": epoch}))


async def claim(tx: Transaction, provider_id: int, platform_id: int, holder: str, epoch: int, most: int, since: datetime = EVER) -> list[ClaimedPart]:
    """Claim texts; answers their parts in order. Empty when the lease is not ours any more, or while web processes hold webhooks back (design §6).

    `since`: what they have said before this instant does not count (delivery.gate).
    """
    params = {"provider": provider_id, "platform": platform_id, "holder": holder, "epoch": epoch, "most": most, "since": since}
    rows = await tx.rows(_CLAIM, params)
    for row in rows:
        if row.feed_id is not None:
            tx.wake(row.feed_id, row.feed_number)
    return [ClaimedPart(*row[:8], media=tuple(row.media), fallback=row.fallback) for row in rows if row.message_id is not None]


async def may_still_go(tx: Transaction, provider_id: int, message_id: int) -> bool:
    """Whether a claimed text may be handed over once more (G17)."""
    return await tx.value("SELECT may_still_go(%(provider)s, %(message)s)", {"provider": provider_id, "message": message_id})


async def give_back(tx: Transaction, provider_id: int, platform_id: int, epoch: int, in_hand: Sequence[int]) -> None:
    """Put back what was claimed under this epoch and never reached us: everything but the messages `in_hand`."""
    params = {"provider": provider_id, "platform": platform_id, "epoch": epoch, "in_hand": list(in_hand)}
    _wake(tx, await tx.rows(_GIVE_BACK, params))


async def settle(tx: Transaction, provider_id: int, platform_id: int, items: Sequence[Settlement]) -> None:
    """Write outcomes down; whoever opted out at the carrier has stopped for the whole group."""
    params = {"provider": provider_id, "platform": platform_id, "items": msgspec.json.encode(items).decode()}
    stops = [{"provider": provider_id, "message": item.message, "opted_out": True} for item in items if item.opted_out]
    news = await consent_store.learn(tx, msgspec.json.encode(stops).decode()) if stops else []
    _wake(tx, await tx.rows(_SETTLE, params))
    linked = [item.message for item in items if item.as_links]
    if linked:
        await tx.run("SELECT went_as_links(%(provider)s, %(messages)s::bigint[])", {"provider": provider_id, "messages": linked})
    await consent_store.tell(tx, news)


async def expire(tx: Transaction, most: int) -> int:
    """Fail what waited past its deadline, and call unknown what was left in the hands of a sender that is gone; answers how many owners were told."""
    rows = await tx.rows(_EXPIRE, {"most": most})
    _wake(tx, rows)
    return len(rows)


async def due_look_ups(tx: Transaction, provider_id: int, platform_id: int, window_s: float, most: int) -> list[Row]:
    """Unknown hand-overs to ask the carrier about."""
    return await tx.rows(_LOOK_UPS, {"provider": provider_id, "platform": platform_id, "window_s": window_s, "most": most})


async def receipts(tx: Transaction, items: str) -> None:
    """Apply what a look-up told, as a receipt."""
    _wake(tx, await tx.rows(_RECEIPTS, {"items": items}))


async def figures(tx: Transaction) -> Row:
    """Counts and ages for the metrics, and the database's time."""
    return await tx.row(_FIGURES)


async def receipt_figures(tx: Transaction, from_id: int, to_id: int) -> list[Row]:
    """By carrier, of messages with these ids: parts that were taken, those without a receipt by now, seconds until the first one."""
    return await tx.rows(_RECEIPT_FIGURES, {"from_id": from_id, "to_id": to_id})


def _wake(tx: Transaction, rows: list[Row]) -> None:
    for row in rows:
        tx.wake(row.feed_id, row.number)
