"""The Restcomm adapter: maps the contract to carriers.md §1 and back. Holds no state and judges no text."""

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from kereru.carriers import outcome
from kereru.carriers.adapters.restcomm import wire
from kereru.carriers.adapters.restcomm.webhooks import RestcommWebhooks
from kereru.carriers.arrivals import Exchange, ReceiptState
from kereru.carriers.contract import (
    RESTCOMM,
    Accepted,
    Capabilities,
    CredentialField,
    CredentialsGood,
    CredentialsVerdict,
    Deferred,
    Done,
    LookUp,
    NumberFound,
    OutboundPart,
    Outcome,
    PartFacts,
    PlatformAccess,
    Problem,
    ReceiptSetting,
    Refused,
    StandingWebhook,
    WebhookSet,
)
from kereru.carriers.encoding import encoding_of
from kereru.carriers.exchange import record, secrets_of
from kereru.carriers.numbering import from_wire
from kereru.kernel.clock import Clock
from kereru.kernel.http_client import Answered, Door, Method, Outgoing, Result
from kereru.kernel.secrets import Secret

_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_PAGE_SIZE = 50
_PAGES_MAX = 20
_NUMBER_PAGES_MAX = 1000
_LOOK_UP_WINDOW_S = 15 * 60
_ACCOUNT_WORDS = (b"SMS_LIMIT_EXCEEDED", b"not active")
"""What a 403 says when it is about the account and not about what was asked (§1.8)."""

_CREDENTIAL_FIELDS = (
    CredentialField("account_key", "Account/Key", False, True, "The Account SID: AC and 32 letters and digits, from Restcomm's console."),
    CredentialField("token_secret", "Token/Secret", True, True, "The Auth Token that belongs to the Account SID."),
)

_CAPABILITIES = Capabilities(
    max_characters=1600,
    max_utf8_bytes=160,
    mms=True,
    media_types=frozenset({"image/jpeg", "image/png", "image/gif", "audio/mpeg", "video/mp4"}),
    media_max_items=10,
    media_max_bytes=1_000_000,
    receipts="callback",
    webhook_proof=frozenset({"path_token", "account_id"}),
    look_up=frozenset({"by_id", "by_list"}),
    look_up_window_s=_LOOK_UP_WINDOW_S,
    rate_per_second=10.0,
    can_enable_messaging=False,
    has_receipt_setting=False,
)


class RestcommAdapter(RestcommWebhooks):
    """Restcomm over `door`; `clock` only stamps exchanges and reads Retry-After dates."""

    kind = RESTCOMM
    title = "Restcomm"
    credential_fields = _CREDENTIAL_FIELDS
    capabilities = _CAPABILITIES
    endpoints: Mapping[str, str] = {
        "api": "https://cloud.restcomm.com/restcomm/2012-04-24",
        "messages": "https://cloud.restcomm.com/api/2012-04-24",
    }

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    async def send_part(self, access: PlatformAccess, part: OutboundPart) -> Outcome:
        """Hand one part over (§1.5; with media §1.6 and C.1)."""
        request = self._media_request(access, part) if part.media_urls else self._text_request(access, part)
        at = self._clock.now()
        result = await self._door.send(request)
        exchange = record(request, result, at, secrets_of(access))
        if not isinstance(result, Answered):
            return outcome.of_transport(result, exchange)
        if 200 <= result.status < 300:
            return _accepted(result, part, exchange)
        if part.media_urls and (result.status == 404 or (result.status == 403 and not any(word in result.body for word in _ACCOUNT_WORDS))):
            # The newer API is switched on for each account (§1.6): its refusal says nothing about the account, and the text can go without it.
            return Refused("mms_not_offered", "The carrier does not offer MMS for this account.", str(result.status), False, False, exchange)
        return self._refused(result, exchange)

    def _text_request(self, access: PlatformAccess, part: OutboundPart) -> Outgoing:
        fields: list[tuple[str, str]] = [("From", part.from_), ("To", part.to), ("Body", part.text)]
        if encoding_of(part.text) == "ucs2":
            fields.append(("Encoding", "UCS-2"))
        if part.status_callback_url:
            fields.append(("StatusCallback", part.status_callback_url))
        fields.extend(("MediaUrl", url) for url in part.media_urls)
        return self._request(access, "POST", "/SMS/Messages.json", urlencode(fields).encode())

    def _media_request(self, access: PlatformAccess, part: OutboundPart) -> Outgoing:
        if access.options.mms_by_form:
            return self._text_request(access, part)
        message: dict[str, object] = {"from": f"mms:{part.from_}", "to": f"mms:{part.to}", "body": part.text}
        message["media"] = [_media(url) for url in part.media_urls]
        if part.status_callback_url:
            message["status_callback"] = part.status_callback_url
        body = msgspec.json.encode(message)
        return self._request(access, "POST", "/Messages", body, endpoint="messages", content_type="application/json")

    def _refused(self, answer: Answered, exchange: Exchange) -> Outcome:
        """Every answer that is no success (§1.8)."""
        text = answer.body[:500].decode("utf-8", "replace")
        error = outcome.read(answer.body, wire.ERROR)
        if answer.status == 403 and ((error and error.error == "SMS_LIMIT_EXCEEDED") or "SMS_LIMIT_EXCEEDED" in text):
            wait = outcome.retry_after_s(answer.headers, self._clock.now())
            return Deferred(wait, "carrier_busy", outcome.REASON_BUSY, False, exchange)
        if answer.status == 404:
            return Deferred(None, "account_refused", "The carrier does not know this account. Your provider has to look at it.", True, exchange)
        if answer.status == 400 and wire.OPTED_OUT in text:
            return Refused("opted_out", outcome.REASON_OPTED_OUT, wire.OPTED_OUT, True, False, exchange)
        return outcome.of_status(answer, exchange, self._clock.now())

    async def verify_credentials(self, access: PlatformAccess) -> CredentialsVerdict:
        """Read the account (§1.2). The answer repeats the token, so it is never logged."""
        result = await self._door.send(self._request(access, "GET", ".json"))
        if not isinstance(result, Answered) or result.status in (401, 429) or result.status >= 500:
            return outcome.problem_of(result)
        if result.status == 403:
            return Problem("account_inactive", "The account at the carrier is not active.", "403", account_problem=True)
        if result.status in (400, 404):
            return Problem("credentials_refused", "The carrier does not know this account.", str(result.status), account_problem=True)
        account = outcome.read(result.body, wire.ACCOUNT) if result.status == 200 else None
        if account is None:
            return outcome.unreadable()
        if account.status is not None and account.status.lower() != "active":
            return Problem("account_inactive", f"The account at the carrier is {account.status[:20]}.", account.status[:20], account_problem=True)
        return CredentialsGood(account.sid, None)

    async def find_number(self, access: PlatformAccess, e164: str) -> NumberFound:
        """Look the number up (§1.3). The carrier's filter matches parts of numbers, so what it returns is compared whole."""
        query = urlencode({"PhoneNumber": e164, "PageSize": _PAGE_SIZE})
        result = await self._door.send(self._request(access, "GET", f"/IncomingPhoneNumbers.json?{query}"))
        if not isinstance(result, Answered) or result.status != 200:
            return NumberFound("problem", problem=outcome.problem_of(result))
        page = outcome.read(result.body, wire.NUMBERS)
        if page is None:
            return NumberFound("problem", problem=outcome.unreadable())
        for number in wire.numbers_of(page):
            if from_wire(number.phone_number or "") == e164:
                able = number.capabilities or {}
                ready = able.get("sms_capable") is not False
                return NumberFound("ready" if ready else "without_messaging", number.sid, able.get("mms_capable") is True)
        return NumberFound("absent")

    async def enable_messaging(self, access: PlatformAccess, e164: str, *, mms: bool) -> Done | Problem:
        """Restcomm offers no such call: a number can text or it cannot."""
        return Problem("not_offered", "This carrier cannot switch texting on for a number; ask the carrier.")

    async def set_webhook(self, access: PlatformAccess, e164: str, url: str, secret: Secret, carrier_ref: str | None) -> WebhookSet | Problem:
        """Point the number at us (§1.4). An application would win over the URL, so it is unbound. `secret` cannot be carried (§1.11)."""
        fields = {"SmsUrl": url, "SmsMethod": "POST", "SmsApplicationSid": ""}
        reference = carrier_ref or await self._reference(access, e164)
        if isinstance(reference, Problem):
            return reference
        result = await self._update(access, reference, fields)
        if isinstance(result, Answered) and result.status == 200:
            return WebhookSet(reference)
        if isinstance(result, Answered) and result.status == 404:
            return Problem("number_absent", "The number is no longer on the carrier's account.", "404")
        return outcome.problem_of(result)

    async def remove_webhook(self, access: PlatformAccess, e164: str, carrier_ref: str | None) -> Done | Problem:
        """Take our hook off (§1.4); the number itself is never released."""
        reference = carrier_ref or await self._reference(access, e164)
        if isinstance(reference, Problem):
            return Done() if reference.code == "number_absent" else reference
        result = await self._update(access, reference, {"SmsUrl": ""})
        if isinstance(result, Answered) and result.status in (200, 404):
            return Done()
        return outcome.problem_of(result)

    async def list_webhooks(self, access: PlatformAccess) -> Mapping[str, Sequence[StandingWebhook]] | Problem:
        """Page by page (§1.3). An application that is bound wins over the URL (§1.4), so then texts do not go there."""
        found: dict[str, Sequence[StandingWebhook]] = {}
        for page in range(_NUMBER_PAGES_MAX):
            query = urlencode({"PageSize": _PAGE_SIZE, "Page": page})
            result = await self._door.send(self._request(access, "GET", f"/IncomingPhoneNumbers.json?{query}"))
            if page and isinstance(result, Answered) and result.status == 400:
                return found
            if not isinstance(result, Answered) or result.status != 200:
                return outcome.problem_of(result)
            answer = outcome.read(result.body, wire.NUMBERS)
            if answer is None:
                return outcome.unreadable()
            numbers = list(wire.numbers_of(answer))
            for number in numbers:
                found[from_wire(number.phone_number or "")] = (StandingWebhook(None if number.sms_application_sid else number.sms_url),)
            if len(numbers) < _PAGE_SIZE:
                return found
        return Problem("too_many_numbers", f"The carrier lists more than {_NUMBER_PAGES_MAX * _PAGE_SIZE:,} numbers.")

    async def _reference(self, access: PlatformAccess, e164: str) -> str | Problem:
        found = await self.find_number(access, e164)
        if found.problem is not None:
            return found.problem
        return found.carrier_ref or Problem("number_absent", "The number is not on the carrier's account.")

    async def _update(self, access: PlatformAccess, reference: str, fields: Mapping[str, str]) -> Result:
        path = f"/IncomingPhoneNumbers/{quote(reference, safe='')}.json"
        return await self._door.send(self._request(access, "POST", path, urlencode(fields).encode()))

    async def look_up(self, access: PlatformAccess, facts: PartFacts) -> LookUp:
        """Read one message by its id, or search the list by numbers, text and time (§1.5).

        The list's filters are loose, so that rows are compared whole.
        """
        if facts.carrier_id:
            result = await self._door.send(self._request(access, "GET", f"/SMS/Messages/{quote(facts.carrier_id, safe='')}.json"))
            if isinstance(result, Answered) and result.status == 404:
                return LookUp("none")
            message = outcome.read(result.body, wire.MESSAGE) if isinstance(result, Answered) and result.status == 200 else None
            return _found([message]) if message is not None else LookUp("unavailable")
        rows = await self._listed(access, facts)
        if rows is None:
            return LookUp("unavailable")
        return _found([row for row in rows if _matches(row, facts)])

    async def _listed(self, access: PlatformAccess, facts: PartFacts) -> list[wire.Message] | None:
        """Every message between the two numbers around that day, or None where the list cannot be read to its end."""
        day = timedelta(days=1)
        filters = {
            "From": facts.from_,
            "To": facts.to,
            "StartTime": f"{facts.handed_over_at - day:%Y-%m-%d}",
            "EndTime": f"{facts.handed_over_at + day:%Y-%m-%d}",
            "PageSize": str(_PAGE_SIZE),
        }
        rows: list[wire.Message] = []
        for page in range(_PAGES_MAX):
            query = urlencode({**filters, "Page": str(page)})
            result = await self._door.send(self._request(access, "GET", f"/SMS/Messages.json?{query}"))
            if page and isinstance(result, Answered) and result.status == 400:
                return rows
            answer = outcome.read(result.body, wire.MESSAGES) if isinstance(result, Answered) and result.status == 200 else None
            if answer is None:
                return None
            found = answer if isinstance(answer, list) else answer.messages
            rows.extend(found)
            if len(found) < _PAGE_SIZE:
                return rows
        return None

    async def receipts_on(self, access: PlatformAccess) -> ReceiptSetting | Problem | None:
        """Receipts are asked for with each message; there is no account setting."""
        return None

    async def turn_receipts_on(self, access: PlatformAccess) -> Done | Problem:
        """Nothing to switch."""
        return Done()

    def _request(
        self, access: PlatformAccess, method: Method, path: str, body: bytes = b"", *, endpoint: str = "api", content_type: str = _FORM
    ) -> Outgoing:
        """A request below the account's own address; `path` follows `/Accounts/{sid}`."""
        account = _plain(access, "account_key")
        pair = f"{account}:{_plain(access, 'token_secret')}".encode()
        headers = {"Accept": "application/json", "Authorization": "Basic " + base64.b64encode(pair).decode()}
        if method == "POST":
            headers["Content-Type"] = content_type
        own = access.endpoints
        base = own.get(endpoint) or own.get("api") or self.endpoints[endpoint]
        return Outgoing(method, base, f"/Accounts/{quote(account, safe='')}{path}", headers, body)


def _accepted(answer: Answered, part: OutboundPart, exchange: Exchange) -> Outcome:
    """A 2xx is a success only with an id in it; a message the answer itself calls failed was surely not sent (§1.5)."""
    message = outcome.read(answer.body, wire.MESSAGE)
    if message is None or not message.sid:
        return outcome.of_status(answer, exchange, exchange.at)
    state = (message.status or "").lower()
    if state in ("failed", "undelivered"):
        code = wire.error_code(message.error_code)
        return Refused("carrier_refused", wire.error_reason(code) or outcome.REASON_REFUSED, code or state, False, code == "30002", exchange)
    shorter = message.body if message.body is not None and len(message.body) < len(part.text) else None
    return Accepted(message.sid, shorter, exchange)


def _matches(row: wire.Message, facts: PartFacts) -> bool:
    """Whether a row of the list may be that part. What cannot be read counts as possible, so that doubt stays doubt."""
    if row.sid in facts.known_carrier_ids or (row.direction or "outbound").startswith("inbound"):
        return False
    if from_wire(row.from_ or "") != facts.from_ or from_wire(row.to or "") != facts.to:
        return False
    if row.body is not None and row.body != facts.text and not (len(row.body) >= 140 and facts.text.startswith(row.body)):
        return False
    at = wire.date(row.date_created)
    return at is None or abs((at - facts.handed_over_at).total_seconds()) <= _LOOK_UP_WINDOW_S


def _found(rows: list[wire.Message]) -> LookUp:
    if len(rows) != 1:
        return LookUp("several" if rows else "none")
    row = rows[0]
    code = wire.error_code(row.error_code)
    word = (row.status or "").lower()
    return LookUp("one", row.sid, wire.STATES.get(word, ReceiptState.UNKNOWN), word, code, wire.error_reason(code))


def _media(url: str) -> dict[str, str]:
    kind = mimetypes.guess_type(urlsplit(url).path)[0]
    return {"url": url, "content_type": kind} if kind else {"url": url}


def _plain(access: PlatformAccess, name: str) -> str:
    value = access.credentials.get(name, "")
    return value.reveal() if isinstance(value, Secret) else value
