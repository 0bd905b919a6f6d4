"""Ending assignments, pointing webhooks anew, trying again, and the list."""

from collections.abc import Mapping, Sequence

from kereru.carriers.contract import CarrierAdapter, PlatformAccess, Problem
from kereru.carriers.numbering import display
from kereru.kernel.db import ProviderScope, Row, Transaction
from kereru.kernel.jobs import Backoff, JobKind, defer
from kereru.provisioning.changes import Owned, lock_numbers, tell_owners
from kereru.provisioning.desk import Desk
from kereru.provisioning.errors import NoSuchAssignment
from kereru.provisioning.numbers import store
from kereru.provisioning.numbers.assigning import REGISTER_NUMBER, TAKES_OVER_AFTER_S, register, way_out
from kereru.provisioning.numbers.model import Assigned, AssignmentEntry, AssignmentState
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL
from kereru.provisioning.platforms.model import open_hook_secret

REMOVE_WEBHOOK = JobKind("provisioning.remove_webhook", Backoff(first_s=15, factor=2, most_s=3600))
"""Take our hook off a number nobody holds any more; ids: provider, number."""

POINT_WEBHOOK = JobKind("provisioning.point_webhook", Backoff(first_s=15, factor=2, most_s=3600))
"""Set the hook of a used number again; ids: provider, number."""


class WebhookRemains(Exception):
    """The carrier could not be told just now; the job is tried again."""


async def end_assignment(desk: Desk, provider_id: int, assignment_id: int) -> None:
    """End an assignment: no text is shown or sent from here on, the owner keeps his history (Q28), and the carrier's webhook is removed (R185).

    A carrier that does not answer is told later by a job. Ending twice is ending once. Raises NoSuchAssignment.
    """
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is None:
            raise NoSuchAssignment
        await lock_numbers(tx, [row.number_id])
        if not await store.end(tx, assignment_id):
            return
        await defer(tx, REMOVE_WEBHOOK, delay_s=TAKES_OVER_AFTER_S, provider=provider_id, number=row.number_id)
        await tell_owners(tx, provider_id, [Owned(row.number_id, row.feed_id)])
    await _remove(desk, provider_id, row.number_id)


async def remove_webhook(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job REMOVE_WEBHOOK. Raises WebhookRemains to be called again."""
    if not await _remove(desk, ids["provider"], ids["number"]):
        raise WebhookRemains


async def retry_assignment(desk: Desk, provider_id: int, assignment_id: int) -> Assigned:
    """Try a failed assignment again. Raises NoSuchAssignment and what `assign_number` raises."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is None or row.ended_at is not None:
            raise NoSuchAssignment
        if row.state == AssignmentState.FAILED:
            await store.set_state(tx, assignment_id, AssignmentState.REGISTERING)
            await defer(tx, REGISTER_NUMBER, delay_s=TAKES_OVER_AFTER_S, provider=provider_id, assignment=assignment_id)
    return await register(desk, provider_id, assignment_id)


async def repoint_webhooks(desk: Desk, provider_id: int, platform_id: int) -> tuple[str, ...]:
    """Point every used number of a platform at the present address, with its present secret; needed when that address changes.

    Answers sentences about the numbers that could not be pointed. Raises NoSuchPlatform.
    """
    adapter, access, url = await way_out(desk, provider_id, platform_id)
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        rows = await store.enabled_of_platform(tx, platform_id)
    problems: list[str] = []
    for row in rows:
        problem = await _point(desk, adapter, access, row, url)
        if problem is not None:
            problems.append(f"{display(row.e164, 'US')}: {problem.reason}")
    return tuple(problems)


async def point_webhook(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job POINT_WEBHOOK. Raises WebhookRemains to be called again."""
    async with desk.database.transaction(ProviderScope(ids["provider"])) as tx:
        row = await store.live_of_number(tx, ids["number"])
    if row is None or row.state != AssignmentState.ENABLED:
        return
    adapter, access, url = await way_out(desk, ids["provider"], row.platform_id)
    if await _point(desk, adapter, access, row, url) is not None:
        raise WebhookRemains


async def list_numbers(tx: Transaction, *, past: bool = False) -> Sequence[AssignmentEntry]:
    """The provider's assignments, oldest first, with ended ones where `past` (R173 to R178)."""
    return [AssignmentEntry(**row._asdict()) for row in await store.entries(tx, past=past)]


async def _remove(desk: Desk, provider_id: int, number_id: int) -> bool:
    """Remove the hook unless somebody holds the number again; whether there is nothing left to do."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        number = await store.number(tx, number_id)
        if number is None or await store.live_of_number(tx, number_id) is not None:
            return True
    if number.carrier_ref:
        adapter, access, _ = await way_out(desk, provider_id, number.platform_id)
        gone = await adapter.remove_webhook(access, number.e164, number.carrier_ref)
        if isinstance(gone, Problem):
            return False
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        await lock_numbers(tx, [number_id])
        holder = await store.live_of_number(tx, number_id)
        if holder is None:
            await store.clear_webhook(tx, number_id)
            tx.notify(CONFIG_CHANNEL)
        elif holder.state == AssignmentState.ENABLED:
            # Given away again while the carrier was told: what was removed may have been the new hook.
            await defer(tx, POINT_WEBHOOK, provider=provider_id, number=number_id)
    return True


async def _point(desk: Desk, adapter: CarrierAdapter, access: PlatformAccess, row: Row, url: str) -> Problem | None:
    """Set a used number's hook to `url` with the secret it has; why not, if not."""
    found = await adapter.find_number(access, row.e164)
    if found.problem is not None:
        return found.problem
    if found.status != "ready":
        return Problem("number_absent", "the carrier does not list it for texting.")
    secret = open_hook_secret(desk.sealer, access.provider_id, access.platform_id, row.e164, bytes(row.hook_secret_sealed))
    placed = await adapter.set_webhook(access, row.e164, url, secret, found.carrier_ref)
    if isinstance(placed, Problem):
        return placed
    async with desk.database.transaction(ProviderScope(access.provider_id)) as tx:
        await store.put_carrier_ref(tx, row.number_id, placed.carrier_ref)
    return None
