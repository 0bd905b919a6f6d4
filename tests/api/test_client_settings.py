"""How a user's numbers are typed and shown: default country and leading zero, filled in from the profile and the user's to change."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from assembled import House, open_house

TYPED_AT_HOME = [
    pytest.param("GB", True, "07700 900123", "+447700900123", id="R31: the zero falls away"),
    pytest.param("IT", False, "06 1234 5678", "+390612345678", id="R32: the zero is kept"),
    pytest.param("US", True, "(202) 555-0142", "+12025550142", id="R27: ten digits"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(module_database_url: str) -> AsyncIterator[House]:
    """One tenant for this file."""
    async with open_house(module_database_url) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("region", "drops_zero", "typed", "e164"), TYPED_AT_HOME)
async def test_r28_r29_a_user_changes_how_his_numbers_are_read(house: House, region: str, drops_zero: bool, typed: str, e164: str) -> None:
    """R28, R29 with their effect on what is typed (R27, R31, R32)."""
    ana = house.people["ana"]
    answer = await ana.patch("/api/v1/settings", json={"region": region, "exclude_leading_zero": drops_zero})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["region"], answer.json()["exclude_leading_zero"]) == (region, drops_zero)
    assert (await ana.get("/api/v1/licence")).json()["settings"] == answer.json()
    assert (await house.preflight("ana", "Hello", to=typed))["to"] == e164


@pytest.mark.asyncio(loop_scope="module")
async def test_r30_every_program_of_the_user_loads_anew(house: House) -> None:
    """R30: what is national and what international on screen depends on it, so no device may keep what it shows."""
    ana = house.people["ana"]
    before = (await ana.get("/api/v1/licence")).json()["cursor"]
    assert (await ana.patch("/api/v1/settings", json={"region": "DE"})).status_code == 200
    assert (await ana.get("/api/v1/changes", params={"after": before})).json()["resync"] is True
    shown = (await ana.get("/api/v1/licence")).json()
    assert shown["settings"]["country_code"] == "49"
    assert shown["numbers"][0]["display"].startswith("+1 ")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("region", ["XX", "us", "USA", "", "44", "U\u0000"])
async def test_what_is_no_country_changes_nothing(house: House, region: str) -> None:
    """Bad input 47's kind: refused beside the field, and both settings stay."""
    ana = house.people["ana"]
    before = (await ana.get("/api/v1/licence")).json()["settings"]
    answer = await ana.patch("/api/v1/settings", json={"region": region, "exclude_leading_zero": not before["exclude_leading_zero"]})
    assert answer.status_code == 422
    assert [field["field"] for field in answer.json()["fields"]] == ["region"]
    assert (await ana.get("/api/v1/licence")).json()["settings"] == before


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("texts", ["docked", "windows"])
@pytest.mark.parametrize("chats", ["docked", "windows"])
async def test_r33_r34_texts_and_instant_messages_each_have_their_windows(house: House, texts: str, chats: str) -> None:
    """R33, R34: all four combinations, each half set by itself."""
    ana = house.people["ana"]
    assert (await ana.patch("/api/v1/settings", json={"text_windows": texts})).status_code == 200
    answer = (await ana.patch("/api/v1/settings", json={"chat_windows": chats})).json()
    assert (answer["text_windows"], answer["chat_windows"]) == (texts, chats)
    assert (await ana.get("/api/v1/licence")).json()["settings"] == answer


@pytest.mark.asyncio(loop_scope="module")
async def test_quiet_hours_are_kept_for_all_devices(house: House) -> None:
    """R36: as set, and nothing else of the settings moves."""
    ana = house.people["ana"]
    before = (await ana.get("/api/v1/licence")).json()["settings"]
    hours = {"on": True, "begin": "21:30", "end": "06:45"}
    assert (await ana.patch("/api/v1/settings", json={"quiet_hours": hours})).status_code == 200
    assert (await ana.get("/api/v1/licence")).json()["settings"] == {**before, "quiet_hours": hours}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", [
    {"text_windows": "floating"}, {"chat_windows": 1}, {"quiet_hours": {"on": True, "begin": "24:00", "end": "07:00"}},
    {"quiet_hours": {"on": True, "begin": "7:00", "end": "07:00"}}, {"quiet_hours": {"on": "yes"}}, {"quiet_hours": {"until": "07:00"}},
    {"quiet_hours": {"on": True, "begin": "22:00\n", "end": "07:00"}},
])  # fmt: skip
async def test_what_is_no_setting_of_a_screen_is_refused(house: House, wrong: dict[str, object]) -> None:
    """Bad input 47's kind."""
    ana = house.people["ana"]
    before = (await ana.get("/api/v1/licence")).json()["settings"]
    assert (await ana.patch("/api/v1/settings", json=wrong)).status_code in {400, 422}
    assert (await ana.get("/api/v1/licence")).json()["settings"] == before


@pytest.mark.asyncio(loop_scope="module")
async def test_the_countries_to_choose_from(house: House) -> None:
    """R28."""
    listed = {one["region"]: one["country_code"] for one in (await house.people["ana"].get("/api/v1/regions")).json()}
    assert (listed["US"], listed["GB"], listed["IT"]) == ("1", "44", "39")
