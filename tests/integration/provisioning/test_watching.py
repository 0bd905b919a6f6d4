"""The daily look at webhooks (R141, R156, P73): what somebody changed at the carrier is noticed, mailed once a day, shown and repaired."""

import httpx
import pytest

from kereru.kernel.db import INSTALLATION
from kereru.provisioning.platforms.model import clean_credentials, seal_credentials
from role_databases import as_role
from tenant import INTELIQUENT_NUMBER, RESTCOMM_NUMBER, Tenant

API = "/api/v1"
CARRIERS = pytest.mark.parametrize(("carrier", "number"), [("restcomm", RESTCOMM_NUMBER), ("inteliquent", INTELIQUENT_NUMBER)])


async def look(tenant: Tenant) -> None:
    """What the scheduler does each day, and the jobs of it."""
    async with as_role(tenant.url, "kereru_service", size=1) as service, service.transaction(INSTALLATION) as tx:
        await tx.value("SELECT ask_for_looks(0)")
    await tenant.run_jobs()


async def change_at_carrier(tenant: Tenant, carrier: str, number: str, url: str | None) -> None:
    """Somebody sets the webhook in the carrier's console, or removes it."""
    given = tenant.credentials(carrier)
    if carrier == "restcomm":
        async with httpx.AsyncClient(auth=(given["account_key"], given["token_secret"])) as client:
            base = f"{tenant.endpoints(carrier)['api']}/Accounts/{given['account_key']}/IncomingPhoneNumbers"
            [found] = (await client.get(f"{base}.json", params={"PhoneNumber": number})).json()["incomingPhoneNumbers"]
            assert (await client.post(f"{base}/{found['sid']}.json", data={"SmsUrl": url or ""})).status_code == 200
        return
    broker = tenant.endpoints(carrier)["broker"]
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {given['outbound_api_key']}"}) as client:
        listed = (await client.post(f"{broker}/selectAuthorization", json={})).json()["authConfig"]["authorizations"]
        ours = [{"authId": entry["authId"]} for entry in listed if entry["inboundAuth"] and str(entry.get("tn", "")).endswith(number[-10:])]
        if ours:
            assert (await client.post(f"{broker}/removeAuthorization", json={"authorizations": ours})).json()["success"]
        if url:
            entry = {"inboundAuth": True, "tn": number[1:], "webhookUrl": url}
            assert (await client.post(f"{broker}/configureAuthorization", json={"authorizations": [entry]})).json()["success"]


async def shown(tenant: Tenant, portal: httpx.AsyncClient) -> dict:
    assignment = tenant.sql("SELECT id FROM assignment")[0].id
    return (await portal.get(f"{API}/assignments/{assignment}")).json()


@CARRIERS
@pytest.mark.parametrize(("url", "state", "words"), [
    (None, "missing", "is missing"), ("https://elsewhere.example/in", "elsewhere", "leads elsewhere"),
])  # fmt: skip
async def test_a_webhook_that_somebody_changed(tenant: Tenant, carrier: str, number: str, url: str | None, state: str, words: str) -> None:
    """R141: found at the next look, mailed once a day, shown at the number and in the self-check; repaired at the carrier."""
    platform = await tenant.platform(carrier, user_confirmation=False)
    made = await tenant.assign(tenant.ana, number)
    async with tenant.portal() as portal:
        await look(tenant)
        assert (await shown(tenant, portal))["webhook"]["state"] == "ours"
        assert tenant.mails() == []

        await change_at_carrier(tenant, carrier, number, url)
        await look(tenant)
        await look(tenant)
        [mail] = tenant.mails()
        assert words in mail["text"], mail
        page = await shown(tenant, portal)
        assert (page["webhook"]["state"], "repoint" in page["can"]) == (state, True)
        checks = (await portal.post(f"{API}/platforms/{platform}/check")).json()["checks"]
        [check] = [one for one in checks if one["code"] == "number_webhooks"]
        assert (check["state"], words in check["text"], bool(check["advice"])) == ("wrong", True, True)

        repaired = await portal.post(f"{API}/assignments/{made.id}/repoint")
        assert (repaired.status_code, repaired.json()["webhook"]["state"]) == (200, "ours")
        tenant.sql("UPDATE alert SET day = day - 1")
        await look(tenant)
        history = (await portal.get(f"{API}/history", params={"kind": "assignment"})).json()["items"][0]
    assert len(tenant.mails()) == 1
    assert (history["action"], history["changes"][0]) == ("number.repointed", {"field": "webhook", "before": state, "after": "ours"})


async def test_a_copied_webhook_without_our_secret_is_not_ours(tenant: Tenant) -> None:
    """R156: at Inteliquent the webhook proves itself by a header; one that leads here without it is refused here."""
    await tenant.platform("inteliquent")
    await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    await look(tenant)
    [hook] = [entry for entry in await _hooks(tenant) if str(entry["tn"]).endswith(INTELIQUENT_NUMBER[-10:])]
    await change_at_carrier(tenant, "inteliquent", INTELIQUENT_NUMBER, hook["webhookUrl"])
    await look(tenant)
    assert tenant.sql("SELECT hook_state FROM number") == [(3,)]


@CARRIERS
async def test_a_carrier_that_does_not_answer_changes_nothing(tenant: Tenant, carrier: str, number: str) -> None:
    """R141: nobody is alarmed because the carrier was away; the job comes again."""
    await tenant.platform(carrier)
    await tenant.assign(tenant.ana, number)
    await look(tenant)
    before = tenant.sql("SELECT hook_state, hook_looked_at FROM number")
    await tenant.simulators.control.add_fault(carrier, "error", on="all", count=50)
    await look(tenant)
    assert tenant.sql("SELECT hook_state, hook_looked_at FROM number") == before
    assert tenant.sql("SELECT count(*) AS n FROM procrastinate_jobs WHERE task_name = 'provisioning.look_at_webhooks' AND status = 'todo'")[0].n == 1
    assert tenant.mails() == []


@CARRIERS
async def test_credentials_that_stopped_working(tenant: Tenant, carrier: str, number: str) -> None:
    """R141: rejected credentials are told of although nothing was sent that would have shown it."""
    await tenant.platform(carrier)
    await tenant.assign(tenant.ana, number)
    wrong = tenant.credentials(carrier) | {"token_secret" if carrier == "restcomm" else "outbound_api_key": "changed at the carrier"}
    credentials = clean_credentials(tenant.desk.carriers.of(carrier), wrong)
    sealed = seal_credentials(tenant.desk.sealer, tenant.provider_id, tenant.platforms[carrier], credentials)
    tenant.sql("UPDATE platform SET credentials_sealed = %(sealed)s", sealed=sealed)
    await look(tenant)
    [mail] = tenant.mails()
    assert "no longer accepts the account" in mail["text"]
    assert tenant.sql("SELECT hook_state FROM number") == [(1,)]


async def test_only_platforms_in_use_are_looked_at(tenant: Tenant) -> None:
    """A deleted platform, and one without a number in use, cost no request."""
    await tenant.platform("inteliquent")
    await tenant.platform("restcomm")
    await tenant.assign(tenant.ana, RESTCOMM_NUMBER, platform_id=tenant.platforms["restcomm"])
    before = len(await tenant.simulators.control.ledger("inteliquent"))
    await look(tenant)
    assert len(await tenant.simulators.control.ledger("inteliquent")) == before
    tenant.sql("UPDATE assignment SET ended_at = now()")
    before = len(await tenant.simulators.control.ledger("restcomm"))
    await look(tenant)
    assert len(await tenant.simulators.control.ledger("restcomm")) == before


async def test_a_number_that_is_not_in_use_is_not_repointed(tenant: Tenant) -> None:
    """R185: the webhook of an ended number is not set again."""
    await tenant.platform("restcomm")
    made = await tenant.assign(tenant.ana)
    async with tenant.portal() as portal:
        await portal.delete(f"{API}/assignments/{made.id}")
        assert (await portal.post(f"{API}/assignments/{made.id}/repoint")).status_code == 404


async def _hooks(tenant: Tenant) -> list[dict]:
    headers = {"authorization": f"Bearer {tenant.credentials('inteliquent')['outbound_api_key']}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.post(f"{tenant.endpoints('inteliquent')['broker']}/selectAuthorization", json={})
    return [entry for entry in answer.json()["authConfig"]["authorizations"] if entry["inboundAuth"]]
