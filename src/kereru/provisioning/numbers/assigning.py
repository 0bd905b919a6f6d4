"""Giving a number to a user: claimed in the database, checked at the carrier, set up there, enabled. Carriers are called between transactions.

Every step may be interrupted: a job written with the claim carries it on, and each step done twice is done once.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from kereru.carriers.contract import CarrierAdapter, NumberFound, PlatformAccess, Problem
from kereru.carriers.numbering import display
from kereru.kernel.db import ProviderScope, Row, Transaction
from kereru.kernel.errors import FieldProblem, Invalid, KereruError, Unavailable
from kereru.kernel.jobs import Backoff, JobKind, defer
from kereru.kernel.limits import NAME_GRAPHEMES
from kereru.kernel.names import as_name
from kereru.kernel.secrets import Secret
from kereru.provisioning.changes import Owned, tell_owners
from kereru.provisioning.desk import OPERATOR, Author, Desk, refusal
from kereru.provisioning.errors import (
    CarrierSaysNo,
    ChoosePlatform,
    MmsIsOff,
    NoPlatform,
    NoSuchAssignment,
    NoSuchPlatform,
    NoSuchUser,
    NumberNotInAccount,
    NumberTaken,
    TextingIsOff,
)  # fmt: skip
from kereru.provisioning.licences import store as licence_store
from kereru.provisioning.numbers import store
from kereru.provisioning.numbers.model import (
    MMS_AND_SMS,
    SMS,
    Assigned,
    AssignmentState,
    NewAssignment,
    read_number,
)
from kereru.provisioning.opt_in import store as opt_in_store
from kereru.provisioning.opt_in.model import OptIn
from kereru.provisioning.platforms import store as platform_store
from kereru.provisioning.platforms.directory import CONFIG_CHANNEL
from kereru.provisioning.platforms.model import ingress_url, open_access, open_hook_secret, open_token, seal_hook_secret

REGISTER_NUMBER = JobKind("provisioning.register_number", Backoff(first_s=15, factor=2, most_s=600))
"""Carry an assignment on that was left under way; ids: provider, assignment."""
REMOVE_WEBHOOK = JobKind("provisioning.remove_webhook", Backoff(first_s=15, factor=2, most_s=3600))
"""Take our hook off a number nobody holds any more; ids: provider, number."""
NUMBER_FAILED = JobKind("provisioning.alert_number_failed")
"""A number could not be set up (R141); ids: provider, assignment. Handled by notifications."""
TAKES_OVER_AFTER_S = 60.0
GIVES_UP_AFTER = timedelta(hours=2)
SECRET_BYTES = 32
_NO_LICENCE = "This user has no licence, so texts to the number are kept back until there is one (R115)."


class StillRegistering(Exception):
    """The carrier could not be asked just now; the job is tried again."""


async def assign_number(
    desk: Desk, provider_id: int, wanted: NewAssignment, author: Author = OPERATOR, *, patience_s: float | None = None
) -> Assigned:
    """Give a number to a user and set it up at the carrier (R147 to R158, Q17), for at most `patience_s` seconds; then a job goes on.

    Answers with state ENABLED, or an earlier one when the carrier takes its time (R150). Raises BadNumber, NoSuchUser, NoPlatform, ChoosePlatform,
    NoSuchPlatform, MmsIsOff, NumberTaken naming the present owner (P71), NumberNotInAccount (R154), TextingIsOff until it is confirmed,
    CredentialsRefused, CarrierSaysNo, CarrierUnreachable.
    """
    e164 = read_number(wanted.number)
    assignment_id, warnings = await _claim(desk, provider_id, wanted, e164, author)
    try:
        async with asyncio.timeout(patience_s):
            done = await register(desk, provider_id, assignment_id)
    except TimeoutError:
        # The carrier takes its time: the job goes on from here, at once, and the person looks at the state (R150).
        async with desk.database.transaction(ProviderScope(provider_id)) as tx:
            await defer(tx, REGISTER_NUMBER, provider=provider_id, assignment=assignment_id)
            done = _as_it_stands(await _facts(tx, assignment_id))
    except KereruError:
        # A question to the person, or a carrier that cannot be asked: as if nothing had been requested.
        async with desk.database.transaction(ProviderScope(provider_id)) as tx:
            await store.withdraw(tx, assignment_id)
        raise
    return replace(done, warnings=warnings)


async def register(desk: Desk, provider_id: int, assignment_id: int) -> Assigned:
    """Do what is left to do for an assignment; nothing when it is settled. Raises as `assign_number` does."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await _facts(tx, assignment_id)
        if not AssignmentState(row.state).under_way or row.ended_at is not None:
            return _as_it_stands(row)
        await store.set_state(tx, assignment_id, AssignmentState.CHECKING, of=(AssignmentState.REQUESTED,))
        adapter, access, url = await _way_out(desk, tx, provider_id, row.platform_id)
    found = await adapter.find_number(access, row.e164)
    if row.state != AssignmentState.REGISTERING:
        await _check(desk, adapter, row, found)
    outcome = await _set_up(desk, adapter, access, row, found, url)
    return await _settle(desk, provider_id, assignment_id, outcome)


async def carry_on(desk: Desk, ids: Mapping[str, int]) -> None:
    """The job REGISTER_NUMBER: whoever asked may be gone. Raises StillRegistering to be called again."""
    provider_id, assignment_id = ids["provider"], ids["assignment"]
    try:
        done = await register(desk, provider_id, assignment_id)
    except NoSuchAssignment:
        return
    except KereruError as error:
        async with desk.database.transaction(ProviderScope(provider_id)) as tx:
            row = await _facts(tx, assignment_id)
            if isinstance(error, Unavailable) and row.age < GIVES_UP_AFTER:
                raise StillRegistering from error
            if await store.set_state(tx, assignment_id, AssignmentState.REJECTED, problem=error.detail, code=error.code, over=True):
                await defer(tx, NUMBER_FAILED, provider=provider_id, assignment=assignment_id)
        return
    if done.state is AssignmentState.REGISTERING:
        raise StillRegistering


async def _claim(desk: Desk, provider_id: int, wanted: NewAssignment, e164: str, author: Author) -> tuple[int, tuple[str, ...]]:
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        if not await licence_store.user_exists(tx, wanted.user_id):
            raise NoSuchUser
        platform = await _platform(tx, wanted.platform_id)
        if wanted.mms and not platform.mms:
            raise MmsIsOff
        await store.lock_e164(tx, e164)
        owner = await store.present_owner(tx, e164)
        if owner is not None:
            shown = display(e164, "US")
            raise NumberTaken(f"{shown} is assigned to {owner.name} ({owner.group_name}). End that assignment first, then assign the number again.")
        number_id = await store.put_number(tx, platform.platform_id, e164)
        secret = Secret(secrets.token_hex(SECRET_BYTES))
        await store.put_secret(tx, number_id, seal_hook_secret(desk.sealer, provider_id, platform.platform_id, e164, secret))
        assignment_id = await store.insert(
            tx,
            {
                "number": number_id,
                "user": wanted.user_id,
                "friendly_name": clean_friendly_name(wanted.friendly_name),
                "type": None if wanted.mms is None else MMS_AND_SMS if wanted.mms else SMS,
                "user_can_block": wanted.user_can_block,
                "enable_confirmed": wanted.enable_messaging,
                "state": int(AssignmentState.REQUESTED),
            },
        )
        after: dict[str, object] = {"number": e164, "friendly_name": wanted.friendly_name, "mms": wanted.mms, "user_can_block": wanted.user_can_block}
        await desk.record_history(tx, author.principal, "number.assigned", "user", wanted.user_id, e164, {}, after)
        await defer(tx, REGISTER_NUMBER, delay_s=TAKES_OVER_AFTER_S, provider=provider_id, assignment=assignment_id)
        licensed = await licence_store.product(tx, wanted.user_id) is not None
        # The webhook may arrive the moment it is set: ingress must know its secret by then.
        tx.notify(CONFIG_CHANNEL)
    return assignment_id, () if licensed else (_NO_LICENCE,)


async def _platform(tx: Transaction, platform_id: int | None) -> Row:
    """The platform asked for, or the only one (R153)."""
    row = await platform_store.access(tx, await _only_platform(tx) if platform_id is None else platform_id)
    if row is None:
        raise NoSuchPlatform
    return row


async def _only_platform(tx: Transaction) -> int:
    live = await platform_store.live(tx)
    if not live:
        raise NoPlatform
    if len(live) > 1:
        raise ChoosePlatform(fields=(FieldProblem("platform_id", "missing", "Choose the platform this number belongs to."),))
    return live[0].id


async def way_out(desk: Desk, provider_id: int, platform_id: int) -> tuple[CarrierAdapter, PlatformAccess, str]:
    """A platform's adapter, its access, and where its webhooks shall point. Raises NoSuchPlatform."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        return await _way_out(desk, tx, provider_id, platform_id)


async def way_back(desk: Desk, provider_id: int, platform_id: int) -> tuple[CarrierAdapter, PlatformAccess]:
    """The same for taking webhooks away, also at a platform that was deleted. Raises NoSuchPlatform."""
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        row = await platform_store.any_access(tx, platform_id)
    if row is None:
        raise NoSuchPlatform
    return desk.carriers.of(row.carrier), open_access(row, desk.sealer)


async def _way_out(desk: Desk, tx: Transaction, provider_id: int, platform_id: int) -> tuple[CarrierAdapter, PlatformAccess, str]:
    row = await _platform(tx, platform_id)
    adapter = desk.carriers.of(row.carrier)
    token = open_token(desk.sealer, provider_id, platform_id, await platform_store.token_sealed(tx, provider_id, platform_id))
    return adapter, open_access(row, desk.sealer), ingress_url(desk.base_url, row.carrier, token) + adapter.inbound_path()


async def _check(desk: Desk, adapter: CarrierAdapter, row: Row, found: NumberFound) -> None:
    """Q17's three answers: moves on to REGISTERING when the number is there and may text, or may be made to; else raises."""
    shown = display(row.e164, "US")
    if found.problem is not None:
        raise refusal(found.problem)
    if found.status == "absent":
        words = f"{shown} is not in the {adapter.title} account “{row.platform_name}”. Check it for a wrong digit, or order it at the carrier first."
        await _reject(desk, row, NumberNotInAccount.code, words)
        raise NumberNotInAccount(words, fields=(FieldProblem("number", NumberNotInAccount.code, words),))
    if found.status == "without_messaging" and not adapter.capabilities.can_enable_messaging:
        words = f"{shown} is in the {adapter.title} account, but cannot text. Ask {adapter.title} to switch texting on for it."
        await _reject(desk, row, CarrierSaysNo.code, words)
        raise CarrierSaysNo(words)
    if found.status == "without_messaging" and not row.enable_confirmed:
        raise TextingIsOff(f"{shown} is in the {adapter.title} account, but texting is off. Confirm that it may be switched on at {adapter.title}.")
    async with desk.database.transaction(ProviderScope(row.provider_id)) as tx:
        await store.set_state(tx, row.id, AssignmentState.REGISTERING)


async def _reject(desk: Desk, row: Row, code: str, words: str) -> None:
    async with desk.database.transaction(ProviderScope(row.provider_id)) as tx:
        await store.set_state(tx, row.id, AssignmentState.REJECTED, problem=words, code=code, over=True)


async def _set_up(desk: Desk, adapter: CarrierAdapter, access: PlatformAccess, row: Row, found: NumberFound, url: str) -> str | Problem:
    """Texting on where it is off (a person agreed before this state was reached), then the webhook; the carrier's reference, or why not."""
    if found.problem is not None:
        return found.problem
    if found.status == "absent":
        return Problem("number_absent", "The number is no longer on the carrier's account.")
    if found.status == "without_messaging":
        enabled = await adapter.enable_messaging(access, row.e164, mms=row.mms)
        if isinstance(enabled, Problem):
            return enabled
    secret = open_hook_secret(desk.sealer, access.provider_id, access.platform_id, row.e164, bytes(row.hook_secret_sealed))
    placed = await adapter.set_webhook(access, row.e164, url, secret, found.carrier_ref)
    await desk.faults.reach("provisioning.after_set_webhook")
    return placed if isinstance(placed, Problem) else placed.carrier_ref


async def _settle(desk: Desk, provider_id: int, assignment_id: int, outcome: str | Problem) -> Assigned:
    async with desk.database.transaction(ProviderScope(provider_id)) as tx:
        # The platform is held first: whoever stops its question at this moment waits, or made us wait and is seen.
        await platform_store.access(tx, (await _facts(tx, assignment_id)).platform_id)
        row = await _facts(tx, assignment_id)
        if row.ended_at is not None and isinstance(outcome, str):
            # Deleted while the carrier was told: the hook that was just set must go again.
            await store.put_carrier_ref(tx, row.number_id, outcome)
            await defer(tx, REMOVE_WEBHOOK, provider=provider_id, number=row.number_id)
        if isinstance(outcome, Problem):
            waits = outcome.temporary and row.age < GIVES_UP_AFTER
            state = AssignmentState.REGISTERING if waits else AssignmentState.FAILED
            if not await store.set_state(tx, assignment_id, state, problem=outcome.reason, code=outcome.code):
                return _as_it_stands(await _facts(tx, assignment_id))
            if not waits:
                await defer(tx, NUMBER_FAILED, provider=provider_id, assignment=assignment_id)
            return Assigned(assignment_id, row.number_id, row.e164, state)
        if not await store.set_state(tx, assignment_id, AssignmentState.ENABLED):
            return _as_it_stands(await _facts(tx, assignment_id))
        await store.put_carrier_ref(tx, row.number_id, outcome)
        if row.user_confirmation:
            await opt_in_store.put(tx, assignment_id, OptIn.PENDING)
        await tell_owners(tx, provider_id, [Owned(row.number_id, row.feed_id)])
        return Assigned(assignment_id, row.number_id, row.e164, AssignmentState.ENABLED)


async def _facts(tx: Transaction, assignment_id: int) -> Row:
    row = await store.facts(tx, assignment_id)
    if row is None:
        raise NoSuchAssignment
    return row


def _as_it_stands(row: Row) -> Assigned:
    return Assigned(row.id, row.number_id, row.e164, AssignmentState(row.state))


def clean_friendly_name(typed: str) -> str:
    """A friendly name as it is kept; empty means that the number stands for itself (R149). Raises Invalid."""
    name = as_name(typed)
    if name is None:
        words = f"Give it a name of at most {NAME_GRAPHEMES} characters on one line."
        raise Invalid(words, fields=(FieldProblem("friendly_name", "not_a_name", words),))
    return name
