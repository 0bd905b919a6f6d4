"""Moving a user to another group (G17, G32, G35): numbers and messages go with him, and so does what people said to his numbers."""

from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest

from kereru.tenancy import commands
from tenant import INTELIQUENT_NUMBER, PHONE, RESTCOMM_NUMBER, Tenant, running_tenant

API = "/api/v1"
OTHER, THIRD, FOURTH = "+12025550143", "+12025550144", "+12025550145"


@pytest.fixture
async def tenant(database_url: str) -> AsyncIterator[Tenant]:
    """Ana and Ben have a number each in one group; nobody is asked first."""
    async with running_tenant(database_url) as running:
        for person, carrier, number in ((running.ana, "restcomm", RESTCOMM_NUMBER), (running.ben, "inteliquent", INTELIQUENT_NUMBER)):
            await running.license(person)
            await running.assign(person, number, platform_id=await running.platform(carrier, user_confirmation=False))
        yield running


@pytest.fixture
async def elsewhere(tenant: Tenant) -> int:
    """Another group of the same reseller."""
    async with tenant.database.transaction(tenant.scope) as tx:
        reseller = await tx.value("SELECT id FROM reseller")
        return await commands.create_group(tx, tenant.provider_id, reseller, "Red Gate Ltd")


def arrive(tenant: Tenant, remote: str, words: str = "Hello", *, to: str = RESTCOMM_NUMBER) -> None:
    platform = tenant.platforms["restcomm" if to == RESTCOMM_NUMBER else "inteliquent"]
    word = words.lower() if words in ("STOP", "START") else None
    item = {"provider": tenant.provider_id, "platform": platform, "to": to, "remote": remote, "consent": word}
    rest = {"cid": f"SM{words}{remote}", "text": words, "raw": "", "request": ""}
    tenant.sql("SELECT outcome FROM ingest_texts(%(items)s)", items=psycopg.types.json.Jsonb([item | rest]))


def stopped(tenant: Tenant, group: int) -> list[str]:
    return [row.remote for row in tenant.sql("SELECT remote FROM remote_consent WHERE group_id = %(g)s AND stopped ORDER BY remote", g=group)]


async def move(tenant: Tenant, to: int, who: str = "olive@southern.example") -> httpx.Response:
    async with tenant.portal(who) as portal:
        return await portal.patch(f"{API}/users/{tenant.ana.id}", json={"group_id": str(to)})


async def test_he_goes_with_what_is_his(tenant: Tenant, elsewhere: int) -> None:
    """Numbers stay his and live, his history is there, one row in the log; the old group's people see him no more, the new one's do (G32)."""
    arrive(tenant, PHONE)
    client = await tenant.client(tenant.ana)
    answer = await move(tenant, elsewhere)
    assert (answer.status_code, answer.json()["group"]) == (200, "Red Gate Ltd"), answer.text
    assert [one["number"] for one in (await client.get(f"{API}/licence")).json()["numbers"]] == [RESTCOMM_NUMBER]
    assert len((await client.get(f"{API}/conversations")).json()["items"]) == 1
    assert tenant.sql("SELECT count(*) AS n FROM assignment WHERE ended_at IS NULL")[0].n == 2
    async with tenant.portal("gina@bluedoor.example") as portal:
        assert (await portal.get(f"{API}/users/{tenant.ana.id}")).status_code == 404
        assert [line["user"]["name"] for line in (await portal.get(f"{API}/message-log")).json()["items"]] == []
    async with tenant.portal() as portal:
        [row] = (await portal.get(f"{API}/history", params={"q": "user.moved"})).json()["items"]
        assert row["changes"] == [{"field": "group", "before": "Blue Door Ltd", "after": "Red Gate Ltd"}]
        assert (await portal.patch(f"{API}/users/{tenant.ana.id}", json={"group_id": str(elsewhere)})).status_code == 200
        assert len((await portal.get(f"{API}/history", params={"q": "user.moved"})).json()["items"]) == 1


async def test_a_move_needs_authority_over_both(tenant: Tenant, elsewhere: int) -> None:
    """R195, G29: a group's admin moves nobody out, and nobody in; what is not there is missing."""
    assert (await move(tenant, elsewhere, "gina@bluedoor.example")).status_code == 404
    assert (await move(tenant, 12345)).status_code == 404
    async with tenant.portal("gina@bluedoor.example") as portal:
        assert "move" not in (await portal.get(f"{API}/users/{tenant.ana.id}")).json()["can"]
    tenant.sql("UPDATE portal_role SET organisation_id = %(g)s WHERE name = 'Gina Stone'", g=elsewhere)
    assert (await move(tenant, elsewhere, "gina@bluedoor.example")).status_code == 404
    async with tenant.portal() as portal:
        assert "move" in (await portal.get(f"{API}/users/{tenant.ana.id}")).json()["can"]
    assert tenant.sql("SELECT DISTINCT group_id FROM end_user") == [(tenant.group_id,)]


async def test_a_stop_goes_with_the_number_it_was_said_to(tenant: Tenant, elsewhere: int) -> None:
    """G17, G35: who said STOP is not texted from the same number because its user works elsewhere now; what others said stays where it was said."""
    arrive(tenant, PHONE, "STOP")
    arrive(tenant, OTHER, "STOP", to=INTELIQUENT_NUMBER)
    arrive(tenant, THIRD, "STOP")
    arrive(tenant, FOURTH, "STOP")
    # Since then the third said START to the other group; the fourth only asked it for HELP.
    sql = """INSERT INTO remote_consent (provider_id, group_id, remote, stopped, at, helped_at)
        VALUES (%(p)s, %(g)s, %(r)s, false, now() + interval '1 minute', %(h)s)"""
    tenant.sql(sql, p=tenant.provider_id, g=elsewhere, r=THIRD, h=None)
    tenant.sql(sql.replace("%(h)s", "now() + interval '1 minute'"), p=tenant.provider_id, g=elsewhere, r=FOURTH)
    assert (await move(tenant, elsewhere)).status_code == 200
    assert stopped(tenant, elsewhere) == [PHONE, FOURTH]
    assert stopped(tenant, tenant.group_id) == [PHONE, OTHER, THIRD, FOURTH]
    client = await tenant.client(tenant.ana)
    number = (await client.get(f"{API}/licence")).json()["numbers"][0]["id"]
    for remote, verdict in ((PHONE, "stop"), (THIRD, "ok")):
        body = {"number_id": number, "to": remote, "text": "Hello", "attachments": []}
        assert (await client.post(f"{API}/messages/preflight", json=body)).json()["verdict"] == verdict, remote
    arrive(tenant, PHONE, "START")
    assert stopped(tenant, elsewhere) == [FOURTH]


async def test_who_is_concerned_is_told(tenant: Tenant, elsewhere: int) -> None:
    """A colleague in the new group who texts with the same person sees the STOP; the moved user's programs load anew."""
    tenant.sql("UPDATE end_user SET group_id = %(g)s WHERE id = %(u)s", g=elsewhere, u=tenant.ben.id)
    arrive(tenant, PHONE, to=INTELIQUENT_NUMBER)
    arrive(tenant, PHONE, "STOP")
    heads = {row.id: row.head for row in tenant.sql("SELECT id, head FROM feed")}
    told = len(tenant.changes(tenant.ben))
    assert (await move(tenant, elsewhere)).status_code == 200
    assert [change.kind for change in tenant.changes(tenant.ben)[told:]] == [6]
    gap = tenant.sql("SELECT head FROM feed WHERE id = %(f)s", f=tenant.ana.feed_id)[0].head
    assert gap == heads[tenant.ana.feed_id] + 1
    assert tenant.sql("SELECT 1 FROM change WHERE feed_id = %(f)s AND number = %(n)s", f=tenant.ana.feed_id, n=gap) == []
