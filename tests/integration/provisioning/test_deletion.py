"""Deleting numbers and messages: R182 to R185, Q18, Q27, Q28, P57."""

import json

import httpx
import psycopg
import pytest

from kereru.provisioning.numbers.deletion import end_assignment
from kereru.provisioning.platforms.model import open_token
from tenant import PHONE, RESTCOMM_NUMBER, Tenant

API = "/api/v1"
CANARY = "the blue canary sings"
SID = "SMcanary00000000000000000000000001"
OUT_SID = "SMcanary00000000000000000000000002"
STAYS = {
    "dedupe": "carriers' ids of texts, for a day, so that a repeated webhook does not bring a deleted text back",
    "evidence": "that something was deleted, when, by whom and how much",
}
"""What may name a deleted message's carrier id, and why."""


@pytest.fixture
async def portal(tenant: Tenant):
    async with tenant.portal("gina@bluedoor.example") as client:
        yield client


async def text_in(tenant: Tenant, words: str, *, sid: str, to: str = RESTCOMM_NUMBER) -> int:
    """A text from the carrier, by its webhook; the ingress's answer."""
    row = tenant.sql("SELECT token_sealed FROM ingress_token")[0]
    token = open_token(tenant.desk.sealer, tenant.provider_id, tenant.platforms["restcomm"], bytes(row.token_sealed))
    form = {"SmsSid": sid, "AccountSid": tenant.credentials("restcomm")["account_key"], "From": PHONE, "To": to, "Body": words}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=tenant.app), base_url="http://localhost:8080") as client:
        return (await client.post(f"/ingress/restcomm/{token}/in", data=form)).status_code


async def conversation(tenant: Tenant) -> str:
    """An assignment of Ana's with a text in, a text out with all that hangs on it, somebody blocked; its id."""
    await tenant.platform("restcomm", user_confirmation=False)
    assigned = await tenant.assign(tenant.ana)
    assert await text_in(tenant, CANARY, sid=SID) == 200
    async with tenant.portal(tenant.ana.email) as ana:
        body = {"number_id": str(assigned.number_id), "to": PHONE, "text": CANARY, "attachments": []}
        sent = await ana.put(f"{API}/messages/canary-key-1", json=body)
        assert sent.status_code == 201, sent.text
    message, platform = int(sent.json()["id"]), tenant.platforms["restcomm"]
    provider = tenant.provider_id
    values = {"p": provider, "m": message, "f": platform, "sid": OUT_SID, "text": CANARY, "a": assigned.id, "phone": PHONE}
    tenant.sql("INSERT INTO attempt (provider_id, message_id, attempt, status) VALUES (%(p)s, %(m)s, 1, 3)", **values)
    tenant.sql("""INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id)
        VALUES (%(p)s, %(m)s, 1, 1, %(f)s, %(text)s, 3, 3, %(sid)s)""", **values)  # fmt: skip
    tenant.sql("""INSERT INTO receipt (provider_id, id, platform_id, carrier_id, state, carrier_state)
        VALUES (%(p)s, new_id(), %(f)s, %(sid)s, 3, 'sent')""", **values)  # fmt: skip
    tenant.sql(
        "INSERT INTO exchange (provider_id, id, platform_id, message_id, kind, raw) VALUES (%(p)s, new_id(), %(f)s, %(m)s, 3, %(text)s)", **values
    )
    tenant.sql("INSERT INTO blocked_remote (provider_id, assignment_id, remote) VALUES (%(p)s, %(a)s, %(phone)s)", **values)
    return str(assigned.id)


def traces(tenant: Tenant) -> dict[str, str]:
    """Every table that still holds something of the messages: text, the other party's number, the carrier's ids, our keys."""
    found: dict[str, str] = {}
    for row in tenant.sql(
        "SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"
    ):
        for one in tenant.sql(f"SELECT t::text AS text FROM {row.name} t"):
            if any(sign in one.text for sign in (CANARY, PHONE[1:], "canary")):
                found[row.name] = one.text
    return found


async def test_p57_a_purge_leaves_no_trace(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R184, R185, Q18, P57: every table is searched; the hook is gone, the assignment ended; a day later the carrier's ids are forgotten as well."""
    assignment = await conversation(tenant)
    assert len(traces(tenant)) > 8
    answer = await portal.delete(f"{API}/assignments/{assignment}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["deleted"] == {"messages": 2, "conversations": 1}
    assert answer.json()["assignment"]["ended_at"] is not None
    assert set(traces(tenant)) <= set(STAYS), traces(tenant)
    assert tenant.sql("SELECT carrier_ref, hook_secret_sealed FROM number") == [("", None)]
    assert tenant.sql("SELECT 1 FROM change WHERE message_id IS NOT NULL") == []
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()
    assert set(traces(tenant)) == set()
    again = await portal.delete(f"{API}/assignments/{assignment}")
    assert (again.status_code, again.json()["deleted"]) == (200, {"messages": 0, "conversations": 0})


async def test_q27_what_stays_is_a_usage_row_and_evidence(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """Q27, Q18: month, count and segments, no number; evidence of the deletion; the past assignment in the list."""
    assignment = await conversation(tenant)
    await portal.delete(f"{API}/assignments/{assignment}")
    rows = tenant.sql("SELECT outbound, count, segments, price, to_jsonb(u)::text AS whole FROM usage_row u ORDER BY outbound")
    assert [(row.outbound, row.count, row.segments, row.price) for row in rows] == [(False, 1, 1, None), (True, 1, 1, None)]
    assert not any(RESTCOMM_NUMBER[1:] in row.whole or assignment in row.whole for row in rows)
    entries = (await portal.get(f"{API}/evidence", params={"assignment": assignment})).json()["items"]
    assert (entries[0]["event"], entries[0]["actor"], entries[0]["details"]["deleted"]) == (
        "number.deleted", "gina@bluedoor.example", {"messages": 2, "conversations": 1},
    )  # fmt: skip
    assert entries[0]["details"]["phone_number"] == RESTCOMM_NUMBER
    assert [item["id"] for item in (await portal.get(f"{API}/assignments", params={"state": "past"})).json()["items"]] == [assignment]


async def test_r182_saved_messages_are_deleted_and_the_number_stays(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R182, R183: offered only when there are any; the number goes on, its owner's client loads everything anew and starts empty."""
    assignment = await conversation(tenant)
    shown = (await portal.get(f"{API}/assignments/{assignment}")).json()
    assert (shown["saved"], "delete_messages" in shown["can"]) == ({"messages": 2, "withheld": 0}, True)
    async with tenant.portal(tenant.ana.email) as ana:
        before = tenant.sql("SELECT head FROM feed WHERE id = %(feed)s", feed=tenant.ana.feed_id)[0].head
        deleted = await portal.post(f"{API}/assignments/{assignment}/delete-messages")
        assert (deleted.status_code, deleted.json()) == (200, {"messages": 2, "conversations": 1})
        # The feed ends with a gap: whoever follows it is told to load everything again.
        newest = tenant.sql("SELECT max(number) AS number FROM change WHERE feed_id = %(feed)s", feed=tenant.ana.feed_id)[0].number
        head = tenant.sql("SELECT head FROM feed WHERE id = %(feed)s", feed=tenant.ana.feed_id)[0].head
        assert head == before + 1
        assert newest < head
        assert (await ana.get(f"{API}/conversations")).json()["items"] == []
        # Whom she blocked stays blocked; that is no message.
        assert len(tenant.sql("DELETE FROM blocked_remote RETURNING 1")) == 1
        assert await text_in(tenant, "Hello again", sid="SMnew") == 200
        assert [item["unread"] for item in (await ana.get(f"{API}/conversations")).json()["items"]] == [1]
    assert set(traces(tenant)) - {"conversation", "exchange"} <= set(STAYS)
    tenant.sql("DELETE FROM message; DELETE FROM conversation")
    none = await portal.post(f"{API}/assignments/{assignment}/delete-messages")
    assert (none.status_code, none.json()["code"]) == (409, "nothing_saved")
    assert "delete_messages" not in (await portal.get(f"{API}/assignments/{assignment}")).json()["can"]


async def test_a_repeated_webhook_does_not_bring_a_deleted_text_back(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """P57: the carrier tries again what it already delivered; the text stays deleted."""
    assignment = await conversation(tenant)
    await portal.post(f"{API}/assignments/{assignment}/delete-messages")
    assert await text_in(tenant, CANARY, sid=SID) == 200
    assert tenant.sql("SELECT 1 FROM message") == []
    assert CANARY not in json.dumps([row.raw for row in tenant.sql("SELECT raw FROM exchange")])


async def test_q28_the_next_owner_starts_empty(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """Q28: the number is free at once; whoever has it next sees nothing of before."""
    await portal.delete(f"{API}/assignments/{await conversation(tenant)}")
    await tenant.assign(tenant.ben)
    async with tenant.portal(tenant.ben.email) as ben:
        assert (await ben.get(f"{API}/conversations")).json()["items"] == []
        assert await text_in(tenant, "For Ben", sid="SMben") == 200
        assert len((await ben.get(f"{API}/conversations")).json()["items"]) == 1


async def test_other_conversations_stay(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R184: of this number only."""
    assignment = await conversation(tenant)
    await tenant.assign(tenant.ana, "2015550111")
    assert await text_in(tenant, "Stays", sid="SMother", to="+12015550111") == 200
    await portal.delete(f"{API}/assignments/{assignment}")
    assert [row.text for row in tenant.sql("SELECT text FROM message")] == ["Stays"]
    assert len(tenant.sql("SELECT 1 FROM exchange")) == 1


@pytest.mark.parametrize("function", ["purge_assignment", "forget_references", "saved_messages"])
async def test_another_provider_deletes_nothing(tenant: Tenant, function: str) -> None:
    """G30: the functions act in their own provider's scope only."""
    assignment = await conversation(tenant)
    number = tenant.sql("SELECT id FROM number")[0].id
    arguments = {"purge_assignment": (assignment,), "forget_references": (number, 2**62), "saved_messages": (assignment,)}[function]
    other = type(tenant.scope)(tenant.provider_id + 1)
    try:
        async with tenant.database.transaction(other) as tx:
            names = ", ".join(["%(p)s", *(f"{value}" for value in arguments)])
            rows = await tx.rows(f"SELECT * FROM {function}({names})", {"p": tenant.provider_id})
            assert rows in ([(0,)], [(0, 0)])
    except psycopg.errors.InsufficientPrivilege:
        assert function == "purge_assignment"
    assert len(tenant.sql("SELECT 1 FROM message")) == 2
    assert len(tenant.sql("SELECT 1 FROM dedupe")) == 1


async def test_what_a_deleted_user_left_can_be_seen_and_deleted(tenant: Tenant) -> None:
    """R178, R182, R179: the user is gone, his past number is listed, opens, names him in the evidence, and its messages can be deleted."""
    assignment = await conversation(tenant)
    await end_assignment(tenant.desk, tenant.provider_id, int(assignment))
    async with tenant.portal() as provider:
        gone = await provider.delete(f"{API}/users/{tenant.ana.id}")
        assert gone.status_code == 204, gone.text
        listed = (await provider.get(f"{API}/assignments", params={"state": "past"})).json()["items"]
        assert [(one["id"], one["user"]["name"], one["user"]["email"]) for one in listed] == [(assignment, "Ana Torres", "")]
        page = (await provider.get(f"{API}/assignments/{assignment}")).json()
        assert (page["saved"]["messages"], "delete_messages" in page["can"]) == (2, True)
        deleted = await provider.post(f"{API}/assignments/{assignment}/delete-messages")
        assert deleted.json()["messages"] == 2, deleted.text
        entry = (await provider.get(f"{API}/evidence", params={"assignment": assignment})).json()["items"][0]
    assert (entry["event"], entry["details"]["phone_number"], entry["details"]["user"]["name"]) == ("messages.deleted", RESTCOMM_NUMBER, "Ana Torres")
