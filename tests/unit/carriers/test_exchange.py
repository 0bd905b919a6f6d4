"""The masked record of a call: no secret in any form (G33, canary secrets)."""

import base64
from datetime import UTC, datetime
from urllib.parse import quote_plus

import pytest

from kereru.carriers.contract import RESTCOMM, PlatformAccess
from kereru.carriers.exchange import forms_of, masked, record, secrets_of
from kereru.kernel.http_client import Answered, Interrupted, NotSent, Outgoing, Result
from kereru.kernel.limits import EXCHANGE_BYTES
from kereru.kernel.secrets import Secret

CANARY = 'can/ary+"secret" ü'
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ACCESS = PlatformAccess(1, 2, RESTCOMM, {"account_key": "AC1", "token_secret": Secret(CANARY)})


def _leaks(text: bytes) -> bool:
    raw = CANARY.encode()
    return any(form in text for form in (raw, quote_plus(CANARY).encode(), base64.b64encode(raw)))


@pytest.mark.parametrize(
    "result",
    [
        Answered(200, {"x-echo": CANARY, "set-cookie": "a=b"}, f'{{"x":{CANARY!r}}}'.encode(), 3),
        Interrupted("cut", f"gone {CANARY}", 3, 200, {"x-echo": CANARY}, CANARY.encode()),
        NotSent("unreachable", CANARY),
    ],
)
def test_a_platforms_secret_stands_nowhere_in_the_record(result: Result):
    """Plain, percent-encoded and base64, in the address, the headers, both bodies and the note."""
    request = Outgoing(
        "POST",
        "https://carrier.example/api",
        "/x?token=" + quote_plus(CANARY),
        {"Authorization": "Basic " + base64.b64encode(f"AC1:{CANARY}".encode()).decode(), "X-Raw": CANARY},
        b"secret=" + quote_plus(CANARY).encode() + b"&b64=" + base64.b64encode(CANARY.encode()),
    )
    found = record(request, result, NOW, secrets_of(ACCESS))
    whole = f"{found.request_head}\n{found.answer_head}\n{found.note}".encode() + found.request_body + found.answer_body
    assert not _leaks(whole)
    assert "authorization: •••" in found.request_head.lower()


def test_tokens_of_our_webhook_paths_are_masked_in_plain_and_encoded_form():
    """carriers.md §0.2: never log tokens in callback URLs."""
    body = (
        b"StatusCallback=https%3A%2F%2Fsms.example%2Fingress%2Frestcomm%2Ftok-EN_1%2Fstatus%2F9&x=https://sms.example/ingress/inteliquent/tok-EN_1/in"
    )
    found = masked(body)
    assert b"tok-EN_1" not in found
    assert b"%2Fstatus%2F9" in found
    assert found.endswith(b"/in")


def test_the_carriers_own_secret_fields_are_masked():
    """§1.2 and §2A.2: answers repeat `auth_token`, `apiKey` and `headerValue`."""
    found = masked(b'{"auth_token":"one","apiKey" : "t\\"wo","headerValue":"three","kept":"four"}')
    assert found.decode() == '{"auth_token":"•••","apiKey" : "•••","headerValue":"•••","kept":"four"}'


def test_bodies_are_cut_for_the_log():
    """design: raw exchanges are capped."""
    assert len(masked(b"x" * 100_000)) == EXCHANGE_BYTES


def test_an_empty_secret_masks_nothing():
    """An empty form would turn every place between two bytes into a mask."""
    assert forms_of([""]) == ()
