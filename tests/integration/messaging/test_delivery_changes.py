"""What happens to a text on its way explains itself too: claim, outcome, receipts and expiry (issue 2 §5)."""

import pytest
from arrivals import batch, receipt
from desk import Desk
from test_commands import Screen

from changes import assert_changes_explain, changes_after
from kereru.kernel.db import INSTALLATION, Database
from kereru.messaging.changes import Presenter
from kereru.messaging.delivery import store
from kereru.messaging.inbound.sink import Sink

SENT, DELIVERED, FAILED = 3, 4, 6


@pytest.fixture
def screen(desk: Desk, app: Database) -> Screen:
    """Ana's screen."""
    return Screen(app, desk.world.ana)


async def _explained(screen: Screen, before: object) -> int:
    owner = screen.owner
    changes, screen.seen = await changes_after(screen.app, Presenter(), owner.provider_id, owner.user_id, owner.feed_id, screen.seen)
    assert_changes_explain(before, changes, await screen.state())  # type: ignore[arg-type]
    return len(changes)


async def test_claim_outcome_and_receipts_explain_themselves(desk: Desk, screen: Screen, ingest: Database) -> None:
    """G22: from queued to delivered."""
    before = await screen.state()
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await desk.until(message, SENT, DELIVERED)
    assert await _explained(screen, before) >= 2
    before = await screen.state()
    [part] = desk.world.sql("SELECT carrier_id FROM part")
    await Sink(ingest).put(batch(desk.world.ana, receipt(desk.world.ana, part.carrier_id, "delivered")))
    assert await _explained(screen, before) == 1


async def test_expiry_explains_itself(desk: Desk, screen: Screen) -> None:
    """G12: not sent, with its reason."""
    await desk.send(desk.world.ana)
    before = await screen.state()
    screen.seen = 1
    await desk.sql("UPDATE outbox SET expires_at = app_now() - interval '1 second'")
    async with desk.service.transaction(INSTALLATION) as tx:
        await store.expire(tx, 10)
    assert await _explained(screen, before) >= 1
    assert [m.status for m in desk.world.sql("SELECT status FROM message")] == [FAILED]
