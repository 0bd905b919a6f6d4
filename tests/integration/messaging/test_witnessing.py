"""Consent of remote parties in the evidence (R20, G35): each change once, in the chain, without their number, and never in the way of a text."""

import json
from collections.abc import AsyncIterator

import psycopg
import pytest

from kereru.provisioning.evidence.commands import export
from kereru.provisioning.evidence.model import verify
from tenant import PHONE, RESTCOMM_NUMBER, Tenant, running_tenant

MARKS = {"stop": 1, "start": 2, "help": 3}


@pytest.fixture
async def tenant(database_url: str) -> AsyncIterator[Tenant]:
    """Ana has a number and nobody asks her first."""
    async with running_tenant(database_url) as running:
        await running.license(running.ana)
        await running.platform("restcomm", user_confirmation=False)
        await running.assign(running.ana)
        yield running


def says(tenant: Tenant, word: str, number: int) -> None:
    """The remote party texts a word; ingest's statements, with its patience."""
    item = {"provider": tenant.provider_id, "platform": tenant.platforms["restcomm"], "to": RESTCOMM_NUMBER, "remote": PHONE}
    consent = word.lower() if word.lower() in MARKS else None
    rest = {"cid": f"SM{number}", "text": word, "consent": None if consent == "help" else consent, "raw": "", "request": ""}
    statements = f"SET LOCAL lock_timeout = '200ms'; SELECT outcome FROM ingest_texts('{json.dumps([item | rest])}')"
    newest = f"ARRAY[(SELECT max(id) FROM message WHERE provider_id = {tenant.provider_id} AND NOT outbound)]"
    mark = f"; SELECT * FROM mark_consent(ARRAY[{tenant.provider_id}]::bigint[], {newest}, ARRAY[{MARKS[consent]}]::smallint[])" if consent else ""
    tenant.sql(statements + mark)


async def entries(tenant: Tenant, who: str = "gina@bluedoor.example") -> list[dict]:
    async with tenant.portal(who) as portal:
        found = (await portal.get("/api/v1/evidence")).json()["items"]
    return [entry for entry in found if entry["event"].startswith("remote.")]


async def test_a_stop_is_evidence(tenant: Tenant) -> None:
    """Who (by the last digits, P57), to which number, when; the same word again is no event, a START is one."""
    for number, word in enumerate(("Hello", "HELP", "STOP", "Stop", "START", "STOP")):
        says(tenant, word, number)
        await tenant.run_jobs()
        await tenant.run_jobs()
    found = await entries(tenant)
    assert [entry["event"] for entry in found] == ["remote.stopped", "remote.started", "remote.stopped"]
    assignment = tenant.sql("SELECT id FROM assignment")[0].id
    newest = found[0]
    assert (newest["assignment_id"], newest["actor"]) == (str(assignment), "…0142")
    assert (newest["details"]["phone_number"], newest["details"]["group"]["name"]) == (RESTCOMM_NUMBER, "Blue Door Ltd")
    assert newest["details"]["said_at"] <= newest["at"]
    assert newest["details"]["by"] == "person"
    lines = [line async for line in export(tenant.database, tenant.provider_id)]
    assert verify(lines).entries == 3
    assert PHONE[1:].encode() not in b"".join(lines)
    assert tenant.sql("SELECT 1 FROM consent_event") == []


async def test_a_stop_that_the_carrier_tells_of_is_evidence_too(tenant: Tenant) -> None:
    """P22: whoever writes it, the change is witnessed; nobody may know which of the group's numbers it was about."""
    tenant.sql(
        "INSERT INTO remote_consent (provider_id, group_id, remote, stopped, source) VALUES (%(p)s, %(g)s, '+12025550199', true, 2)",
        p=tenant.provider_id, g=tenant.group_id,
    )  # fmt: skip
    await tenant.run_jobs()
    assert await entries(tenant) == []
    [entry] = await entries(tenant, "olive@southern.example")
    assert (entry["event"], entry["assignment_id"], entry["actor"], entry["details"]["by"]) == ("remote.stopped", None, "…0199", "carrier")


async def test_nobody_who_holds_the_evidence_holds_up_a_text(tenant: Tenant) -> None:
    """Design §6: the end of the chain may be held for long while messages are deleted; a STOP is stored and acts all the same."""
    says(tenant, "STOP", 1)
    await tenant.run_jobs()
    with psycopg.connect(tenant.url) as holder:
        holder.execute("SELECT 1 FROM evidence_head FOR UPDATE")
        says(tenant, "START", 2)
        assert tenant.sql("SELECT stopped FROM remote_consent") == [(False,)]
    await tenant.run_jobs()
    assert [entry["event"] for entry in await entries(tenant)] == ["remote.started", "remote.stopped"]


async def test_their_own_word_after_a_colleagues(tenant: Tenant) -> None:
    """What somebody of the business notes is witnessed once, as his; what the person says afterwards is an event of its own."""
    client = await tenant.client(tenant.ana)
    says(tenant, "Please phone me", 1)
    conversation = (await client.get("/api/v1/conversations")).json()["items"][0]["id"]
    assert (await client.post(f"/api/v1/conversations/{conversation}/consent", json={"answer": "stop"})).status_code == 200
    await tenant.run_jobs()
    says(tenant, "STOP", 2)
    await tenant.run_jobs()
    says(tenant, "START", 3)
    await tenant.run_jobs()
    assert [(entry["event"], entry["actor"]) for entry in await entries(tenant)] == [
        ("remote.started", "…0142"), ("remote.stopped", "…0142"), ("remote.stopped", "ana@bluedoor.example"),
    ]  # fmt: skip
