"""Old state + changes = state fetched again, for every command of provisioning (issue 2 §5)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest

from changes import assert_changes_explain, changes_after, fetch_state
from kereru.kernel.errors import Conflict
from kereru.messaging.changes import Presenter
from kereru.messaging.commands import release_withheld
from kereru.provisioning.licences.commands import licence_turned
from kereru.provisioning.numbers.deletion import end_assignment
from kereru.provisioning.opt_in import commands
from kereru.provisioning.opt_in.model import Answer, Witness
from kereru.provisioning.platforms.commands import update_platform
from kereru.provisioning.platforms.model import PlatformChanges
from tenant import PHONE, RESTCOMM_NUMBER, Tenant

WITNESS = Witness("test")


async def answer(tenant: Tenant, given: Answer) -> None:
    number = tenant.sql("SELECT id FROM number")[0].id
    async with tenant.database.transaction(tenant.scope) as tx:
        await commands.answer(tx, tenant.provider_id, tenant.ana.id, number, given, WITNESS, release_withheld)


async def yes(tenant: Tenant) -> None:
    await answer(tenant, Answer.YES)


async def no(tenant: Tenant) -> None:
    await answer(tenant, Answer.NO)


async def cancel(tenant: Tenant) -> None:
    await answer(tenant, Answer.CANCEL)


async def reset(tenant: Tenant) -> None:
    assignment = tenant.sql("SELECT id FROM assignment")[0].id
    async with tenant.database.transaction(tenant.scope) as tx:
        await commands.reset(tx, tenant.provider_id, assignment, WITNESS, release_withheld)


async def switch_off(tenant: Tenant) -> None:
    await update_platform(tenant.desk, tenant.provider_id, tenant.platforms["restcomm"], PlatformChanges(user_confirmation=False))


async def assign(tenant: Tenant) -> None:
    await tenant.assign(tenant.ana, "2015550111", friendly_name="Orders")


async def end(tenant: Tenant) -> None:
    await end_assignment(tenant.desk, tenant.provider_id, tenant.sql("SELECT id FROM assignment ORDER BY id")[0].id)


async def unlicense(tenant: Tenant) -> None:
    await tenant.license(tenant.ana, None)


async def license_again(tenant: Tenant) -> None:
    await tenant.license(tenant.ana)


async def text_arrives(tenant: Tenant) -> None:
    item = {"provider": tenant.provider_id, "platform": tenant.platforms["restcomm"], "to": RESTCOMM_NUMBER, "remote": PHONE}
    rest = {"cid": f"SM{tenant.sql('SELECT count(*) FROM message')[0][0]}", "text": "hello", "raw": "", "request": ""}
    tenant.sql("SELECT outcome FROM ingest_texts(%(items)s)", items=psycopg.types.json.Jsonb([item | rest]))


Step = Callable[[Tenant], Awaitable[None]]


@pytest.mark.parametrize(
    "steps",
    [
        (text_arrives, yes, text_arrives),
        (text_arrives, no, reset, yes),
        (cancel, cancel, yes),
        (text_arrives, switch_off),
        (assign, end),
        (unlicense, text_arrives, license_again, yes),
        (end, assign),
    ],
    ids=lambda steps: "-".join(step.__name__ for step in steps),
)
async def test_changes_tell_the_whole_truth(tenant: Tenant, steps: tuple[Step, ...]) -> None:
    """After each command a client that applied its changes holds what a client that starts now is told."""
    await tenant.platform("restcomm")
    await tenant.assign(tenant.ana)
    client: httpx.AsyncClient = await tenant.client(tenant.ana)

    async def get(path: str) -> Any:
        fetched = await client.get(f"/api/v1{path}")
        assert fetched.status_code == 200, fetched.text
        return fetched.json()

    before = await fetch_state(get)
    position = len(tenant.changes(tenant.ana))
    for step in steps:
        await step(tenant)
        after = await fetch_state(get)
        news, position = await changes_after(tenant.database, Presenter(), tenant.provider_id, tenant.ana.id, tenant.ana.feed_id, position)
        assert_changes_explain(before, news, after)
        before = after


async def test_a_licence_that_turns_while_a_number_comes_is_tried_again(tenant: Tenant) -> None:
    """Numbers are held in one order by everybody: the job holds no number that came after it began, and misses none either."""
    await tenant.platform("restcomm")
    await tenant.assign(tenant.ana)
    ids = {"provider": tenant.provider_id, "user": tenant.ana.id}
    [mine] = tenant.sql("SELECT id, version FROM number")
    with psycopg.connect(tenant.url) as other:
        other.execute("SELECT 1 FROM number WHERE id = %s FOR UPDATE", [mine.id])
        turning = asyncio.create_task(licence_turned(tenant.desk, ids))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not await asyncio.to_thread(tenant.sql, waiting):
            await asyncio.sleep(0.01)
        other.execute(
            "INSERT INTO number (provider_id, id, platform_id, e164) SELECT provider_id, id - 1, platform_id, '+12015550177' FROM number;"
            "INSERT INTO assignment (provider_id, id, number_id, user_id, state)"
            " SELECT provider_id, new_id(), number_id - 1, user_id, 4 FROM assignment"
        )
        other.commit()
        with pytest.raises(Conflict):
            await turning
    assert {row.version for row in tenant.sql("SELECT version FROM number")} <= {mine.version, 1}
    await licence_turned(tenant.desk, ids)
    assert tenant.sql("SELECT version FROM number WHERE id = %(id)s", id=mine.id)[0].version == mine.version + 1
