"""Texting any number, or only those known to be mobile: the setting, and what the server makes of it (R21, R23 to R26, Q19)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from assembled import House, open_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

WROTE, NEVER_WROTE, MOBILE, WORK, IN_DIRECTORY, UNKNOWN = (f"+1202555014{n}" for n in range(6))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(module_database_url: str) -> AsyncIterator[House]:
    """Ana texts mobile numbers only. One person has written to her, another was texted while any number was allowed."""
    async with open_house(module_database_url) as made:
        ana = made.people["ana"]
        assert (await made.restcomm(From=WROTE, Body="hi")).status_code == 200
        assert (await made.send("ana", "hello", to=NEVER_WROTE)).status_code == 201
        mia = {"name": "Mia", "numbers": [{"number": MOBILE, "kind": "mobile"}, {"number": WORK, "kind": "work"}]}
        assert (await ana.post("/api/v1/contacts", json=mia)).status_code == 201
        wes = {"name": "Wes", "numbers": [{"number": IN_DIRECTORY, "kind": "other"}]}
        assert (await ana.post("/api/v1/contacts", json=wes)).status_code == 201
        for number, mobile in ((IN_DIRECTORY, True), (UNKNOWN, False)):
            made.tenant.sql(
                "INSERT INTO found_name (provider_id, user_id, number, source, directory, name, mobile)"
                " SELECT provider_id, id, %(number)s, 2, 'crm', 'Lou', %(mobile)s FROM end_user",
                number=number, mobile=mobile,
            )  # fmt: skip
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def mobile_only(house: House) -> AsyncIterator[House]:
    assert (await house.people["ana"].patch("/api/v1/settings", json={"any_number": False})).status_code == 200
    yield house
    assert (await house.people["ana"].patch("/api/v1/settings", json={"any_number": True})).status_code == 200


def codes(preflight: dict) -> list[str]:
    return [reason["code"] for reason in preflight["reasons"]]


async def test_r23_any_number_is_allowed_at_first(house: House) -> None:
    """R23, R24: on by default, and then nothing is asked of a number."""
    assert (await house.people["ana"].get("/api/v1/licence")).json()["settings"]["any_number"] is True
    assert (await house.preflight("ana", "Hello", to=UNKNOWN))["verdict"] == "ok"


async def test_r21_the_setting_is_kept_for_all_devices_and_in_the_history(house: House) -> None:
    """R21, R191: every program of the user loads anew; nothing else of the settings moves."""
    ana = house.people["ana"]
    before = (await ana.get("/api/v1/licence")).json()
    answer = await ana.patch("/api/v1/settings", json={"any_number": False})
    assert answer.json() == {**before["settings"], "any_number": False}
    assert (await ana.get("/api/v1/licence")).json()["settings"] == answer.json()
    assert (await ana.get("/api/v1/changes", params={"after": before["cursor"]})).json()["resync"] is True
    [entry] = house.tenant.sql("SELECT before, after FROM history WHERE action = 'user.changed' ORDER BY id DESC LIMIT 1")
    assert (entry.before["any_number"], entry.after["any_number"]) == (True, False)
    assert (await ana.patch("/api/v1/settings", json={"any_number": "no"})).status_code in (400, 422)
    assert (await ana.patch("/api/v1/settings", json={"any_number": True})).status_code == 200
    assert (await house.people["ben"].get("/api/v1/licence")).json()["settings"]["any_number"] is True


@pytest.mark.parametrize("to", [WORK, UNKNOWN, NEVER_WROTE, "(202) 555-0145"])
async def test_r25_what_is_not_known_to_be_mobile_is_refused(mobile_only: House, to: str) -> None:
    """R25, Q19: typed or from a contact; the light says so before, and the server when it is sent all the same."""
    light = await mobile_only.preflight("ana", "Hello", to=to)
    assert (light["verdict"], codes(light)) == ("stop", ["not_known_mobile"])
    assert "mobile numbers only" in light["reasons"][0]["text"]
    refused = await mobile_only.send("ana", "Hello", to=to)
    assert (refused.status_code, refused.json()["code"], refused.json()["detail"]) == (422, "not_known_mobile", light["reasons"][0]["text"])


@pytest.mark.parametrize("to", [WROTE, MOBILE, IN_DIRECTORY, "202 555 0142"])
async def test_r25_what_is_known_to_be_mobile_is_texted(mobile_only: House, to: str) -> None:
    """R25: a contact's mobile field, a directory's; Q19: whoever has written is answered."""
    assert (await mobile_only.preflight("ana", "Hello", to=to))["verdict"] == "ok"
    assert (await mobile_only.send("ana", "Hello", to=to)).status_code == 201


async def test_r26_nothing_offers_what_would_be_refused(mobile_only: House) -> None:
    """R26: contacts, colleagues and conversations alike."""
    ana = mobile_only.people["ana"]
    listed = (await ana.get("/api/v1/contacts")).json()["items"]
    assert {number["number"]: number["can"] for one in listed if one["source"] == "personal" for number in one["numbers"]} == {
        MOBILE: ["text"], WORK: [], IN_DIRECTORY: ["text"],
    }  # fmt: skip
    assert [number["can"] for one in listed if one["source"] == "colleague" for number in one["numbers"]] == [[]]
    [mia] = [one for one in listed if one["name"] == "Mia"]
    assert [number["can"] for number in (await ana.get(f"/api/v1/contacts/{mia['id']}")).json()["numbers"]] == [["text"], []]
    conversations = {one["remote"]: one["can"] for one in (await ana.get("/api/v1/conversations")).json()["items"]}
    assert (conversations[WROTE], conversations[NEVER_WROTE]) == (["send"], [])


async def test_r25_a_failed_text_is_not_sent_again_to_such_a_number(mobile_only: House) -> None:
    """R79 obeys as well."""
    failed = (await mobile_only.messages("ana", NEVER_WROTE))[0]
    mobile_only.tenant.sql("DELETE FROM outbox WHERE message_id = %(id)s", id=int(failed["id"]))
    mobile_only.tenant.sql("UPDATE message SET status = 6 WHERE id = %(id)s", id=int(failed["id"]))
    again = await mobile_only.people["ana"].post(f"/api/v1/messages/{failed['id']}/resend", json={"attempt": 1})
    assert (again.status_code, again.json()["code"]) == (422, "not_known_mobile")


async def test_q19_a_number_noted_as_mobile_is_texted_at_once(mobile_only: House) -> None:
    """What the refusal tells a person to do works; another user's contacts do not count."""
    late = "+12025550149"
    contact = {"name": "Lea", "numbers": [{"number": late, "kind": "mobile"}]}
    assert (await mobile_only.people["ben"].post("/api/v1/contacts", json=contact)).status_code == 201
    assert codes(await mobile_only.preflight("ana", "Hello", to=late)) == ["not_known_mobile"]
    assert (await mobile_only.people["ana"].post("/api/v1/contacts", json=contact)).status_code == 201
    assert (await mobile_only.preflight("ana", "Hello", to=late))["verdict"] == "ok"
