"""Inteliquent's Services API 2.0.0: numbers, texting on and off, the receipt setting, message records (carriers.md §2B)."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from kereru.carriers import outcome
from kereru.carriers.adapters.inteliquent import wire
from kereru.carriers.arrivals import ReceiptState
from kereru.carriers.contract import Done, LookUp, NumberFound, PartFacts, PlatformAccess, Problem, ReceiptSetting
from kereru.kernel.http_client import Answered, Door, Outgoing
from kereru.kernel.secrets import Secret

_WINDOW_BEFORE = timedelta(seconds=30)
_WINDOW_AFTER = timedelta(seconds=150)


def plain(access: PlatformAccess, name: str) -> str:
    """A credential's value, at the moment it is handed over."""
    value = access.credentials.get(name, "")
    return value.reveal() if isinstance(value, Secret) else value


def bearer(access: PlatformAccess) -> str:
    """The broker's authority: the outbound API key, unchanged (R121)."""
    return "Bearer " + plain(access, "outbound_api_key")


def basic(access: PlatformAccess) -> str:
    """The Services API's authority (§2B.1, way A)."""
    pair = f"{plain(access, 'account_key')}:{plain(access, 'token_secret')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


class InteliquentServices:
    """The Services half of the adapter."""

    def __init__(self, door: Door, endpoints: Mapping[str, str]) -> None:
        self._door = door
        self._endpoints = endpoints

    async def account_detail(self, access: PlatformAccess) -> wire.AccountDetail | Problem:
        """The account's defaults (§2B.3); needs working credentials."""
        envelope = await self._service(access, "/accountDefaultDetail", {})
        if isinstance(envelope, Problem):
            return envelope
        return envelope.account_default_detail or wire.AccountDetail()

    async def find_number(self, access: PlatformAccess, e164: str) -> NumberFound:
        """Look the number up in the account's inventory (§2B.4): in service and with messaging it is ready."""
        if not e164.startswith("+1"):
            return NumberFound("absent")
        search = {
            "tnSearchList": {"tnSearchItem": [{"tnMask": wire.service_number(e164)}]},
            "pageSort": {"page": 1, "size": 10, "direction": "asc", "property": "tn"},
        }
        envelope = await self._service(access, "/tnDetail", search)
        if isinstance(envelope, Problem):
            return NumberFound("absent") if envelope.carrier_code == wire.SERVICE_NOT_FOUND else NumberFound("problem", problem=envelope)
        items = envelope.tn_list.tn_item if envelope.tn_list else []
        for item in items:
            if wire.last_ten(item.tn) == wire.last_ten(e164):
                return _found(item)
        return NumberFound("absent")

    async def enable_messaging(self, access: PlatformAccess, e164: str, *, mms: bool) -> Done | Problem:
        """Switch texting on (§2B.5); local numbers are person to person."""
        fields = {"tn": wire.service_number(e164), "messageClass": "P2P", "messageType": "SMSMMS" if mms else "SMS"}
        envelope = await self._service(access, "/tnMessaging", fields)
        return envelope if isinstance(envelope, Problem) else Done()

    async def receipts_on(self, access: PlatformAccess) -> ReceiptSetting | Problem | None:
        """The account's setting; None where the carrier does not show it."""
        detail = await self.account_detail(access)
        if isinstance(detail, Problem):
            return detail
        setting = (detail.msg_delivery_receipt or "").upper()
        return ReceiptSetting(setting == "Y") if setting in ("Y", "N") else None

    async def turn_receipts_on(self, access: PlatformAccess) -> Done | Problem:
        """Switch receipts on for the whole account (§2B.6); a person has agreed."""
        envelope = await self._service(access, "/accountDefault", {"customerDefault": {"msgDeliveryReceipt": "Y"}})
        return envelope if isinstance(envelope, Problem) else Done()

    async def look_up(self, access: PlatformAccess, facts: PartFacts) -> LookUp:
        """Search the records by numbers and time (§2B.7). They carry neither id nor text, so any other text nearby leaves it open."""
        if facts.others_nearby:
            return LookUp("several")
        search = {
            "startDate": _stamp(facts.handed_over_at - _WINDOW_BEFORE),
            "endDate": _stamp(facts.handed_over_at + _WINDOW_AFTER),
            "direction": "Outbound",
            "sourceTn": wire.service_number(facts.from_),
            "destinationTn": wire.service_number(facts.to),
        }
        envelope = await self._service(access, "/messageDetailSearch", search)
        if isinstance(envelope, Problem):
            return LookUp("none") if envelope.carrier_code == wire.SERVICE_NOT_FOUND else LookUp("unavailable")
        rows = [row for row in envelope.message_details or [] if _between(row, facts)]
        if len(rows) != 1:
            return LookUp("several" if rows else "none")
        word = (rows[0].status or "").strip()[:64]
        state = wire.DISPOSITIONS.get(word.lower(), ReceiptState.UNKNOWN)
        code = str(rows[0].status_code)[:64] if rows[0].status_code not in (None, "", 0, "0") else None
        return LookUp("one", None, state, word, code, (rows[0].description or "")[:200])

    async def _service(self, access: PlatformAccess, path: str, fields: Mapping[str, object]) -> wire.Service | Problem:
        """One Services call: its envelope when it succeeded, else why not. The code in the body counts, not the HTTP status (§2B.2)."""
        body = msgspec.json.encode({"privateKey": plain(access, "account_key"), **fields})
        result = await self._door.send(self._outgoing(access, "services", path, body, basic(access)))
        if not isinstance(result, Answered):
            return outcome.problem_of(result)
        envelope = outcome.read(result.body, wire.SERVICE)
        code = str(envelope.status_code) if envelope is not None and envelope.status_code is not None else ""
        if envelope is None or not code:
            return outcome.unreadable() if result.status < 300 else outcome.problem_of(result)
        if code == "200" and result.status < 300:
            return envelope
        return _problem(code, envelope)

    def _outgoing(self, access: PlatformAccess, endpoint: str, path: str, body: bytes, authority: str) -> Outgoing:
        headers = {"Accept": "application/json", "Authorization": authority, "Content-Type": "application/json"}
        return Outgoing("POST", access.endpoints.get(endpoint) or self._endpoints[endpoint], path, headers, body)


def _problem(code: str, envelope: wire.Service) -> Problem:
    words = (envelope.status or "").strip()[:200]
    if code == wire.SERVICE_NOT_FOUND:
        return Problem("number_absent", "The number is not on the carrier's account.", code)
    if code in wire.SERVICE_CREDENTIALS or (code == "409" and "private key" in words.lower()):
        return Problem("credentials_refused", "The carrier does not accept these credentials.", code, account_problem=True)
    if code in wire.SERVICE_BUSY:
        return Problem("carrier_busy", "The carrier cannot do this just now. Try again in a moment.", code, temporary=True)
    return Problem("carrier_refused", wire.SERVICE_REASONS.get(code) or f"The carrier refused this: {words or code}", code)


def _found(item: wire.TnItem) -> NumberFound:
    messaging = item.tn_feature.messaging if item.tn_feature else None
    kind = (messaging.message_type if messaging else None) or ""
    reference = str(item.tn)
    if (item.tn_status or "").lower() not in ("in service", "insvc"):
        status = (item.tn_status or "not in service")[:40]
        return NumberFound("problem", reference, problem=Problem("number_not_in_service", f"The carrier says this number is: {status}."))
    if messaging is None or not (messaging.message_class or kind):
        return NumberFound("without_messaging", reference)
    return NumberFound("ready", reference, "MMS" in kind.upper())


def _between(row: wire.MessageDetail, facts: PartFacts) -> bool:
    return wire.last_ten(row.source) == wire.last_ten(facts.from_) and wire.last_ten(row.destination) == wire.last_ten(facts.to)


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
