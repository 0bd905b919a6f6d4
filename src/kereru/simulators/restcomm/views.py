"""How Restcomm writes its objects, in JSON and XML (carriers.md §1.2–1.5)."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import msgspec

from kereru.simulators.asgi import XML, Answer, as_json
from kereru.simulators.messages import Message
from kereru.simulators.restcomm.accounts import (
    API_VERSION,
    PREFIX,
    Account,
    Application,
    Number,
)
from kereru.simulators.times import iso_offset, rfc2822

REASONS: Mapping[int, str] = {
    30001: "QUEUE_OVERFLOW", 30002: "ACCOUNT_SUSPENDED", 30003: "UNREACHABLE_DESTINATION_HANDSET", 30004: "MESSAGE_BLOCKED",
    30005: "UNKNOWN_DESTINATION_HANDSET", 30006: "LANDLINE_OR_UNREACHABLE_CARRIER", 30007: "CARRIER_VIOLATION", 30008: "UNKNOWN_ERROR",
    30009: "MISSING_SEGMENT", 30010: "MESSAGE_PRICE_EXCEEDS_MAX_PRICE",
}  # fmt: skip


class MessageView(msgspec.Struct, frozen=True):
    """A message as the API writes it."""

    sid: str
    date_created: str
    date_updated: str
    date_sent: str | None
    account_sid: str
    from_: str = msgspec.field(name="from")
    to: str
    body: str
    status: str
    direction: str
    error_code: int | None
    error_message: str | None
    price: str
    price_unit: str
    api_version: str
    uri: str


def message_view(message: Message, channel: str = "") -> MessageView:
    """A message; `channel` (`mms:`) is written before the numbers in the newer Messages API (C.1)."""
    return MessageView(
        message.id,
        rfc2822(message.created),
        rfc2822(message.updated),
        None if message.sent is None else iso_offset(message.sent),
        message.account,
        channel + message.from_,
        channel + message.to,
        message.text,
        message.status,
        message.direction,
        message.error,
        None if message.error is None else REASONS.get(message.error),
        "0",
        "USD",
        API_VERSION,
        f"{PREFIX}/Accounts/{message.account}/SMS/Messages/{message.id}.json",
    )


def number_view(account: Account, number: Number) -> dict[str, object]:
    """An incoming phone number; nulls are written out."""
    return {
        "sid": number.sid,
        "account_sid": account.sid,
        "friendly_name": number.friendly_name,
        "phone_number": number.phone_number,
        "voice_url": number.voice_url,
        "voice_method": number.voice_method,
        "voice_fallback_url": None,
        "voice_fallback_method": "POST",
        "status_callback": number.status_callback,
        "status_callback_method": "POST",
        "voice_caller_id_lookup": False,
        "voice_application_sid": None,
        "date_created": rfc2822(number.created),
        "date_updated": rfc2822(number.updated),
        "sms_url": number.sms_url,
        "sms_method": number.sms_method,
        "sms_fallback_url": number.sms_fallback_url,
        "sms_fallback_method": number.sms_fallback_method,
        "sms_application_sid": number.sms_application_sid,
        "capabilities": {"voice_capable": True, "sms_capable": True, "mms_capable": account.modes.mms, "fax_capable": False},
        "api_version": API_VERSION,
        "uri": f"{PREFIX}/Accounts/{account.sid}/IncomingPhoneNumbers/{number.sid}.json",
    }


def application_view(account: Account, app: Application) -> dict[str, object]:
    """An application."""
    return {
        "sid": app.sid,
        "date_created": rfc2822(app.created),
        "date_updated": rfc2822(app.updated),
        "friendly_name": app.friendly_name,
        "account_sid": account.sid,
        "api_version": app.api_version,
        "voice_caller_id_lookup": app.voice_caller_id_lookup,
        "uri": f"{PREFIX}/Accounts/{account.sid}/Applications/{app.sid}.json",
        "rcml_url": app.rcml_url,
        "kind": app.kind,
    }


def account_view(account: Account) -> dict[str, object]:
    """The account itself; it echoes its own token, as the real one does (carriers.md §1.2)."""
    base = f"{PREFIX}/Accounts/{account.sid}"
    return {
        "sid": account.sid,
        "organization": account.config.friendly_name,
        "friendly_name": account.config.friendly_name,
        "email_address": account.config.email,
        "type": "Full",
        "status": account.config.status,
        "role": "Administrator",
        "date_created": rfc2822(account.created),
        "date_updated": rfc2822(account.created),
        "auth_token": account.config.auth_token,
        "uri": f"{base}.json",
        "subresource_uris": {
            "applications": f"{base}/Applications.json",
            "incoming_phone_numbers": f"{base}/IncomingPhoneNumbers.json",
            "sms_messages": f"{base}/SMS/Messages.json",
        },
    }


def one(value: Mapping[str, object] | MessageView, element: str, *, json: bool) -> Answer:
    """One object in the form asked for."""
    if json:
        return as_json(value)
    fields = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    return xml_answer(xml_object(element, fields))


def xml_object(element: str, fields: Mapping[str, object]) -> str:
    """One object as XML: fields in CamelCase, nulls as empty elements; a message's error stands in an element of its own (§1.5)."""
    inner: list[str] = []
    for name, value in fields.items():
        if name in ("error_code", "error_message"):
            continue
        tag = "".join(part.capitalize() for part in name.split("_"))
        if isinstance(value, dict):
            inner.append(xml_object(tag, {str(k): v for k, v in value.items()}))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        else:
            text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            inner.append(f"<{tag}>{escape(text)}</{tag}>")
    if fields.get("error_code") is not None:
        code, words = fields["error_code"], escape(str(fields.get("error_message") or ""))
        inner.append(f"<Error><ErrorCode>{code}</ErrorCode><ErrorMessage>{words}</ErrorMessage></Error>")
    return f"<{element}>{''.join(inner)}</{element}>"


def xml_answer(inner: str, status: int = 200) -> Answer:
    """A whole XML document."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<RestcommResponse>{inner}</RestcommResponse>'
    return Answer(status, text.encode("utf-8"), XML)


class Page:
    """One page of a list, with the counting quirks of the real lists (carriers.md §1.5)."""

    def __init__(self, uri: str, page: int, size: int, total: int, last_sid: str, filters: str) -> None:
        self.uri, self.page, self.size, self.total = uri, page, size, total
        self.pages = total // size
        self.filters = filters
        self.last_sid = last_sid

    def envelope(self, key: str, items: Sequence[object]) -> dict[str, object]:
        """`num_pages` is rounded down, `start` and `end` are strings, and absent neighbours are the word null in quotes."""
        first = self.page * self.size
        last_page = self.page >= self.pages
        end = first + len(items) if last_page else first + self.size - 1
        base = f"{self.uri}?{self.filters}" if self.filters else f"{self.uri}?"
        return {
            "page": self.page,
            "num_pages": self.pages,
            "page_size": self.size,
            "total": self.total,
            "start": str(first),
            "end": str(end),
            "uri": self.uri,
            "first_page_uri": f"{base}Page=0&PageSize={self.size}",
            "previous_page_uri": "null" if self.page == 0 else f"{base}Page={self.page - 1}&PageSize={self.size}",
            "next_page_uri": "null" if last_page else f"{base}Page={self.page + 1}&PageSize={self.size}&AfterSid={self.last_sid}",
            "last_page_uri": f"{base}Page={self.pages}&PageSize={self.size}",
            key: items,
        }

    def xml(self, element: str, inner: str, envelope: Mapping[str, object]) -> Answer:
        """The XML list: attributes, and the known defect that `total` holds the number of pages (carriers.md §1.3)."""
        names = {"page": "page", "numpages": "num_pages", "pagesize": "page_size", "total": "num_pages", "start": "start", "end": "end",
                 "uri": "uri", "firstpageuri": "first_page_uri", "previouspageuri": "previous_page_uri", "nextpageuri": "next_page_uri",
                 "lastpageuri": "last_page_uri"}  # fmt: skip
        attributes = " ".join(f'{name}="{escape(str(envelope[field]), {chr(34): "&quot;"})}"' for name, field in names.items())
        return xml_answer(f"<{element} {attributes}>{inner}</{element}>")
