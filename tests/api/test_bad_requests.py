"""Bad inputs 39 to 51 of reliability.md §4 at every route that takes a body or a query, of the assembled application."""

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from assembled import House, open_house
from kereru.kernel import ids
from tenant import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}
MISSING = ids.encode(ids.MAX_ID - 12345)


@dataclass
class Desk:
    """Ana at the house, with one conversation and one message of her own."""

    house: House
    conversation: str
    message: str

    def routes(self) -> dict[str, tuple[str, str, dict[str, object]]]:
        """Every route with a body: method, path, and a body that it takes."""
        draft = {"number_id": self.house.numbers["ana"], "to": PHONE, "text": "hi", "attachments": []}
        return {
            "sign in": ("POST", "/api/v1/session", {"email": "ana@bluedoor.example", "password": "wrong password"}),
            "send": ("PUT", f"/api/v1/messages/{secrets.token_hex(8)}", draft),
            "preflight": ("POST", "/api/v1/messages/preflight", draft),
            "resend": ("POST", f"/api/v1/messages/{self.message}/resend", {"attempt": 1, "despite_unknown": False}),
            "read": ("POST", f"/api/v1/conversations/{self.conversation}/read", {"up_to": None}),
            "opt in": ("POST", f"/api/v1/numbers/{self.house.numbers['ana']}/opt-in", {"answer": "yes"}),
        }


ROUTES = ["sign in", "send", "preflight", "resend", "read", "opt in"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def desk(module_database_url: str) -> AsyncIterator[Desk]:
    """One for all tests of this file."""
    async with open_house(module_database_url) as house:
        sent = (await house.send("ana", "hello")).json()
        yield Desk(house, sent["conversation_id"], sent["id"])


def _first(body: dict[str, object]) -> str:
    return next(iter(body))


def _with(raw: str, body: dict[str, object]) -> bytes:
    """`body` with `raw` as one more member."""
    return (json.dumps(body)[:-1] + f", {raw}}}").encode()


SPOILERS = {
    "input 39: double key": (lambda body: _with(f"{json.dumps(_first(body))}: {json.dumps(body[_first(body)])}", body), JSON, 400),
    "input 39: double key, escaped": (lambda body: _with(f'"\\u{ord(_first(body)[0]):04x}{_first(body)[1:]}": 1', body), JSON, 400),
    "input 40: NaN": (lambda body: _with('"x": NaN', body), JSON, 400),
    "input 40: Infinity": (lambda body: _with('"x": -Infinity', body), JSON, 400),
    "input 40: 1e999": (lambda body: _with('"x": 1e999', body), JSON, 422),
    "input 40: 2^63": (lambda body: _with('"x": 9223372036854775808', body), JSON, 422),
    "input 40: a number of 5,000 digits": (lambda body: _with('"x": ' + "9" * 5000, body), JSON, 422),
    "input 41: 100k lists deep": (lambda body: b"[" * 100_000, JSON, 400),
    "input 41: 100k objects deep": (lambda body: b'{"x":' * 100_000, JSON, 400),
    "input 41: 33 deep": (lambda body: _with('"x": ' + "[" * 33 + "]" * 33, body), JSON, 400),
    "input 42: over 1 MiB": (lambda body: _with(f'"x": "{"x" * 1_100_000}"', body), JSON, 413),
    "input 42: a length that lies": (lambda body: json.dumps(body).encode(), {**JSON, "content-length": "99999999999"}, 413),
    "input 43: compressed": (lambda body: json.dumps(body).encode(), {**JSON, "content-encoding": "gzip"}, 415),
    "input 43: twice compressed": (lambda body: json.dumps(body).encode(), {**JSON, "content-encoding": "br, gzip"}, 415),
    "input 44: as text/plain": (lambda body: json.dumps(body).encode(), {"content-type": "text/plain"}, 415),
    "input 44: as a form": (lambda body: json.dumps(body).encode(), {"content-type": "application/x-www-form-urlencoded"}, 415),
    "input 44: as nothing": (lambda body: json.dumps(body).encode(), {"content-type": ""}, 415),
    "input 45: role": (lambda body: _with('"role": "provider"', body), JSON, 422),
    "input 45: tenant_id": (lambda body: _with('"tenant_id": "1"', body), JSON, 422),
    "input 45: provider_id": (lambda body: _with('"provider_id": 1', body), JSON, 422),
    "input 45: __proto__": (lambda body: _with('"__proto__": {"role": 1}', body), JSON, 422),
    "input 46: a list for an object": (lambda body: json.dumps([body]).encode(), JSON, 422),
    "input 46: a text for an object": (lambda body: b'"hi"', JSON, 422),
    "input 46: another type in the first field": (lambda body: json.dumps({**body, _first(body): {"x": 1}}).encode(), JSON, 422),
    "no JSON": (lambda body: b"{", JSON, 400),
    "not UTF-8": (lambda body: b'{"x": "\xff"}', JSON, 400),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("spoiler", SPOILERS)
async def test_a_body_that_cannot_be_believed(desk: Desk, spoiler: str, route: str) -> None:
    """Bad inputs 39 to 46 at every route: refused as a problem in words, nothing is done."""
    method, path, body = desk.routes()[route]
    spoil, headers, status = SPOILERS[spoiler]
    before = desk.house.holdings()
    answer = await desk.house.people["ana"].request(method, path, content=spoil(body), headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["code"]
    assert told["detail"]
    assert "Traceback" not in answer.text
    assert desk.house.holdings() == before


@pytest.mark.parametrize(("route", "field", "value"), [
    ("resend", "attempt", "1"), ("resend", "attempt", True), ("resend", "attempt", 1.5), ("resend", "attempt", 0), ("resend", "attempt", -1),
    ("resend", "attempt", 2**31), ("resend", "despite_unknown", "true"), ("resend", "despite_unknown", 1), ("resend", "despite_unknown", None),
    ("send", "text", 5), ("send", "text", None), ("send", "attachments", "x"), ("send", "attachments", {}), ("send", "number_id", 7),
    ("preflight", "text", True), ("opt in", "answer", True), ("opt in", "answer", "YES"), ("read", "up_to", 5),
])  # fmt: skip
async def test_a_field_of_another_type(desk: Desk, route: str, field: str, value: object) -> None:
    """Bad input 46: "true" for true and the like → 422, and the field is named."""
    method, path, body = desk.routes()[route]
    answer = await desk.house.people["ana"].request(method, path, json={**body, field: value})
    assert answer.status_code == 422, answer.text
    assert [problem["field"] for problem in answer.json()["fields"]] == [field]


LISTS = ["/api/v1/conversations", "/api/v1/conversations/{conversation}/messages"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("query", "status"), [
    pytest.param("limit=-1", 422, id="input 47: -1"), pytest.param("limit=0", 422, id="input 47: 0"),
    pytest.param("limit=1000000000", 422, id="input 47: 10^9"), pytest.param("limit=201", 422, id="input 47: 201"),
    pytest.param("limit=9" + "9" * 30, 422, id="input 47: 31 digits"),
    pytest.param("limit=٣", 422, id="input 47: Arabic digit"), pytest.param("cursor=forged", 400, id="input 48: forged"),
    pytest.param("cursor=MTIz", 400, id="input 48: unsigned"), pytest.param("cursor=" + "A" * 60_000, 400, id="input 48: 60 KB"),
    pytest.param("cursor=", 400, id="input 48: empty"), pytest.param("sort=password_hash", 422, id="input 49: unlisted column"),
    pytest.param("order_by=id;DROP TABLE message", 422, id="input 49: SQL"), pytest.param("limit=1&limit=2", 400, id="input 51: twice"),
    pytest.param("limit=10&cursor=x&cursor=y", 400, id="input 51: two cursors"), pytest.param("limit=1&%6cimit=2", 400, id="input 51: escaped"),
])  # fmt: skip
async def test_a_query_that_cannot_be_believed(desk: Desk, path: str, query: str, status: int) -> None:
    """Bad inputs 47 to 49 and 51 at every list."""
    answer = await desk.house.people["ana"].get(f"{path.format(conversation=desk.conversation)}?{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_page_marker_of_somebody_else(desk: Desk) -> None:
    """Bad input 48: foreign, or of another list → 400, like a forged one."""
    house = desk.house
    for phone in ("+12025550181", "+12025550182"):
        await house.send("ben", "hi", to=phone)
        await house.send("ana", "hi", to=phone)
    own = (await house.people["ana"].get("/api/v1/conversations?limit=1")).json()["next"]
    foreign = (await house.people["ben"].get("/api/v1/conversations?limit=1")).json()["next"]
    assert (await house.people["ana"].get(f"/api/v1/conversations?limit=1&cursor={own}")).status_code == 200
    for cursor, path in ((foreign, LISTS[0]), (own[:-1], LISTS[0]), (own, LISTS[1].format(conversation=desk.conversation))):
        assert (await house.people["ana"].get(f"{path}?cursor={cursor}")).status_code == 400


@pytest.mark.parametrize("after", ["", "0", "-1", "forged", "A" * 60_000, "%00"])
async def test_a_place_in_changes_that_was_never_given(desk: Desk, after: str) -> None:
    """Bad input 48 at /changes: refused, or answered with "read everything again"; never a place of somebody else's."""
    answer = await desk.house.people["ana"].get(f"/api/v1/changes?after={after}&wait=0")
    assert answer.status_code == 400 or (answer.status_code == 200 and answer.json()["resync"] and not answer.json()["items"]), answer.text


@pytest.mark.parametrize("wait", ["-1", "1000000", "x", "NaN", "1e9"])
async def test_a_wait_that_is_no_time(desk: Desk, wait: str) -> None:
    """Bad inputs 40 and 47 at /changes."""
    assert (await desk.house.people["ana"].get(f"/api/v1/changes?wait={wait}")).status_code == 422


ODD_IDS = {
    "0": "0", "-1": "-1", "2^63": str(2**63), "2^64": str(2**64), "40 digits": "9" * 40, "odd UUID": "00000000-0000-0000-0000-00000000000g",
    "nobody's": MISSING, "words": "x", "decimal": "1.0", "exponent": "1e3", "NUL": "%00", "up": "..%2f..", "overlong": "%C0%AF", "SQL": "1;DROP",
    "blank": "%20", "plus": "%2B1", "other digits": "٣",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD_IDS)
@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/api/v1/conversations/{}", None), ("GET", "/api/v1/conversations/{}/messages", None),
    ("POST", "/api/v1/conversations/{}/read", {"up_to": None}), ("POST", "/api/v1/conversations/{}/unread", {}),
    ("PUT", "/api/v1/conversations/{}/draft", {"text": "Hi"}),
    ("POST", "/api/v1/messages/{}/resend", {"attempt": 1}), ("POST", "/api/v1/numbers/{}/opt-in", {"answer": "yes"}),
], ids=["conversation", "messages", "read", "unread", "draft", "resend", "opt in"])  # fmt: skip
async def test_an_odd_id_in_a_path(desk: Desk, method: str, path: str, body: object, odd: str) -> None:
    """Bad input 50: looks like missing, never 500."""
    answer = await desk.house.people["ana"].request(method, path.format(ODD_IDS[odd]), json=body)
    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("odd", ["0", "-1", str(2**63), str(2**64), "9" * 40, MISSING, "x", "1.0", "", "٣", "1;DROP", "\0"])
async def test_an_odd_id_in_a_body(desk: Desk, odd: str) -> None:
    """Bad input 50: looks like missing, never 500."""
    house = desk.house
    assert (await house.send("ana", "hi", number=odd or " ")).status_code in {404, 422}
    answer = await house.people["ana"].post(f"/api/v1/conversations/{desk.conversation}/read", json={"up_to": odd})
    assert answer.status_code in {200, 404, 422}, answer.text
    if answer.status_code == 200:
        assert odd in {"0", MISSING}, "an id nobody ever gave was taken for a place in time"


@pytest.mark.parametrize("key", ["short", "x" * 65, "a b c d e", "%00%00%00%00%00%00%00%00", "..%2f..%2f..%2f", "café-café-café", "٣٣٣٣٣٣٣٣"])
async def test_an_odd_key_of_a_message(desk: Desk, key: str) -> None:
    """Bad inputs 50 and 52: a client's own id has 8 to 64 plain characters."""
    _, _, draft = desk.routes()["send"]
    assert (await desk.house.people["ana"].put(f"/api/v1/messages/{key}", json=draft)).status_code in {404, 422}
