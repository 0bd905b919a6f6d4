"""Restcomm's webhooks (carriers.md §1.9 to §1.11): texts on `/in`, receipts on `/status/{part id}`.

Restcomm signs nothing. What proves a webhook is the unguessable token in its path, which the ingress has checked, and the account it names.
"""

import hmac
import re

from kereru.carriers.adapters.restcomm import wire
from kereru.carriers.arrivals import (
    Arrival,
    AuthResult,
    InboundText,
    MediaReference,
    ReceiptReport,
    ReceiptState,
    Unrecognised,
    WebhookAnswer,
    WebhookProof,
    WebhookRequest,
)
from kereru.carriers.inbound import arrived_number, carrier_key, is_answerable

# Longer than a 63-bit id: what the pipeline puts in the path may name attempt and part as well.
_STATUS_PATH = re.compile(r"/status/([0-9]{1,36})", re.ASCII)
_ANSWER = WebhookAnswer(200, ((b"content-type", b"text/xml; charset=utf-8"), (b"content-length", b"11")), b"<Response/>")
_MEDIA_MAX = 10
_LISTED_MAX = 20
_LAYOUT = "application/smil"


class RestcommWebhooks:
    """The receiving half of the adapter; pure."""

    def authenticate(self, request: WebhookRequest, proof: WebhookProof) -> AuthResult:
        """The path's token is known; the body must name the platform's account, once."""
        named = wire.values_of(_form_of(request), b"AccountSid")
        if not named:
            return AuthResult(False, "no_account")
        if proof.account_id is None:
            return AuthResult(False, "no_proof")
        wanted = proof.account_id.encode()
        genuine = all([hmac.compare_digest(value, wanted) for value in named])  # noqa: C419 (each value is compared, whatever the others say)
        return AuthResult(genuine, "account_id" if genuine else "wrong_account")

    def parse(self, request: WebhookRequest) -> tuple[Arrival, ...]:
        """A text, a receipt, or what it was raw."""
        try:
            fields, flags = wire.form(_form_of(request))
        except wire.FormProblem as problem:
            return (_unrecognised(request, str(problem)),)
        if request.path_tail == "/in":
            return (_text(request, fields, flags),)
        status = _STATUS_PATH.fullmatch(request.path_tail)
        if status:
            return (_receipt(request, fields, flags, int(status[1])),)
        return (_unrecognised(request, "the path is not one we gave out"),)

    def acknowledge(self) -> WebhookAnswer:
        """RCML that does nothing."""
        return _ANSWER

    def inbound_path(self) -> str:
        """Where a number's SmsUrl points, after the token."""
        return "/in"

    def status_path(self, part_id: int) -> str | None:
        """Where one part's StatusCallback points, after the token: in the path, since a GET callback replaces the query (§1.10)."""
        return f"/status/{part_id}"


def _form_of(request: WebhookRequest) -> bytes:
    return request.query.encode("ascii", "replace") if request.method == "GET" else request.body


def _unrecognised(request: WebhookRequest, reason: str) -> Unrecognised:
    return Unrecognised(request.provider_id, request.platform_id, reason, _form_of(request))


def _text(request: WebhookRequest, fields: dict[str, str], flags: tuple[str, ...]) -> Arrival:
    to_raw, remote_raw = fields.get("To", ""), fields.get("From", "")
    if "Body" not in fields and "NumMedia" not in fields:
        return _unrecognised(request, "there is no text in it")
    if not to_raw.strip():
        return _unrecognised(request, "it does not say for which number it is")
    carrier_id, id_flags = carrier_key(fields.get("SmsSid") or fields.get("MessageSid") or "")
    remote = arrived_number(remote_raw)
    return InboundText(
        provider_id=request.provider_id,
        platform_id=request.platform_id,
        carrier_id=carrier_id,
        to=arrived_number(to_raw),
        remote=remote,
        text=fields.get("Body", ""),
        to_raw=to_raw[:64],
        remote_raw=remote_raw[:64],
        reply_possible=is_answerable(remote),
        raw_flags=flags + id_flags + (() if remote else ("no_sender",)),
        media=_media(fields),
    )


def _media(fields: dict[str, str]) -> tuple[MediaReference, ...]:
    """Files of an MMS (C.2: fetched with the account's own Basic credentials), without the layout that phones add (P25)."""
    count = fields.get("NumMedia", "0")
    if not (count.isascii() and count.isdigit()):
        return ()
    found = [(fields.get(f"MediaUrl{n}"), fields.get(f"MediaContentType{n}")) for n in range(min(int(count[:3]), _LISTED_MAX))]
    kept = [MediaReference(url, kind, with_credentials=True) for url, kind in found if url and not (kind or "").lower().startswith(_LAYOUT)]
    return tuple(kept[:_MEDIA_MAX])


def _receipt(request: WebhookRequest, fields: dict[str, str], flags: tuple[str, ...], part_id: int) -> Arrival:
    word = (fields.get("MessageStatus") or fields.get("SmsStatus") or "").strip().lower()
    if not word:
        return _unrecognised(request, "the receipt has no status")
    carrier_id, id_flags = carrier_key(fields.get("MessageSid") or fields.get("SmsSid") or "")
    state = wire.STATES.get(word)
    code = wire.error_code(fields.get("ErrorCode"))
    return ReceiptReport(
        provider_id=request.provider_id,
        platform_id=request.platform_id,
        carrier_id=carrier_id,
        part_reference=part_id,
        state=state or ReceiptState.UNKNOWN,
        carrier_state=word[:64],
        error_code=code,
        error_reason=wire.error_reason(code),
        opted_out=code == wire.OPTED_OUT,
        raw_flags=flags + id_flags + (() if state else ("state_unlisted",)),
    )
