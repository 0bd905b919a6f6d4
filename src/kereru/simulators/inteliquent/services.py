"""The Services API 2.0.0: inventory, messaging on numbers, account defaults, message records (carriers.md §2B).

Promises: every body carries the right `privateKey`; numbers have ten digits; failures are status codes inside the envelope.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from kereru.simulators.asgi import Answer, as_json
from kereru.simulators.inteliquent.accounts import Account, Tn
from kereru.simulators.messages import Message

T = TypeVar("T")
TEN = re.compile(r"[2-9]\d{9}")
MASK = re.compile(r"[\dxX]{10}")
CLASSES = ("P2P", "A2PLC", "A2P8XX")
TYPES = ("SMS", "MMS", "SMSMMS", "SMS_ALT", "MMS_ALT", "SMSMMS_ALT")
DISPOSITIONS = {"sending": "Enroute", "sent": "Enroute", "delivered": "Successful", "undelivered": "Failed", "failed": "Blocked",
                "received": "Successful"}  # fmt: skip
LARGEST_PAGE = 10_000


class Refused(Exception):
    """A status code of carriers.md §2B.2 and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def good(**fields: object) -> Answer:
    """Success with these fields."""
    return as_json({"status": "Success", "statusCode": "200", **fields})


def refused(account: Account, problem: Refused) -> Answer:
    """A failure; the HTTP status mirrors the code unless switched to 200."""
    status = 200 if account.modes.services_http == "200" else int(problem.code)
    return as_json({"statusCode": problem.code, "status": problem.text}, status)


def body_of(account: Account, raw: bytes) -> dict[str, object]:
    """The body, its private key checked. Raises Refused."""
    try:
        body = msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise Refused("409", "Invalid input parameters") from error
    key = body.get("privateKey")
    if key is None or key == "":
        raise Refused("408", "privateKey is blank")
    if key != account.config.key:
        raise Refused("409", "Invalid private key")
    return body


def account_detail(account: Account, _body: Mapping[str, object]) -> Answer:
    """Account defaults; the receipt setting is among them (carriers.md §2B.3)."""
    detail = {
        "contactFirstName": "Robin", "contactLastName": "Meadow", "contactEmail": "carrier@southernphone.example",
        "desiredPortTime": "10:00", "desiredPortTimeZone": "CST", "webHookUrl": "", "webhookHeader": "", "portOutPin": "",
        "cnamDip": "N", "cnamDipTf": "N", "authorizeWebhookPortout": "N", "msgDeliveryReceipt": account.modes.msg_delivery_receipt,
        "emailDomain": "", "ipFilteringEnabled": "N", "ipRange": "",
    }  # fmt: skip
    return good(accountDefaultDetail=detail)


class _Default(msgspec.Struct, frozen=True, rename="camel"):
    msg_delivery_receipt: str | None = None


def account_default(account: Account, body: Mapping[str, object]) -> Answer:
    """Change account defaults (carriers.md §2B.6)."""
    wanted = _read(body.get("customerDefault"), _Default)
    value = wanted.msg_delivery_receipt
    if value is not None:
        if value not in ("Y", "N"):
            raise Refused("409", "msgDeliveryReceipt must be Y or N")
        account.modes.msg_delivery_receipt = value
    return good()


class _Item(msgspec.Struct, frozen=True, rename="camel"):
    tn_mask: str | None = None
    tn_status: str | None = None
    messaging: str | None = None
    message_class: str | None = None
    message_type: str | None = None
    net_number_id: str | None = None


class _Search(msgspec.Struct, frozen=True, rename="camel"):
    tn_search_item: tuple[_Item, ...] = ()


class _Sort(msgspec.Struct, frozen=True):
    page: int = 1
    size: int = 10
    direction: str = "asc"
    property: str = "tn"


def _read(value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert({} if value is None else value, kind)
    except msgspec.ValidationError as error:
        raise Refused("409", "Invalid input parameters") from error


def _found(account: Account, body: Mapping[str, object]) -> tuple[list[Tn], dict[str, object]]:
    """The numbers of a search, one page of them, and the page's counters. Raises Refused 409, 414, 417, 430."""
    items = _read(body.get("tnSearchList"), _Search).tn_search_item
    sort = _read(body.get("pageSort"), _Sort)
    if sort.size > LARGEST_PAGE:
        raise Refused("417", "Page size is above 10000")
    if sort.page < 1 or sort.size < 1:
        raise Refused("409", "Invalid input parameters")
    if any(item.tn_mask is not None and not MASK.fullmatch(item.tn_mask) for item in items):
        raise Refused("409", "tnMask must have 10 digits")
    rows = [tn for tn in account.numbers.values() if not items or any(_fits(tn, item) for item in items)]
    rows.sort(key=lambda tn: tn.tn, reverse=sort.direction.lower() == "desc")
    if not rows and account.modes.not_found == "430":
        raise Refused("430", "No Result Found")
    pages = -(-len(rows) // sort.size)
    counters: dict[str, object] = {"page": str(sort.page), "totalPages": str(pages), "totalItems": str(len(rows)), "searchId": "s1"}
    return rows[(sort.page - 1) * sort.size : sort.page * sort.size], counters


def _fits(tn: Tn, item: _Item) -> bool:
    if item.tn_mask is not None and not all(m in "xX" or m == d for m, d in zip(item.tn_mask, tn.tn, strict=True)):
        return False
    return (
        item.tn_status in (None, "INSVC")
        and item.messaging in (None, "Y" if tn.message_type else "N")
        and item.message_class in (None, tn.message_class)
        and item.message_type in (None, tn.message_type)
    )


def _messaging(tn: Tn) -> dict[str, str]:
    if tn.message_type is None:
        return {}
    return {"messageClass": tn.message_class or "", "messageType": tn.message_type, "netNumberId": "103242"}


def tn_detail(account: Account, body: Mapping[str, object]) -> Answer:
    """Numbers with their features (carriers.md §2B.4)."""
    rows, counters = _found(account, body)
    items = [
        {
            "tn": tn.tn,
            "tnStatus": "In Service",
            "trunkGroup": "CHCGIL24_001",
            "routingOption": "",
            "tnFeature": {"callerId": {}, "directoryListing": {}, "e911": {}, "messaging": _messaging(tn)},
        }
        for tn in rows
    ]
    return good(**counters, tnList={"tnItem": items})


def tn_assigned(account: Account, body: Mapping[str, object]) -> Answer:
    """Numbers, briefly."""
    rows, counters = _found(account, body)
    return good(**counters, tnBasicList={"tnBasicItem": [{"tn": tn.tn, "tnStatus": "In Service"} for tn in rows]})


def tn_features(account: Account, body: Mapping[str, object]) -> Answer:
    """Numbers with messaging only."""
    rows, counters = _found(account, body)
    items = [{"tn": t.tn, "messageClass": t.message_class, "messageType": t.message_type} for t in rows if t.message_type]
    return good(**counters, tnFeatureList={"tnFeatureItem": items})


def tn_inventory(account: Account, _body: Mapping[str, object]) -> Answer:
    """Numbers for sale, never the account's own: the trap of carriers.md §2B.4."""
    free = [f"3125550{n}" for n in range(190, 200) if f"3125550{n}" not in account.numbers]
    return good(tnResult=[{"telephoneNumber": tn} for tn in free])


class _Change(msgspec.Struct, frozen=True, rename="camel"):
    tn: str = ""
    message_class: str = ""
    message_type: str = ""
    remove_messaging: str | None = None


def tn_messaging(account: Account, body: Mapping[str, object]) -> Answer:
    """Enable or remove messaging on one number (carriers.md §2B.5)."""
    wanted = _read(body, _Change)
    if not wanted.tn or not wanted.message_class or not wanted.message_type:
        raise Refused("414", "Required fields are missing")
    if not TEN.fullmatch(wanted.tn) or wanted.message_class not in CLASSES or wanted.message_type not in TYPES:
        raise Refused("409", "Invalid input parameters")
    tn = account.numbers.get(wanted.tn)
    if tn is None:
        raise Refused("425", "Messaging cannot be provisioned for this TN")
    removed = wanted.remove_messaging == "Y"
    tn.message_class = None if removed else wanted.message_class
    tn.message_type = None if removed else wanted.message_type
    return good()


class _Records(msgspec.Struct, frozen=True, rename="camel"):
    start_date: str
    end_date: str
    direction: str | None = None
    message_type: str | None = None
    disposition: str | None = None
    source_tn: str | None = None
    destination_tn: str | None = None


def records(account: Account, body: Mapping[str, object], messages: Iterable[Message]) -> Answer:
    """Message records, newest first, without any reference id (carriers.md §2B.7)."""
    wanted = _read(body, _Records)
    try:
        start, end = (datetime.fromisoformat(d).timestamp() for d in (wanted.start_date, wanted.end_date))
    except ValueError as error:
        raise Refused("409", "Invalid input parameters") from error
    rows: list[dict[str, str]] = []
    for m in messages:
        if m.created < start:
            break
        row = _record(m)
        if m.account != account.id or m.created > end or not _wanted(row, m, wanted):
            continue
        rows.append(row)
        if len(rows) == LARGEST_PAGE:
            break
    if not rows:
        raise Refused("430", "No Result Found")
    return good(messageDetails=rows)


def _wanted(row: Mapping[str, str], m: Message, wanted: _Records) -> bool:
    direction = "Inbound" if m.direction == "inbound" else "Outbound"
    return (
        wanted.direction in (None, direction)
        and wanted.message_type in (None, row["messageType"])
        and wanted.disposition in (None, row["status"])
        and (wanted.source_tn is None or m.from_.endswith(wanted.source_tn))
        and (wanted.destination_tn is None or m.to.endswith(wanted.destination_tn))
    )


def _record(m: Message) -> dict[str, str]:
    status = DISPOSITIONS.get(m.status, "Unknown")
    return {
        "operator": "Simulated Mobile", "country": "US", "region": "IL", "gateWay": "SIM01", "messageType": "MMS" if m.media else "SMS",
        "source": m.from_.removeprefix("+"), "destination": m.to.removeprefix("+"), "status": status,
        "statusCode": "0" if m.error is None else str(m.error), "description": status,
    }  # fmt: skip


CALLS: Mapping[str, Callable[[Account, Mapping[str, object]], Answer]] = {
    "accountDefaultDetail": account_detail,
    "accountDefault": account_default,
    "tnDetail": tn_detail,
    "tnAssignedList": tn_assigned,
    "tnSearchAssigned": tn_assigned,
    "tnFeatureMessageList": tn_features,
    "tnInventory": tn_inventory,
    "tnMessaging": tn_messaging,
}
