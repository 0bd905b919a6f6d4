"""Contacts over the API: search by name and by digits in any form, colleagues, files in and out, limits (R54 to R58, R73, P9)."""

import pytest
import pytest_asyncio

from kereru.contacts.model import CONTACTS_MOST

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIA = {
    "name": "Mia Ruiz",
    "organisation": "Lantern Ltd",
    "numbers": [{"number": "(202) 555-0142", "kind": "mobile"}, {"number": "07700 900123", "kind": "fax"}],
}


@pytest_asyncio.fixture(loop_scope="module")
async def ana(stage):
    """Ana's program, with no contacts yet."""
    stage.sql("DELETE FROM contact")
    async with stage.client("ana") as client:
        yield client


async def found(client, **params: str) -> list[str]:
    answer = await client.get("/api/v1/contacts", params=params)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


async def test_a_contact_from_the_first_to_the_last(ana) -> None:
    """R73: what comes back is clean, says what can be done, and is gone when deleted."""
    made = await ana.post("/api/v1/contacts", json=MIA)
    assert made.status_code == 201, made.text
    mobile, fax = made.json()["numbers"]
    assert (mobile["number"], mobile["display"], mobile["kind"], mobile["can"]) == ("+12025550142", "(202) 555-0142", "mobile", ["text"])
    assert fax["can"] == [], "R55: nobody texts a fax"
    path = f"/api/v1/contacts/{made.json()['id']}"
    assert (await ana.get(path)).json() == made.json()
    changed = await ana.put(path, json={"name": "Mia Paz"})
    assert (changed.json()["name"], changed.json()["organisation"], changed.json()["numbers"]) == ("Mia Paz", "", [])
    refused = await ana.put(path, json={"name": "", "numbers": [{"number": "x" * 61}]})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_contact")
    assert [one["field"] for one in refused.json()["fields"]] == ["name", "numbers.0.number"]
    assert (await ana.delete(path)).status_code == 204
    assert (await ana.get(path)).status_code == 404


@pytest.mark.parametrize(
    "q", ["mia", "RUIZ", "lantern", "202555", "(202) 555-0142", "+1 202 555 0142", "00 1 202-555-0142", "0142", "1 (202)", "12025550142"]
)
async def test_search_finds_names_and_digits_in_any_form(ana, q: str) -> None:
    """P9, R43."""
    await ana.post("/api/v1/contacts", json=MIA)
    await ana.post("/api/v1/contacts", json={"name": "Wes Lane", "numbers": [{"number": "3125550199"}]})
    assert await found(ana, q=q) == ["Mia Ruiz"]


@pytest.mark.parametrize("q", ["%", "_", "\\", "' OR 1=1 --", "\u202e", "x" * 200])
async def test_hostile_searches_find_nothing(ana, q: str) -> None:
    """Input 47's kind."""
    await ana.post("/api/v1/contacts", json=MIA)
    assert await found(ana, q=q) == []


async def test_colleagues_of_the_group_are_there_with_their_numbers(ana, stage) -> None:
    """R54, R61: those of the same group, with friendly names; nobody of another group or provider, and not oneself."""
    assert await found(ana) == ["Ben"]
    stage.sql("UPDATE assignment SET friendly_name = 'Front desk'")
    [ben] = (await ana.get("/api/v1/contacts", params={"which": "colleagues"})).json()["items"]
    assert (ben["source"], ben["can"]) == ("colleague", [])
    assert [(one["label"], one["can"]) for one in ben["numbers"]] == [("Front desk", ["text"])]
    assert await found(ana, which="personal") == []
    assert await found(ana, q=ben["numbers"][0]["display"]) == ["Ben"]


async def test_pages_by_name(ana) -> None:
    """Names in between come and go; nobody is shown twice."""
    for name in ("Dee", "adam", "Cleo", "Eve"):
        await ana.post("/api/v1/contacts", json={"name": name})
    first = (await ana.get("/api/v1/contacts", params={"limit": 3})).json()
    assert [one["name"] for one in first["items"]] == ["adam", "Ben", "Cleo"]
    await ana.post("/api/v1/contacts", json={"name": "Anna"})
    rest = (await ana.get("/api/v1/contacts", params={"limit": 3, "cursor": first["next"]})).json()
    assert ([one["name"] for one in rest["items"]], rest["next"]) == (["Dee", "Eve"], None)


async def test_a_file_goes_out_and_comes_back(ana, stage) -> None:
    """vCard and CSV: twice in is once in; what is new is added to who is there already."""
    await ana.post("/api/v1/contacts", json=MIA)
    files = {form: await ana.get(f"/api/v1/contacts/export/{form}") for form in ("vcard", "csv")}
    assert files["vcard"].headers["content-type"] == "text/vcard; charset=utf-8"
    assert 'filename="contacts.csv"' in files["csv"].headers["content-disposition"]
    for file in files.values():
        again = await ana.post("/api/v1/contacts/import", json={"text": file.text})
        assert again.json() == {"added": 0, "changed": 0, "unchanged": 1, "skipped": []}
    stage.sql("DELETE FROM contact")
    for file, brought in zip(files.values(), ((1, 0), (0, 1)), strict=True):
        answer = (await ana.post("/api/v1/contacts/import", json={"text": file.text})).json()
        assert (answer["added"], answer["unchanged"]) == brought
    more = "Name,Mobile\nmia ruiz,2025550142\nMia Ruiz,\n,\nNobody Known,nonsense number\n" + "y" * 70 + ",2025550111\n"
    table = more.replace("2025550142\n", '2025550142\n"Mia Ruiz",2025550177\n', 1)
    answer = (await ana.post("/api/v1/contacts/import", json={"text": table})).json()
    assert (answer["added"], answer["changed"]) == (2, 0), answer
    assert answer["skipped"] == [f"{'y' * 40}: Enter a name of at most 64 characters."]
    refused = await ana.post("/api/v1/contacts/import", json={"text": "hello"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unreadable_file")


async def test_there_is_an_end(ana, stage) -> None:
    """Input 50's kind: bounded, in words, and an import that does not fit changes nothing."""
    [[user]] = stage.sql("SELECT u.id FROM end_user u WHERE u.name = 'Ana'")
    stage.sql(
        "INSERT INTO contact (provider_id, user_id, name) SELECT provider_id, id, 'C' || n FROM end_user, generate_series(1, %s) n WHERE id = %s",
        CONTACTS_MOST - 1, user,
    )  # fmt: skip
    refused = await ana.post("/api/v1/contacts/import", json={"text": "Name,Phone\nA,1\nB,2\n"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_contacts")
    assert (await ana.post("/api/v1/contacts", json={"name": "Last"})).status_code == 201
    assert (await ana.post("/api/v1/contacts", json={"name": "One more"})).json()["code"] == "too_many_contacts"


async def test_thousands_of_numbers_in_one_contact_are_not_even_read(ana) -> None:
    """Input 59: each costs time, in which nobody else would be answered."""
    answer = await ana.post("/api/v1/contacts", json={"name": "Ana", "numbers": [{"number": "2025550142"}] * 1000})
    assert answer.status_code == 422, answer.text
