"""Blocking by HTTP: the user's own routes, and what the portal sees and takes back (Q13, P63)."""

from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest

from changes import assert_changes_explain, changes_after, fetch_state
from kereru.messaging.changes import Presenter
from tenant import PHONE, RESTCOMM_NUMBER, Tenant, running_tenant


@pytest.fixture
async def tenant(database_url: str) -> AsyncIterator[Tenant]:
    """Ana has a number and nobody asks her first."""
    async with running_tenant(database_url) as running:
        await running.license(running.ana)
        await running.platform("restcomm", user_confirmation=False)
        await running.assign(running.ana)
        yield running


def arrive(tenant: Tenant, words: str) -> None:
    item = {"provider": tenant.provider_id, "platform": tenant.platforms["restcomm"], "to": RESTCOMM_NUMBER, "remote": PHONE}
    rest = {"cid": f"SM{words}", "text": words, "raw": "", "request": ""}
    tenant.sql("SELECT outcome FROM ingest_texts(%(items)s)", items=psycopg.types.json.Jsonb([item | rest]))


async def conversation_of(client: httpx.AsyncClient) -> dict:
    return (await client.get("/api/v1/conversations")).json()["items"][0]


async def test_the_portal_counts_and_takes_back(tenant: Tenant) -> None:
    """Visible with who, when, why and how many; taken back there, the user's devices follow."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "one")
    conversation = await conversation_of(client)
    blocked = await client.post(f"/api/v1/conversations/{conversation['id']}/block", json={"reason": "advertising"})
    assert (blocked.status_code, blocked.json()["blocked"]) == (200, True)
    arrive(tenant, "two")
    arrive(tenant, "three")
    assignment = tenant.sql("SELECT id FROM assignment")[0].id
    async with tenant.portal("gina@bluedoor.example") as portal:
        [listed] = (await portal.get(f"/api/v1/assignments/{assignment}/blocked")).json()["items"]
        assert (listed["remote"], listed["display"], listed["texts"]) == (PHONE, "(202) 555-0142", 2)
        assert (listed["blocked_by"], listed["reason"]) == ("ana@bluedoor.example", "advertising")
        assert listed["last_text_at"] > listed["at"]

        async def get(path: str) -> dict:
            return (await client.get(f"/api/v1{path}")).json()

        before = await fetch_state(get)
        head = tenant.sql("SELECT head FROM feed WHERE id = %(f)s", f=tenant.ana.feed_id)[0].head
        gone = await portal.delete(f"/api/v1/assignments/{assignment}/blocked/%2B12025550142")
        assert gone.status_code == 204
        changes, _ = await changes_after(tenant.database, Presenter(), tenant.provider_id, tenant.ana.id, tenant.ana.feed_id, head)
        assert [change["kind"] for change in changes] == ["conversation.changed"]
        assert_changes_explain(before, changes, await fetch_state(get))

        again = await portal.delete(f"/api/v1/assignments/{assignment}/blocked/%2B12025550142")
        assert again.status_code == 404
        assert (await portal.get(f"/api/v1/assignments/{assignment}/blocked")).json() == {"items": [], "next": None}
    assert [row.actor for row in tenant.sql("SELECT actor FROM history WHERE action = 'remote.unblocked'")] == ["gina@bluedoor.example"]


async def test_what_is_deleted_can_still_be_unblocked(tenant: Tenant) -> None:
    """R182: the texts go, the block stays until somebody takes it back."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "one")
    conversation = await conversation_of(client)
    await client.post(f"/api/v1/conversations/{conversation['id']}/block", json={})
    assignment = tenant.sql("SELECT id FROM assignment")[0].id
    async with tenant.portal() as portal:
        assert (await portal.post(f"/api/v1/assignments/{assignment}/delete-messages")).status_code == 200
        [listed] = (await portal.get(f"/api/v1/assignments/{assignment}/blocked")).json()["items"]
        assert (listed["texts"], listed["last_text_at"]) == (0, None)
        assert (await portal.delete(f"/api/v1/assignments/{assignment}/blocked/%2B12025550142")).status_code == 204


async def test_switching_blocking_off_reaches_the_clients(tenant: Tenant) -> None:
    """R129: the platform's switch takes the ability away at once, and the route refuses in words."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "one")
    conversation = await conversation_of(client)
    head = tenant.sql("SELECT head FROM feed WHERE id = %(f)s", f=tenant.ana.feed_id)[0].head
    async with tenant.portal() as portal:
        switched = await portal.patch(f"/api/v1/platforms/{tenant.platforms['restcomm']}", json={"user_can_block": False})
        assert switched.status_code == 200, switched.text
    changes, _ = await changes_after(tenant.database, Presenter(), tenant.provider_id, tenant.ana.id, tenant.ana.feed_id, head)
    assert [change["licence_number"]["can"] for change in changes] == [["send", "receive"]]
    refused = await client.post(f"/api/v1/conversations/{conversation['id']}/block", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "blocking_off")
