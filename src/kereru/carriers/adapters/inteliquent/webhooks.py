"""Inteliquent's webhook (carriers.md §2A.7, §2A.8): one address for texts and receipts, proved by a static header or a token hash."""

import hashlib
import hmac
import re

import msgspec

from kereru.carriers.adapters.inteliquent import wire
from kereru.carriers.arrivals import (
    Arrival,
    AuthResult,
    InboundText,
    MediaReference,
    ReceiptReport,
    Unrecognised,
    WebhookAnswer,
    WebhookProof,
    WebhookRequest,
)
from kereru.carriers.inbound import arrived_number, carrier_key, is_answerable, storable

_BODY = b'{"statusCode":"200","status":"success"}'
_ANSWER = WebhookAnswer(200, ((b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())), _BODY)
_HEADER = wire.HOOK_HEADER.lower()
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_SURROGATE = re.compile(rb"(?<!\\)((?:\\\\)*)(?:(" + _PAIR + rb")|\\u[dD][89a-fA-F][0-9a-fA-F]{2})")
_EVENTS_MAX = 200
_MEDIA_MAX = 10
_GROUP_MAX = 50


class InteliquentWebhooks:
    """The receiving half of the adapter; pure."""

    def authenticate(self, request: WebhookRequest, proof: WebhookProof) -> AuthResult:
        """At least one way must match, and no way that is presented may fail."""
        token = request.headers.get(_HEADER)
        message_id, hashed = request.headers.get("messageid"), request.headers.get("verificationtoken")
        static = token is not None and bool(proof.static)
        signed = hashed is not None and bool(proof.hash_keys)
        if not static and not signed:
            return AuthResult(False, "no_proof")
        header_match = _static_match(token or "", proof) if static else None
        hash_match = _hash_match(message_id or "", hashed or "", proof) if signed else None
        if static and header_match is None:
            return AuthResult(False, "wrong_header")
        if signed and hash_match is None:
            return AuthResult(False, "wrong_hash")
        how = "+".join(match[0] for match in (header_match, hash_match) if match)
        number = next((match[1] for match in (header_match, hash_match) if match and match[1]), None)
        return AuthResult(True, how, number, message_id if signed else None)

    def parse(self, request: WebhookRequest) -> tuple[Arrival, ...]:
        """Texts and receipts of one body; an array is read event by event, so that one bad event costs only itself (bad input 69)."""
        if request.path_tail != "/in":
            return (_unrecognised(request, "the path is not one we gave out", request.body),)
        body, flags = _utf8(request.body)
        if body.lstrip()[:1] != b"[":
            return _event(request, body, flags, request.body)
        try:
            events = wire.HOOKS.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return (_unrecognised(request, "the body is not JSON", request.body),)
        if len(events) > _EVENTS_MAX:
            return (_unrecognised(request, "too many events", request.body),)
        return tuple(arrival for event in events for arrival in _event(request, bytes(event), flags, bytes(event)))

    def acknowledge(self) -> WebhookAnswer:
        """The documented success body."""
        return _ANSWER

    def inbound_path(self) -> str:
        """Where a number's webhook points, after the token."""
        return "/in"

    def status_path(self, part_id: int) -> str | None:
        """Receipts come to the inbound path."""
        return None


def _static_match(token: str, proof: WebhookProof) -> tuple[str, str | None] | None:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return ("static_header", proof.static[digest]) if digest in proof.static else None


def _hash_match(message_id: str, presented: str, proof: WebhookProof) -> tuple[str, str | None] | None:
    """Vendor text says HMAC, production receivers saw a plain hash of key and token; either is taken, and which one is told (§2A.8)."""
    found: tuple[str, str | None] | None = None
    given = presented.strip().lower().encode("utf-8", "surrogatepass")
    token = message_id.encode("utf-8", "surrogatepass")
    if not token:
        return None
    for key, number in proof.hash_keys:
        if hmac.compare_digest(hashlib.sha256(key + token).hexdigest().encode(), given):
            found = ("token_hash_concatenated", number)
        if hmac.compare_digest(hmac.digest(key, token, "sha256").hex().encode(), given):
            found = ("token_hash_hmac", number)
    return found


def _utf8(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The body as valid UTF-8; wrong bytes become U+FFFD and are flagged (bad input 11)."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode(), ("invalid_utf8",)
    return body, ()


def _whole_pairs(body: bytes, flags: tuple[str, ...]) -> tuple[bytes, tuple[str, ...]]:
    """Half an emoji, as left by a text that lost a segment, becomes U+FFFD and is flagged (bad input 9)."""
    mended = _SURROGATE.sub(lambda found: found[0] if found[2] else found[1] + b"\\ufffd", body)
    return mended, flags if mended == body else (*flags, "lone_surrogate")


def _unrecognised(request: WebhookRequest, reason: str, raw: bytes) -> Unrecognised:
    return Unrecognised(request.provider_id, request.platform_id, reason, raw)


def _event(request: WebhookRequest, body: bytes, flags: tuple[str, ...], raw: bytes) -> tuple[Arrival, ...]:
    """One event; `body` may have been mended for reading, `raw` is what came."""
    if b"\\ud" in body or b"\\uD" in body:
        body, flags = _whole_pairs(body, flags)
    try:
        hook = wire.HOOK.decode(body)
    except msgspec.ValidationError as error:
        return (_unrecognised(request, f"a field is of another kind than documented: {error}"[:200], raw),)
    except (msgspec.DecodeError, RecursionError):
        return (_unrecognised(request, "the body is not JSON", raw),)
    if str(hook.delivery_receipt).lower() == "true":
        return (_receipt(request, hook, flags, raw),)
    return _texts(request, hook, flags, raw)


def _receipt(request: WebhookRequest, hook: wire.Hook, flags: tuple[str, ...], raw: bytes) -> Arrival:
    """Matched by the id alone: whether the two numbers are swapped in a receipt is not documented."""
    carrier_id, id_flags = carrier_key(_id(hook))
    if not carrier_id:
        return _unrecognised(request, "the receipt does not say for which text it is", raw)
    state, word, code, listed = wire.receipt(hook.text or "", hook.status)
    return ReceiptReport(
        provider_id=request.provider_id,
        platform_id=request.platform_id,
        carrier_id=storable(carrier_id)[0],
        part_reference=None,
        state=state,
        carrier_state=storable(word)[0],
        error_code=code,
        error_reason=f"The carrier gave the code {code}." if code else "",
        # Only in the status: what else a receipt says may quote our own text.
        opted_out=wire.says_opted_out(hook.status or ""),
        raw_flags=flags + id_flags + (() if listed else ("state_unlisted",)),
    )


def _texts(request: WebhookRequest, hook: wire.Hook, flags: tuple[str, ...], raw: bytes) -> tuple[Arrival, ...]:
    """One text for each number it was sent to: a group text has several, and which of them are ours the adapter cannot know."""
    recipients = [str(number) for number in (hook.to if isinstance(hook.to, list) else [hook.to]) if number not in (None, "")]
    if not recipients or len(recipients) > _GROUP_MAX:
        return (_unrecognised(request, "it does not say for which number it is", raw),)
    if hook.text is None and not hook.media_urls:
        return (_unrecognised(request, "there is no text in it", raw),)
    text, text_flags = storable(hook.text or "")
    carrier_id, id_flags = carrier_key(storable(_id(hook))[0])
    remote_raw = storable("" if hook.from_ is None else str(hook.from_))[0]
    remote = arrived_number(remote_raw)
    numbers = list(dict.fromkeys(arrived_number(storable(number)[0]) for number in recipients))
    media = _media(hook.media_urls)
    odd = flags + text_flags + id_flags + (() if remote else ("no_sender",))
    return tuple(
        InboundText(
            provider_id=request.provider_id,
            platform_id=request.platform_id,
            carrier_id=carrier_id,
            to=number,
            remote=remote,
            text=text,
            to_raw=storable(recipients[index])[0][:64] if len(numbers) == len(recipients) else number,
            remote_raw=remote_raw[:64],
            reply_possible=is_answerable(remote),
            raw_flags=odd,
            media=media,
            group=tuple(other for other in numbers if other != number) if len(numbers) > 1 else (),
        )
        for index, number in enumerate(numbers)
    )


def _media(urls: list[str] | str | None) -> tuple[MediaReference, ...]:
    """The files of an MMS, without the `.smil` that only says how to lay them out."""
    listed = [urls] if isinstance(urls, str) else urls or []
    kept = [storable(url)[0] for url in listed if url and not url.split("?", 1)[0].lower().endswith(".smil")]
    return tuple(MediaReference(url) for url in kept[:_MEDIA_MAX])


def _id(hook: wire.Hook) -> str:
    return "" if hook.reference_id is None else str(hook.reference_id)
