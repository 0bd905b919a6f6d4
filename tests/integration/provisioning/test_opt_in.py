"""R1 to R20 with Q1, Q16 and Q26, by the real application, database, carriers' simulators and mail server."""

import asyncio
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from kereru.messaging.commands import release_withheld
from kereru.provisioning.numbers.model import Assigned
from kereru.provisioning.opt_in import commands
from kereru.provisioning.opt_in.model import Witness
from kereru.provisioning.platforms.commands import update_platform
from kereru.provisioning.platforms.model import PlatformChanges
from tenant import INTELIQUENT_NUMBER, PHONE, RESTCOMM_NUMBER, Tenant

OPERATOR = Witness("olive@southern.example")


async def licence(client: httpx.AsyncClient) -> dict:
    answer = await client.get("/api/v1/licence")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def say(client: httpx.AsyncClient, assigned: Assigned, word: str) -> httpx.Response:
    return await client.post(f"/api/v1/numbers/{assigned.number_id}/opt-in", json={"answer": word})


async def pending(tenant: Tenant, **switches: bool) -> tuple[Assigned, httpx.AsyncClient]:
    """Ana with one Restcomm number that she is to be asked about."""
    await tenant.platform("restcomm", **switches)
    assigned = await tenant.assign(tenant.ana, friendly_name="Front desk")
    return assigned, await tenant.client(tenant.ana)


async def reset(tenant: Tenant, assigned: Assigned) -> None:
    async with tenant.database.transaction(tenant.scope) as tx:
        await commands.reset(tx, tenant.provider_id, assigned.id, OPERATOR, release_withheld)


def arrive(tenant: Tenant, platform: int, to: str, text: str) -> int:
    """A text comes in through the batch function; its outcome (1 shown, 2 withheld)."""
    items = psycopg.types.json.Jsonb(
        [
            {
                "provider": tenant.provider_id,
                "platform": platform,
                "to": to,
                "remote": PHONE,
                "cid": f"SM{text}",
                "text": text,
                "raw": "",
                "request": "",
            }
        ]
    )
    return tenant.sql("SELECT outcome FROM ingest_texts(%(items)s)", items=items)[0].outcome


async def test_r1_r2_the_licence_lists_the_users_own_enabled_numbers(tenant: Tenant) -> None:
    """R1, R2: product, settings and every number of this user that is set up; nobody else's."""
    _, client = await pending(tenant)
    await tenant.platform("inteliquent")
    await tenant.assign(tenant.ben, INTELIQUENT_NUMBER, platform_id=tenant.platforms["inteliquent"])
    answer = await licence(client)
    assert answer["product"] == "desktop"
    assert answer["user"]["email"] == "ana@bluedoor.example"
    assert answer["settings"] == {
        "region": "US", "country_code": "1", "exclude_leading_zero": True, "language": "en", "timezone": "America/New_York",
        "any_number": True, "text_windows": "docked", "chat_windows": "docked", "quiet_hours": {"on": False, "begin": "22:00", "end": "07:00"},
    }  # fmt: skip
    assert [number["number"] for number in answer["numbers"]] == [RESTCOMM_NUMBER]
    assert answer["numbers"][0] | {"id": ""} == {
        "id": "", "number": RESTCOMM_NUMBER, "display": "(201) 555-0110", "friendly_name": "Front desk", "messaging_type": "mms_sms",
        "opt_in": "pending", "ask": True, "can": [], "assigned": True,
    }  # fmt: skip
    assert answer["cursor"]


async def test_r3_a_number_not_yet_enabled_is_not_there(tenant: Tenant) -> None:
    """R3: while the carrier takes its time the number is in no answer and cannot be answered for."""
    await tenant.platform("inteliquent")
    await tenant.simulators.control.add_fault("inteliquent", "error", on="all", count=50)
    with pytest.raises(Exception, match="carrier"):
        await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    await tenant.simulators.control.clear_faults()
    client = await tenant.client(tenant.ana)
    assert (await licence(client))["numbers"] == []
    assigned = await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    tenant.sql("UPDATE assignment SET state = 3")
    assert (await licence(client))["numbers"] == []
    assert (await say(client, assigned, "yes")).status_code == 404


async def test_r4_r5_before_the_answer_nothing_works_and_the_start_asks(tenant: Tenant) -> None:
    """R4, R5, Q26: neither sending nor receiving; the text is kept back, in no list, counter or feed; the question is due."""
    _, client = await pending(tenant)
    before = len(tenant.changes(tenant.ana))
    assert arrive(tenant, tenant.platforms["restcomm"], RESTCOMM_NUMBER, "early") == 2
    number = (await licence(client))["numbers"][0]
    assert (number["can"], number["ask"]) == ([], True)
    assert len(tenant.changes(tenant.ana)) == before
    assert tenant.sql("SELECT unread, last_message_id FROM conversation")[0] == (0, None)


async def test_r7_only_the_three_answers_are_understood(tenant: Tenant) -> None:
    """R7: yes, no, cancel; anything else is refused and changes nothing."""
    assigned, client = await pending(tenant)
    for wrong in ("maybe", "", "YES", None):
        assert (await client.post(f"/api/v1/numbers/{assigned.number_id}/opt-in", json={"answer": wrong})).status_code == 422
    assert tenant.sql("SELECT state FROM opt_in")[0].state == 1


async def test_r8_r9_yes_works_at_once_and_is_dated(tenant: Tenant) -> None:
    """R8, R9, R20: usable in the same answer, a change on the feed, the time and the evidence stored with who and from where."""
    assigned, client = await pending(tenant)
    started = datetime.now(UTC)
    answer = await say(client, assigned, "yes")
    number = answer.json()
    assert (answer.status_code, number["opt_in"], number["can"], number["ask"]) == (200, "opted_in", ["send", "receive", "block"], False)
    assert (await licence(client))["numbers"][0] == answer.json()
    row = tenant.sql("SELECT opted_in_at, opted_out_at FROM opt_in")[0]
    assert row.opted_in_at >= started
    assert row.opted_out_at is None
    evidence = tenant.sql("SELECT kind, actor, agent FROM opt_in_event")
    assert evidence == [(1, "ana@bluedoor.example", "test client")]
    assert tenant.changes(tenant.ana)[-1][:2] == (5, assigned.number_id)
    assert arrive(tenant, tenant.platforms["restcomm"], RESTCOMM_NUMBER, "after") == 1


async def test_q26_yes_releases_what_was_kept_back_in_order(tenant: Tenant) -> None:
    """Q26: the texts appear in the order they came, marked as having arrived before, with their changes."""
    assigned, client = await pending(tenant)
    for text in ("one", "two"):
        arrive(tenant, tenant.platforms["restcomm"], RESTCOMM_NUMBER, text)
    await say(client, assigned, "yes")
    assert tenant.sql("SELECT text, visibility, arrived_before FROM message ORDER BY id") == [("one", 0, True), ("two", 0, True)]
    assert [change.kind for change in tenant.changes(tenant.ana)][-3:] == [1, 1, 5]
    assert tenant.sql("SELECT unread FROM conversation")[0].unread == 2


async def test_r10_to_r13_no_is_final_dated_and_mailed(tenant: Tenant) -> None:
    """R10 to R13: unavailable, opted out with its time, one mail to each provider-level account with alerts on, naming number and user."""
    assigned, client = await pending(tenant)
    answer = await say(client, assigned, "no")
    assert (answer.json()["opt_in"], answer.json()["can"], answer.json()["ask"]) == ("opted_out", [], False)
    assert tenant.sql("SELECT opted_out_at FROM opt_in")[0].opted_out_at is not None
    await tenant.run_jobs()
    mails = tenant.mails()
    assert [mail["to"] for mail in mails] == [["olive@southern.example"]]
    for part in (mails[0]["text"], mails[0]["html"]):
        assert "(201) 555-0110" in part
        assert "Ana Torres" in part
        assert "No" in part
    assert "Ana Torres" in mails[0]["subject"]
    assert "(201) 555-0110" in mails[0]["subject"]


async def test_r16_r17_after_no_only_a_reset_asks_again(tenant: Tenant) -> None:
    """R16, R17: not asked at the next start, another answer is refused; after the reset the start asks and Yes is possible."""
    assigned, client = await pending(tenant)
    await say(client, assigned, "no")
    assert (await licence(client))["numbers"][0]["ask"] is False
    refused = await say(client, assigned, "yes")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_answered")
    await reset(tenant, assigned)
    assert (await licence(client))["numbers"][0]["ask"] is True
    assert (await say(client, assigned, "yes")).json()["opt_in"] == "opted_in"
    assert [event.kind for event in tenant.sql("SELECT kind FROM opt_in_event ORDER BY id")] == [2, 4, 1]


async def test_r14_cancel_asks_again_at_the_next_start_only(tenant: Tenant) -> None:
    """R14: unavailable; a second window of a running client is no start (design §7), a start without one is."""
    assigned, client = await pending(tenant)
    answer = await say(client, assigned, "cancel")
    assert (answer.json()["opt_in"], answer.json()["can"], answer.json()["ask"]) == ("postponed", [], False)
    live = "INSERT INTO live_socket (provider_id, user_id, process, sockets) VALUES (%(p)s, %(u)s, 'test', 1)"
    tenant.sql(live, p=tenant.provider_id, u=tenant.ana.id)
    assert (await licence(client))["numbers"][0]["ask"] is False
    tenant.sql("DELETE FROM live_socket")
    assert (await licence(client))["numbers"][0]["ask"] is True


async def test_r15_only_the_first_cancel_is_mailed_and_says_postponed(tenant: Tenant) -> None:
    """R15, Q1: each Cancel is dated; the mail comes once per user and number and says postponed, not No."""
    assigned, client = await pending(tenant)
    for _ in range(2):
        await say(client, assigned, "cancel")
        await tenant.run_jobs()
    mails = tenant.mails()
    assert len(mails) == 1
    assert "postponed" in mails[0]["subject"]
    assert "not a No" in mails[0]["text"]
    assert tenant.sql("SELECT count(*) FROM opt_in_event WHERE kind = 3")[0][0] == 2
    assert tenant.sql("SELECT postponed_at FROM opt_in")[0].postponed_at is not None


async def test_q1_the_postpone_mail_can_be_switched_off(tenant: Tenant) -> None:
    """Q1, R120: with the platform's switch off no mail comes for Cancel; No is mailed all the same."""
    assigned, client = await pending(tenant, mail_on_postpone=False)
    await say(client, assigned, "cancel")
    await tenant.run_jobs()
    assert tenant.mails() == []
    await say(client, assigned, "no")
    await tenant.run_jobs()
    assert len(tenant.mails()) == 1


async def test_r19_without_confirmation_a_number_works_unasked(tenant: Tenant) -> None:
    """R19, R128: no question, usable at once; there is nothing to answer."""
    assigned, client = await pending(tenant, user_confirmation=False)
    number = (await licence(client))["numbers"][0]
    assert (number["opt_in"], number["ask"], number["can"]) == ("not_needed", False, ["send", "receive", "block"])
    assert (await say(client, assigned, "yes")).json()["code"] == "not_asked"


async def test_q16_the_switch_on_later_asks_nobody_and_off_later_frees_the_pending(tenant: Tenant) -> None:
    """Q16: existing numbers are not asked; switched off, pending and postponed become usable with their texts, opted out stays."""
    assigned, client = await pending(tenant)
    second = await tenant.assign(tenant.ana, "2015550111")
    await say(client, second, "no")
    arrive(tenant, tenant.platforms["restcomm"], RESTCOMM_NUMBER, "early")
    await update_platform(tenant.desk, tenant.provider_id, tenant.platforms["restcomm"], PlatformChanges(user_confirmation=False))
    assert [number["opt_in"] for number in (await licence(client))["numbers"]] == ["not_needed", "opted_out"]
    assert tenant.sql("SELECT visibility FROM message")[0].visibility == 0
    await update_platform(tenant.desk, tenant.provider_id, tenant.platforms["restcomm"], PlatformChanges(user_confirmation=True))
    assert [number["opt_in"] for number in (await licence(client))["numbers"]] == ["not_needed", "opted_out"]
    assert (await say(client, assigned, "no")).json()["code"] == "not_asked"


async def test_r20_the_evidence_can_only_grow(tenant: Tenant) -> None:
    """R20: people's role can neither change nor remove an entry, even in its own tenant."""
    assigned, client = await pending(tenant)
    await say(client, assigned, "yes")
    for statement in ("UPDATE opt_in_event SET kind = 2", "DELETE FROM opt_in_event"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with tenant.database.transaction(tenant.scope) as tx:
                await tx.run(statement)


async def test_answering_is_idempotent_and_races_have_one_winner(tenant: Tenant) -> None:
    """The same answer repeated is one answer; Yes and No at once leave one of them, one piece of evidence, and a clear refusal."""
    assigned, client = await pending(tenant)
    answers = await asyncio.gather(
        say(client, assigned, "yes"), say(client, assigned, "no"), say(client, assigned, "yes"), say(client, assigned, "no")
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409]
    assert tenant.sql("SELECT count(*) FROM opt_in_event")[0][0] == 1
    winner = (await licence(client))["numbers"][0]["opt_in"]
    assert {answer.json()["opt_in"] for answer in answers if answer.status_code == 200} == {winner}


async def test_somebody_elses_number_looks_like_none(tenant: Tenant) -> None:
    """G29: another user's number, an ended one and nonsense all answer 404."""
    assigned, client = await pending(tenant)
    ben = await tenant.client(tenant.ben)
    for path in (str(assigned.number_id), "1", "nonsense", "0"):
        answer = await ben.post(f"/api/v1/numbers/{path}/opt-in", json={"answer": "yes"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert (await licence(client))["numbers"][0]["opt_in"] == "pending"
    assert (await ben.get("/api/v1/licence")).json()["numbers"] == []


async def test_without_a_licence_nobody_is_asked_and_texts_wait_for_it(tenant: Tenant) -> None:
    """R115, Q26: no product, nothing usable, no question; the renewed licence releases what came meanwhile."""
    assigned, client = await pending(tenant)
    await say(client, assigned, "yes")
    await tenant.license(tenant.ana, None)
    answer = await licence(client)
    assert (answer["product"], answer["can"], answer["numbers"][0]["can"], answer["numbers"][0]["ask"]) == (None, [], [], False)
    assert arrive(tenant, tenant.platforms["restcomm"], RESTCOMM_NUMBER, "meanwhile") == 2
    await tenant.license(tenant.ana)
    assert (await licence(client))["numbers"][0]["can"] == ["send", "receive", "block"]
    assert tenant.sql("SELECT visibility, arrived_before FROM message") == [(0, True)]
