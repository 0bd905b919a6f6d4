"""Restcomm's words and shapes: forms in, JSON out, statuses and error codes (carriers.md §1). No I/O."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

import msgspec

from kereru.carriers.arrivals import ReceiptState

FIELDS_MAX = 500

STATES = {
    "queued": ReceiptState.QUEUED,
    "sending": ReceiptState.SENDING,
    "sent": ReceiptState.SENT,
    "delivered": ReceiptState.DELIVERED,
    "undelivered": ReceiptState.UNDELIVERED,
    "failed": ReceiptState.FAILED,
}

ERROR_NAMES = {
    "QUEUE_OVERFLOW": "30001",
    "ACCOUNT_SUSPENDED": "30002",
    "UNREACHABLE_DESTINATION_HANDSET": "30003",
    "MESSAGE_BLOCKED": "30004",
    "UNKNOWN_DESTINATION_HANDSET": "30005",
    "LANDLINE_OR_UNREACHABLE_CARRIER": "30006",
    "CARRIER_VIOLATION": "30007",
    "UNKNOWN_ERROR": "30008",
    "MISSING_SEGMENT": "30009",
    "MESSAGE_PRICE_EXCEEDS_MAX_PRICE": "30010",
}

ERROR_REASONS = {
    "30001": "The carrier's queue was full.",
    "30002": "The account at the carrier is suspended.",
    "30003": "The phone could not be reached.",
    "30004": "The text was blocked.",
    "30005": "The number is not in use.",
    "30006": "The number is a landline, or its carrier could not be reached.",
    "30007": "The text was filtered by a carrier.",
    "30008": "The carrier does not know why.",
    "30009": "A part of the text got lost.",
    "30010": "The text costs more than the account allows.",
}


class Number(msgspec.Struct, frozen=True):
    """One entry of IncomingPhoneNumbers (§1.3); unknown fields are ignored."""

    sid: str
    phone_number: str | None = None
    sms_url: str | None = None
    sms_application_sid: str | None = None
    capabilities: dict[str, bool | None] | None = None


class NumberPage(msgspec.Struct, frozen=True, rename={"camel": "incomingPhoneNumbers", "snake": "incoming_phone_numbers"}):
    """The envelope around a list of numbers, under either of its two keys."""

    camel: list[Number] | None = None
    snake: list[Number] | None = None


class Message(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A message resource (§1.5), as answered to a send and in lists."""

    sid: str
    status: str | None = None
    body: str | None = None
    from_: str | None = None
    to: str | None = None
    direction: str | None = None
    date_created: str | None = None
    error_code: int | str | None = None
    error_message: str | None = None


class MessagePage(msgspec.Struct, frozen=True):
    """One page of the message list."""

    messages: list[Message]


class Account(msgspec.Struct, frozen=True):
    """The account (§1.2); its `auth_token` is deliberately not read."""

    sid: str
    status: str | None = None


class Error(msgspec.Struct, frozen=True):
    """The body of a 403 (§1.8)."""

    error: str
    message: str | None = None


NUMBERS: "msgspec.json.Decoder[NumberPage | list[Number]]" = msgspec.json.Decoder(NumberPage | list[Number])
MESSAGE = msgspec.json.Decoder(Message)
MESSAGES: "msgspec.json.Decoder[MessagePage | list[Message]]" = msgspec.json.Decoder(MessagePage | list[Message])
ACCOUNT = msgspec.json.Decoder(Account)
ERROR = msgspec.json.Decoder(Error)


class FormProblem(Exception):
    """The form cannot be read; the message says why, without quoting it."""


def form(encoded: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Fields of a form and flags about how it was written. The first of a repeated field counts: `Body` comes twice (§1.10).

    Bytes that are not UTF-8 and NUL are shown as U+FFFD and flagged (bad inputs 10 and 11). Raises FormProblem for too many fields.
    """
    if encoded.count(b"&") >= FIELDS_MAX:
        message = "too many fields"
        raise FormProblem(message)
    fields: dict[str, str] = {}
    flags: dict[str, None] = {}
    for pair in encoded.split(b"&"):
        name, _, value = pair.partition(b"=")
        key = _text(name, flags)
        if key and key not in fields:
            fields[key] = _text(value, flags)
    return fields, tuple(flags)


def _text(encoded: bytes, flags: dict[str, None]) -> str:
    raw = encoded.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        flags["invalid_utf8"] = None
        text = raw.decode("utf-8", "replace")
    if "\0" in text:
        flags["nul"] = None
        text = text.replace("\0", "\ufffd")
    return text


def values_of(encoded: bytes, name: bytes) -> list[bytes]:
    """Every value of one field, still encoded; a look without reading the whole form."""
    start = name + b"="
    if start not in encoded:
        return []
    return [pair[len(start) :] for pair in encoded.split(b"&", FIELDS_MAX) if pair.startswith(start)]


OPTED_OUT = "21610"
"""The code of a person who asked the carrier for no more texts from us."""


def error_code(value: int | str | None) -> str | None:
    """An error code in number form, whichever way it was written (C.12); None where there is none."""
    if value is None:
        return None
    text = str(value).strip()
    if text.lower() in ("", "0", "null", "none"):
        return None
    return ERROR_NAMES.get(text.upper(), text[:64])


def error_reason(code: str | None) -> str:
    """Plain words for an error code."""
    if code is None:
        return ""
    return ERROR_REASONS.get(code, f"The carrier gave the code {code}.")


def date(text: str | None) -> datetime | None:
    """A `date_created` (RFC 2822-like, day not padded) in UTC; None where it cannot be read."""
    if not text:
        return None
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def numbers_of(page: NumberPage | list[Number]) -> Iterable[Number]:
    """The numbers of a page in any of its three shapes (§1.3)."""
    return page if isinstance(page, list) else (page.camel or page.snake or ())
