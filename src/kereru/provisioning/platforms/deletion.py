"""Deleting a platform, and with it, on a clear confirmation, everything of its numbers (R202)."""

from kereru.kernel.db import ProviderScope
from kereru.provisioning.desk import OPERATOR, Author, Desk
from kereru.provisioning.errors import NoSuchPlatform, PlatformHasNumbers
from kereru.provisioning.numbers import store as numbers_store
from kereru.provisioning.numbers.deletion import Ended, delete_in, remove_hooks
from kereru.provisioning.platforms import store
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL


async def delete_platform(desk: Desk, provider_id: int, platform_id: int, *, end_assignments: int = 0, author: Author = OPERATOR) -> int:
    """Delete a platform and its `end_assignments` numbers, as deleting each would (R184, R185); answers how many these were.

    Raises NoSuchPlatform, PlatformHasNumbers naming how many there are when that is not the number confirmed. One transaction: all or nothing.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        held = await store.hold(tx, platform_id)
        if held is None:
            raise NoSuchPlatform
        live = await numbers_store.live_of_platform(tx, platform_id)
        if len(live) != end_assignments:
            raise PlatformHasNumbers(_how_many(held.name, len(live)))
        await store.end(tx, provider_id, platform_id)
        ended: list[Ended] = await delete_in(desk, tx, provider_id, [row.id for row in live], author)
        counts: dict[str, object] = {"numbers": len(live), "messages": sum(one.deleted.messages for one in ended)}
        name = held.name
        await desk.record_history(tx, author.principal, "platform.deleted", "platform", platform_id, name, {"carrier": held.carrier}, counts)
        await store.forget_credentials(tx, platform_id)
        tx.notify(CONFIG_CHANNEL)
    await remove_hooks(desk, provider_id, [one.number_id for one in ended])
    return len(ended)


def _how_many(name: str, count: int) -> str:
    if not count:
        return f"“{name}” has no numbers any more. Look at it again, then decide."
    numbers = "1 number" if count == 1 else f"{count} numbers"
    return (
        f"“{name}” has {numbers}. Deleting it takes {'it' if count == 1 else 'them'} from the user{'' if count == 1 else 's'} and deletes all saved "
        f"messages. To do that, confirm the number {count}."
    )
