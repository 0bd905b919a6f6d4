"""Inteliquent's webhook by literal payloads from carriers.md §2A.7 and the vectors of appendix B; bad inputs 9 to 12, 63 to 71."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.carriers.adapters.inteliquent.webhooks import InteliquentWebhooks
from kereru.carriers.arrivals import (
    Arrival,
    InboundText,
    MediaReference,
    ReceiptReport,
    ReceiptState,
    Unrecognised,
    WebhookProof,
    WebhookRequest,
    WebhookSecret,
)
from kereru.kernel.secrets import Secret

ADAPTER = InteliquentWebhooks()
NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY, TOKEN = "test-api-key", "7f1f6f0e-2f0b-4a53-9b4a-0a5b1f3f9c11"
CONCATENATED = "78cfc50625c4f6e899df1a831905fdb2c5bf1b369eb03671164f8d16d5ccc475"
HMAC = "200e07cf54bef7704cd4fbf11fecdd96b2b57a5d8a2fd0026b961104eb3d992c"
HEADER_ONLY = WebhookProof(secrets=(WebhookSecret(Secret("one"), number="+13125550142"), WebhookSecret(Secret("two"))))
HASH_ONLY = WebhookProof(secrets=(WebhookSecret(Secret(KEY), "token_hash"),))
BOTH = WebhookProof(secrets=(*HEADER_ONLY.secrets, *HASH_ONLY.secrets))

TEXT = b'{"referenceId":"AccO0977Fd7Gdec","from":"13125550199","text":"See you at 7","deliveryReceipt":false,"to":["13125550142"],"mediaUrls":[]}'
RECEIPT = (
    b'{"referenceId":"d8f1c2de-6a0e-4b7b-9a55-0b6f3c5b7a10","from":"13125550199","to":["13125550142"],"deliveryReceipt":true,'
    b'"text":"id:d8f1c2de sub:001 dlvrd:001 submit date:2507050912 done date:2507050912 stat:DELIVRD err:000 text:"}'
)


def request(body: bytes, headers: dict[str, str] | None = None, tail: str = "/in") -> WebhookRequest:
    """A webhook as the ingress hands it over."""
    return WebhookRequest(7, 9, "POST", tail, "", headers or {}, body, NOW)


def parsed(**fields: object) -> tuple[Arrival, ...]:
    """The arrivals of one JSON object."""
    return ADAPTER.parse(request(json.dumps(fields).encode()))


def text_of(**fields: object) -> InboundText:
    """The one text of a JSON object; unless given, its fields are ordinary."""
    (found,) = parsed(**{"referenceId": "r", "from": "13125550199", "to": ["13125550142"], "text": "hi", **fields})
    assert isinstance(found, InboundText)
    return found


def receipt_of(**fields: object) -> ReceiptReport:
    """The one receipt of a JSON object."""
    (found,) = parsed(**{"referenceId": "r", "deliveryReceipt": True, **fields})
    assert isinstance(found, ReceiptReport)
    return found


def test_the_documented_text_is_read_exactly():
    """§2A.7."""
    (found,) = ADAPTER.parse(request(TEXT))
    assert found == InboundText(7, 9, "AccO0977Fd7Gdec", "+13125550142", "+13125550199", "See you at 7", "13125550142", "13125550199")


def test_the_documented_receipt_is_read_exactly():
    """§2A.7: matched by the reference alone."""
    (found,) = ADAPTER.parse(request(RECEIPT))
    assert found == ReceiptReport(7, 9, "d8f1c2de-6a0e-4b7b-9a55-0b6f3c5b7a10", None, ReceiptState.DELIVERED, "DELIVRD")


@pytest.mark.parametrize(
    ("from_", "to", "remote", "mine"),
    [
        (13125550199, [13125550142], "+13125550199", "+13125550142"),
        ("3125550199", ["3125550142"], "+13125550199", "+13125550142"),
        ("13125550199", "13125550142", "+13125550199", "+13125550142"),
        ("13125550199", 13125550142, "+13125550199", "+13125550142"),
        ("72345", ["13125550142"], "72345", "+13125550142"),
        ("BANK", ["13125550142"], "BANK", "+13125550142"),
    ],
)
def test_numbers_come_in_every_form(from_: object, to: object, remote: str, mine: str):
    """§2.9: 10 digits, 11 digits, numbers in place of strings; senders that are no numbers (bad inputs 32 and 33)."""
    found = text_of(**{"from": from_, "to": to})
    assert (found.remote, found.to, found.reply_possible) == (remote, mine, remote.startswith("+"))


def test_a_group_text_becomes_one_text_for_each_number():
    """§2A.7: several recipients; which of them are ours only the database knows."""
    found = parsed(referenceId="r", **{"from": "13125550199"}, to=["13125550142", "13125550143", "13125550142"], text="hi")
    assert [(text.to, text.group) for text in found if isinstance(text, InboundText)] == [
        ("+13125550142", ("+13125550143",)),
        ("+13125550143", ("+13125550142",)),
    ]


def test_media_is_listed_without_the_layout_file():
    """§2A.7: skip `.smil`; fetched without credentials."""
    found = text_of(text=None, mediaUrls=["https://m.example/a.smil", "https://m.example/b.jpg?x=1"])
    assert (found.text, found.media) == ("", (MediaReference("https://m.example/b.jpg?x=1"),))


@pytest.mark.parametrize(
    ("fields", "state", "word", "code"),
    [
        ({"text": "stat:UNDELIV err:004 text:"}, ReceiptState.UNDELIVERED, "UNDELIV", "004"),
        ({"text": "Stat: nothing stat:REJECTD err:231"}, ReceiptState.FAILED, "REJECTD", "231"),
        ({"text": "stat:EXPIRED"}, ReceiptState.EXPIRED, "EXPIRED", None),
        ({"text": "stat:DELETED"}, ReceiptState.EXPIRED, "DELETED", None),
        ({"text": "stat:ACCEPTD"}, ReceiptState.SENT, "ACCEPTD", None),
        ({"text": "stat:ENROUTE"}, ReceiptState.SENDING, "ENROUTE", None),
        ({"text": "stat:UNKNOWN"}, ReceiptState.UNKNOWN, "UNKNOWN", None),
        ({"text": "stat:delivrd"}, ReceiptState.DELIVERED, "DELIVRD", None),
        ({"status": "Delivered"}, ReceiptState.DELIVERED, "Delivered", None),
        ({"status": "rejected"}, ReceiptState.FAILED, "rejected", None),
        ({"text": "stat:UNDELIV", "status": "delivered"}, ReceiptState.UNDELIVERED, "UNDELIV", None),
        ({"text": "thanks"}, ReceiptState.UNKNOWN, "", None),
        ({}, ReceiptState.UNKNOWN, "", None),
        ({"text": "stat:FROBBED"}, ReceiptState.UNKNOWN, "FROBBED", None),
    ],
)
def test_the_receipt_text_is_read_by_stat_then_by_status(fields: dict[str, object], state: ReceiptState, word: str, code: str | None):
    """§2A.7: with neither it is unknown, not delivered; unlisted words are unknown (bad input 71)."""
    found = receipt_of(**fields)
    assert (found.state, found.carrier_state, found.error_code) == (state, word, code)


@pytest.mark.parametrize("flag", [True, "true", "True"])
def test_a_receipt_is_a_receipt_however_its_flag_is_written(flag: object):
    """Tolerant of a string in place of a boolean."""
    assert receipt_of(deliveryReceipt=flag, text="stat:DELIVRD").state is ReceiptState.DELIVERED


@pytest.mark.parametrize(
    ("reference", "key", "flags"),
    [(None, "", ("no_id",)), ("", "", ("no_id",)), (42, "42", ()), ("007", "007", ()), ("x" * 300, "x" * 300, ("id_long",))],
)
def test_references_are_exact_keys(reference: object, key: str, flags: tuple[str, ...]):
    """Bad input 70."""
    found = text_of(referenceId=reference)
    assert (found.carrier_id, found.raw_flags) == (key, flags)


@pytest.mark.parametrize(
    ("body", "text", "flags"),
    [
        (b'{"referenceId":"r","from":"1","to":["13125550142"],"text":"caf\xe9"}', "caf\ufffd", ("invalid_utf8",)),
        (b'{"referenceId":"r","from":"1","to":["13125550142"],"text":"a\\u0000b"}', "a\ufffdb", ("nul",)),
        (b'{"referenceId":"r","from":"1","to":["13125550142"],"text":"\\ud83d\\ude00"}', "\U0001f600", ()),
        (b' {"referenceId":"r","from":"1","to":["13125550142"],"text":"x","new":{"deep":[1]}}', "x", ()),
    ],
)
def test_odd_texts_are_shown_replaced_and_flagged(body: bytes, text: str, flags: tuple[str, ...]):
    """Bad inputs 7, 10, 11; unknown fields are ignored (§0.2)."""
    (found,) = ADAPTER.parse(request(body))
    assert isinstance(found, InboundText)
    assert (found.text, found.raw_flags) == (text, flags)


@pytest.mark.parametrize(
    ("escaped", "text", "flags"),
    [
        (rb"a\ud800b", "a\ufffdb", ("lone_surrogate",)),
        (rb"a\uDE00b", "a\ufffdb", ("lone_surrogate",)),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600", ("lone_surrogate",)),
        (rb"\ud83d\ude00", "\U0001f600", ()),
        (rb"\\ud800", "\\ud800", ()),
        (rb"\\\ud800", "\\\ufffd", ("lone_surrogate",)),
    ],
)
def test_half_a_surrogate_pair_is_shown_replaced_and_flagged(escaped: bytes, text: str, flags: tuple[str, ...]):
    """Bad input 9: a text that lost a segment in the middle of an emoji is still a text."""
    (found,) = ADAPTER.parse(request(b'{"referenceId":"r","from":"1","to":["13125550142"],"text":"' + escaped + b'"}'))
    assert isinstance(found, InboundText)
    assert (found.text, found.raw_flags) == (text, flags)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"42",
        b"{",
        b"<html>",
        b"\xff\xfe{\x00}\x00",
        b'{"text":"no number"}',
        b'{"to":["13125550142"]}',
        b'{"to":[],"text":"x"}',
        b'{"to":{"a":1},"text":"x"}',
        b'{"to":["13125550142"],"text":{"a":1}}',
        b'{"to":["13125550142"],"text":7}',
        b'{"deliveryReceipt":true,"text":"stat:DELIVRD"}',
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[" * 20_000,
    ],
)
def test_what_cannot_be_read_is_kept_raw(body: bytes):
    """G5, bad input 41: kept for replay, never an exception."""
    (found,) = ADAPTER.parse(request(body))
    assert isinstance(found, Unrecognised)


def test_one_bad_event_in_an_array_costs_only_itself():
    """Bad input 69: the good ones are stored, the bad one is kept raw."""
    found = ADAPTER.parse(request(b"[" + TEXT + b',{"to":7.5},' + RECEIPT + b"]"))
    assert [type(item).__name__ for item in found] == ["InboundText", "Unrecognised", "ReceiptReport"]
    assert isinstance(found[1], Unrecognised)
    assert found[1].raw == b'{"to":7.5}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["to", "from", "text", "referenceId", "deliveryReceipt", "mediaUrls"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_it_fail(value: object):
    """Whatever arrives, it is read or kept, and what is read can be stored."""
    for found in ADAPTER.parse(request(msgspec.json.encode(value) if not isinstance(value, float) else b"1")):
        assert isinstance(found, Unrecognised) or "\0" not in repr(found)


@pytest.mark.parametrize(
    ("headers", "proof", "genuine", "how", "number"),
    [
        ({"x-hook-token": "one"}, HEADER_ONLY, True, "static_header", "+13125550142"),
        ({"x-hook-token": "two"}, HEADER_ONLY, True, "static_header", None),
        ({"x-hook-token": "three"}, HEADER_ONLY, False, "wrong_header", None),
        ({"x-hook-token": ""}, HEADER_ONLY, False, "wrong_header", None),
        ({"x-hook-token": "on\u00e9"}, HEADER_ONLY, False, "wrong_header", None),
        ({}, HEADER_ONLY, False, "no_proof", None),
        ({}, WebhookProof(), False, "no_proof", None),
        ({"x-hook-token": "one"}, WebhookProof(), False, "no_proof", None),
        ({"messageid": TOKEN, "verificationtoken": CONCATENATED}, HASH_ONLY, True, "token_hash_concatenated", None),
        ({"messageid": TOKEN, "verificationtoken": HMAC}, HASH_ONLY, True, "token_hash_hmac", None),
        ({"messageid": TOKEN, "verificationtoken": HMAC.upper()}, HASH_ONLY, True, "token_hash_hmac", None),
        ({"messageid": TOKEN + "x", "verificationtoken": HMAC}, HASH_ONLY, False, "wrong_hash", None),
        ({"messageid": TOKEN, "verificationtoken": "0" + HMAC[1:]}, HASH_ONLY, False, "wrong_hash", None),
        ({"messageid": "", "verificationtoken": HMAC}, HASH_ONLY, False, "wrong_hash", None),
        ({"verificationtoken": HMAC}, HASH_ONLY, False, "wrong_hash", None),
        ({"messageid": TOKEN}, HASH_ONLY, False, "no_proof", None),
        (
            {"x-hook-token": "one", "messageid": TOKEN, "verificationtoken": HMAC},
            BOTH,
            True,
            "static_header+token_hash_hmac",
            "+13125550142",
        ),
        ({"x-hook-token": "one", "messageid": TOKEN, "verificationtoken": "00"}, BOTH, False, "wrong_hash", None),
        ({"x-hook-token": "nope", "messageid": TOKEN, "verificationtoken": HMAC}, BOTH, False, "wrong_header", None),
    ],
)
def test_a_webhook_proves_itself_by_header_by_hash_or_by_both(
    headers: dict[str, str], proof: WebhookProof, genuine: bool, how: str, number: str | None
):
    """§2A.8 with the vectors of appendix B; bad inputs 63, 64, 67: no way that is presented may fail."""
    found = ADAPTER.authenticate(request(TEXT, headers), proof)
    assert (found.genuine, found.how, found.number) == (genuine, how, number)


def test_a_secret_cannot_be_read_from_a_proof():
    """G33: neither its repr nor its index shows a value."""
    assert "'one'" not in repr(BOTH)
    assert "b'" not in repr(BOTH)
    assert KEY not in repr(BOTH)


def test_the_answer_is_the_documented_one():
    """§2A.7."""
    answer = ADAPTER.acknowledge()
    assert (answer.status, json.loads(answer.body)) == (200, {"statusCode": "200", "status": "success"})
    assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()
