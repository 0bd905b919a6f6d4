"""Asking the carrier about hand-overs whose fate is unknown (G11): one candidate settles it, anything else leaves it unknown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kereru.carriers.arrivals import ReceiptState
from kereru.carriers.contract import LookUp, PartFacts
from kereru.kernel.db import INSTALLATION, Database, Row
from kereru.kernel.logging import get_logger
from kereru.messaging.delivery import store
from kereru.messaging.delivery.store import Settlement
from kereru.messaging.model import Status

if TYPE_CHECKING:
    from kereru.messaging.delivery.sender import OpenPlatform

_log = get_logger("messaging.delivery")

_FAILED = frozenset({ReceiptState.FAILED, ReceiptState.UNDELIVERED, ReceiptState.EXPIRED})


async def look_up_due(
    database: Database, platform: "OpenPlatform", provider_id: int, platform_id: int, most: int, write: Callable[[list[Settlement]], None]
) -> int:
    """Ask about what is due; answers how many were settled."""
    if not platform.adapter.capabilities.look_up:
        return 0
    window_s = platform.adapter.capabilities.look_up_window_s
    async with database.transaction(INSTALLATION) as tx:
        due = await store.due_look_ups(tx, provider_id, platform_id, window_s, most)
    settled = 0
    for row in due:
        facts = PartFacts(
            from_=row.from_number,
            to=row.to_number,
            text=row.text,
            handed_over_at=row.handed_over_at,
            carrier_id=row.carrier_id,
            known_carrier_ids=frozenset(row.known_ids),
            others_nearby=row.others_nearby,
        )
        found = await platform.adapter.look_up(platform.access, facts)
        _log.info("look_up.answered", message=row.message_id, found=found.found)
        if found.found != "one":
            continue
        settled += 1
        if found.state in _FAILED and found.carrier_id is None:
            write([_settlement(row, found, "refused", None)])
            continue
        carrier_id = found.carrier_id or row.carrier_id or f"look-up {row.message_id}-{row.attempt}-{row.part}"
        write([_settlement(row, found, "accepted", carrier_id)])
        if found.state is ReceiptState.DELIVERED or found.state in _FAILED:
            await _apply(database, provider_id, platform_id, carrier_id, found)
    return settled


def _settlement(row: Row, found: LookUp, outcome: str, carrier_id: str | None) -> Settlement:
    return Settlement(
        message=row.message_id, attempt=row.attempt, part=row.part, tries=row.tries, outcome=outcome, cid=carrier_id,
        code=found.error_code or (found.carrier_state if outcome == "refused" else None), reason=found.error_reason or None,
    )  # fmt: skip


async def _apply(database: Database, provider_id: int, platform_id: int, carrier_id: str, found: LookUp) -> None:
    assert found.state is not None  # noqa: S101 - the caller looked
    item = {
        "provider": provider_id, "platform": platform_id, "cid": carrier_id, "state": int(Status[found.state.name]),
        "carrier_state": found.carrier_state, "code": found.error_code or "", "reason": found.error_reason, "raw": "look-up", "request": "",
    }  # fmt: skip
    async with database.transaction(INSTALLATION) as tx:
        await store.receipts(tx, msgspec.json.encode([item]).decode())
