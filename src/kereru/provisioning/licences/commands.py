"""Giving, renewing and ending licences. A licence that turns live releases what was withheld for want of it (Q26)."""

from collections.abc import Mapping
from datetime import datetime

from kereru.kernel.db import ProviderScope, Transaction
from kereru.kernel.errors import Conflict
from kereru.kernel.jobs import JobKind, defer
from kereru.provisioning.changes import Owned, lock_numbers, tell_owners
from kereru.provisioning.desk import Desk, ReleaseWithheld
from kereru.provisioning.errors import NoSuchUser
from kereru.provisioning.licences import store
from kereru.provisioning.licences.model import Product
from kereru.provisioning.opt_in.model import OptIn

LICENCE_TURNED = JobKind("provisioning.turn_licence")
"""A licence begins or ends at this time; ids: provider, user."""


async def set_licence(
    tx: Transaction,
    provider_id: int,
    user_id: int,
    product: Product | None,
    release: ReleaseWithheld,
    *,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> None:
    """License a user for `product` from `starts_at` (now) to `ends_at` (open), or with None end his licence now. Raises NoSuchUser, Conflict."""
    if not await store.user_exists(tx, user_id):
        raise NoSuchUser
    locked = await _lock_held(tx, user_id)
    if product is None:
        await store.end(tx, user_id)
    else:
        await store.put(tx, user_id, product, starts_at, ends_at)
        for instant in (starts_at, ends_at):
            if instant is not None and (delay_s := await store.seconds_until(tx, instant)) > 0:
                await defer(tx, LICENCE_TURNED, delay_s=delay_s, provider=provider_id, user=user_id)
    await _turned(tx, provider_id, user_id, locked, release)


async def licence_turned(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job at a licence's begin or end; telling a client twice does no harm. Raises Conflict, which is tried again."""
    async with desk.database.transaction(ProviderScope(ids["provider"])) as tx:
        locked = await _lock_held(tx, ids["user"])
        await _turned(tx, ids["provider"], ids["user"], locked, desk.release_withheld)


async def _lock_held(tx: Transaction, user_id: int) -> frozenset[int]:
    """Hold the user's numbers, in the order in which everybody holds numbers; answers which."""
    numbers = [row.number_id for row in await store.held(tx, user_id)]
    await lock_numbers(tx, numbers)
    return frozenset(numbers)


async def _turned(tx: Transaction, provider_id: int, user_id: int, locked: frozenset[int], release: ReleaseWithheld) -> None:
    """Act on the user's numbers under their locks. Raises Conflict when one came meanwhile: to hold it now would break the order of locks."""
    held = await store.held(tx, user_id)
    if not locked >= {row.number_id for row in held}:
        raise Conflict
    if await store.product(tx, user_id) is not None:
        for row in held:
            if OptIn(row.opt_in).usable:
                await release(tx, provider_id, row.assignment_id)
    await tell_owners(tx, provider_id, [Owned(row.number_id, row.feed_id) for row in held])
