"""Bad inputs 1 to 51 of reliability.md §4 against the assembled application: texts, numbers, JSON and HTTP. Webhooks: test_bad_webhooks.py.

What is not here is elsewhere: bad input 13, 15 and 18 on screen in tests/browser, 20 in mails in tests/integration/notifications, 53 to 55 in
test_door.py. Bad inputs 16, 22 and 25 speak of search and export and 17 of links in texts: this version has none of them.
"""

import io
import json
import secrets
import unicodedata
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from assembled import House, open_house
from kereru.kernel import ids
from kereru.kernel.db import ProviderScope
from kereru.kernel.errors import KereruError
from kereru.kernel.limits import NAME_GRAPHEMES
from kereru.kernel.logging import configure, get_logger
from kereru.tenancy import commands as tenancy
from tenant import INTELIQUENT_NUMBER, PASSWORD, PHONE, RESTCOMM_NUMBER, new_phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISSING = ids.encode(ids.MAX_ID - 12345)
FAMILY = "👨\u200d👩\u200d👧"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(module_database_url: str) -> AsyncIterator[House]:
    """One for all tests of this file: they find what others left, and must not mind."""
    async with open_house(module_database_url) as running:
        yield running


# --- Text --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["ana", "ben"])
@pytest.mark.parametrize(("text", "code"), [
    pytest.param("", "empty_text", id="input 1: empty"),
    pytest.param(" \n\t ", "empty_text", id="input 2: spaces"),
    pytest.param("\u200b\u200d\u2060\ufeff", "empty_text", id="input 2: zero width"),
    pytest.param("x" * 1601, "text_too_long", id="input 3: one too many"),
    pytest.param("x" * 100_000, "text_too_long", id="input 4: 100,000 characters"),
    pytest.param("half \ud83d", "not_text", id="input 9: high half"),
    pytest.param("half \ude42!", "not_text", id="input 9: low half"),
    pytest.param("nul \0", "not_text", id="input 10: NUL"),
])  # fmt: skip
async def test_a_text_that_cannot_be_sent(house: House, who: str, text: str, code: str) -> None:
    """Bad inputs 1 to 4, 9, 10: 422 in words, on both carriers, the same as the preflight, and nothing is stored."""
    before = house.holdings()
    refused = await house.send(who, text)
    assert refused.status_code == 422
    if "\ud83d" in text or "\ude42" in text:
        assert refused.json()["fields"][0]["code"] == "half_character"
    else:
        assert refused.json()["code"] == code
        told = await house.preflight(who, text)
        assert (told["verdict"], told["reasons"][0]["code"]) == ("stop", code)
    assert refused.json()["detail"].endswith(".")
    assert house.holdings() == before


async def test_a_text_over_the_limit_is_told_its_count(house: House) -> None:
    """Bad input 3: with the count."""
    assert "1,601" in (await house.send("ben", "x" * 1601)).json()["detail"]


async def test_a_text_over_the_request_limit(house: House) -> None:
    """Bad input 4: over 1 MiB it is not even read."""
    assert (await house.send("ben", "x" * 1_100_000)).status_code == 413


@pytest.mark.parametrize(("text", "encoding", "units", "parts"), [
    pytest.param("x" * 160, "gsm7", 160, [160], id="input 5: 160"),
    pytest.param("x" * 161, "gsm7", 161, [153, 8], id="input 5: 161"),
    pytest.param("€^{}[]~|\\" * 8 + "€€", "gsm7", 148, [74], id="input 6: escaped ones count twice"),
    pytest.param("x" * 152 + "€" + "x" * 10, "gsm7", 164, [152, 11], id="input 6: an escape pair at the edge"),
    pytest.param("x" * 68 + "😀", "ucs2", 70, [69], id="input 7: 70"),
    pytest.param("x" * 69 + "😀", "ucs2", 71, [67, 3], id="input 7: 71"),
    pytest.param("x" * 66 + "😀" + "x" * 5, "ucs2", 73, [66, 6], id="input 7: an emoji at the edge"),
    pytest.param("x" * 64 + FAMILY + "x", "ucs2", 73, [64, 6], id="input 7: a family at the edge"),
])  # fmt: skip
async def test_segments_are_counted_and_nothing_is_torn(house: House, text: str, encoding: str, units: int, parts: list[int]) -> None:
    """Bad inputs 5 to 7: what the preflight counts, what is handed over in parts."""
    told = await house.preflight("ben", text)
    assert (told["encoding"], told["units"], told["segments"]) == (encoding, units, len(parts))
    sent = await house.send("ben", text)
    assert sent.status_code == 201
    assert (sent.json()["text"], sent.json()["segments"]) == (text, len(parts))
    handed_over = await house.outgoing(sent)
    assert "".join(handed_over) == text
    if len(handed_over) > 1:
        assert [len(part) for part in handed_over] == parts


@pytest.mark.parametrize("text", [
    pytest.param("It’s “fine” – isn’t it…", id="input 8: curly quotes stay"),
    pytest.param("invoice\u202egpj.exe\u202c", id="input 13: direction override"),
    pytest.param("e" + "\u0301" * 1500, id="input 15: 1,500 marks on one letter"),
    pytest.param("cafe\u0301 café", id="input 16: both forms of é stay as written"),
    pytest.param("https://xn--pple-43d.example https://аpple.example", id="input 17: look-alike domain stays text"),
    pytest.param("<script>alert(1)</script><img src=x onerror=alert(1)> javascript:alert(1)", id="input 18: markup"),
    pytest.param("{{7*7}} %s %(name)s ${x} {0} #{1}", id="input 19: templates"),
    pytest.param("\x1b[31mred\x1b[0m\nnext line", id="input 21: terminal codes"),
    pytest.param('=HYPERLINK("http://x.example")', id="input 22: formula"),
    pytest.param("null", id="input 24: null"), pytest.param("NaN", id="input 24: NaN"),
    pytest.param("0", id="input 24: 0"), pytest.param("true", id="input 24: true"),
    pytest.param("O'Brien; DROP TABLE message; -- 100% _\\", id="input 25: SQL and wildcards"),
])  # fmt: skip
async def test_a_text_stays_what_it_is_both_ways(house: House, text: str) -> None:
    """Bad inputs 8, 13, 15 to 19, 21, 22, 24, 25: literal from desk to hand-over, and from carrier to desk."""
    sent = await house.send("ben", text)
    assert sent.status_code == 201, sent.text
    assert sent.json()["text"] == text
    assert "".join(await house.outgoing(sent)) == text
    remote = new_phone()
    assert (await house.restcomm(From=remote, Body=text)).status_code == 200
    hook = {"referenceId": secrets.token_hex(8), "from": remote[1:], "to": [INTELIQUENT_NUMBER[1:]], "text": text}
    assert (await house.inteliquent(hook)).status_code == 200
    for who in ("ana", "ben"):
        assert [message["text"] for message in await house.messages(who, remote)] == [text]


async def test_curly_quotes_are_offered_in_plain(house: House) -> None:
    """Bad input 8: offered; what is sent is what was written."""
    told = await house.preflight("ben", "It’s 10 o’clock")
    assert [(culprit["character"], culprit["position"], culprit["plain"]) for culprit in told["culprits"]] == [("’", 2, "'")]


async def test_restcomms_cut_never_happens_silently(house: House) -> None:
    """Bad input 5 at Restcomm: 160 bytes, not characters (design §7)."""
    assert (await house.send("ana", "é" * 80)).status_code == 201
    refused = await house.send("ana", "é" * 81)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_long_for_carrier")


async def test_a_label_of_another_encoding(house: House) -> None:
    """Bad input 12: UTF-16 and UTF-7 in name or in fact → 415 or 400, never read as something else."""
    body = {"number_id": house.numbers["ben"], "to": PHONE, "text": "hi", "attachments": []}
    path = "/api/v1/messages/other-encoding"
    for charset, status in (("utf-16", 415), ("utf-7", 415), ("UTF-8", 201)):
        headers = {"content-type": f"application/json; charset={charset}"}
        assert (await house.people["ben"].put(path, content=json.dumps(body), headers=headers)).status_code == status, charset
    unlabelled = await house.people["ben"].put(path, content=json.dumps(body).encode("utf-16"), headers={"content-type": "application/json"})
    assert (unlabelled.status_code, unlabelled.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("friendly_name", [
    pytest.param("Front\r\nBcc: x@y.example", id="input 20: CR LF"),
    pytest.param("Front\ndesk", id="input 20: LF"),
    pytest.param("Front\0desk", id="input 10: NUL"),
    pytest.param("half \ud83d", id="input 9: half a character"),
    pytest.param("x" * (NAME_GRAPHEMES + 1), id="input 23: 65 letters"),
    pytest.param("👩🏽\u200d🚀" * (NAME_GRAPHEMES + 1), id="input 23: 65 astronauts"),
    pytest.param("e" + "\u0301" * 5000, id="input 15: 5,000 marks"),
])  # fmt: skip
async def test_a_friendly_name_that_is_none(house: House, friendly_name: str) -> None:
    """Bad inputs 9, 10, 15, 20, 23: refused before the carrier is asked for anything."""
    before = len((await house.people["ana"].get("/api/v1/licence")).json()["numbers"])
    with pytest.raises(KereruError) as refused:
        await house.tenant.assign(house.tenant.ana, "+12015550117", platform_id=house.tenant.platforms["restcomm"], friendly_name=friendly_name)
    assert (refused.value.status, refused.value.fields[0].field) == (422, "friendly_name")
    assert len((await house.people["ana"].get("/api/v1/licence")).json()["numbers"]) == before


@pytest.mark.parametrize("name", [
    pytest.param("👩🏽\u200d🚀" * NAME_GRAPHEMES, id="input 23: 64 astronauts"),
    pytest.param("Café 🐦", id="input 23: emoji"),
    pytest.param("<b>x</b>", id="input 18: markup"), pytest.param("{{7*7}} %s ${x}", id="input 19: templates"),
    pytest.param("=1+1", id="input 22: formula"), pytest.param("null", id="input 24: null"), pytest.param("NaN", id="input 24: NaN"),
    pytest.param("0", id="input 24: 0"), pytest.param("true", id="input 24: true"), pytest.param("O'Brien % _ \\", id="input 25: wildcards"),
    pytest.param("Cafe\u0301", id="input 16: decomposed é"),
])  # fmt: skip
async def test_a_name_is_taken_literally(house: House, name: str) -> None:
    """Bad inputs 16, 18, 19, 22 to 25: friendly names and people's names come back as they were given (in NFC)."""
    kept = unicodedata.normalize("NFC", name)
    given = await house.tenant.assign(house.tenant.ana, "+12015550116", platform_id=house.tenant.platforms["restcomm"], friendly_name=name)
    shown = (await house.people["ana"].get("/api/v1/licence")).json()["numbers"]
    assert next(number["friendly_name"] for number in shown if number["id"] == str(given.number_id)) == kept
    await house.end(given.id)
    email = f"{secrets.token_hex(6)}@bluedoor.example"
    async with house.tenant.database.transaction(ProviderScope(house.tenant.provider_id)) as tx:
        await tenancy.create_user(tx, house.tenant.provider_id, house.tenant.group_id, name, email, PASSWORD)
    async with house.outside() as somebody:
        signed_in = await somebody.post("/api/v1/session", json={"email": email, "password": PASSWORD})
    assert signed_in.json()["user"]["name"] == kept


async def test_one_name_is_one_event_in_the_log() -> None:
    """Bad input 21: what is logged stays one line of JSON, without terminal codes."""
    stream = io.StringIO()
    configure("info", process="test", stream=stream)
    get_logger("test").info("said", name='x\x1b[2J\n{"event":"forged"}\u2028\x9b31m')
    configure("info", process="test")
    [line] = stream.getvalue().splitlines()
    assert line.isprintable()
    assert json.loads(line)["event"] == "said"


# --- Numbers -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "code"), [
    pytest.param("5550142", "too_short", id="input 26: neither + nor area code"),
    pytest.param("", "empty", id="input 26: nothing"),
    pytest.param("+1202", "too_short", id="input 27: too short"),
    pytest.param("+999123456", "not_a_number", id="input 27: no such country"),
    pytest.param("+12025550142999999", "too_long", id="input 27: too long"),
    pytest.param("tel:+12025550142;ext=5", "extension", id="input 28: extension"),
    pytest.param("2025550142 x5", "extension", id="input 28: x5"),
    pytest.param("٢٠٢٥٥٥٠١٤٢", "non_ascii_digits", id="input 29: Arabic digits"),
    pytest.param("२०२५५५०१४२", "non_ascii_digits", id="input 29: Devanagari digits"),
    pytest.param("２０２５５５０１４２", "non_ascii_digits", id="input 29: full-width digits"),
    pytest.param("911", "emergency", id="input 31: 911"), pytest.param("112", "emergency", id="input 31: 112"),
    pytest.param("+1911", "emergency", id="input 31: +1911"),
    pytest.param("72345", "short_code", id="input 32: short code that never wrote"),
    pytest.param("BANK", "not_a_number", id="input 33: a name"),
    pytest.param(INTELIQUENT_NUMBER, "own_number", id="input 35: to itself"),
    pytest.param("+12025550142,+12025550143", "extension", id="input 36: a list in a text"),
    pytest.param("' OR 1=1--", "not_a_number", id="input 98: quotes"),
])  # fmt: skip
async def test_a_number_that_cannot_be_texted(house: House, to: str, code: str) -> None:
    """Bad inputs 26 to 29, 31 to 33, 35, 36: 422 with words, the preflight says the same, nothing is stored."""
    before = house.holdings()
    refused = await house.send("ben", "hi", to=to)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    told = await house.preflight("ben", "hi", to=to)
    assert (told["verdict"], told["reasons"][0]["code"]) == ("stop", code)
    assert house.holdings() == before


@pytest.mark.parametrize("to", [
    pytest.param(["+12025550142"], id="input 36: a list"), pytest.param([f"+1202555{n:04}" for n in range(200)], id="input 36: 200 recipients"),
    pytest.param(12025550142, id="input 46: a number for a text"), pytest.param(None, id="input 24: null"),
    pytest.param("+1202555" + "0" * 300, id="input 27: 300 digits"),
])  # fmt: skip
async def test_a_recipient_is_one_text(house: House, to: object) -> None:
    """Bad inputs 24, 27, 36, 46: one recipient a request, so there is nothing to merge."""
    refused = await house.send("ben", "hi", to=to)
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, "to")


@pytest.mark.parametrize(("typed", "remote"), [
    pytest.param("2025550170", "+12025550170", id="input 26: ten digits, the user's country"),
    pytest.param("+12025550171\u200f", "+12025550171", id="input 30: trailing direction mark"),
    pytest.param("\u202a(202) 555-0172\u202c", "+12025550172", id="input 30: marks around"),
])  # fmt: skip
async def test_a_number_that_is_understood(house: House, typed: str, remote: str) -> None:
    """Bad inputs 26 and 30: one normal form (R43)."""
    assert (await house.send("ben", "hi", to=typed)).status_code == 201
    assert [message["text"] for message in await house.messages("ben", remote)] == ["hi"]


@pytest.mark.parametrize(("sender", "status"), [
    pytest.param("72346", 201, id="input 32: a short code that wrote can be answered"), pytest.param("BANK", 422, id="input 33: a name cannot"),
])  # fmt: skip
async def test_senders_that_are_no_numbers(house: House, sender: str, status: int) -> None:
    """Bad inputs 32 and 33: stored; the reply is on or off."""
    assert (await house.restcomm(From=sender, Body="Your code is 1234")).status_code == 200
    [message] = await house.messages("ana", sender)
    conversation = (await house.people["ana"].get(f"/api/v1/conversations/{message['conversation_id']}")).json()
    assert conversation["can"] == (["send"] if status == 201 else [])
    assert (await house.send("ana", "Thanks", to=sender)).status_code == status


async def test_a_number_moved_between_two_texts(house: House) -> None:
    """Bad input 37, R38, Q18, Q28: each text is its owner's at the time it is taken in; the old owner keeps his history and cannot send."""
    number, remote = "+12015550115", "+12025550175"
    first = await house.tenant.assign(house.tenant.ana, number, platform_id=house.tenant.platforms["restcomm"])
    await house.people["ana"].post(f"/api/v1/numbers/{first.number_id}/opt-in", json={"answer": "yes"})
    await house.restcomm(To=number, From=remote, Body="for Ana")
    await house.end(first.id)
    second = await house.tenant.assign(house.tenant.ben, number, platform_id=house.tenant.platforms["restcomm"])
    await house.people["ben"].post(f"/api/v1/numbers/{second.number_id}/opt-in", json={"answer": "yes"})
    await house.restcomm(To=number, From=remote, Body="for Ben")
    assert [message["text"] for message in await house.messages("ana", remote)] == ["for Ana"]
    assert [message["text"] for message in await house.messages("ben", remote)] == ["for Ben"]
    refused = await house.send("ana", "still here", to=remote, number=str(first.number_id))
    assert (refused.status_code, refused.json()["code"]) == (404, "number_not_found")


@pytest.mark.parametrize("whose", ["another's", "nobody's"])
async def test_a_sender_that_is_not_ones_own(house: House, whose: str) -> None:
    """Bad input 38: the same answer for somebody else's number and for none."""
    number = house.numbers["ben"] if whose == "another's" else MISSING
    before = house.holdings()
    refused = await house.send("ana", "hi", number=number)
    missing = await house.send("ana", "hi", number=MISSING)
    assert (refused.status_code, refused.content) == (404, missing.content)
    assert house.holdings() == before
    assert RESTCOMM_NUMBER not in refused.text
