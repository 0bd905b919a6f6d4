"""Restcomm's webhooks by literal payloads from carriers.md §1.9 and §1.10; bad inputs 5 to 12, 63, 70, 71 on the parser's side."""

from datetime import UTC, datetime
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.carriers.adapters.restcomm.webhooks import RestcommWebhooks
from kereru.carriers.arrivals import (
    InboundText,
    MediaReference,
    ReceiptReport,
    ReceiptState,
    Unrecognised,
    WebhookProof,
    WebhookRequest,
)

ADAPTER = RestcommWebhooks()
ACCOUNT = "AC" + "5e0c" * 8
PROOF = WebhookProof(account_id=ACCOUNT)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = b"SmsSid=SM9c&AccountSid=%b&From=%%2B13125550199&To=%%2B13125550142&Body=Yes%%2C+see+you+at+7" % ACCOUNT.encode()


def request(body: bytes, tail: str = "/in", method: str = "POST", query: str = "") -> WebhookRequest:
    """A webhook as the ingress hands it over."""
    return WebhookRequest(7, 9, method, tail, query, {"content-type": "application/x-www-form-urlencoded"}, body, NOW)


def form(**fields: str) -> bytes:
    """A form with the account in it."""
    return urlencode({"AccountSid": ACCOUNT, **fields}).encode()


def text_of(body: bytes) -> InboundText:
    """The one text of a webhook."""
    (found,) = ADAPTER.parse(request(body))
    assert isinstance(found, InboundText)
    return found


def test_the_documented_text_is_read_exactly():
    """carriers.md §1.9."""
    assert text_of(TEXT) == InboundText(
        7, 9, "SM9c", "+13125550142", "+13125550199", "Yes, see you at 7", "+13125550142", "+13125550199", reply_possible=True
    )


def test_a_text_by_get_has_its_fields_in_the_query():
    """§1.9: GET uses the same names."""
    asked = request(b"", method="GET", query=TEXT.decode())
    assert ADAPTER.authenticate(asked, PROOF).genuine
    (found,) = ADAPTER.parse(asked)
    assert isinstance(found, InboundText)
    assert found.text == "Yes, see you at 7"


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("+13125550199", "+13125550199"),
        ("13125550199", "+13125550199"),
        ("3125550199", "+13125550199"),
        ("72345", "72345"),
        ("BANK", "BANK"),
    ],
)
def test_senders_in_every_form(raw: str, number: str):
    """With and without the plus sign; short codes and names stay as they are and cannot be answered (bad inputs 32 and 33)."""
    found = text_of(form(SmsSid="SM1", From=raw, To="+12015550110", Body="hi"))
    assert (found.remote, found.remote_raw, found.reply_possible) == (number, raw, number.startswith("+"))


def test_a_text_without_a_sender_is_kept_and_flagged():
    """§1.9: From may be absent when it could not be parsed."""
    found = text_of(form(SmsSid="SM1", To="+12015550110", Body="hi"))
    assert (found.remote, found.reply_possible, found.raw_flags) == ("", False, ("no_sender",))


@pytest.mark.parametrize(
    ("encoded", "text", "flags"),
    [
        (b"", "", ()),
        (b"a%00b", "a\ufffdb", ("nul",)),
        (b"caf%E9", "caf\ufffd", ("invalid_utf8",)),
        (b"caf\xe9", "caf\ufffd", ("invalid_utf8",)),
        (b"caf%C3%A9", "caf\u00e9", ()),
        (b"%ED%A0%80", "\ufffd\ufffd\ufffd", ("invalid_utf8",)),
        (b"100%", "100%", ()),
        (b"%zz", "%zz", ()),
        (b"a%2Bb+c", "a+b c", ()),
        (quote("😀👨\u200d👩\u200d👧").encode(), "😀👨\u200d👩\u200d👧", ()),
        (b"\xff\xfeh\x00i\x00", "\ufffd\ufffdh\ufffdi\ufffd", ("invalid_utf8", "nul")),
        (b"x" * 100_000, "x" * 100_000, ()),
    ],
)
def test_odd_bytes_are_shown_replaced_and_flagged(encoded: bytes, text: str, flags: tuple[str, ...]):
    """Bad inputs 7, 10, 11, 12: what PostgreSQL or UTF-8 cannot hold is shown as U+FFFD; the raw body stays in the exchange."""
    found = text_of(b"SmsSid=SM1&From=%2B12025550142&To=%2B12015550110&Body=" + encoded)
    assert (found.text, found.raw_flags) == (text, flags)


@pytest.mark.parametrize(
    ("sid", "key", "flags"),
    [
        ("", "", ("no_id",)),
        ("sm9C", "sm9C", ()),
        ("007", "007", ()),
        ("x" * 300, "x" * 300, ("id_long",)),
        ("x" * 5000, "sha256:", ("id_hashed",)),
    ],
)
def test_carrier_ids_are_exact_keys(sid: str, key: str, flags: tuple[str, ...]):
    """Bad input 70: case and leading zeros are kept, odd ones flagged, endless ones hashed so that an index can hold them."""
    found = text_of(form(SmsSid=sid, From="+12025550142", To="+12015550110", Body="hi"))
    assert found.raw_flags == flags
    assert found.carrier_id == key if not key.endswith(":") else found.carrier_id.startswith(key)


def test_media_is_listed_to_be_fetched_with_credentials():
    """C.2."""
    body = form(
        SmsSid="SM1",
        From="+12025550142",
        To="+12015550110",
        Body="",
        NumMedia="2",
        MediaUrl0="https://m.example/1",
        MediaContentType0="image/png",
    )
    assert text_of(body).media == (MediaReference("https://m.example/1", "image/png", with_credentials=True),)
    huge = form(SmsSid="SM1", From="+12025550142", To="+12015550110", NumMedia="9" * 50)
    assert text_of(huge).media == ()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", ReceiptState.QUEUED),
        ("sending", ReceiptState.SENDING),
        ("sent", ReceiptState.SENT),
        ("delivered", ReceiptState.DELIVERED),
        ("Delivered", ReceiptState.DELIVERED),
        ("undelivered", ReceiptState.UNDELIVERED),
        ("failed", ReceiptState.FAILED),
        ("vanished", ReceiptState.UNKNOWN),
    ],
)
def test_receipts_carry_our_part_from_the_path(word: str, state: ReceiptState):
    """§1.10: the state table; a word that is not in it is unknown and flagged (bad input 71)."""
    (found,) = ADAPTER.parse(request(form(MessageSid="SM2", MessageStatus=word), "/status/922337203685477580700101"))
    assert isinstance(found, ReceiptReport)
    assert (found.carrier_id, found.part_reference, found.state, found.carrier_state) == ("SM2", 922337203685477580700101, state, word.lower())
    assert (found.raw_flags == ("state_unlisted",)) == (word == "vanished")


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("30003", "30003"),
        ("UNREACHABLE_DESTINATION_HANDSET", "30003"),
        ("message_blocked", "30004"),
        ("null", None),
        ("", None),
        ("0", None),
        ("4711", "4711"),
    ],
)
def test_error_codes_come_as_numbers_or_names(code: str, number: str | None):
    """§1.10 and C.12: both are accepted."""
    (found,) = ADAPTER.parse(request(form(MessageSid="SM2", MessageStatus="failed", ErrorCode=code), "/status/5"))
    assert isinstance(found, ReceiptReport)
    assert found.error_code == number
    assert bool(found.error_reason) == (number is not None)


def test_a_body_field_that_comes_twice_is_no_obstacle():
    """§1.10: the open-source form repeats Body."""
    (found,) = ADAPTER.parse(request(TEXT.replace(b"SmsSid", b"MessageSid") + b"&Body=Yes&MessageStatus=sent", "/status/5"))
    assert isinstance(found, ReceiptReport)
    assert found.state is ReceiptState.SENT


def test_a_receipt_without_an_id_still_names_our_part():
    """Issue #2577: early versions left the id out."""
    (found,) = ADAPTER.parse(request(form(MessageStatus="delivered"), "/status/5"))
    assert isinstance(found, ReceiptReport)
    assert (found.carrier_id, found.part_reference, found.raw_flags) == ("", 5, ("no_id",))


@pytest.mark.parametrize(
    ("body", "tail"),
    [
        (form(SmsSid="SM1", From="+12025550142", To="+12015550110"), "/in"),
        (form(SmsSid="SM1", From="+12025550142", Body="hi"), "/in"),
        (form(SmsSid="SM1", From="+12025550142", To="  ", Body="hi"), "/in"),
        (form(MessageSid="SM1"), "/status/5"),
        (form(MessageSid="SM1", MessageStatus="sent"), "/status/five"),
        (form(MessageSid="SM1", MessageStatus="sent"), "/status/" + "9" * 37),
        (form(MessageSid="SM1", MessageStatus="sent"), "/elsewhere"),
        (b"&".join(b"a%d=1" % n for n in range(1000)), "/in"),
        (b"", "/in"),
        (b'{"json":true}', "/in"),
    ],
)
def test_what_cannot_be_read_is_kept_raw(body: bytes, tail: str):
    """G5: kept for replay, never an exception."""
    (found,) = ADAPTER.parse(request(body, tail))
    assert isinstance(found, Unrecognised)
    assert found.raw == body


@given(st.binary(max_size=300), st.sampled_from(["/in", "/status/1", "/"]))
def test_no_bytes_make_it_fail(body: bytes, tail: str):
    """Whatever arrives, there is one arrival and it can be stored."""
    ADAPTER.authenticate(request(body, tail), PROOF)
    (found,) = ADAPTER.parse(request(b"AccountSid=1&From=1&To=%2B12015550110&Body=" + body, tail))
    if isinstance(found, InboundText):
        found.text.encode()
        assert "\0" not in found.text + found.remote + found.to + found.carrier_id


@pytest.mark.parametrize(
    ("body", "genuine", "how"),
    [
        (TEXT, True, "account_id"),
        (TEXT.replace(ACCOUNT.encode(), b"AC" + b"0" * 32), False, "wrong_account"),
        (TEXT + b"&AccountSid=AC" + b"0" * 32, False, "wrong_account"),
        (b"AccountSid=AC" + b"0" * 32 + b"&" + TEXT, False, "wrong_account"),
        (TEXT.replace(b"AccountSid", b"AccountSidx"), False, "no_account"),
        (TEXT.replace(b"AccountSid=", b"AccountSid=+"), False, "wrong_account"),
        (b"", False, "no_account"),
    ],
)
def test_a_webhook_must_name_the_platforms_account_once_and_only(body: bytes, genuine: bool, how: str):
    """Bad inputs 63 and 64: another account's, one byte changed, two accounts in one form."""
    found = ADAPTER.authenticate(request(body), PROOF)
    assert (found.genuine, found.how) == (genuine, how)


def test_without_a_known_account_nothing_is_genuine():
    """A platform whose credentials were never verified takes nothing in."""
    assert not ADAPTER.authenticate(request(TEXT), WebhookProof()).genuine


def test_the_answer_is_rcml_that_does_nothing():
    """§1.9: 200, text/xml, well-formed."""
    answer = ADAPTER.acknowledge()
    assert (answer.status, answer.body, dict(answer.headers)[b"content-type"][:8]) == (200, b"<Response/>", b"text/xml")
    assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()


def test_plus_signs_in_unencoded_numbers_survive():
    """A sender that forgets to encode the plus sign sends a space; the number is still recognised."""
    body = b"AccountSid=1&SmsSid=SM1&From=+13125550199&To=+13125550142&Body=" + quote_plus("x").encode()
    found = text_of(body)
    assert (found.to, found.remote) == ("+13125550142", "+13125550199")
