"""Alerts around a platform, mailed to those at the provider's level who get them (R12, R141, Q25; bad input 68): once a day, never lost."""

import datetime
import json

import psycopg

from kereru.messaging.retention import forget_old
from kereru.provisioning.numbers.commands import POINT_WEBHOOK
from role_databases import as_role
from tenant import PHONE, RESTCOMM_NUMBER, Tenant

NOBODYS = "+12015550177"


def arrive(tenant: Tenant, to: str, *, times: int = 1) -> None:
    """A batch of texts from the carrier."""
    platform = tenant.platforms["restcomm"]
    items = [
        {"provider": tenant.provider_id, "platform": platform, "to": to, "remote": PHONE, "cid": f"SM{to}{n}", "text": "Hi", "raw": "", "request": ""}
        for n in range(times)
    ]
    tenant.sql("SELECT outcome FROM ingest_texts(%(items)s)", items=psycopg.types.json.Jsonb(items))


async def test_texts_for_a_number_that_nobody_has(tenant: Tenant) -> None:
    """Bad input 68: one mail for the number and day, however many texts; only to those of the provider's level with alerts on (Q25)."""
    await tenant.platform("restcomm")
    arrive(tenant, NOBODYS, times=3)
    arrive(tenant, "+12015550178")
    await tenant.run_jobs()
    arrive(tenant, NOBODYS, times=2)
    await tenant.run_jobs()
    mails = tenant.mails()
    assert sorted(mail["subject"] for mail in mails) == [
        "Restcomm sends texts for (201) 555-0177, which nobody here has",
        "Restcomm sends texts for (201) 555-0178, which nobody here has",
    ]
    assert {tuple(mail["to"]) for mail in mails} == {("olive@southern.example",)}

    tenant.sql("UPDATE alert SET day = day - 1")
    arrive(tenant, NOBODYS)
    await tenant.run_jobs()
    assert len(tenant.mails()) == 3


async def test_a_number_that_somebody_has_raises_none(tenant: Tenant) -> None:
    """R115: withheld and unassigned texts are no such alert."""
    await tenant.platform("restcomm")
    await tenant.assign(tenant.ana)
    arrive(tenant, RESTCOMM_NUMBER)
    assert tenant.sql("SELECT count(*) AS alerts FROM alert") == [(0,)]


async def test_a_refused_account(tenant: Tenant) -> None:
    """R141: rejected credentials stop the platform; the mail says which and what the carrier said, once however many texts it refused."""
    platform = await tenant.platform("restcomm", user_confirmation=False)
    await tenant.assign(tenant.ana)
    client = await tenant.client(tenant.ana)
    number = (await client.get("/api/v1/licence")).json()["numbers"][0]["id"]
    for key in ("key-0001", "key-0002"):
        body = {"number_id": number, "to": PHONE, "text": "Hello", "attachments": []}
        assert (await client.put(f"/api/v1/messages/{key}", json=body)).status_code == 201
    tenant.sql("SELECT take_leases('me', 60)")
    epoch = tenant.sql("SELECT epoch FROM platform_lease")[0].epoch
    for _ in range(2):
        claimed = [
            row for row in tenant.sql("SELECT * FROM claim_outbox(%(p)s, %(pl)s, 'me', %(e)s, 10)", p=tenant.provider_id, pl=platform, e=epoch)
            if row.message_id is not None
        ]  # fmt: skip
        items = [
            {"message": row.message_id, "attempt": row.attempt, "part": row.part, "tries": row.tries, "outcome": "deferred",
             "code": "account_refused", "reason": "The carrier does not accept this platform's credentials.", "stop_account": True}
            for row in claimed
        ]  # fmt: skip
        tenant.sql("SELECT settle_handovers(%(p)s, %(pl)s, %(i)s::jsonb)", p=tenant.provider_id, pl=platform, i=json.dumps(items))
    await tenant.run_jobs()
    [mail] = tenant.mails()
    assert mail["subject"] == "Restcomm refuses the account of Restcomm"
    assert "does not accept this platform's credentials" in mail["text"]


async def test_a_webhook_that_cannot_be_set_again(tenant: Tenant) -> None:
    """R141: the number left the carrier's account, so its hook is missing; the job goes on trying and mails once a day."""
    await tenant.platform("restcomm", user_confirmation=False)
    assigned = await tenant.assign(tenant.ana)
    tenant.sql("UPDATE number SET e164 = '+12015550199' WHERE id = %(n)s", n=assigned.number_id)
    ids = json.dumps({"provider": tenant.provider_id, "number": assigned.number_id})
    for _ in range(2):
        tenant.sql("SELECT put_job(%(name)s, %(ids)s::jsonb, 0)", name=POINT_WEBHOOK.name, ids=ids)
    await tenant.run_jobs()
    [mail] = tenant.mails()
    assert mail["subject"] == "Texts to (201) 555-0199 do not arrive: its webhook is missing"
    assert tenant.sql("SELECT day FROM alert") == [(datetime.datetime.now(datetime.UTC).date(),)]


async def test_alerts_and_links_are_forgotten_in_time(tenant: Tenant) -> None:
    """R45: what told people of something goes with the texts of its time; younger ones stay."""
    await tenant.platform("restcomm")
    arrive(tenant, NOBODYS)
    tenant.sql(
        """INSERT INTO alert (provider_id, id, kind, platform_id, day, at)
        SELECT provider_id, lowest_id(now() - interval '91 days') + n, 5, platform_id, day - n, at FROM alert, generate_series(91, 95) n"""
    )
    for days in (91, 89):
        tenant.sql(
            """INSERT INTO sign_in_mail (provider_id, id, sign_in_id, kind, address)
            SELECT provider_id, lowest_id(now() - make_interval(days => %(days)s)), id, 3, email FROM sign_in LIMIT 1""", days=days,
        )  # fmt: skip
    async with as_role(tenant.url, "kereru_service", size=1) as service:
        assert (await forget_old(service, rows=2)).rows == 6
    assert [row.kind for row in tenant.sql("SELECT kind FROM alert")] == [6]
    assert tenant.sql("SELECT count(*) AS n FROM sign_in_mail")[0].n == 1
