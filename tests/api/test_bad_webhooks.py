"""Bad inputs of reliability.md §4 that come from carriers (10 to 15, 42, 43, 60, 63 to 72) against the assembled application and a real database.

Bad input 66 speaks of signed times: neither carrier of this version signs one. 67, rotation, is the adapter's (tests/unit/carriers); 73 and 74,
answers to what we send, are in tests/conformance/carriers/test_outcomes.py and tests/unit/carriers/test_outcome.py.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from assembled import FORM, House, open_house
from tenant import INTELIQUENT_NUMBER, PHONE, RESTCOMM_NUMBER, new_phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEN = INTELIQUENT_NUMBER[1:]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(module_database_url: str) -> AsyncIterator[House]:
    """One for all tests of this file."""
    async with open_house(module_database_url) as running:
        yield running


def event(**fields: object) -> dict[str, object]:
    """What Inteliquent posts for a text to Ben."""
    return {"referenceId": secrets.token_hex(8), "from": new_phone()[1:], "to": [BEN], "text": "hi", **fields}


def raw_of(house: House, phrase: str) -> list[str]:
    """Raw exchanges and quarantined requests that hold this."""
    statement = "SELECT raw FROM exchange WHERE raw LIKE %(like)s UNION ALL SELECT raw FROM quarantine WHERE raw LIKE %(like)s"
    return [row.raw for row in house.tenant.sql(statement, like=f"%{phrase}%")]


@pytest.mark.parametrize(("sent", "shown"), [
    pytest.param(b"a%00b", "a\ufffdb", id="input 10: NUL"),
    pytest.param(b"caf%E9", "caf\ufffd", id="input 11: Latin-1"),
    pytest.param(b"%ED%A0%80", "\ufffd\ufffd\ufffd", id="input 9: half a character"),
    pytest.param(b"e" + b"%CC%81" * 5_000, "e" + "\u0301" * 5_000, id="input 15: 5,000 marks"),
])  # fmt: skip
async def test_odd_bytes_in_a_text(house: House, sent: bytes, shown: str) -> None:
    """Bad inputs 9 to 11 and 15: shown replaced, the data kept, the request kept raw."""
    phone, sid = new_phone(), f"SM{secrets.token_hex(16)}"
    form = urlencode({"SmsSid": sid, "AccountSid": house.account_sid, "From": phone, "To": RESTCOMM_NUMBER}).encode() + b"&Body=" + sent
    assert (await house.restcomm(form)).status_code == 200
    assert [message["text"] for message in await house.messages("ana", phone)] == [shown]
    [raw] = raw_of(house, sid)
    assert sent.decode()[:40] in raw


@pytest.mark.parametrize(("body", "kind"), [
    pytest.param(json.dumps({"text": "canary-utf-16"}).encode("utf-16"), "application/json; charset=utf-16", id="input 12: UTF-16"),
    pytest.param(b"+AHs-canary-utf-7+AH0-", "application/json; charset=utf-7", id="input 12: UTF-7"),
    pytest.param(b"<html>canary-html</html>", "text/html", id="input 12: HTML"),
    pytest.param(b"[" * 100_000, "application/json", id="input 41: 100k deep"),
    pytest.param(b"", "application/json", id="input 69: nothing"),
])  # fmt: skip
async def test_what_is_genuine_but_unreadable(house: House, body: bytes, kind: str) -> None:
    """G5, bad inputs 12, 41, 69: 2xx, kept raw once however often it comes, and no message."""
    before = house.holdings()
    hook = house.hooks["inteliquent"]
    for _ in range(2):
        assert (await house.inteliquent(body, headers={**hook.headers, "content-type": kind})).status_code == 200
    after = house.holdings()
    assert after["quarantine"] == before["quarantine"] + 1
    assert after | {"quarantine": 0} == before | {"quarantine": 0}


@pytest.mark.parametrize("word", ["STOP", "S\u200bTOP", "stop\u200d", "ＳＴＯＰ", " \u2060Stop. "])
async def test_stop_in_any_dress(house: House, word: str) -> None:
    """Bad input 14: acts, and what was already allowed is refused from then on; START takes it back."""
    phone = new_phone()
    assert (await house.send("ana", "hello", to=phone)).status_code == 201
    assert (await house.restcomm(From=phone, Body=word)).status_code == 200
    refused = await house.send("ana", "hello again", to=phone)
    assert (refused.status_code, refused.json()["code"]) == (422, "stopped")
    await house.restcomm(From=phone, Body="START")
    assert (await house.send("ana", "hello again", to=phone)).status_code == 201


@pytest.mark.parametrize("case", [
    "no account", "another account", "two accounts", "one byte changed", "a foreign token", "a cut token", "the other carrier's path", "no token",
])  # fmt: skip
async def test_a_restcomm_webhook_that_proves_nothing(house: House, case: str) -> None:
    """Bad inputs 63 and 64: refused, and nothing is left."""
    path, sid = house.hooks["restcomm"].path, house.account_sid
    fields = [("SmsSid", "SM1"), ("From", PHONE), ("To", RESTCOMM_NUMBER), ("Body", "canary"), ("AccountSid", sid)]
    match case:
        case "no account":
            fields.pop()
        case "another account":
            fields[-1] = ("AccountSid", "AC" + "0" * 32)
        case "two accounts":
            fields.append(("AccountSid", "AC" + "0" * 32))
        case "one byte changed":
            fields[-1] = ("AccountSid", sid[:-1] + ("0" if sid[-1] != "0" else "1"))
        case "a foreign token":
            path = f"/ingress/restcomm/{secrets.token_urlsafe(32)}"
        case "a cut token":
            path = path[:-1]
        case "the other carrier's path":
            path = house.hooks["inteliquent"].path.replace("/inteliquent/", "/restcomm/")
        case _:
            path = "/ingress/restcomm"
    before = house.holdings()
    async with house.outside() as stranger:
        answer = await stranger.post(path + "/in", content=urlencode(fields), headers={"content-type": FORM})
    assert answer.status_code in {401, 403, 404}
    assert answer.content == b""
    assert house.holdings() == before


@pytest.mark.parametrize("case", ["none", "empty", "wrong", "one byte changed", "another number's", "wrong hash", "right header, wrong hash"])
async def test_an_inteliquent_webhook_that_proves_nothing(house: House, case: str) -> None:
    """Bad inputs 63 and 64."""
    right = dict(house.hooks["inteliquent"].headers)
    [(name, value)] = right.items()
    headers = {
        "none": {},
        "empty": {name: ""},
        "wrong": {name: secrets.token_urlsafe(32)},
        "one byte changed": {name: value[:-1] + ("A" if value[-1] != "A" else "B")},
        "another number's": right,
        "wrong hash": {"MessageId": "x", "VerificationToken": hashlib.sha256(b"guess").hexdigest()},
        "right header, wrong hash": {**right, "MessageId": "x", "VerificationToken": hashlib.sha256(b"guess").hexdigest()},
    }[case]
    body = event(to=["13125550149"]) if case == "another number's" else event()
    before = house.holdings()
    answer = await house.inteliquent(body, headers=headers)
    assert answer.status_code in {401, 403}
    assert house.holdings() == before


async def test_a_signed_webhook_with_one_byte_changed(house: House) -> None:
    """Bad input 64: the hash covers a random token and not the body, so a token proves one body only; the same body again is a retry (65)."""
    key, token = house.tenant.credentials("inteliquent")["outbound_api_key"], secrets.token_hex(16)
    headers = {"MessageId": token, "VerificationToken": hashlib.sha256((key + token).encode()).hexdigest()}
    body = json.dumps(event()).encode()
    first = await house.inteliquent(body, headers=headers)
    before = house.holdings()
    changed = await house.inteliquent(body.replace(b'"hi"', b'"ho"'), headers=headers)
    again = await house.inteliquent(body, headers=headers)
    assert (first.status_code, changed.status_code, again.status_code) == (200, 403, 200)
    assert house.holdings() == before


async def test_a_replay_has_no_effect(house: House) -> None:
    """Bad input 65: the same request now, many at once and again → 200, one message. In 30 days too: keys are dropped together with the texts."""
    phone, sid = new_phone(), f"SM{secrets.token_hex(16)}"
    answers = [await house.restcomm(SmsSid=sid, From=phone)]
    once = house.holdings()
    answers += await asyncio.gather(*(house.restcomm(SmsSid=sid, From=phone) for _ in range(5)))
    same = event(**{"from": phone[1:]})
    answers += [await house.inteliquent(same) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(await house.messages("ana", phone)) == 1
    assert len(await house.messages("ben", phone)) == 1
    assert house.holdings()["message"] == once["message"] + 1
    [kept] = house.tenant.sql(
        "SELECT count(*) AS weeks FROM pg_inherits WHERE inhparent = 'dedupe'::regclass AND inhrelid::regclass::text NOT IN"
        " (SELECT replace(inhrelid::regclass::text, 'message', 'dedupe') FROM pg_inherits WHERE inhparent = 'message'::regclass)"
    )
    assert kept.weeks == 0


@pytest.mark.parametrize("carrier", ["restcomm", "inteliquent"])
async def test_a_number_unknown_to_us(house: House, carrier: str) -> None:
    """Bad input 68: quarantined once and answered 2xx, so that the carrier does not come again for ever."""
    before = house.holdings()
    if carrier == "restcomm":
        answers = [await house.restcomm(SmsSid="SM-unknown", To="+12015550198") for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        assert house.holdings()["quarantine"] == before["quarantine"] + 1
    else:
        # Each number proves itself with a secret of its own, so that another number under it is no carrier's doing (bad input 63).
        assert (await house.inteliquent(event(to=["13125550198"]))).status_code == 403
        assert house.holdings() == before
    assert house.holdings()["message"] == before["message"]


async def test_one_bad_event_of_several(house: House) -> None:
    """Bad input 69: the good ones are stored, the bad one is kept raw."""
    good, bad = [event(), event()], {"to": 7.5, "canary": secrets.token_hex(8)}
    before = house.holdings()
    assert (await house.inteliquent([good[0], bad, good[1]])).status_code == 200
    for each in good:
        assert [message["text"] for message in await house.messages("ben", f"+{each['from']}")] == ["hi"]
    assert house.holdings()["quarantine"] == before["quarantine"] + 1
    assert len(raw_of(house, str(bad["canary"]))) >= 1


@pytest.mark.parametrize(("first", "second", "messages"), [
    pytest.param("", "", 2, id="input 70: no id twice: two texts"),
    pytest.param("SMabc", "SMABC", 2, id="input 70: other case"),
    pytest.param("7", "007", 2, id="input 70: leading zeros"),
    pytest.param("x" * 300, "x" * 300, 1, id="input 70: 300 long, again"),
    pytest.param("x" * 300, "x" * 299 + "y", 2, id="input 70: 300 long, another"),
    pytest.param("x" * 5000, "x" * 5000, 1, id="input 70: 5,000 long, again"),
])  # fmt: skip
async def test_carrier_ids_are_exact_keys(house: House, first: str, second: str, messages: int) -> None:
    """Bad input 70."""
    phone = new_phone()
    tag = secrets.token_hex(4)
    for sid in (first, second):
        assert (await house.restcomm(SmsSid=tag + sid if sid else "", From=phone)).status_code == 200
    assert len(await house.messages("ana", phone)) == messages


async def _sent(house: House) -> tuple[str, str]:
    """A text of Ben's that the carrier took: (our id, the carrier's id)."""
    sent = (await house.send("ben", "It is. Keep it?", to=new_phone())).json()
    carrier_id = secrets.token_hex(8)
    statement = """WITH o AS (DELETE FROM outbox WHERE message_id = %(m)s RETURNING *),
        a AS (INSERT INTO attempt (provider_id, message_id, attempt, status) SELECT provider_id, message_id, attempt, 3 FROM o),
        m AS (UPDATE message SET status = 3 WHERE id = %(m)s)
      INSERT INTO part (provider_id, message_id, attempt, part, platform_id, text, handover, status, carrier_id, handed_over_at)
      SELECT provider_id, message_id, attempt, 1, platform_id, parts[1], 3, 3, %(c)s, app_now() FROM o"""
    house.tenant.sql(statement, m=int(sent["id"]), c=carrier_id)
    return sent["id"], carrier_id


def _receipt(carrier_id: str, word: str) -> dict[str, object]:
    return {"referenceId": carrier_id, "deliveryReceipt": True, "from": PHONE[1:], "to": [BEN], "text": f"id:{carrier_id} stat:{word} err:000"}


@pytest.mark.parametrize(("words", "status"), [
    pytest.param(["DELIVRD", "ENROUTE"], "delivered", id="input 71: delivered, then sent"),
    pytest.param(["DELIVRD", "UNDELIV"], "delivered", id="input 71: failed after delivered"),
    pytest.param(["UNDELIV", "DELIVRD"], "delivered", id="input 71: delivered after failed"),
    pytest.param(["UNDELIV", "UNDELIV", "ENROUTE"], "undelivered", id="input 71: copies"),
    pytest.param(["DELIVRD", "VANISHED"], "delivered", id="input 71: unknown word after delivered"),
    pytest.param(["EXPIRED"], "expired", id="input 71: expired"),
])  # fmt: skip
async def test_receipts_in_any_order(house: House, words: list[str], status: str) -> None:
    """Bad input 71, G19: the state is a function of the set."""
    message, carrier_id = await _sent(house)
    for word in words:
        assert (await house.inteliquent(_receipt(carrier_id, word))).status_code == 200
    [row] = house.tenant.sql("SELECT conversation_id FROM message WHERE id = %(id)s", id=int(message))
    listed = (await house.people["ben"].get(f"/api/v1/conversations/{row.conversation_id}/messages")).json()["items"]
    assert next(item["status"] for item in listed if item["id"] == message) == status


async def test_a_receipt_for_a_text_that_is_not_there(house: House) -> None:
    """Bad input 72: 200, kept with its raw request, and no message changes."""
    before, unheard = house.holdings(), secrets.token_hex(8)
    assert (await house.inteliquent(_receipt(unheard, "DELIVRD"))).status_code == 200
    after = house.holdings()
    assert after["receipt"] == before["receipt"] + 1
    assert (after["change"], after["message"]) == (before["change"], before["message"])
    assert len(raw_of(house, unheard)) == 1
    odd = await house.restcomm(
        urlencode({"AccountSid": house.account_sid, "MessageSid": "SM9", "MessageStatus": "delivered"}).encode(), tail="/status/7"
    )
    assert odd.status_code == 200


@pytest.mark.parametrize(("headers", "size", "status"), [
    pytest.param({}, 1_100_000, 413, id="input 42: over 1 MiB"),
    pytest.param({"content-length": "99999999999"}, 10, 413, id="input 42: a length that lies"),
    pytest.param({"content-encoding": "gzip"}, 10, 415, id="input 43: compressed"),
    pytest.param({"x-filler": "x" * 20_000}, 10, 431, id="input 60: 20 KB"),
])  # fmt: skip
async def test_limits_of_a_webhook(house: House, headers: dict[str, str], size: int, status: int) -> None:
    """Bad inputs 42, 43, 60 on the carriers' door."""
    before = house.holdings()
    answer = await house.inteliquent(b"x" * size, headers={**house.hooks["inteliquent"].headers, **headers})
    assert answer.status_code == status
    assert house.holdings() == before


async def test_hostile_fields_of_a_webhook(house: House) -> None:
    """Bad inputs 13, 18, 21 and 98 in every other field: stored as text or set aside, never obeyed."""
    hostile = "'; DROP TABLE message; -- \u202e<script>\x1b[2J"
    assert (await house.restcomm(From=hostile, Body="x")).status_code == 200
    assert (await house.restcomm(To=hostile, Body="x")).status_code == 200
    assert (await house.inteliquent(event(**{"from": hostile}))).status_code == 200
    assert [message["text"] for message in await house.messages("ana", hostile[:64])] == ["x"]
