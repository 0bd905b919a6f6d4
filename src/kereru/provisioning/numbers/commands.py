"""Changing assignments, pointing and removing webhooks, trying again, and the list."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence

from kereru.carriers.contract import CarrierAdapter, PlatformAccess, Problem
from kereru.carriers.numbering import display
from kereru.kernel.db import ProviderScope, Row, Transaction
from kereru.kernel.jobs import Backoff, JobKind, defer
from kereru.kernel.secrets import CannotOpen, Secret
from kereru.provisioning.changes import Owned, lock_numbers, tell_owners
from kereru.provisioning.desk import OPERATOR, Author, Desk
from kereru.provisioning.errors import MmsIsOff, NoSuchAssignment, NotRetried
from kereru.provisioning.numbers import store
from kereru.provisioning.numbers.assigning import (
    REGISTER_NUMBER,
    SECRET_BYTES,
    TAKES_OVER_AFTER_S,
    clean_friendly_name,
    register,
    way_back,
    way_out,
)
from kereru.provisioning.numbers.model import KEEP, MMS_AND_SMS, Assigned, AssignmentChanges, AssignmentEntry, AssignmentState
from kereru.provisioning.platforms import store as platform_store
from kereru.provisioning.platforms.alerts import alert_webhook_missing
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL
from kereru.provisioning.platforms.model import open_hook_secret, seal_hook_secret

POINT_WEBHOOK = JobKind("provisioning.point_webhook", Backoff(first_s=15, factor=2, most_s=3600))
"""Set the hook of a used number again; ids: provider, number."""


class WebhookRemains(Exception):
    """The carrier could not be told just now; the job is tried again."""


async def remove_webhook(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job REMOVE_WEBHOOK. Raises WebhookRemains to be called again."""
    if not await take_hook_off(desk, ids["provider"], ids["number"]):
        raise WebhookRemains


async def retry_assignment(
    desk: Desk, provider_id: int, assignment_id: int, author: Author = OPERATOR, *, patience_s: float | None = None
) -> Assigned:
    """Try a failed assignment again. Raises NoSuchAssignment, NotRetried for one that did not fail."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is None or row.ended_at is not None:
            raise NoSuchAssignment
        state = AssignmentState(row.state)
        if state is not AssignmentState.FAILED and not state.under_way:
            raise NotRetried
        if await store.set_state(tx, assignment_id, AssignmentState.REGISTERING, of=(AssignmentState.FAILED,)):
            await defer(tx, REGISTER_NUMBER, delay_s=TAKES_OVER_AFTER_S, provider=provider_id, assignment=assignment_id)
            before: dict[str, object] = {"state": AssignmentState.FAILED.wire, "problem": row.problem}
            await desk.record_history(
                tx, author.principal, "number.retried", "assignment", assignment_id, row.e164, before, {"state": AssignmentState.REGISTERING.wire}
            )
    try:
        async with asyncio.timeout(patience_s):
            return await register(desk, provider_id, assignment_id)
    except TimeoutError:
        async with desk.database.transaction(ProviderScope(provider_id)) as tx:
            await defer(tx, REGISTER_NUMBER, provider=provider_id, assignment=assignment_id)
        return Assigned(row.id, row.number_id, row.e164, AssignmentState.REGISTERING)


async def change_assignment(desk: Desk, provider_id: int, assignment_id: int, changes: AssignmentChanges, author: Author = OPERATOR) -> None:
    """Change what a person may of a live number; its user's clients are told (R147, R149, R151, R152). Raises NoSuchAssignment, MmsIsOff, Invalid."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await store.facts(tx, assignment_id)
        if row is not None:
            # Read again: of two people who change different things at once, neither puts back what the other changed.
            await lock_numbers(tx, [row.number_id])
            row = await store.facts(tx, assignment_id)
        if row is None or row.ended_at is not None:
            raise NoSuchAssignment
        if changes.messaging_type == MMS_AND_SMS and not row.platform_mms:
            raise MmsIsOff
        before: dict[str, object] = {"friendly_name": row.friendly_name, "messaging_type": row.messaging_type, "user_can_block": row.user_can_block}
        wished: dict[str, object] = {name: value for name in before if (value := getattr(changes, name)) is not KEEP}
        name = wished.get("friendly_name")
        if isinstance(name, str):
            wished["friendly_name"] = clean_friendly_name(name)
        after = {name: value for name, value in wished.items() if value != before[name]}
        if not after:
            return
        await store.change(tx, assignment_id, {**before, **after})
        changed = {name: before[name] for name in after}
        await desk.record_history(tx, author.principal, "number.changed", "assignment", assignment_id, row.e164, changed, after)
        await tell_owners(tx, provider_id, [Owned(row.number_id, row.feed_id)])


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
    problem = await point_now(desk, row)
    if problem is not None:
        if not problem.temporary:
            async with desk.database.transaction(ProviderScope(ids["provider"])) as tx:
                await alert_webhook_missing(tx, ids["provider"], row.platform_id, row.e164, problem.reason)
        raise WebhookRemains


async def point_now(desk: Desk, row: Row) -> Problem | None:
    """Point a used number's webhook here, with the secret it has; why not, if not. `row`: its facts. Raises NoSuchPlatform."""
    adapter, access, url = await way_out(desk, row.provider_id, row.platform_id)
    return await _point(desk, adapter, access, row, url)


async def list_numbers(tx: Transaction, *, past: bool = False) -> Sequence[AssignmentEntry]:
    """The provider's assignments, oldest first, with ended ones where `past` (R173 to R178)."""
    return [AssignmentEntry(**row._asdict()) for row in await store.entries(tx, past=past)]


async def take_hook_off(desk: Desk, provider_id: int, number_id: int) -> bool:
    """Remove the hook unless somebody holds the number again; whether there is nothing left to do."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        number = await store.number(tx, number_id)
        if number is None or await store.live_of_number(tx, number_id) is not None:
            return True
    if number.carrier_ref:
        try:
            adapter, access = await way_back(desk, provider_id, number.platform_id)
        except CannotOpen:
            # Under another key: the job tries again, should the right one come back.
            return False
        gone = await adapter.remove_webhook(access, number.e164, number.carrier_ref)
        if isinstance(gone, Problem):
            return False
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        await lock_numbers(tx, [number_id])
        holder = await store.live_of_number(tx, number_id)
        if holder is None:
            await store.clear_webhook(tx, number_id)
            await platform_store.forget_credentials(tx, number.platform_id)
            tx.notify(CONFIG_CHANNEL)
        elif holder.state == AssignmentState.ENABLED:
            # Given away again while the carrier was told: what was removed may have been the new hook.
            await defer(tx, POINT_WEBHOOK, provider=provider_id, number=number_id)
    return True


async def _secret(desk: Desk, access: PlatformAccess, row: Row) -> Secret:
    """The secret of a number's webhook; a new one where none is kept."""
    if row.hook_secret_sealed is not None:
        return open_hook_secret(desk.sealer, access.provider_id, access.platform_id, row.e164, bytes(row.hook_secret_sealed))
    secret = Secret(secrets.token_hex(SECRET_BYTES))
    async with desk.database.transaction(ProviderScope(access.provider_id)) as tx:
        await store.put_secret(tx, row.number_id, seal_hook_secret(desk.sealer, access.provider_id, access.platform_id, row.e164, secret))
        tx.notify(CONFIG_CHANNEL)
    return secret


async def _point(desk: Desk, adapter: CarrierAdapter, access: PlatformAccess, row: Row, url: str) -> Problem | None:
    """Set a used number's hook to `url` with the secret it has; why not, if not."""
    found = await adapter.find_number(access, row.e164)
    if found.problem is not None:
        return found.problem
    if found.status != "ready":
        return Problem("number_absent", "the carrier does not list it for texting.")
    secret = await _secret(desk, access, row)
    placed = await adapter.set_webhook(access, row.e164, url, secret, found.carrier_ref)
    if isinstance(placed, Problem):
        return placed
    async with desk.database.transaction(ProviderScope(access.provider_id)) as tx:
        await store.put_carrier_ref(tx, row.number_id, placed.carrier_ref)
    return None
