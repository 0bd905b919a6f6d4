"""Behind a pooler in transaction mode, as run-in-production.md allows: tenants stay apart (G31), roles stay roles (G30), texts go and come."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg.conninfo import conninfo_to_dict

from assembled import open_house
from kereru.kernel.db import INSTALLATION, Database, ProviderScope
from kereru.kernel.errors import Unavailable
from pooler import Pooler, pooler
from role_databases import as_role
from tenant import new_phone


@pytest_asyncio.fixture
async def between(database_url: str) -> AsyncIterator[Pooler]:
    """A pooler in front of it, with two connections for each role."""
    parts = conninfo_to_dict(database_url)
    async with pooler(f"{parts['host']}/.s.PGSQL.{parts['port']}") as one:
        yield one


def through(between: Pooler, database_url: str, *, user: str = "") -> str:
    """The address past which there is only the pooler."""
    return f"postgresql://{user}{'@' if user else ''}127.0.0.1:{between.port}/{conninfo_to_dict(database_url)['dbname']}"


def two_tenants(url: str) -> tuple[int, int]:
    """Two providers with a reseller each."""
    with psycopg.connect(url, autocommit=True) as owner:
        for number in (1, 2):
            owner.execute("INSERT INTO provider (provider_id, name) VALUES (%s, %s)", (number, f"Provider {number}"))
            owner.execute("INSERT INTO reseller (provider_id, id, name) VALUES (%s, %s, 'Own')", (number, 10 + number))
    return (1, 2)


async def test_tenants_stay_apart_on_shared_connections(database_url: str, between: Pooler) -> None:
    """G31: eight at once on two connections, some cancelled at any moment: nobody sees another's rows, and nobody any without a scope."""
    tenants = await asyncio.to_thread(two_tenants, database_url)
    dice = random.Random(7)
    seen: list[int] = []
    async with Database(through(between, database_url), "kereru_app", size=8) as database:

        async def look(provider_id: int) -> None:
            async with database.transaction(ProviderScope(provider_id)) as tx:
                assert {row.provider_id for row in await tx.rows("SELECT provider_id FROM reseller")} == {provider_id}
                await tx.run("SELECT pg_sleep(0.005)")
                assert {row.provider_id for row in await tx.rows("SELECT provider_id FROM reseller")} == {provider_id}
            seen.append(provider_id)

        async def nobody() -> None:
            assert await database.autocommit("SELECT FROM reseller") == []
            async with database.transaction(INSTALLATION) as tx:
                assert await tx.rows("SELECT FROM reseller") == []

        for _ in range(40):
            tasks = [asyncio.create_task(look(dice.choice(tenants))) for _ in range(6)] + [asyncio.create_task(nobody()) for _ in range(2)]
            await asyncio.sleep(dice.random() / 100)
            for task in dice.sample(tasks, 2):
                task.cancel()
            for task in tasks:
                # A cancel request that came late hits whoever has the connection then, as it may behind any pooler.
                with contextlib.suppress(asyncio.CancelledError, psycopg.errors.QueryCanceled):
                    await task
    assert set(seen) == set(tenants)
    assert between.transactions > 200, "they went through the pooler"


async def test_a_pooler_that_makes_us_somebody_else_is_refused(database_url: str, between: Pooler) -> None:
    """G30: policies hold for our roles; as the owner of the address nothing is done at all."""
    two_tenants(database_url)
    database = Database(through(between, database_url, user="kereru_owner"), "kereru_app", wait_s=1.0)
    with pytest.raises(Unavailable):
        await database.open()
    await database.close()


async def test_texts_go_and_come_through_it(database_url: str, between: Pooler) -> None:
    """The whole application, but for what listens: webhooks in, a text out, conversations read, in both directions of the wire."""
    async with open_house(database_url, work_url=through(between, database_url)) as house:
        before = between.transactions
        for _ in range(3):
            phones = [new_phone() for _ in range(10)]
            answers = await asyncio.gather(*(house.restcomm(From=phone, Body=f"from {phone}") for phone in phones))
            assert {answer.status_code for answer in answers} == {200}
            sent = await asyncio.gather(*(house.send("ana", f"to {phone}", to=phone) for phone in phones))
            assert {answer.status_code for answer in sent} == {201}
            for phone in phones:
                assert [message["text"] for message in await house.messages("ana", phone)] == [f"from {phone}", f"to {phone}"]
        assert between.transactions > before + 60
        async with as_role(database_url, "kereru_app") as direct, direct.transaction(INSTALLATION) as tx:
            assert await tx.rows("SELECT FROM message") == []
