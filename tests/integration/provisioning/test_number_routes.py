"""Numbers in the portal, over HTTP with the real application and the simulated carriers: R143 to R158, R173 to R181, R198, R200, Q4 to Q6, Q17."""

import asyncio
import csv
import io

import httpx
import pytest

from kereru.provisioning.numbers.assigning import assign_number
from kereru.provisioning.numbers.model import AssignmentState, NewAssignment
from tenant import INTELIQUENT_NUMBER, Tenant

API = "/api/v1"
GINA = "gina@bluedoor.example"


@pytest.fixture
async def portal(tenant: Tenant):
    async with tenant.portal(GINA) as client:
        yield client


async def assign(portal: httpx.AsyncClient, user: object, number: str, **more: object) -> httpx.Response:
    return await portal.post(f"{API}/users/{user}/assignments", json={"number": number, **more})


async def test_r148_to_r152_ten_digits_suffice(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R148, R149, R152, R198, Q5: at the group's level, with everything else as the platform says."""
    await tenant.platform("restcomm")
    answer = await assign(portal, tenant.ana.id, "(201) 555-0110")
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["number"], made["display"], made["state"], made["shown_name"]) == ("+12015550110", "(201) 555-0110", "enabled", "(201) 555-0110")
    assert (made["messaging_type"], made["messaging_type_set"], made["user_can_block"], made["user_can_block_set"]) == ("mms_sms", None, True, None)
    assert (made["opt_in"]["state"], made["ended_at"], made["saved"]) == ("pending", None, {"messages": 0, "withheld": 0})
    assert made["can"] == ["update", "delete", "repoint"]
    assert (await portal.get(f"{API}/assignments/{made['id']}")).json() == made


async def test_what_the_person_must_decide_is_said_and_nothing_is_kept(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R151, R153, R155, P71, Q17: a code for each, no live assignment left behind, and the same form goes through once it is right."""
    assert (await assign(portal, tenant.ana.id, "2015550110")).json()["code"] == "no_platform"
    restcomm = str(await tenant.platform("restcomm", mms=False))
    refused = await assign(portal, tenant.ana.id, "2025550199")
    assert (refused.status_code, refused.json()["code"], refused.json()["fields"][0]["field"]) == (422, "number_not_in_account", "number")
    assert (await assign(portal, tenant.ana.id, "2015550110", messaging_type="mms_sms")).json()["code"] == "mms_is_off"
    assert (await assign(portal, tenant.ana.id, "12")).json()["code"] == "not_a_number"
    inteliquent = str(await tenant.platform("inteliquent"))
    assert (await assign(portal, tenant.ana.id, "2015550110")).json()["code"] == "choose_platform"
    off = await assign(portal, tenant.ana.id, "3125550149", platform_id=inteliquent)
    assert (off.status_code, off.json()["code"]) == (409, "texting_is_off")
    assert tenant.sql("SELECT 1 FROM assignment WHERE ended_at IS NULL") == []
    on = await assign(portal, tenant.ana.id, "3125550149", platform_id=inteliquent, confirm_enable=True)
    assert (on.status_code, on.json()["state"]) == (202, "enabled")
    assert (await assign(portal, tenant.ana.id, "2015550110", platform_id=restcomm)).status_code == 202
    taken = await assign(portal, tenant.ben.id, "2015550110", platform_id=restcomm)
    assert (taken.status_code, taken.json()["code"]) == (409, "number_taken")
    assert "Ana Torres" in taken.json()["detail"]
    # Tries that were refused are no past assignments.
    assert (await portal.get(f"{API}/assignments", params={"state": "past"})).json()["items"] == []


async def test_r150_a_slow_carrier_is_watched(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R150, Q17: the person sees how far it is; the job carries on, knowing what was confirmed, and the list shows the end."""
    await tenant.platform("inteliquent")
    reached = asyncio.Event()

    async def hold() -> None:
        reached.set()
        await asyncio.sleep(60)

    tenant.desk.faults.arm("provisioning.after_set_webhook", hold)
    wanted = NewAssignment(tenant.ana.id, "3125550149", enable_messaging=True)
    made = await assign_number(tenant.desk, tenant.provider_id, wanted, patience_s=2.0)
    assert reached.is_set()
    path = f"{API}/assignments/{made.id}"
    assert (made.state, (await portal.get(path)).json()["state"]) == (AssignmentState.REGISTERING, "registering")
    tenant.desk.faults.disarm("provisioning.after_set_webhook")
    await tenant.run_jobs()
    assert (await portal.get(path)).json()["state"] == "enabled"


async def test_r141_r198_a_failed_number_says_why_and_is_retried(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R174: the state and the carrier's reason are shown; only a failed one can be tried again."""
    await tenant.platform("restcomm")
    made = (await assign(portal, tenant.ana.id, "2015550110")).json()["id"]
    assert (await portal.post(f"{API}/assignments/{made}/retry")).json()["code"] == "not_failed"
    tenant.sql("UPDATE assignment SET state = 6, problem = 'The carrier refused this.', problem_code = 'carrier_refused'")
    shown = (await portal.get(f"{API}/assignments/{made}")).json()
    assert (shown["state"], shown["problem"]["code"], "retry" in shown["can"]) == ("failed", "carrier_refused", True)
    again = await portal.post(f"{API}/assignments/{made}/retry")
    assert (again.status_code, again.json()["state"], again.json()["problem"]) == (202, "enabled", None)


async def test_r152_what_is_set_here_overrides_and_can_be_given_back(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R131, R133, R151, R152, Q4, Q5: set, seen by the client, given back by null; a platform without MMS beats it."""
    platform = await tenant.platform("restcomm", user_confirmation=False)
    made = (await assign(portal, tenant.ana.id, "2015550110", friendly_name="Front desk")).json()["id"]
    changed = (await portal.patch(f"{API}/assignments/{made}", json={"messaging_type": "sms", "user_can_block": False})).json()
    assert (changed["messaging_type"], changed["user_can_block"], changed["friendly_name"]) == ("sms", False, "Front desk")
    async with tenant.portal(tenant.ana.email) as ana:
        assert (await ana.get(f"{API}/licence")).json()["numbers"][0]["messaging_type"] == "sms"
        given_back = (
            await portal.patch(f"{API}/assignments/{made}", json={"messaging_type": None, "user_can_block": None, "friendly_name": ""})
        ).json()
        assert (given_back["messaging_type"], given_back["messaging_type_set"], given_back["user_can_block"]) == ("mms_sms", None, True)
        assert given_back["shown_name"] == "(201) 555-0110"
        told = len(tenant.changes(tenant.ana))
        async with tenant.portal() as provider:
            assert (await provider.patch(f"{API}/platforms/{platform}", json={"mms": False})).status_code == 200
        assert (await ana.get(f"{API}/licence")).json()["numbers"][0]["messaging_type"] == "sms"
    assert len(tenant.changes(tenant.ana)) == told + 1
    assert (await portal.patch(f"{API}/assignments/{made}", json={"messaging_type": "mms_sms"})).json()["code"] == "mms_is_off"
    for bad in ({"friendly_name": "a\nb"}, {"friendly_name": "x" * 401}, {"messaging_type": "fax"}, {"number": "2015550111"}):
        assert (await portal.patch(f"{API}/assignments/{made}", json=bad)).status_code == 422


async def test_r179_to_r181_opt_in_is_shown_and_reset(tenant: Tenant, portal: httpx.AsyncClient) -> None:
    """R174, R179 to R181: state with date and time; a reset asks again; every step is in the evidence."""
    await tenant.platform("restcomm")
    made = (await assign(portal, tenant.ana.id, "2015550110")).json()
    async with tenant.portal(tenant.ana.email) as ana:
        await ana.post(f"{API}/numbers/{made['number_id']}/opt-in", json={"answer": "no"})
        shown = (await portal.get(f"{API}/assignments/{made['id']}")).json()
        assert (shown["opt_in"]["state"], shown["opt_in"]["opted_out_at"] is not None, "reset_opt_in" in shown["can"]) == ("opted_out", True, True)
        reset = await portal.post(f"{API}/assignments/{made['id']}/reset-opt-in")
        assert (reset.status_code, reset.json()["opt_in"]["state"]) == (200, "pending")
        assert (await ana.get(f"{API}/licence")).json()["numbers"][0]["ask"]
        await ana.post(f"{API}/numbers/{made['number_id']}/opt-in", json={"answer": "yes"})
    shown = (await portal.get(f"{API}/assignments/{made['id']}")).json()["opt_in"]
    assert shown["state"] == "opted_in"
    evidence = (await portal.get(f"{API}/evidence", params={"assignment": made["id"]})).json()["items"]
    assert [entry["event"] for entry in evidence] == ["opt_in.accepted", "opt_in.reset", "opt_in.declined"]
    assert [entry["actor"] for entry in evidence] == [tenant.ana.email, GINA, tenant.ana.email]
    assert evidence[0]["at"][:19] == shown["opted_in_at"][:19]


async def stocked(tenant: Tenant) -> None:
    """Three numbers: two of Ana's, one of Ben's; and one that Ana had before."""
    await tenant.platform("restcomm", user_confirmation=False)
    await tenant.platform("inteliquent", user_confirmation=False)
    restcomm, inteliquent = tenant.platforms["restcomm"], tenant.platforms["inteliquent"]
    await tenant.assign(tenant.ana, "2015550110", platform_id=restcomm, friendly_name="Front desk")
    await tenant.assign(tenant.ana, INTELIQUENT_NUMBER, platform_id=inteliquent, friendly_name="=cmd|calc")
    await tenant.assign(tenant.ben, "2015550112", platform_id=restcomm, friendly_name="Sales_1")
    await tenant.assign(tenant.ana, "2015550113", platform_id=restcomm)
    tenant.sql("UPDATE assignment SET ended_at = now() WHERE number_id = (SELECT id FROM number WHERE e164 = '+12015550113')")


async def numbers(portal: httpx.AsyncClient, **wanted: object) -> list[str]:
    answer = await portal.get(f"{API}/assignments", params=wanted)
    assert answer.status_code == 200, answer.text
    return [item["number"][-4:] for item in answer.json()["items"]]


async def test_r173_to_r178_the_list_at_every_level(tenant: Tenant) -> None:
    """R173, R175 to R178, Q6: each level its own and below; foreign levels are empty; live, past, both; wildcards said."""
    await stocked(tenant)
    reseller = tenant.sql("SELECT reseller_id FROM user_group")[0].reseller_id
    async with tenant.portal() as provider, tenant.portal(GINA) as gina:
        for level, organisation in (("provider", tenant.provider_id), ("reseller", reseller), ("group", tenant.group_id)):
            for portal in (provider, gina):
                assert await numbers(portal, level=level, organisation=organisation) == ["0110", "0112", "0142"]
        assert await numbers(gina, level="user", organisation=tenant.ana.id) == ["0110", "0142"]
        assert await numbers(gina, level="user", organisation=tenant.provider_id) == []
        assert await numbers(gina, state="past") == ["0113"]
        assert await numbers(gina, state="all", q="11") == ["0110", "0112", "0113"]
        past = (await gina.get(f"{API}/assignments", params={"state": "past"})).json()["items"][0]
        assert past["ended_at"] is not None
        assert past["can"] == []
        assert past["user"]["id"] == str(tenant.ana.id)
        assert (await gina.get(f"{API}/assignments", params={"q": "0110"})).json()["searched"] == "*0110*"
        for q, found in (("(201) 555-0110", ["0110"]), ("desk", ["0110"]), ("BEN", ["0112"]), ("s_1", ["0112"]), ("%", []), ("201*2", ["0112"]),
                         ("ana@", ["0110", "0142"])):  # fmt: skip
            assert await numbers(gina, q=q) == found, q
        assert (await gina.get(f"{API}/assignments", params={"level": "group"})).status_code == 422
        assert (await gina.get(f"{API}/assignments", params={"sort": "id; DROP TABLE number"})).status_code == 422


@pytest.mark.parametrize("sort", ["number", "friendly_name", "user", "group", "platform", "messaging_type", "state", "opt_in", "started", "ended"])
async def test_pages_are_whole_in_every_order(tenant: Tenant, sort: str) -> None:
    """Design §7: page by page nothing is left out or doubled, upwards and downwards, ties included."""
    await stocked(tenant)
    async with tenant.portal(GINA) as gina:
        for order in (sort, f"-{sort}"):
            whole = (await gina.get(f"{API}/assignments", params={"sort": order, "state": "all"})).json()["items"]
            paged: list[dict] = []
            cursor: str | None = None
            while True:
                page = await gina.get(
                    f"{API}/assignments", params={"sort": order, "state": "all", "limit": 1, **({"cursor": cursor} if cursor else {})}
                )
                paged += page.json()["items"]
                cursor = page.json()["next"]
                if cursor is None:
                    break
            assert [item["id"] for item in paged] == [item["id"] for item in whole]
            assert len(whole) == 4


async def test_input_22_the_file_holds_no_formula(tenant: Tenant) -> None:
    """Bad input 22, R175, R178: the same list as a file, within reach."""
    await stocked(tenant)
    async with tenant.portal(GINA) as gina:
        answer = await gina.get(f"{API}/assignments/export", params={"state": "all", "sort": "-number"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["Friendly name"] for row in rows] == ["'=cmd|calc", "", "Sales_1", "Front desk"]
    assert [row["CPaaS number"] for row in rows][-1] == "(201) 555-0110"
    assert [row["End date"] == "Active Assignment" for row in rows] == [True, False, True, True]
