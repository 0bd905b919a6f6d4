"""All SQL of licences and of the licence answer."""

from collections.abc import Sequence
from datetime import datetime

from kereru.kernel.db import Row, Transaction

LIVE_LICENCE = "l.starts_at <= app_now() AND (l.ends_at IS NULL OR l.ends_at > app_now())"

_NUMBERS = f"""
SELECT n.id, n.e164, n.version, a.id AS assignment_id, a.friendly_name,
  CASE WHEN p.mms THEN coalesce(a.messaging_type, 2) ELSE 1 END AS messaging_type,
  coalesce(a.user_can_block, p.user_can_block) AS user_can_block, coalesce(o.state, 0) AS opt_in, l.user_id IS NOT NULL AS licensed
FROM assignment a
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
JOIN platform p ON p.provider_id = n.provider_id AND p.id = n.platform_id
LEFT JOIN licence l ON l.provider_id = a.provider_id AND l.user_id = a.user_id AND {LIVE_LICENCE}
LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
WHERE a.provider_id = scope_provider() AND a.user_id = %(user)s AND a.ended_at IS NULL AND a.state = 4
"""
_HELD = """
SELECT n.id AS number_id, a.id AS assignment_id, u.feed_id, coalesce(o.state, 0) AS opt_in
FROM assignment a
JOIN end_user u ON u.provider_id = a.provider_id AND u.id = a.user_id
JOIN number n ON n.provider_id = a.provider_id AND n.id = a.number_id
LEFT JOIN opt_in o ON o.provider_id = a.provider_id AND o.assignment_id = a.id
WHERE a.provider_id = scope_provider() AND a.user_id = %(user)s AND a.ended_at IS NULL AND a.state = 4
ORDER BY n.id
"""
_SET = """
INSERT INTO licence AS l (provider_id, user_id, product, starts_at, ends_at)
VALUES (scope_provider(), %(user)s, %(product)s, coalesce(%(starts_at)s, app_now()), %(ends_at)s)
ON CONFLICT (provider_id, user_id) DO UPDATE SET product = excluded.product, starts_at = excluded.starts_at, ends_at = excluded.ends_at
"""


async def product(tx: Transaction, user_id: int) -> int | None:
    """The user's live licence, if any."""
    return await tx.value(
        f"SELECT l.product FROM licence l WHERE l.provider_id = scope_provider() AND l.user_id = %(user)s AND {LIVE_LICENCE}",
        {"user": user_id},
    )


async def numbers(tx: Transaction, user_id: int) -> Sequence[Row]:
    """The user's enabled numbers (R2, R3), in the order they were assigned."""
    return await tx.rows(_NUMBERS + " ORDER BY a.id", {"user": user_id})


async def numbers_among(tx: Transaction, user_id: int, wanted: Sequence[int]) -> Sequence[Row]:
    """The user's enabled numbers among `wanted`."""
    return await tx.rows(_NUMBERS + " AND n.id = ANY (%(wanted)s::bigint[])", {"user": user_id, "wanted": list(wanted)})


async def plain_numbers(tx: Transaction, wanted: Sequence[int]) -> Sequence[Row]:
    """Numbers as such, whosoever they are."""
    return await tx.rows(
        "SELECT id, e164 FROM number WHERE provider_id = scope_provider() AND id = ANY (%(wanted)s::bigint[])", {"wanted": list(wanted)}
    )


async def held(tx: Transaction, user_id: int) -> Sequence[Row]:
    """What the user holds, with his feed, in the order numbers are locked."""
    return await tx.rows(_HELD, {"user": user_id})


async def user_exists(tx: Transaction, user_id: int) -> bool:
    """Whether this provider has such a user; until the commit he cannot be deleted."""
    found = await tx.value(
        "SELECT 1 FROM end_user WHERE provider_id = scope_provider() AND id = %(user)s AND deleted_at IS NULL FOR SHARE", {"user": user_id}
    )
    return found is not None


async def user_name(tx: Transaction, user_id: int) -> str:
    """The name of a user who is there."""
    return await tx.value("SELECT name FROM end_user WHERE provider_id = scope_provider() AND id = %(user)s", {"user": user_id})


async def put(tx: Transaction, user_id: int, licensed: int, starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Give or change a licence; it starts now unless said otherwise."""
    await tx.run(_SET, {"user": user_id, "product": licensed, "starts_at": starts_at, "ends_at": ends_at})


async def end(tx: Transaction, user_id: int) -> None:
    """End a licence now."""
    await tx.run(
        """UPDATE licence SET ends_at = app_now()
        WHERE provider_id = scope_provider() AND user_id = %(user)s AND (ends_at IS NULL OR ends_at > app_now())""",
        {"user": user_id},
    )


async def seconds_until(tx: Transaction, instant: datetime) -> float:
    """How long from now, by the database's clock, which decides (G43)."""
    return float(await tx.value("SELECT extract(epoch FROM %(instant)s - app_now())", {"instant": instant}))
