"""The message log: reading one and listing with filters, order and pages (carriers.md §1.5)."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from urllib.parse import urlencode

import msgspec

from kereru.simulators.asgi import TEXT, Answer, as_json
from kereru.simulators.messages import Message
from kereru.simulators.restcomm.accounts import PREFIX, Account
from kereru.simulators.restcomm.views import Page, message_view, xml_object
from kereru.simulators.restcomm.views import one as one_view

SORTS: Mapping[str, Callable[[Message], tuple[object, ...]]] = {
    "DateCreated": lambda m: (m.created, m.serial),
    "From": lambda m: (m.from_, m.serial),
    "To": lambda m: (m.to, m.serial),
    "Direction": lambda m: (m.direction, m.serial),
    "Status": lambda m: (m.status, m.serial),
    "Body": lambda m: (m.text, m.serial),
    "Price": lambda m: (0, m.serial),
}


class BadQuery(ValueError):
    """A query that the carrier answers with 400; the text is its JSON message, or empty for an empty body."""


def read_one(message: Message | None, account: Account, *, json: bool) -> Answer:
    """One message, or 404 without a body."""
    if message is None or message.account != account.sid:
        return Answer(404, b"", TEXT)
    return one_view(message_view(message), "SMSMessage", json=json)


def listed(messages: Iterable[Message], account: Account, children: Iterable[str], query: Mapping[str, str], *, json: bool) -> Answer:
    """A page of the log."""
    try:
        sids = {account.sid, *(children if query.get("SubAccounts", "").lower() == "true" else ())}
        counted = [m for m in messages if m.account in sids and _matches(m, query)]
        total = len(counted)
        rows = [m for m in counted if not query.get("Status") or m.status == query["Status"].lower()]
        rows = _sorted(rows, query.get("SortBy", ""))
        number, size = page_of(query, total)
    except BadQuery as error:
        return as_json({"message": str(error)}, 400) if str(error) else Answer(400, b"", TEXT)
    rows = rows[number * size : (number + 1) * size]
    kept = urlencode({k: v for k, v in query.items() if k not in ("Page", "PageSize", "AfterSid")})
    page = Page(f"{PREFIX}/Accounts/{account.sid}/SMS/Messages.json", number, size, total, rows[-1].id if rows else "", kept and kept + "&")
    views = [message_view(m) for m in rows]
    if json:
        return as_json(views if account.modes.list_shape == "array" else page.envelope("messages", views))
    inner = "".join(xml_object("SMSMessage", _fields(view)) for view in views)
    return page.xml("SMSMessages", inner, page.envelope("messages", ()))


def _fields(view: object) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(view)
    return fields


def page_of(query: Mapping[str, str], total: int) -> tuple[int, int]:
    """Page number (from 0) and size. Raises BadQuery past `total / size`."""
    try:
        number, size = int(query.get("Page") or 0), int(query.get("PageSize") or 50)
    except ValueError as error:
        raise BadQuery from error
    if number < 0 or size < 1 or number > total // size:
        raise BadQuery
    return number, size


def _matches(message: Message, query: Mapping[str, str]) -> bool:
    for name, value in (("From", message.from_), ("To", message.to)):
        wanted = query.get(name)
        if wanted and not _suffix(wanted, value):
            return False
    if query.get("Body") and query["Body"] not in message.text:
        return False
    day = datetime.fromtimestamp(message.created, UTC).date()
    start, end = _day(query.get("StartTime")), _day(query.get("EndTime"))
    return (start is None or day >= start) and (end is None or day <= end)


def _suffix(wanted: str, value: str) -> bool:
    """Suffix match, `%` inside is a wildcard."""
    if "%" not in wanted:
        return value.endswith(wanted)
    return re.search(".*".join(re.escape(part) for part in wanted.split("%")) + r"\Z", value, re.DOTALL) is not None


def _day(value: str | None) -> date | None:
    """Only the date part of a longer timestamp counts. Raises BadQuery."""
    if not value:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError as error:
        raise BadQuery from error


def _sorted(rows: list[Message], order: str) -> list[Message]:
    field, _, direction = order.partition(":") if order else ("DateCreated", "", "desc")
    if field not in SORTS or direction not in ("", "asc", "desc"):
        raise BadQuery(f"Error parsing the SortBy parameter: {order}")
    return sorted(rows, key=SORTS[field], reverse=direction == "desc")
