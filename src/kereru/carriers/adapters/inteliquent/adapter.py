"""The Inteliquent adapter: sending and webhooks by the Message Broker, numbers and records by the Services API (carriers.md §2)."""

from collections.abc import Mapping, Sequence

import msgspec

from kereru.carriers import outcome
from kereru.carriers.adapters.inteliquent import wire
from kereru.carriers.adapters.inteliquent.services import InteliquentServices, bearer
from kereru.carriers.adapters.inteliquent.webhooks import InteliquentWebhooks
from kereru.carriers.arrivals import Exchange
from kereru.carriers.contract import (
    INTELIQUENT,
    Accepted,
    Capabilities,
    CredentialField,
    CredentialsGood,
    CredentialsVerdict,
    Deferred,
    Done,
    OutboundPart,
    Outcome,
    PlatformAccess,
    Problem,
    Refused,
    StandingWebhook,
    Unknown,
    WebhookSet,
)
from kereru.carriers.exchange import record, secrets_of
from kereru.kernel.clock import Clock
from kereru.kernel.http_client import Answered, Door, Interrupted, NotSent
from kereru.kernel.secrets import Secret

_CREDENTIAL_FIELDS = (
    CredentialField("account_key", "Account/Key", False, True, "The Key of the Services API, from the carrier's portal."),
    CredentialField("token_secret", "Token/Secret", True, True, "The Secret that belongs to the Key."),
    CredentialField("outbound_api_key", "Outbound API Key", True, True, "From the carrier's message-broker page; paste it in unchanged."),
)

_CAPABILITIES = Capabilities(
    max_characters=1600,
    max_utf8_bytes=None,
    mms=True,
    media_types=frozenset(
        {"image/jpeg", "image/png", "image/gif", "audio/mpeg", "audio/amr", "video/mp4", "video/3gpp", "text/vcard"},
    ),
    media_max_items=10,
    media_max_bytes=1_000_000,
    receipts="webhook",
    webhook_proof=frozenset({"path_token", "static_header", "token_hash"}),
    look_up=frozenset({"by_list"}),
    look_up_window_s=5 * 60,
    rate_per_second=10.0,
    can_enable_messaging=True,
    has_receipt_setting=True,
    reaches_only_plus_one=True,
)

_BUSY_WORDS = ("throttl", "rate limit", "rate_limit", "too many", "too_many", "try again", "limit_exceeded")
_ACCOUNT_WORDS = ("unauthor", "api key", "api_key", "authenticat", "forbidden", "account suspended", "account_suspended")
_UNSURE_WORDS = ("timeout", "timed out", "internal", "server error", "system error", "unavailable")


class InteliquentAdapter(InteliquentServices, InteliquentWebhooks):
    """Inteliquent over `door`; `clock` only stamps exchanges and reads Retry-After dates."""

    kind = INTELIQUENT
    title = "Inteliquent"
    credential_fields = _CREDENTIAL_FIELDS
    capabilities = _CAPABILITIES
    endpoints: Mapping[str, str] = {
        "broker": "https://messagebroker.inteliquent.com/msgbroker/rest",
        "services": "https://services.inteliquent.com/Services/2.0.0",
    }

    def __init__(self, door: Door, clock: Clock) -> None:
        super().__init__(door, self.endpoints)
        self._clock = clock

    async def send_part(self, access: PlatformAccess, part: OutboundPart) -> Outcome:
        """Hand one part over (§2A.5); with media it goes as MMS."""
        message: dict[str, object] = {"from": wire.broker_number(part.from_), "to": [wire.broker_number(part.to)]}
        if part.text or not part.media_urls:
            message["text"] = part.text
        if part.media_urls:
            message["mediaUrls"] = list(part.media_urls)
        request = self._outgoing(access, "broker", "/publishMessages", msgspec.json.encode(message), bearer(access))
        at = self._clock.now()
        result = await self._door.send(request)
        exchange = record(request, result, at, secrets_of(access))
        if not isinstance(result, Answered):
            return outcome.of_transport(result, exchange)
        envelope = outcome.read(result.body, wire.BROKER)
        if envelope is None or result.status >= 500 or 300 <= result.status < 400 or result.status == 429:
            return outcome.of_status(result, exchange, self._clock.now())
        if result.status < 300 and _is_true(envelope.success):
            return _published(envelope, part, exchange)
        return self._failed(result, envelope, exchange)

    def _failed(self, answer: Answered, envelope: wire.Broker, exchange: Exchange) -> Outcome:
        """A failure told in an envelope, whatever the HTTP status says (§2A.1). Only a documented form of failure is a sure one."""
        if _is_true(envelope.success):
            return Unknown("carrier_answer_unclear", outcome.REASON_UNKNOWN, exchange)
        told = _is_false(envelope.success) or str(envelope.status_code or "") not in ("", "200")
        if not told or answer.status in (401, 403):
            return outcome.of_status(answer, exchange, self._clock.now())
        code = str(envelope.reason or envelope.status_code or answer.status)[:64]
        words = f"{envelope.reason or ''} {wire.reason_of(envelope)}".lower()
        if _holds(words, _ACCOUNT_WORDS):
            return Deferred(None, "account_refused", outcome.REASON_ACCOUNT, True, exchange)
        if _holds(words, _BUSY_WORDS):
            wait = outcome.retry_after_s(answer.headers, self._clock.now())
            return Deferred(wait, "carrier_busy", outcome.REASON_BUSY, False, exchange)
        if _holds(words, _UNSURE_WORDS):
            return Unknown("carrier_answer_unclear", outcome.REASON_UNKNOWN, exchange)
        if wire.says_opted_out(words):
            return Refused("opted_out", outcome.REASON_OPTED_OUT, code, True, False, exchange)
        return _refused(code, wire.reason_of(envelope), exchange)

    async def verify_credentials(self, access: PlatformAccess) -> CredentialsVerdict:
        """Both services must know us: the broker by the outbound key, the Services API by Key and Secret (§2A.2, §2B.3)."""
        listed = await self._authorizations(access)
        if isinstance(listed, Problem):
            if listed.account_problem and listed.code == "credentials_refused":
                return Problem("outbound_key_refused", "The carrier does not accept the Outbound API Key.", listed.carrier_code, True)
            return listed
        detail = await self.account_detail(access)
        if isinstance(detail, Problem):
            if detail.account_problem and detail.code == "credentials_refused":
                text = "The carrier does not accept Account/Key and Token/Secret."
                return Problem("account_key_refused", text, detail.carrier_code, True)
            return detail
        setting = (detail.msg_delivery_receipt or "").upper()
        note = "" if (detail.ip_filtering_enabled or "").upper() != "Y" else "The account takes calls from listed addresses only."
        return CredentialsGood(None, setting == "Y" if setting in ("Y", "N") else None, note)

    async def set_webhook(self, access: PlatformAccess, e164: str, url: str, secret: Secret, carrier_ref: str | None) -> WebhookSet | Problem:
        """Add our entry first and remove older ones of the number after it, so that no text falls between (§2A.3, C.7).

        Listing first makes a repeated call find its own entry instead of adding another.
        """
        listed = await self._authorizations(access)
        if isinstance(listed, Problem):
            return listed
        standing = _of_number(listed, e164)
        ours = next((entry for entry in standing if entry.webhook_url == url and entry.header_value == secret.reveal()), None)
        added = WebhookSet(str(ours.auth_id)) if ours else await self._add(access, e164, url, secret)
        if isinstance(added, Problem) and standing and not (added.temporary or added.account_problem):
            cleared = await self._remove(access, standing)
            added = cleared if isinstance(cleared, Problem) else await self._add(access, e164, url, secret)
            standing = []
        if isinstance(added, WebhookSet):
            older = [entry for entry in standing if str(entry.auth_id) != added.carrier_ref]
            if older:
                await self._remove(access, older)
        return added

    async def remove_webhook(self, access: PlatformAccess, e164: str, carrier_ref: str | None) -> Done | Problem:
        """Remove the entry `carrier_ref` names, or all of the number where it names none (`find_number` gives the number itself).

        The list is read first: removing an outbound entry would delete an API key (§2A.4).
        """
        listed = await self._authorizations(access)
        if isinstance(listed, Problem):
            return listed
        entries = _of_number(listed, e164)
        if carrier_ref is not None and wire.last_ten(carrier_ref) != wire.last_ten(e164):
            entries = [entry for entry in entries if str(entry.auth_id) == carrier_ref]
        return await self._remove(access, entries) if entries else Done()

    async def list_webhooks(self, access: PlatformAccess) -> Mapping[str, Sequence[StandingWebhook]] | Problem:
        """The broker's list (§2A.3), without keys and without the company-wide entry."""
        listed = await self._authorizations(access)
        if isinstance(listed, Problem):
            return listed
        found: dict[str, list[StandingWebhook]] = {}
        for entry in listed:
            if entry.inbound_auth and entry.tn:
                secret = Secret(entry.header_value) if entry.header_name == wire.HOOK_HEADER and entry.header_value else None
                found.setdefault("+1" + wire.last_ten(entry.tn), []).append(StandingWebhook(entry.webhook_url, secret or Secret("")))
        return found

    async def _add(self, access: PlatformAccess, e164: str, url: str, secret: Secret) -> WebhookSet | Problem:
        entry: dict[str, object] = {"inboundAuth": True, "tn": wire.broker_number(e164), "webhookUrl": url}
        entry |= {"headerName": wire.HOOK_HEADER, "headerValue": secret.reveal()}
        key = access.credentials.get("outbound_api_key")
        if access.options.token_hash and isinstance(key, Secret):
            entry["apiKey"] = key.reveal()
        envelope = await self._broker(access, "/configureAuthorization", {"authorizations": [entry]})
        if isinstance(envelope, Problem):
            return envelope
        entries = envelope.auth_config.authorizations if envelope.auth_config else []
        matching = [added for added in entries if added.auth_id is not None and wire.last_ten(added.tn) == wire.last_ten(e164)]
        return WebhookSet(str(matching[-1].auth_id)) if matching else outcome.unreadable()

    async def _remove(self, access: PlatformAccess, entries: list[wire.Authorization]) -> Done | Problem:
        ids = [{"authId": entry.auth_id} for entry in entries]
        envelope = await self._broker(access, "/removeAuthorization", {"authorizations": ids})
        if isinstance(envelope, Problem) and envelope.carrier_code == "NOT_FOUND":
            return Done()
        return envelope if isinstance(envelope, Problem) else Done()

    async def _authorizations(self, access: PlatformAccess) -> list[wire.Authorization] | Problem:
        envelope = await self._broker(access, "/selectAuthorization", {})
        if isinstance(envelope, Problem):
            return envelope
        return envelope.auth_config.authorizations if envelope.auth_config else []

    async def _broker(self, access: PlatformAccess, path: str, message: Mapping[str, object]) -> wire.Broker | Problem:
        """One broker call that is no send: its envelope when it succeeded, else why not."""
        result = await self._door.send(self._outgoing(access, "broker", path, msgspec.json.encode(message), bearer(access)))
        if isinstance(result, NotSent | Interrupted):
            return outcome.problem_of(result)
        envelope = outcome.read(result.body, wire.BROKER)
        if envelope is None:
            return outcome.unreadable() if result.status < 300 else outcome.problem_of(result)
        if result.status < 300 and _is_true(envelope.success):
            return envelope
        code = str(envelope.reason or envelope.status_code or result.status)[:64]
        words = f"{envelope.reason or ''} {wire.reason_of(envelope)}".lower()
        if result.status in (401, 403) or _holds(words, _ACCOUNT_WORDS):
            return Problem("credentials_refused", "The carrier does not accept these credentials.", code, account_problem=True)
        if result.status == 429 or result.status >= 500 or _holds(words, _BUSY_WORDS):
            return Problem("carrier_busy", "The carrier cannot do this just now. Try again in a moment.", code, temporary=True)
        return Problem("carrier_refused", f"The carrier refused this: {wire.reason_of(envelope) or code}", code)


def _published(envelope: wire.Broker, part: OutboundPart, exchange: Exchange) -> Outcome:
    """A success needs an id, and the one recipient must have been taken (§2A.5)."""
    result = envelope.result
    recipients = (result.result_responses or []) if result else []
    refused = next((entry for entry in recipients if entry.status and entry.status.upper() != "SUCCESS"), None)
    if refused is not None:
        word = (refused.status or "")[:64]
        if wire.says_opted_out(word):
            return Refused("opted_out", outcome.REASON_OPTED_OUT, word, True, False, exchange)
        if _holds(word.lower(), _UNSURE_WORDS):
            return Unknown("carrier_answer_unclear", outcome.REASON_UNKNOWN, exchange)
        return _refused(word, word, exchange)
    if result is None or result.reference_id in (None, ""):
        return Unknown("carrier_answer_unclear", outcome.REASON_UNKNOWN, exchange)
    shorter = result.text if result.text is not None and len(result.text) < len(part.text) else None
    return Accepted(str(result.reference_id), shorter, exchange)


def _refused(code: str, words: str, exchange: Exchange) -> Refused:
    reason = f"The carrier refused the text: {words}" if words else outcome.REASON_REFUSED
    return Refused("carrier_refused", reason, code, False, False, exchange)


def _of_number(entries: list[wire.Authorization], e164: str) -> list[wire.Authorization]:
    """The webhooks of one number; never an outbound key, never the company-wide entry."""
    wanted = wire.last_ten(e164)
    return [entry for entry in entries if entry.inbound_auth and entry.auth_id is not None and entry.tn and wire.last_ten(entry.tn) == wanted]


def _is_true(value: bool | str | None) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _is_false(value: bool | str | None) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")


def _holds(words: str, any_of: tuple[str, ...]) -> bool:
    return any(piece in words for piece in any_of)
