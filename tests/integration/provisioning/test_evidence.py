"""The chain in the database and as a file: R20, R179, R180; who may add, and what changing it leads to."""

import asyncio
import json

import psycopg
import pytest

from kereru.entrypoints import evidence as command
from kereru.provisioning.evidence.commands import export, witness_event
from kereru.provisioning.evidence.model import ChainBroken, Event, verify
from kereru.provisioning.opt_in.model import Witness
from tenant import Tenant

WITNESS = Witness("olive@southern.example", "192.0.2.7", 'Zoë’s "browser" \\ ünïcode')


async def add(tenant: Tenant, *numbers: int) -> None:
    for number in numbers:
        async with tenant.database.transaction(tenant.scope) as tx:
            await witness_event(tx, Event.MESSAGES_DELETED, None, WITNESS, deleted={"messages": number})


async def lines(tenant: Tenant) -> list[bytes]:
    return [line async for line in export(tenant.database, tenant.provider_id)]


async def test_the_database_and_the_file_agree(tenant: Tenant) -> None:
    """R180: what the database chained is what the pure check, which knows nothing of the database, finds whole."""
    assert verify(await lines(tenant)).entries == 0
    await add(tenant, 1, 2, 3)
    written = await lines(tenant)
    found = verify(written)
    assert (found.entries, found.name) == (3, "Southern Phone Co.")
    body = json.loads(json.loads(written[2])["body"])
    assert (body["event"], body["agent"], body["details"]) == ("messages.deleted", WITNESS.agent, {"deleted": {"messages": 2}})


async def test_many_at_once_make_one_chain(tenant: Tenant) -> None:
    """Numbers without gaps, whoever writes when; what is rolled back was never there."""

    async def fails() -> None:
        async with tenant.database.transaction(tenant.scope) as tx:
            await witness_event(tx, Event.MESSAGES_DELETED, None, WITNESS)
            raise ZeroDivisionError

    await asyncio.gather(*(add(tenant, number, number) for number in range(5)), *(fails() for _ in range(3)), return_exceptions=True)
    assert verify(await lines(tenant)).entries == 10


@pytest.mark.parametrize("statement", [
    "INSERT INTO evidence (provider_id, number, at, event, body, previous_hash, hash) VALUES (scope_provider(), 9, now(), 'x', '', '', '')",
    "UPDATE evidence SET body = ''", "DELETE FROM evidence", "UPDATE evidence_head SET number = 0", "DELETE FROM evidence_head",
    "INSERT INTO evidence_head VALUES (scope_provider(), 0, '')", "TRUNCATE evidence",
    "SELECT add_evidence(scope_provider() + 1, 'x', NULL, '', '', '', '{}')",
])  # fmt: skip
async def test_the_application_can_only_add(tenant: Tenant, statement: str) -> None:
    """R20, threat model: neither changed nor taken out, nor added past the function, nor for another provider."""
    await add(tenant, 1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with tenant.database.transaction(tenant.scope) as tx:
            await tx.run(statement)


@pytest.mark.parametrize("statement", [
    "UPDATE evidence SET body = replace(body, 'olive', 'ollie') WHERE number = 2",
    "DELETE FROM evidence WHERE number = 2",
    "DELETE FROM evidence WHERE number = 3",
    "UPDATE evidence SET number = number + 10 WHERE number = 3",
])  # fmt: skip
async def test_what_the_owner_changes_is_seen(tenant: Tenant, statement: str) -> None:
    """Even whoever holds the database leaves a broken chain."""
    await add(tenant, 1, 2, 3)
    tenant.sql(statement)
    with pytest.raises(ChainBroken):
        verify(await lines(tenant))


async def test_each_level_sees_its_own(tenant: Tenant) -> None:
    """R179: what is about a number is seen where the number is; what is about none by the provider only; page by page."""
    await tenant.platform("restcomm")
    assigned = await tenant.assign(tenant.ana)
    async with tenant.portal(tenant.ana.email) as ana:
        for answer in ("cancel", "yes"):
            await ana.post(f"/api/v1/numbers/{assigned.number_id}/opt-in", json={"answer": answer})
    await add(tenant, 1)
    async with tenant.portal("gina@bluedoor.example") as gina, tenant.portal() as olive:
        assert [one["event"] for one in (await gina.get("/api/v1/evidence")).json()["items"]] == ["opt_in.accepted", "opt_in.postponed"]
        page = (await olive.get("/api/v1/evidence", params={"limit": 2})).json()
        assert [one["number"] for one in page["items"]] == [3, 2]
        page = (await olive.get("/api/v1/evidence", params={"limit": 2, "cursor": page["next"]})).json()
        assert ([one["number"] for one in page["items"]], page["next"]) == ([1], None)
        details = page["items"][0]["details"]
        assert (details["phone_number"], details["user"]["email"]) == ("+12015550110", tenant.ana.email)


async def test_the_provider_takes_the_chain_along(tenant: Tenant) -> None:
    """R180: the portal's file is the command's; nobody below the provider gets it, since it is everybody's."""
    await add(tenant, 1, 2)
    async with tenant.portal("gina@bluedoor.example") as gina, tenant.portal() as olive:
        assert (await gina.get("/api/v1/evidence/export")).status_code == 403
        answer = await olive.get("/api/v1/evidence/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert "attachment" in answer.headers["content-disposition"]
    assert verify(answer.content.splitlines(keepends=True)).entries == 2


async def test_the_command_checks_without_a_database(tenant: Tenant, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """`kereru evidence verify`: offline; with --after against an older file."""
    older, newer = tmp_path / "older.jsonl", tmp_path / "newer.jsonl"
    await add(tenant, 1)
    older.write_bytes(b"".join(await lines(tenant)))
    await add(tenant, 2)
    newer.write_bytes(b"".join(await lines(tenant)))
    assert command.verify(newer) == 0
    assert "2 entries" in capsys.readouterr().out
    assert command.verify(newer, after=older, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 2
    with pytest.raises(ChainBroken):
        command.verify(older, after=newer)
