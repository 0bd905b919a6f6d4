"""Search over one's own conversations by the API (issue 5, point 9; P9, P59): words, people, pages, who may, hostile queries."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from assembled import House, open_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIA, WES = "+12025550142", "+447700900123"
TEXTS = [
    (MIA, "Is the blue teapot still there?"),
    (WES, "Café at six? The TEAPOT came."),
    (MIA, "Two teapots, please"),
    (MIA, "您的订单已发货"),
    (WES, "100% <b>sure</b> it's fine"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(module_database_url: str) -> AsyncIterator[House]:
    """Ana's number with the texts above, and one of Ben's that says the same."""
    async with open_house(module_database_url) as made:
        for remote, text in TEXTS:
            assert (await made.restcomm(From=remote, Body=text)).status_code == 200
        assert (await made.send("ben", "A teapot of Ben's", to=MIA)).status_code == 201
        mia = {"name": "Zoë Ruiz", "numbers": [{"number": MIA, "kind": "mobile"}]}
        assert (await made.people["ana"].post("/api/v1/contacts", json=mia)).status_code == 201
        yield made


async def search(house: House, who: str = "ana", **params: object) -> dict:
    answer = await house.people[who].get("/api/v1/search", params={key: str(value) for key, value in params.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def texts(page: dict) -> list[str]:
    return [hit["message"]["text"] for hit in page["items"]]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        pytest.param("teapot", [2, 1, 0], id="newest first; what is typed may be the beginning of a word"),
        pytest.param("TEAPOT the", [1, 0], id="every word, in any order"),
        pytest.param("teapot th", [1, 0], id="as one types"),
        pytest.param("tea blue", [], id="a word before the last is whole"),
        pytest.param("eapot", [], id="not the middle of a word"),
        pytest.param("cafe", [1], id="without the accent"),
        pytest.param("CAFÉ", [1], id="in capitals"),
        pytest.param("订单", [3], id="a script without spaces"),
        pytest.param("单订", [], id="not in another order there"),
        pytest.param("it’s", [4], id="the other apostrophe"),
        pytest.param("100% <b>sure", [4], id="signs are no words"),
        pytest.param("teapot & !(the | x):*", [], id="nor operators"),
        pytest.param("  ", [], id="nothing"),
        pytest.param("👍", [], id="no word"),
    ],
)
async def test_words_find_texts(house: House, q: str, found: list[int]) -> None:
    assert texts(await search(house, q=q)) == [TEXTS[each][1] for each in found]


async def test_a_hit_has_its_context(house: House) -> None:
    """The matching words marked, from and to, when."""
    page = await search(house, q="the teapot")
    hit = page["items"][0]
    assert hit["marks"] == [{"start": 13, "length": 3}, {"start": 17, "length": 6}]
    assert (hit["message"]["direction"], hit["message"]["status"]) == ("in", "received")
    around = {one["id"]: one for one in page["conversations"]}
    conversation = around[hit["message"]["conversation_id"]]
    assert (conversation["remote"], conversation["remote_display"]) == (WES, "+44 7700 900123")
    assert hit["message"]["at"].endswith("Z")
    assert set(around) == {one["message"]["conversation_id"] for one in page["items"]}


async def test_pages_go_on_where_the_last_ended(house: House) -> None:
    first = await search(house, q="teapot", limit=2)
    assert texts(first) == [TEXTS[2][1], TEXTS[1][1]]
    second = await search(house, q="teapot", limit=2, cursor=first["next"])
    assert (texts(second), second["next"], second["people"]) == ([TEXTS[0][1]], None, [])
    forged = await house.people["ben"].get("/api/v1/search", params={"q": "teapot", "cursor": first["next"]})
    assert (forged.status_code, forged.json()["code"]) == (400, "bad_cursor")


async def test_inside_one_conversation(house: House) -> None:
    """Issue 5, point 2."""
    conversation = (await search(house, q="cafe"))["conversations"][0]["id"]
    page = await search(house, q="teapot", conversation=conversation)
    assert (texts(page), page["people"]) == ([TEXTS[1][1]], [])
    assert texts(await search(house, q="fine", conversation=conversation)) == [TEXTS[4][1]]


@pytest.mark.parametrize("q", ["(202) 555-0142", "202555", "00 1 202 555 0142", "5550142", "zoe", "RUIZ zo", "Zoë"])
async def test_people_by_number_in_any_form_and_by_name(house: House, q: str) -> None:
    """P9, R43: digits however they were typed; the name that is shown, without its accents too."""
    page = await search(house, q=q)
    assert [(one["remote"], one["name"]) for one in page["people"]] == [(MIA, "Zoë Ruiz")]


@pytest.mark.parametrize("q", ["07700 900123", "+447700900123"])
async def test_a_national_number_is_found(house: House, q: str) -> None:
    """Q7: a zero in front is not in what is kept; a number typed with its plus sign is."""
    assert (await house.people["ana"].patch("/api/v1/settings", json={"region": "GB"})).status_code == 200
    try:
        assert [one["remote"] for one in (await search(house, q=q))["people"]] == [WES]
    finally:
        assert (await house.people["ana"].patch("/api/v1/settings", json={"region": "US"})).status_code == 200


@pytest.mark.parametrize("q", ["oë", "ruizz", "14", "teapot 202", "%", "_"])
async def test_who_is_not_meant_is_not_found(house: House, q: str) -> None:
    """Two digits are in nearly every number; the middle of a name is no beginning."""
    assert (await search(house, q=q))["people"] == []


async def test_a_conversation_of_somebody_else_is_missing(house: House) -> None:
    """G30, G32: Ben finds his own text only, and Ana's conversation does not exist for him."""
    assert texts(await search(house, "ben", q="teapot")) == ["A teapot of Ben's"]
    theirs = (await search(house, q="cafe"))["conversations"][0]["id"]
    for conversation in (theirs, "1", "x", ""):
        answer = await house.people["ben"].get("/api/v1/search", params={"q": "teapot", "conversation": conversation})
        assert (answer.status_code, answer.json()["code"]) == (404, "conversation_not_found"), conversation


@pytest.mark.parametrize(
    "q",
    [
        "'", "''", "\\", "a\\", "' OR 1=1 --", "a:*", "!a", "& |", "<->", "\u202e", "a" * 200, "\ufdfa" * 200, "'" * 200, "a " * 100,
        "%s %(q)s", "\U0010ffff", "\u0301" * 200, "ก" * 200, "{}", "$1", "ab:cd",
    ],
)  # fmt: skip
async def test_hostile_queries_are_only_words(house: House, q: str) -> None:
    """Bad inputs 9, 10, 47: never an error of ours, and nothing in them is an operator: what is found has the letters that were asked for."""
    wanted = set(filter(str.isalnum, q.lower()))
    found = (await search(house, q=q))["items"]
    assert len(found) < len(TEXTS)
    for hit in found:
        assert hit["marks"]
        assert wanted & set(hit["message"]["text"].lower())


@pytest.mark.parametrize("params", [{"q": "a" * 201}, {"q": "a", "limit": "0"}, {"q": "a", "limit": "201"}, {"q": "a", "limit": "x"}])
async def test_limits_are_refused_in_words(house: House, params: dict[str, str]) -> None:
    """Bad input 47: with a stable code."""
    answer = await house.people["ana"].get("/api/v1/search", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text


@pytest.mark.parametrize("raw", ["%00", "te%00apot", "%ff%fe%ed%a0%80"])
async def test_what_is_no_text_is_refused_or_read_as_words(house: House, raw: str) -> None:
    """Bad inputs 9 and 10: NUL, and bytes that are no UTF-8."""
    answer = await house.people["ana"].get(f"/api/v1/search?q={raw}")
    assert answer.status_code == 200 or (answer.status_code, answer.json()["code"]) == (400, "malformed"), answer.text
