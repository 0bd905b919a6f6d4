"""Platforms in the portal, over HTTP with the real application and the simulated carriers: R116 to R125, R142, R202, P73."""

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from kereru.kernel.clock import ManualClock
from kereru.kernel.http_client import Answered, Outgoing, Result
from kereru.provisioning.platforms.check import check_platform
from tenant import INTELIQUENT_NUMBER, RESTCOMM_NUMBER, Tenant

API = "/api/v1"


@pytest.fixture
async def portal(tenant: Tenant):
    async with tenant.portal() as client:
        yield client


def form(tenant: Tenant, carrier: str, **more: object) -> dict:
    return {"carrier": carrier, "credentials": tenant.credentials(carrier), "endpoints": dict(tenant.endpoints(carrier)), **more}


async def test_r120_the_form_follows_the_carrier(portal: httpx.AsyncClient) -> None:
    """R120 to R122: fields by carrier; Restcomm has no Outbound API Key."""
    items = {item["kind"]: item for item in (await portal.get(f"{API}/carriers")).json()["items"]}
    assert [one["name"] for one in items["restcomm"]["credential_fields"]] == ["account_key", "token_secret"]
    assert [one["name"] for one in items["inteliquent"]["credential_fields"]] == ["account_key", "token_secret", "outbound_api_key"]
    assert [one["secret"] for one in items["inteliquent"]["credential_fields"]] == [False, True, True]
    assert items["inteliquent"]["capabilities"]["has_receipt_setting"]
    assert items["restcomm"]["portal_url"].startswith("https://")


@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
async def test_secrets_go_in_and_never_come_out(tenant: Tenant, portal: httpx.AsyncClient, carrier: str) -> None:
    """Design §9, R120: the three switches are on; of secrets a hint only, in every answer."""
    made = await portal.post(f"{API}/platforms", json=form(tenant, carrier))
    assert made.status_code == 201, made.text
    platform = made.json()
    assert (platform["user_confirmation"], platform["user_can_block"], platform["mms"], platform["takes_long_texts"]) == (True, True, True, False)
    answers = [made, await portal.get(f"{API}/platforms"), await portal.get(f"{API}/platforms/{platform['id']}")]
    answers.append(await portal.patch(f"{API}/platforms/{platform['id']}", json={"name": "Main"}))
    for name, value in tenant.credentials(carrier).items():
        shown = answers[-1].json()["credentials"][name]
        assert shown["set"]
        if name == "account_key":
            assert shown["value"] == value
        else:
            assert (shown["value"], shown["hint"]) == (None, "•••" + value[-4:])
            assert not any(value in answer.text for answer in answers)
    assert answers[-1].json()["name"] == "Main"


async def test_r142_a_problem_saves_nothing(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R142: on create and on update, whatever is changed; what was wrong is said and everything is as before."""
    wrong = {**tenant.credentials("restcomm"), "token_secret": "wrong"}
    refused = await portal.post(f"{API}/platforms", json={**form(tenant, "restcomm"), "credentials": wrong})
    assert (refused.status_code, refused.json()["code"]) == (422, "carrier_credentials")
    missing = await portal.post(f"{API}/platforms", json={**form(tenant, "restcomm"), "credentials": {"account_key": "AC1"}})
    assert [field["field"] for field in missing.json()["fields"]] == ["credentials.token_secret"]
    assert tenant.sql("SELECT 1 FROM platform") == []
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "restcomm"))).json()["id"]
    before = tenant.sql("SELECT * FROM platform")
    for changes in ({"credentials": {"token_secret": "wrong"}, "mms": False}, {"credentials": {"account_key": "AC" + "0" * 32}}):
        assert (await portal.patch(f"{API}/platforms/{platform}", json=changes)).status_code == 422
    await tenant.simulators.control.add_fault("restcomm", "error", on="all", count=1)
    assert (await portal.patch(f"{API}/platforms/{platform}", json={"mms": False})).status_code == 503
    assert tenant.sql("SELECT * FROM platform") == before


async def test_an_empty_secret_stays(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """No form can show a secret, so what is left empty is kept, and still tried."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "inteliquent"))).json()["id"]
    changes = {"credentials": {"token_secret": "", "outbound_api_key": " "}, "user_can_block": False}
    answer = await portal.patch(f"{API}/platforms/{platform}", json=changes)
    assert (answer.status_code, answer.json()["user_can_block"]) == (200, False)
    assert answer.json()["credentials"]["outbound_api_key"]["hint"] == "•••" + tenant.credentials("inteliquent")["outbound_api_key"][-4:]


@pytest.mark.parametrize("url", ["http://127.0.0.1:5432", "https://internal.example", "https://cloud.restcomm.com:8443/x", "http://cloud.restcomm.com",
                                 "https://cloud.restcomm.com@evil.example/", "file:///etc/passwd", "https://[::1", ""])  # fmt: skip
async def test_the_portal_sends_nothing_to_strangers(tenant: Tenant, portal: httpx.AsyncClient, url: str) -> None:
    """Threat model: a portal account cannot point this server at machines that are no carrier's."""
    answer = await portal.post(f"{API}/platforms", json={**form(tenant, "restcomm"), "endpoints": {"api": url}})
    assert (answer.status_code, answer.json()["code"]) == (422, "endpoint_not_allowed")
    assert answer.json()["fields"][0]["field"] == "endpoints.api"


async def test_below_the_provider_platforms_can_be_chosen_only(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R153: the assignment form of a group needs names and switches; nothing else of a platform is for it."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "restcomm"))).json()["id"]
    async with tenant.portal("gina@bluedoor.example") as gina:
        answer = (await gina.get(f"{API}/platforms")).json()
        assert (answer["can"], answer["why_not"], answer["items"][0]["can"], answer["items"][0]["credentials"]) == ([], None, [], {})
        assert (answer["items"][0]["id"], answer["items"][0]["mms"], answer["items"][0]["endpoints"]) == (platform, True, {})
        assert (await gina.get(f"{API}/platforms/{platform}")).status_code == 403
        assert (await gina.delete(f"{API}/platforms/{platform}")).status_code == 403


async def test_r202_a_platform_with_numbers_says_how_many(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R202, R184, R185: stops naming how many, also when the wrong number is confirmed; confirmed, each is ended and its webhook removed."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "inteliquent", user_confirmation=False))).json()["id"]
    await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    await tenant.assign(tenant.ben, "3125550143")
    for body in ({}, {"end_assignments": 1}, {"end_assignments": 3}):
        refused = await portal.request("DELETE", f"{API}/platforms/{platform}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "platform_has_numbers")
        assert "2 numbers" in refused.json()["detail"]
    assert tenant.sql("SELECT 1 FROM assignment WHERE ended_at IS NOT NULL") == []
    done = await portal.request("DELETE", f"{API}/platforms/{platform}", json={"end_assignments": 2})
    assert (done.status_code, done.json()) == (200, {"ended_assignments": 2})
    assert (await portal.get(f"{API}/platforms")).json()["items"] == []
    assert (await portal.get(f"{API}/platforms/{platform}")).status_code == 404
    assert tenant.sql("SELECT 1 FROM assignment WHERE ended_at IS NULL") == []
    assert tenant.sql("SELECT 1 FROM number WHERE carrier_ref <> ''") == []
    # Nothing of the account is kept once the last webhook is gone, and its address is nobody's.
    assert bytes(tenant.sql("SELECT credentials_sealed FROM platform")[0].credentials_sealed) == b""
    assert tenant.sql("SELECT 1 FROM ingress_token") == []


async def test_a_deleted_platforms_webhooks_are_removed_later_too(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R185: the carrier does not answer while the platform is deleted; the job tells it, with credentials kept for that only."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "restcomm"))).json()["id"]
    await tenant.assign(tenant.ana)
    await tenant.simulators.control.add_fault("restcomm", "error", on="all", count=2)
    assert (await portal.request("DELETE", f"{API}/platforms/{platform}", json={"end_assignments": 1})).status_code == 200
    await tenant.simulators.control.clear_faults()
    assert bytes(tenant.sql("SELECT credentials_sealed FROM platform")[0].credentials_sealed) != b""
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()
    assert tenant.sql("SELECT 1 FROM number WHERE carrier_ref <> ''") == []
    assert bytes(tenant.sql("SELECT credentials_sealed FROM platform")[0].credentials_sealed) == b""


async def test_deleting_and_assigning_at_once(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R202: a number assigned in the same moment is either counted or refused; none hangs under a platform that is gone."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "restcomm"))).json()["id"]
    body = {"number": "2015550110", "platform_id": platform}
    answers = await asyncio.gather(
        portal.post(f"{API}/users/{tenant.ana.id}/assignments", json=body), portal.request("DELETE", f"{API}/platforms/{platform}", json={})
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 404], [202, 409])
    live = tenant.sql("SELECT 1 FROM assignment WHERE ended_at IS NULL")
    ended = tenant.sql("SELECT 1 FROM platform WHERE ended_at IS NOT NULL")
    assert bool(live) != bool(ended)


async def checks(portal: httpx.AsyncClient, platform: str) -> dict[str, dict]:
    answer = await portal.post(f"{API}/platforms/{platform}/check")
    assert answer.status_code == 200, answer.text
    return {one["code"]: one for one in answer.json()["checks"]}


@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
async def test_p73_a_healthy_platform(tenant: Tenant, portal: httpx.AsyncClient, carrier: str) -> None:
    """P73: credentials, webhook, receipts and numbers; the address of a laptop, and a carrier that says no time, are only noted."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, carrier))).json()["id"]
    await tenant.assign(tenant.ana, RESTCOMM_NUMBER if carrier == "restcomm" else INTELIQUENT_NUMBER)
    found = await checks(portal, platform)
    states = {code: one["state"] for code, one in found.items()}
    receipts = states.pop("receipts")
    assert states == {"credentials": "good", "clock": "note", "webhook": "note", "numbers": "good", "number_webhooks": "good"}, found
    assert "only this machine" in found["webhook"]["text"]
    if receipts != "good":
        assert (await portal.post(f"{API}/platforms/{platform}/receipts")).status_code == 200
        assert (await checks(portal, platform))["receipts"]["state"] == "good"
    assert tenant.sql("SELECT 1 FROM quarantine") == []


@dataclass
class Dated:
    """A carrier's door whose answer carries a Date."""

    date: str

    async def send(self, _: Outgoing) -> Result:
        return Answered(404, {"date": self.date}, b"", 3)


@pytest.mark.parametrize(("off_s", "state", "words"), [
    (0, "good", "agree"), (-9, "good", "agree"), (95, "wrong", "95 s ahead"), (-60, "wrong", "60 s behind"), (None, "note", "could not be compared"),
])  # fmt: skip
async def test_p73_the_clocks_are_compared(tenant: Tenant, off_s: int | None, state: str, words: str) -> None:
    """P73: by the Date header of whatever the carrier answers."""
    platform = await tenant.platform("restcomm")
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    date = "yesterday" if off_s is None else format_datetime(clock.now() - timedelta(seconds=off_s), usegmt=True)
    found = await check_platform(dataclasses.replace(tenant.desk, clock=clock, door=Dated(date)), tenant.provider_id, platform)
    check = next(check for check in found.checks if check.code == "clock")
    assert (check.state, words in check.text) == (state, True), check
    assert found.ok == (state != "wrong")


async def test_p73_what_is_wrong_is_named(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """P73: an address where nobody answers, or somebody else; a number that is gone; credentials that stopped working."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "restcomm"))).json()["id"]
    await tenant.assign(tenant.ana)
    application, tenant.desk.own_door.app = tenant.desk.own_door.app, None
    assert "does not answer" in (await checks(portal, platform))["webhook"]["text"]

    async def somebody_else(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    tenant.desk.own_door.app = somebody_else
    assert "something else answers" in (await checks(portal, platform))["webhook"]["text"]
    tenant.desk.own_door.app = application
    tenant.sql("UPDATE number SET e164 = '+12025550199'")
    numbers = (await checks(portal, platform))["numbers"]
    assert (numbers["state"], "is not in the account" in numbers["text"]) == ("wrong", True)
    await tenant.simulators.control.add_fault("restcomm", "error", on="all", count=50)
    found = await checks(portal, platform)
    assert found["credentials"]["state"] == "wrong"
    assert found["credentials"]["advice"]


async def test_a_stopped_platform_says_so_and_goes_on(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R141: since when and why; a person takes the stop off."""
    platform = (await portal.post(f"{API}/platforms", json=form(tenant, "restcomm"))).json()["id"]
    tenant.sql("UPDATE platform SET stopped_at = now(), stopped_reason = 'The carrier refuses the account.'")
    shown = (await portal.get(f"{API}/platforms/{platform}")).json()
    assert shown["stopped"]["reason"] == "The carrier refuses the account."
    assert "resume" in shown["can"]
    for _ in range(2):
        assert (await portal.post(f"{API}/platforms/{platform}/resume")).json()["stopped"] is None
