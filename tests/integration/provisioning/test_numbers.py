"""Numbers at the carriers' simulators: R142 to R158, R185, P71, Q17, Q28, and what an interruption leaves."""

import asyncio
import json

import pytest

from kereru.kernel.clock import ManualClock, SystemClock
from kereru.kernel.db import INSTALLATION
from kereru.kernel.errors import KereruError
from kereru.provisioning.errors import (
    BadCredentials,
    BadNumber,
    CarrierUnreachable,
    ChoosePlatform,
    CredentialsRefused,
    MmsIsOff,
    NoPlatform,
    NoSuchUser,
    NumberNotInAccount,
    NumberTaken,
    TextingIsOff,
)  # fmt: skip
from kereru.provisioning.licences.queries import numbers
from kereru.provisioning.numbers.commands import list_numbers, repoint_webhooks, retry_assignment
from kereru.provisioning.numbers.deletion import end_assignment
from kereru.provisioning.numbers.model import AssignmentState
from kereru.provisioning.platforms.commands import create_platform, resume_platform, update_platform
from kereru.provisioning.platforms.directory import KEEP_S, CachedPlatforms
from kereru.provisioning.platforms.model import NewPlatform, PlatformChanges, open_token
from kereru.tenancy import commands as tenancy
from role_databases import as_role
from tenant import INTELIQUENT_NUMBER, RESTCOMM_NUMBER, Tenant


async def restcomm_hook(tenant: Tenant, number: str) -> str | None:
    """Where the simulated carrier sends texts for `number` now, as its own API says."""
    import httpx

    given = tenant.credentials("restcomm")
    async with httpx.AsyncClient(auth=(given["account_key"], given["token_secret"])) as client:
        url = f"{tenant.endpoints('restcomm')['api']}/Accounts/{given['account_key']}/IncomingPhoneNumbers.json"
        answer = await client.get(url, params={"PhoneNumber": number})
    return answer.json()["incomingPhoneNumbers"][0]["sms_url"]


async def inteliquent_hooks(tenant: Tenant) -> list[dict]:
    """The webhook entries of the simulated broker, as its own API lists them."""
    import httpx

    headers = {"authorization": f"Bearer {tenant.credentials('inteliquent')['outbound_api_key']}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.post(f"{tenant.endpoints('inteliquent')['broker']}/selectAuthorization", json={})
    return [entry for entry in answer.json()["authConfig"]["authorizations"] if entry["inboundAuth"]]


async def token_of(tenant: Tenant, platform_id: int) -> str:
    row = tenant.sql("SELECT token_sealed FROM ingress_token WHERE platform_id = %(p)s", p=platform_id)[0]
    return open_token(tenant.desk.sealer, tenant.provider_id, platform_id, bytes(row.token_sealed))


@pytest.mark.parametrize(("field", "value"), [("token_secret", "wrong"), ("account_key", "AC" + "0" * 32)])
async def test_r142_wrong_restcomm_details_save_nothing(tenant: Tenant, field: str, value: str) -> None:
    """R142: the carrier is asked first; what it refuses is not saved."""
    wanted = NewPlatform("restcomm", tenant.credentials("restcomm") | {field: value}, endpoints=tenant.endpoints("restcomm"))
    with pytest.raises(CredentialsRefused):
        await create_platform(tenant.desk, tenant.provider_id, wanted)
    assert tenant.sql("SELECT 1 FROM platform") == []


@pytest.mark.parametrize("field", ["account_key", "token_secret", "outbound_api_key"])
async def test_r121_r142_each_inteliquent_detail_is_tried(tenant: Tenant, field: str) -> None:
    """R121, R122: a wrong key of either service is refused; a missing one is named (R120)."""
    good, endpoints = tenant.credentials("inteliquent"), tenant.endpoints("inteliquent")
    with pytest.raises(CredentialsRefused):
        await create_platform(tenant.desk, tenant.provider_id, NewPlatform("inteliquent", good | {field: "x"}, endpoints=endpoints))
    with pytest.raises(BadCredentials) as missing:
        await create_platform(tenant.desk, tenant.provider_id, NewPlatform("inteliquent", good | {field: " "}))
    assert [problem.field for problem in missing.value.fields] == [f"credentials.{field}"]
    assert tenant.sql("SELECT 1 FROM platform") == []


async def test_r142_a_refused_update_leaves_the_platform_as_it_was(tenant: Tenant) -> None:
    """R142 on update: the old credentials keep working; good ones take a stop off."""
    platform = await tenant.platform("restcomm")
    before = tenant.sql("SELECT * FROM platform")
    changes = PlatformChanges(credentials=tenant.credentials("restcomm") | {"token_secret": "wrong"}, name="New name")
    with pytest.raises(CredentialsRefused):
        await update_platform(tenant.desk, tenant.provider_id, platform, changes)
    assert tenant.sql("SELECT * FROM platform") == before
    tenant.sql("UPDATE platform SET stopped_at = now(), stopped_reason = 'refused'")
    await update_platform(tenant.desk, tenant.provider_id, platform, PlatformChanges(credentials=tenant.credentials("restcomm")))
    assert tenant.sql("SELECT stopped_at, stopped_reason FROM platform") == [(None, None)]


async def test_a_stopped_platform_is_resumed(tenant: Tenant) -> None:
    """A person takes the stop off; twice is once."""
    platform = await tenant.platform("restcomm")
    tenant.sql("UPDATE platform SET stopped_at = now(), stopped_reason = 'refused'")
    for _ in range(2):
        async with tenant.database.transaction(tenant.scope) as tx:
            await resume_platform(tx, platform)
    assert tenant.sql("SELECT stopped_at FROM platform")[0].stopped_at is None


async def test_secrets_are_sealed(tenant: Tenant) -> None:
    """Design §9: neither credentials, nor the webhook's token, nor a number's secret lie in the database readable."""
    await tenant.platform("inteliquent")
    await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    token = await token_of(tenant, tenant.platforms["inteliquent"])
    header = (await inteliquent_hooks(tenant))[0]["headerValue"]
    stored = (
        b"".join(
            bytes(value)
            for table in ("platform", "ingress_token", "number")
            for row in tenant.sql(f"SELECT * FROM {table}")
            for value in row
            if isinstance(value, bytes | memoryview)
        )
        + json.dumps(tenant.sql("SELECT to_jsonb(p) FROM platform p"), default=str).encode()
    )
    credentials = tenant.credentials("inteliquent")
    for secret in (credentials["token_secret"], credentials["outbound_api_key"], token, header):
        assert secret.encode() not in stored
    assert len(token) >= 22
    assert len(header) >= 64


async def test_r148_to_r158_a_restcomm_number_is_set_up(tenant: Tenant) -> None:
    """R148, R154, R156, R158: ten digits, a hook for exactly this number at our address, enabled, the owner told."""
    platform = await tenant.platform("restcomm")
    assigned = await tenant.assign(tenant.ana, "(201) 555-0110")
    assert (assigned.e164, assigned.state, assigned.warnings) == (RESTCOMM_NUMBER, AssignmentState.ENABLED, ())
    token = await token_of(tenant, platform)
    assert await restcomm_hook(tenant, RESTCOMM_NUMBER) == f"{tenant.settings.base_url}/ingress/restcomm/{token}/in"
    assert await restcomm_hook(tenant, "+12015550111") is None
    assert [change.kind for change in tenant.changes(tenant.ana)] == [5]


async def test_r157_each_inteliquent_number_has_its_own_entry(tenant: Tenant) -> None:
    """R157: one entry per number with a random header secret of its own (carriers.md §2A.8)."""
    await tenant.platform("inteliquent")
    await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    await tenant.assign(tenant.ana, "3125550143")
    hooks = await inteliquent_hooks(tenant)
    assert {hook["tn"][-10:] for hook in hooks} == {"3125550142", "3125550143"}
    assert len({hook["headerValue"] for hook in hooks}) == 2


async def test_r154_a_foreign_number_stops_and_says_so(tenant: Tenant) -> None:
    """R154, R155, Q17: not in the account: told in words, nothing is set up, and the number is free for another try."""
    await tenant.platform("restcomm")
    for _ in range(2):
        with pytest.raises(NumberNotInAccount, match="not in the Restcomm account"):
            await tenant.assign(tenant.ana, "2025550199")
    assert {row.state for row in tenant.sql("SELECT state FROM assignment WHERE ended_at IS NOT NULL")} == {5}
    assert tenant.sql("SELECT 1 FROM assignment WHERE ended_at IS NULL") == []


async def test_q17_texting_is_switched_on_after_one_confirmation(tenant: Tenant) -> None:
    """Q17: in the account without messaging: said, nothing kept; confirmed, it is switched on at the carrier and enabled."""
    await tenant.platform("inteliquent")
    with pytest.raises(TextingIsOff):
        await tenant.assign(tenant.ana, "3125550149")
    assert tenant.sql("SELECT 1 FROM assignment") == []
    assigned = await tenant.assign(tenant.ana, "3125550149", enable_messaging=True)
    assert assigned.state is AssignmentState.ENABLED
    ledger = await tenant.simulators.control.ledger("inteliquent")
    assert sum("tnMessaging" in item.path for item in ledger) == 1


async def test_p71_a_number_has_one_owner_who_is_named(tenant: Tenant) -> None:
    """P71: the refusal names the present owner; of two at once one wins."""
    await tenant.platform("restcomm")
    await tenant.assign(tenant.ana)
    with pytest.raises(NumberTaken, match="Ana Torres"):
        await tenant.assign(tenant.ben)
    results = await asyncio.gather(
        *(tenant.assign(person, "2015550115") for person in (tenant.ana, tenant.ben, tenant.ana, tenant.ben)), return_exceptions=True
    )
    assert sum(isinstance(result, NumberTaken) for result in results) == 3


async def test_what_the_form_must_say(tenant: Tenant) -> None:
    """R116, R148, R151 to R153: no platform, several platforms, a wrong number, MMS where it is off, an unknown user."""
    with pytest.raises(NoPlatform):
        await tenant.assign(tenant.ana)
    await tenant.platform("restcomm", mms=False)
    with pytest.raises(BadNumber):
        await tenant.assign(tenant.ana, "12 34")
    with pytest.raises(MmsIsOff):
        await tenant.assign(tenant.ana, mms=True)
    assert (await tenant.assign(tenant.ana)).state is AssignmentState.ENABLED
    assert tenant.sql("SELECT messaging_type FROM assignment")[0].messaging_type is None
    await tenant.platform("inteliquent")
    with pytest.raises(ChoosePlatform):
        await tenant.assign(tenant.ana, "2015550111")
    with pytest.raises(NoSuchUser):
        await tenant.assign(type(tenant.ana)(1, 1, "", 1), "2015550111", platform_id=tenant.platforms["restcomm"])


async def test_r115_a_user_without_a_licence_is_warned_about(tenant: Tenant) -> None:
    """R115: the number is given, with a warning."""
    await tenant.platform("restcomm")
    await tenant.license(tenant.ana, None)
    assert "licence" in (await tenant.assign(tenant.ana)).warnings[0]


async def test_a_carrier_that_cannot_be_asked_changes_nothing(tenant: Tenant) -> None:
    """The number stays free, and what comes next is said."""
    await tenant.platform("restcomm")
    await tenant.simulators.control.add_fault("restcomm", "error", on="all", count=5)
    with pytest.raises(CarrierUnreachable):
        await tenant.assign(tenant.ana)
    assert tenant.sql("SELECT 1 FROM assignment") == []


async def test_an_interrupted_set_up_is_carried_on_by_its_job(tenant: Tenant) -> None:
    """Between the carrier and the commit the process dies: the job finds the work half done, finishes it, and one hook stands."""

    class Crash(BaseException):
        pass

    async def crash() -> None:
        tenant.desk.faults.disarm("provisioning.after_set_webhook")
        raise Crash

    await tenant.platform("inteliquent")
    tenant.desk.faults.arm("provisioning.after_set_webhook", crash)
    with pytest.raises(Crash):
        await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    assert tenant.sql("SELECT state FROM assignment")[0].state == AssignmentState.REGISTERING
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()
    assert tenant.sql("SELECT state FROM assignment")[0].state == AssignmentState.ENABLED
    assert len(await inteliquent_hooks(tenant)) == 1
    assert tenant.sql("SELECT state FROM opt_in")[0].state == 1


async def test_r141_a_number_that_fails_is_mailed_and_can_be_tried_again(tenant: Tenant) -> None:
    """R141: the carrier refuses the webhook for good: failed, the alert mail says so; trying again sets it up."""
    await tenant.platform("restcomm")
    await tenant.simulators.control.add_fault("restcomm", "refuse", on="all", count=50)
    with pytest.raises(KereruError):
        await tenant.assign(tenant.ana)
    await tenant.simulators.control.clear_faults()
    assigned = await tenant.assign(tenant.ana)
    tenant.sql("UPDATE assignment SET state = 3, started_at = now() - interval '3 hours'")
    await tenant.simulators.control.add_fault("restcomm", "error", on="all", count=50)
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()
    assert tenant.sql("SELECT state FROM assignment")[0].state == AssignmentState.FAILED
    assert [mail["to"] for mail in tenant.mails()] == [["olive@southern.example"]]
    assert "could not be set up" in tenant.mails()[0]["subject"]
    await tenant.simulators.control.clear_faults()
    assert (await retry_assignment(tenant.desk, tenant.provider_id, assigned.id)).state is AssignmentState.ENABLED


async def test_r185_ending_takes_the_hook_away(tenant: Tenant) -> None:
    """R185, Q28: end date set, gone from the licence at once, the owner told, the carrier's entry removed; twice is once."""
    await tenant.platform("inteliquent")
    assigned = await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
    for _ in range(2):
        await end_assignment(tenant.desk, tenant.provider_id, assigned.id)
    assert await inteliquent_hooks(tenant) == []
    async with tenant.database.transaction(tenant.scope) as tx:
        assert await numbers(tx, tenant.ana.id, "US", live=False) == ()
        assert await list_numbers(tx) == []
        assert (await list_numbers(tx, past=True))[0].ended_at is not None
    assert [change.kind for change in tenant.changes(tenant.ana)] == [5, 5]
    assert (await tenant.assign(tenant.ben, INTELIQUENT_NUMBER)).state is AssignmentState.ENABLED
    assert len(await inteliquent_hooks(tenant)) == 1


async def test_an_end_that_the_carrier_did_not_hear_is_told_later(tenant: Tenant) -> None:
    """The assignment ends at once; the job removes the hook when the carrier answers again."""
    await tenant.platform("restcomm")
    assigned = await tenant.assign(tenant.ana)
    await tenant.simulators.control.add_fault("restcomm", "error", on="all", count=2)
    await end_assignment(tenant.desk, tenant.provider_id, assigned.id)
    await tenant.simulators.control.clear_faults()
    assert await restcomm_hook(tenant, RESTCOMM_NUMBER) is not None
    tenant.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await tenant.run_jobs()
    assert await restcomm_hook(tenant, RESTCOMM_NUMBER) is None


async def test_webhooks_follow_the_installations_address(tenant: Tenant) -> None:
    """After a move every used number points at the new address, with the secret it had."""
    from dataclasses import replace

    await tenant.platform("restcomm")
    await tenant.platform("inteliquent")
    await tenant.assign(tenant.ana, platform_id=tenant.platforms["restcomm"])
    await tenant.assign(tenant.ben, INTELIQUENT_NUMBER, platform_id=tenant.platforms["inteliquent"])
    before = (await inteliquent_hooks(tenant))[0]["headerValue"]
    moved = replace(tenant.desk, base_url="http://localhost:9999")
    for platform in tenant.platforms.values():
        assert await repoint_webhooks(moved, tenant.provider_id, platform) == ()
    assert (await restcomm_hook(tenant, RESTCOMM_NUMBER) or "").startswith("http://localhost:9999/ingress/restcomm/")
    hooks = await inteliquent_hooks(tenant)
    assert [(hook["webhookUrl"].startswith("http://localhost:9999/"), hook["headerValue"]) for hook in hooks] == [(True, before)]


async def test_ingress_finds_the_platform_behind_a_token(tenant: Tenant, database_url: str) -> None:
    """The directory knows carrier, account and every number's secret; unknown tokens and other carriers' are nobody's; news is seen."""
    platform = await tenant.platform("inteliquent")
    token = await token_of(tenant, platform)
    clock = ManualClock(SystemClock().now())
    clock.advance(1)
    async with as_role(database_url, "kereru_ingest") as database:
        directory = CachedPlatforms(database, tenant.desk.sealer, clock)
        found = await directory.find("inteliquent", token)
        assert found is not None
        assert (found.provider_id, found.platform_id, found.proof.secrets) == (tenant.provider_id, platform, ())
        assert await directory.find("restcomm", token) is None
        assert await directory.find("inteliquent", token + "x") is None
        await tenant.assign(tenant.ana, INTELIQUENT_NUMBER)
        assert await directory.find("inteliquent", token) is found
        directory.forget()
        clock.advance(0.1)
        newer = await directory.find("inteliquent", token)
        assert newer is not None
        header = (await inteliquent_hooks(tenant))[0]["headerValue"]
        assert [(secret.value.reveal(), secret.number) for secret in newer.proof.secrets] == [(header, INTELIQUENT_NUMBER)]
        clock.advance(KEEP_S)
        assert await directory.find("inteliquent", token) is newer
        await update_platform(tenant.desk, tenant.provider_id, platform, PlatformChanges(token_hash=True))
        directory.forget()
        clock.advance(0.1)
        signed = await directory.find("inteliquent", token)
        assert signed is not None
        assert {secret.kind for secret in signed.proof.secrets} == {"static_header", "token_hash"}


async def test_other_providers_see_and_touch_nothing(tenant: Tenant) -> None:
    """G29, G31: another provider's commands find neither platform nor assignment nor user."""
    platform = await tenant.platform("restcomm")
    assigned = await tenant.assign(tenant.ana)
    async with tenant.database.transaction(INSTALLATION) as tx:
        other = (await tenancy.create_provider(tx, "Northern Phone Co.")).provider_id
    for attempt in (
        update_platform(tenant.desk, other, platform, PlatformChanges(name="Mine")),
        end_assignment(tenant.desk, other, assigned.id),
        retry_assignment(tenant.desk, other, assigned.id),
        repoint_webhooks(tenant.desk, other, platform),
    ):
        with pytest.raises(KereruError) as refused:
            await attempt
        assert refused.value.status == 404
