"""What logs must never hold: secrets, bodies of texts, whole phone numbers (G33, threat model)."""

import io
import json
import logging
from collections.abc import Callable

import psycopg
import pytest

from kereru.kernel.logging import configure, get_logger, redact
from kereru.kernel.secrets import Secret

CANARY = "canary-5f1c"


@pytest.mark.parametrize("key", [
    "password", "smtp_password", "token", "ingress_token", "api_key", "apikey", "Authorization", "cookie", "credentials", "client_secret",
    "private_key", "text", "body", "html", "message_text",
])  # fmt: skip
def test_secrets_and_bodies_go_by_their_name(key: str) -> None:
    """G33: at any depth."""
    said = repr(redact({key: CANARY, "deep": [{"deeper": {key: CANARY}}], "pair": ({key: [CANARY]},)}))
    assert CANARY not in said


def test_secrets_go_by_their_type() -> None:
    """G33: whatever they are called, alone or in a structure's repr."""
    assert CANARY not in repr(redact({"harmless": Secret(CANARY), "list": [Secret(CANARY)]}))
    assert CANARY not in f"{Secret(CANARY)} {Secret(CANARY)!r}"


def test_numbers_are_masked_wherever_they_stand() -> None:
    """G33: enough is left to recognise one, too little to call it."""
    said = redact({"to": "+12025550142", "event": "sending +447700900123 to somebody", "count": 12025550142})
    assert said == {"to": "+120…42", "event": "sending +447…23 to somebody", "count": 12025550142}


@pytest.mark.parametrize("write", [str, repr, lambda error: f"Traceback\n{error}\n\nDuring handling of the above, another."])
def test_a_database_error_does_not_tell_the_row(write: Callable[[object], str]) -> None:
    """G33: the server quotes what it was given, over as many lines as that has."""
    error = psycopg.errors.CheckViolation(
        f'new row violates check "odd"\nDETAIL:  Failing row contains (1, {CANARY}\n\n{CANARY}).\nCONTEXT:  JSON data, line 1: {CANARY}'
    )
    said = str(redact(write(error)))
    assert CANARY not in said
    assert 'violates check "odd"' in said


def test_libraries_and_exceptions_are_redacted_alike() -> None:
    """What the standard library logs, and what a traceback says, pass the same door."""
    stream = io.StringIO()
    configure("info", process="test", stream=stream)
    try:
        logging.getLogger("somebody.else").warning("no answer for %s", "+12025550142")
        try:
            raise ValueError("+12025550143")
        except ValueError:
            get_logger("test").exception("failed", password=CANARY)
    finally:
        configure("info", process="test")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["source"] for line in lines] == ["somebody.else", "test"]
    assert "5550142" not in stream.getvalue()
    assert "5550143" not in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert lines[1]["level"] == "error"
    assert "Traceback" in lines[1]["exception"]
