"""Two operators, or an operator and a job, at the same number or platform at once: nothing is lost, nothing is done twice (issue 4)."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Awaitable
from typing import Any

from kereru.carriers.contract import CarrierAdapter
from kereru.kernel.errors import Conflict
from kereru.provisioning.numbers.assigning import register
from kereru.provisioning.numbers.commands import change_assignment, retry_assignment
from kereru.provisioning.numbers.model import AssignmentChanges, AssignmentState
from kereru.provisioning.opt_in.commands import answer, stop_asking
from kereru.provisioning.opt_in.model import Answer, Witness
from kereru.provisioning.platforms.commands import update_platform
from kereru.provisioning.platforms.model import PlatformChanges
from tenant import Tenant

AFTER_HOOK = "provisioning.after_set_webhook"


def waiting(tenant: Tenant) -> int:
    """How many transactions wait for a lock."""
    return tenant.sql("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")[0].n


@contextlib.asynccontextmanager
async def held(tenant: Tenant, statement: str, most: int) -> AsyncGenerator[list[Awaitable[Any]]]:
    """What the block appends is started while somebody holds what `statement` locks, and let go once `most` of them wait for it."""
    works: list[Awaitable[Any]] = []
    async with tenant.database.transaction(tenant.scope) as tx:
        await tx.rows(statement)
        yield works
        tasks = [asyncio.ensure_future(work) for work in works]
        while waiting(tenant) < most:
            await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)


class Asking:
    """An adapter that tells when the carrier is asked about credentials, and waits to be let on."""

    def __init__(self, adapter: CarrierAdapter) -> None:
        self._adapter = adapter
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    async def verify_credentials(self, access: Any) -> Any:
        verdict = await self._adapter.verify_credentials(access)
        self.asked.set()
        await self.go_on.wait()
        return verdict


@dataclasses.dataclass
class OneCarrier:
    """A registry of one."""

    adapter: Any

    def of(self, kind: str) -> Any:
        return self.adapter

    def all(self) -> tuple[Any, ...]:
        return (self.adapter,)


async def test_two_people_change_different_things_of_a_number(tenant: Tenant) -> None:
    """R147, R149, R131: both changes stand, whoever came second."""
    await tenant.platform("restcomm", user_confirmation=False)
    number = await tenant.assign(tenant.ana)
    async with held(tenant, "SELECT 1 FROM number FOR UPDATE", most=2) as works:
        for changes in (AssignmentChanges(friendly_name="Front desk"), AssignmentChanges(user_can_block=False)):
            works.append(change_assignment(tenant.desk, tenant.provider_id, number.id, changes))
    assert tenant.sql("SELECT friendly_name, user_can_block FROM assignment") == [("Front desk", False)]


async def paused_registration(tenant: Tenant) -> tuple[int, asyncio.Task[Any], asyncio.Event]:
    """A number whose set-up waits between the carrier's answer and our note of it; the assignment, the work, and what lets it on."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await go_on.wait()

    tenant.desk.faults.arm(AFTER_HOOK, wait)
    first = asyncio.create_task(tenant.assign(tenant.ana))
    await reached.wait()
    tenant.desk.faults.disarm(AFTER_HOOK)
    return tenant.sql("SELECT id FROM assignment")[0].id, first, go_on


async def test_a_job_that_comes_second_does_not_ask_again(tenant: Tenant) -> None:
    """R16, R150: the job went on with a number that took long, its user said Yes; then the first one wakes up. His Yes stands."""
    await tenant.platform("restcomm")
    assignment, first, go_on = await paused_registration(tenant)
    assert (await register(tenant.desk, tenant.provider_id, assignment)).state is AssignmentState.ENABLED
    number = tenant.sql("SELECT number_id FROM assignment")[0].number_id
    async with tenant.database.transaction(tenant.scope) as tx:
        await answer(tx, tenant.provider_id, tenant.ana.id, number, Answer.YES, Witness("ana"), tenant.desk.release_withheld)
    go_on.set()
    assert (await first).state is AssignmentState.ENABLED
    assert tenant.sql("SELECT o.state AS opt_in, a.state FROM opt_in o, assignment a") == [(2, AssignmentState.ENABLED)]


async def test_a_retry_that_comes_second_takes_nothing_back(tenant: Tenant) -> None:
    """R141: two operators retry a failed number at once: one history row, and it stays enabled."""
    await tenant.platform("restcomm", user_confirmation=False)
    number = await tenant.assign(tenant.ana)
    tenant.sql("UPDATE assignment SET state = 6")
    async with held(tenant, "SELECT 1 FROM assignment FOR UPDATE", most=2) as works:
        works += [retry_assignment(tenant.desk, tenant.provider_id, number.id) for _ in range(2)]
    assert tenant.sql("SELECT state FROM assignment") == [(AssignmentState.ENABLED,)]
    assert tenant.sql("SELECT count(*) AS n FROM history WHERE action = 'number.retried'")[0].n == 1


async def test_a_question_that_was_switched_off_meanwhile_is_not_asked(tenant: Tenant) -> None:
    """Q16, R19: User Confirmation Required goes off while a number is being enabled: nobody is left with a question that is not asked any more."""
    platform = await tenant.platform("restcomm")
    _, first, go_on = await paused_registration(tenant)
    async with tenant.database.transaction(tenant.scope) as tx:
        await tx.run("UPDATE platform SET user_confirmation = false")
        await stop_asking(tx, tenant.provider_id, platform, tenant.desk.release_withheld)
        go_on.set()
        while not first.done() and not waiting(tenant):
            await asyncio.sleep(0.01)
    await first
    assert tenant.sql("SELECT count(*) AS n FROM opt_in")[0].n == 0


async def test_two_people_change_one_platform(tenant: Tenant) -> None:
    """R142: what was tried at the carrier is what is saved: of two who change the details at once, the second is told; switches do not collide."""
    platform = await tenant.platform("inteliquent")
    asking = Asking(tenant.desk.carriers.of("inteliquent"))
    desk = dataclasses.replace(tenant.desk, carriers=OneCarrier(asking))
    late = [
        asyncio.create_task(update_platform(desk, tenant.provider_id, platform, changes, keep_unnamed=True))
        for changes in (PlatformChanges(credentials={"token_secret": tenant.credentials("inteliquent")["token_secret"]}), PlatformChanges(mms=False))
    ]
    await asking.asked.wait()
    await update_platform(tenant.desk, tenant.provider_id, platform, PlatformChanges(user_can_block=False))
    key = {"outbound_api_key": tenant.credentials("inteliquent")["outbound_api_key"]}
    await update_platform(tenant.desk, tenant.provider_id, platform, PlatformChanges(credentials=key), keep_unnamed=True)
    asking.go_on.set()
    results = await asyncio.gather(*late, return_exceptions=True)
    assert [type(result) for result in results] == [Conflict, Conflict]
    await update_platform(tenant.desk, tenant.provider_id, platform, PlatformChanges(mms=False))
    assert tenant.sql("SELECT mms, user_can_block FROM platform") == [(False, False)]
