"""What a client learns at its start, and of its numbers in changes."""

from collections.abc import Sequence

from kereru.kernel.db import Transaction
from kereru.provisioning.licences import store
from kereru.provisioning.licences.model import LicenceNumber, Product, gone, licence_number


async def product(tx: Transaction, user_id: int) -> Product | None:
    """What the user is licensed for now; None: nothing (R115)."""
    found = await store.product(tx, user_id)
    return None if found is None else Product(found)


async def numbers(tx: Transaction, user_id: int, region: str, *, live: bool) -> tuple[LicenceNumber, ...]:
    """The user's numbers that are set up at the carrier (R2, R3). `live`: a client of this user is running already."""
    return tuple(licence_number(row, region, live=live) for row in await store.numbers(tx, user_id))


async def numbers_by_id(tx: Transaction, user_id: int, region: str, wanted: Sequence[int], *, live: bool = True) -> dict[int, LicenceNumber]:
    """Each of `wanted` as this user sees it now; one that is not (or no longer) his and enabled is there with `assigned` false."""
    if not wanted:
        return {}
    found = {row.id: licence_number(row, region, live=live) for row in await store.numbers_among(tx, user_id, wanted)}
    missing = [number_id for number_id in wanted if number_id not in found]
    return found | {row.id: gone(row.id, row.e164, region) for row in await store.plain_numbers(tx, missing)}
