"""What a caller hears of a commit."""

from kereru.kernel.db import INSTALLATION, Database
from world import World


async def test_a_notification_that_fails_does_not_undo_the_commit(world: World, app: Database) -> None:
    """Design §3: a lost notification costs latency, never a change; the caller must not hear that a committed change failed."""
    async with app.transaction(INSTALLATION) as tx:
        tx.notify("kereru_outbox", "x" * 9000)
    async with app.transaction(INSTALLATION) as tx:
        assert await tx.value("SELECT 1") == 1
