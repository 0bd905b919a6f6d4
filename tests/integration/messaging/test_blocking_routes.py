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


async def blocked_until(tenant: Tenant, client: httpx.AsyncClient, **body: object) -> httpx.Response:
    conversation = await conversation_of(client)
    return await client.post(f"/api/v1/conversations/{conversation['id']}/block", json={"reason": "loud", **body})


async def its_time_comes(tenant: Tenant) -> None:
    """The clock reaches every block's end."""
    tenant.sql("UPDATE blocked_remote SET ends_at = now() - interval '1 second' WHERE ends_at IS NOT NULL")
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()


async def test_a_block_ends_at_its_time(tenant: Tenant) -> None:
    """P63: shown with its end; from then on texts are shown again, what was kept back stays so; told, and in history and evidence."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "one")
    answer = await blocked_until(tenant, client, ends_at="2035-01-01T12:00:00+02:00")
    assert (answer.status_code, answer.json()["blocked"]) == (200, True), answer.text
    assignment = tenant.sql("SELECT id FROM assignment")[0].id
    async with tenant.portal("gina@bluedoor.example") as portal:
        [listed] = (await portal.get(f"/api/v1/assignments/{assignment}/blocked")).json()["items"]
        assert listed["ends_at"] == "2035-01-01T10:00:00Z"
        await tenant.run_jobs()
        arrive(tenant, "two")
        await its_time_comes(tenant)
        assert (await portal.get(f"/api/v1/assignments/{assignment}/blocked")).json()["items"] == []
        history = (await portal.get("/api/v1/history", params={"q": "remote."})).json()["items"]
        evidence = (await portal.get("/api/v1/evidence", params={"assignment": assignment})).json()["items"]
    assert [(one["action"], one["who"]) for one in history] == [
        ("remote.unblocked", "the end of the block"), ("remote.blocked", "ana@bluedoor.example"),
    ]  # fmt: skip
    assert [(one["event"], one["details"].get("until")) for one in evidence] == [
        ("remote.unblocked", None), ("remote.blocked", "2035-01-01T10:00:00+00:00"),
    ]  # fmt: skip
    arrive(tenant, "three")
    conversation = await conversation_of(client)
    shown = (await client.get(f"/api/v1/conversations/{conversation['id']}/messages")).json()["items"]
    assert (sorted(message["text"] for message in shown), conversation["blocked"]) == (["one", "three"], False)


async def test_a_block_whose_end_was_changed(tenant: Tenant) -> None:
    """P63: the same again changes nothing; another end counts, and so does none; an end that was taken off ends nothing."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "one")
    for ends_at in ("2035-01-01T12:00:00Z", "2035-01-01T12:00:00Z", "2036-01-01T12:00:00Z"):
        assert (await blocked_until(tenant, client, ends_at=ends_at)).status_code == 200
    assert tenant.sql("SELECT count(*) AS n FROM history WHERE action = 'remote.blocked'")[0].n == 2
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()
    assert tenant.sql("SELECT count(*) AS n FROM blocked_remote")[0].n == 1
    assert (await blocked_until(tenant, client)).status_code == 200
    await its_time_comes(tenant)
    assert tenant.sql("SELECT ends_at FROM blocked_remote") == [(None,)]


@pytest.mark.parametrize(("ends_at", "status", "code"), [
    ("2020-01-01T00:00:00Z", 422, "end_is_past"), ("2999-01-01T00:00:00Z", 422, "end_is_past"), ("2035-01-01T00:00:00", 422, "invalid"),
])  # fmt: skip
async def test_an_end_that_cannot_be(tenant: Tenant, ends_at: str, status: int, code: str) -> None:
    """Bad input 49: named at its field, and nobody is blocked."""
    client = await tenant.client(tenant.ana)
    arrive(tenant, "one")
    answer = await blocked_until(tenant, client, ends_at=ends_at)
    assert (answer.status_code, answer.json()["code"], answer.json()["fields"][0]["field"]) == (status, code, "ends_at"), answer.text
    assert tenant.sql("SELECT 1 FROM blocked_remote") == []
