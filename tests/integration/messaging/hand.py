"""A sender without a sender: each of its steps on its own, so that a test decides what happens between them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from kereru.kernel.db import INSTALLATION, Database
from kereru.messaging.delivery import store
from kereru.messaging.delivery.store import ClaimedPart, Settlement
from world import Owner, World

QUEUED, SENDING, SENT, DELIVERED, UNDELIVERED, FAILED, EXPIRED, UNKNOWN = range(1, 9)


class Hand:
    """Holds one platform's lease and does what it is told."""

    def __init__(self, service: Database, owner: Owner, name: str = "hand") -> None:
        self.service, self.owner, self.name, self.epoch = service, owner, name, 0

    async def lease(self) -> int:
        """Take or renew; answers the epoch."""
        async with self.service.transaction(INSTALLATION) as tx:
            rows = await store.take_leases(tx, self.name, 600)
        self.epoch = next((row.epoch for row in rows if row.platform_id == self.owner.platform_id), 0)
        return self.epoch

    async def claim(self, most: int = 100) -> list[ClaimedPart]:
        """Claim what is due."""
        async with self.service.transaction(INSTALLATION) as tx:
            return await store.claim(tx, self.owner.provider_id, self.owner.platform_id, self.name, self.epoch, most)

    async def settle(self, *items: Settlement) -> None:
        """Write outcomes down."""
        async with self.service.transaction(INSTALLATION) as tx:
            await store.settle(tx, self.owner.provider_id, self.owner.platform_id, list(items))

    async def disown(self) -> None:
        """What a new holder does first."""
        async with self.service.transaction(INSTALLATION) as tx:
            await store.disown_open(tx, self.owner.provider_id, self.owner.platform_id, self.epoch)

    async def give_back(self, in_hand: list[int]) -> None:
        """What a holder does after a claim whose answer was lost."""
        async with self.service.transaction(INSTALLATION) as tx:
            await store.give_back(tx, self.owner.provider_id, self.owner.platform_id, self.epoch, in_hand)

    async def expire(self) -> int:
        """What the scheduler does each second."""
        async with self.service.transaction(INSTALLATION) as tx:
            return await store.expire(tx, 100)


def ended(part: ClaimedPart, outcome: str, *, cid: str | None = None, code: str | None = None, retry_s: float = 0) -> Settlement:
    """How the hand-over of `part` ended."""
    return Settlement(
        message=part.message_id, attempt=part.attempt, part=part.part, tries=part.tries, outcome=outcome, cid=cid, code=code, retry_s=retry_s,
        reason=code,
    )  # fmt: skip


def release_lease(world: World) -> None:
    """Time passes, and nobody renewed."""
    world.sql("UPDATE platform_lease SET expires_at = app_now() - interval '1 hour'")


@contextmanager
def held(world: World, statement: str, **params: object) -> Iterator[psycopg.Connection]:
    """A transaction of somebody else that ran `statement` and goes on; rolled back at the end unless committed."""
    with psycopg.connect(world.url) as connection:
        connection.execute(statement, params)
        try:
            yield connection
        finally:
            connection.rollback()


async def blocked(world: World, count: int = 1) -> None:
    """Wait until that many sessions of this database wait for a lock."""
    for _ in range(500):
        [row] = await asyncio.to_thread(
            world.sql, "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if row.n >= count:
            return
        await asyncio.sleep(0.01)
    message = f"nobody waits ({threading.active_count()} threads)"
    raise AssertionError(message)
