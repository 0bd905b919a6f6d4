"""The message broker: sending, keys and webhooks (carriers.md §2A).

Promises: number forms are exact (eleven digits, no plus), and a failure stands inside the common envelope.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from kereru.simulators.asgi import Answer, Request, as_json
from kereru.simulators.inteliquent.accounts import Account, Authorization
from kereru.simulators.messages import Message

ELEVEN = re.compile(r"1[2-9]\d{9}")
MOST_MEDIA = 10
ENDINGS = ("jpeg", "jpg", "png", "gif", "mp3", "amr", "mp4", "3gp", "vcf")
GOOD = {"success": True, "reason": "SUCCESS", "detail": "SUCCESS"}


class Draft(NamedTuple):
    """A text that was checked and may be accepted; numbers in E.164."""

    from_: str
    to: tuple[str, ...]
    text: str
    media: tuple[str, ...]


def bad(reason: str, detail: str, status: int = 200) -> Answer:
    """A failure in the common envelope."""
    return as_json({"success": False, "reason": reason, "detail": detail}, status)


def error_408(text: str) -> Answer:
    """The one error form that is documented (carriers.md §2A.1)."""
    return as_json({"statusCode": "408", "status": text}, 408)


def wrong_key(account_mode: str) -> Answer:
    """The answer to a key that is not known (C.6)."""
    return error_408("Invalid API key") if account_mode == "408" else bad("UNAUTHORIZED", "Invalid API key", 401)


class _Publish(msgspec.Struct, frozen=True):
    from_: str = msgspec.field(name="from")
    to: tuple[str, ...]
    text: str | None = None
    media_urls: tuple[str, ...] | None = msgspec.field(name="mediaUrls", default=None)


def draft(account: Account, request: Request) -> Draft | Answer:
    """Check a publishMessages body; an Answer is the refusal (carriers.md §2A.5, C.8)."""
    refused = not_json(request)
    if refused is not None:
        return refused
    try:
        body = msgspec.json.decode(request.body, type=_Publish)
    except msgspec.ValidationError as error:
        return bad("INVALID_REQUEST", str(error))
    except msgspec.DecodeError:
        return error_408("The request is not valid JSON")
    media, text = body.media_urls or (), body.text or ""
    if not ELEVEN.fullmatch(body.from_) or not body.to or not all(ELEVEN.fullmatch(to) for to in body.to):
        return bad("INVALID_REQUEST", "from and to must be 11 digits with a leading 1")
    if not text and not media:
        return bad("INVALID_REQUEST", "text or mediaUrls is required")
    if len(text) > account.modes.longest_text or len(media) > MOST_MEDIA or not all(_media(url) for url in media):
        return bad("INVALID_REQUEST", "text or media is outside the limits")
    number = account.numbers.get(body.from_[1:])
    if number is None or number.message_type is None:
        return bad("INVALID_FROM", "from is not a number of this account with active messaging")
    if media and "MMS" not in number.message_type:
        return bad("INVALID_FROM", "from may not send media")
    return Draft("+" + body.from_, tuple("+" + to for to in body.to), text, media)


def not_json(request: Request) -> Answer | None:
    """Calls are POST with JSON."""
    if request.method != "POST":
        return error_408("Only POST is allowed") if request.method != "OPTIONS" else Answer(405)
    if request.header(b"content-type").split(";")[0].strip().lower() != "application/json":
        return Answer(415)
    return None


def _media(url: str) -> bool:
    parts = urlsplit(url)
    ending = parts.path.rsplit(".", 1)[-1].lower() if "." in parts.path.rsplit("/", 1)[-1] else ""
    return parts.scheme in ("http", "https") and bool(parts.hostname) and (not ending or ending in ENDINGS)


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    reference_id: str
    from_: str = msgspec.field(name="from")
    text: str
    media_urls: Sequence[str]
    message_type: str
    result_responses: Sequence[dict[str, str]]


class _Published(msgspec.Struct, frozen=True):
    success: bool
    reason: str
    detail: str
    result: _Result


def published(message: Message, to: Sequence[str]) -> Answer:
    """The answer to a text that was taken."""
    results = [{"to": number[1:], "status": "SUCCESS"} for number in to]
    kind = "MMS" if message.media else "SMS"
    return as_json(_Published(True, "SUCCESS", "SUCCESS", _Result(message.id, message.from_[1:], message.text, message.media, kind, results)))


def refusal(kind: str) -> Answer:
    """What a fault answers in place of accepting (carriers.md §2A.1, C.9)."""
    if kind == "error":
        return bad("INTERNAL_ERROR", "The broker failed", 500)
    if kind == "throttle":
        return bad("THROTTLED", "Too many requests", 429)
    return bad("INVALID_REQUEST", "The message was refused")


def select(account: Account) -> Answer:
    """All keys and webhooks, secrets included, as the carrier shows them (carriers.md §2A.2)."""
    return as_json({**GOOD, "authConfig": {"authorizations": [shown(account, a) for a in account.authorizations.values()]}})


def shown(account: Account, a: Authorization) -> dict[str, object]:
    """One entry; the number has a leading 1 unless switched otherwise (R158)."""
    if not a.inbound:
        return {"authId": a.auth_id, "inboundAuth": False, "apiKey": a.api_key}
    tn = None if a.tn is None else a.tn if account.modes.shown_tn_digits == 10 else "1" + a.tn
    fields = {"tn": tn, "headerName": a.header_name, "headerValue": a.header_value, "apiKey": a.api_key, "webhookUrl": a.webhook_url}
    return {"authId": a.auth_id, "inboundAuth": True, **{k: v for k, v in fields.items() if v is not None}}


class _NewEntry(msgspec.Struct, frozen=True, rename="camel"):
    inbound_auth: bool
    webhook_url: str
    tn: str | None = None
    header_name: str | None = None
    header_value: str | None = None
    api_key: str | None = None


class _Configure(msgspec.Struct, frozen=True):
    authorizations: tuple[_NewEntry, ...]


def configure(account: Account, request: Request) -> Answer:
    """Add webhooks (carriers.md §2A.3); all are checked before the first is added."""
    try:
        wanted = msgspec.json.decode(request.body, type=_Configure).authorizations
    except msgspec.ValidationError as error:
        return bad("INVALID_REQUEST", str(error))
    except msgspec.DecodeError:
        return error_408("The request is not valid JSON")
    for entry in wanted:
        problem = _wrong(account, entry)
        if problem:
            return bad("INVALID_REQUEST", problem)
    added: list[Authorization] = []
    for entry in wanted:
        tn = entry.tn[1:] if entry.tn else None
        if account.modes.second_webhook == "replace":
            for other in [a for a in account.authorizations.values() if a.inbound and a.tn == tn]:
                del account.authorizations[other.auth_id]
        added.append(account.add(Authorization(0, True, entry.api_key, tn, entry.header_name, entry.header_value, entry.webhook_url)))
    keep = ("authId", "inboundAuth", "webhookUrl", "tn")
    views = [{k: v for k, v in shown(account, a).items() if k in keep} for a in added]
    return as_json({**GOOD, "authConfig": {"authorizations": views}})


def _wrong(account: Account, entry: _NewEntry) -> str:
    if not entry.inbound_auth:
        return "inboundAuth must be true"
    parts = urlsplit(entry.webhook_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "webhookUrl must be an absolute URL"
    if entry.tn is not None and not ELEVEN.fullmatch(entry.tn):
        return "tn must be 11 digits with a leading 1"
    if entry.tn is not None and entry.tn[1:] not in account.numbers:
        return "tn is not a number of this account"
    if (entry.header_name is None) != (entry.header_value is None):
        return "headerName and headerValue belong together"
    if account.modes.second_webhook == "refuse" and any(
        a.inbound and a.tn == (entry.tn[1:] if entry.tn else None) for a in account.authorizations.values()
    ):
        return "tn has a webhook already"
    return ""


class _OldEntry(msgspec.Struct, frozen=True, rename="camel"):
    auth_id: int | str


class _Remove(msgspec.Struct, frozen=True):
    authorizations: tuple[_OldEntry, ...]


def remove(account: Account, request: Request) -> Answer:
    """Remove webhooks, or keys if one is named (carriers.md §2A.4, C.7)."""
    try:
        wanted = msgspec.json.decode(request.body, type=_Remove).authorizations
    except msgspec.ValidationError as error:
        return bad("INVALID_REQUEST", str(error))
    except msgspec.DecodeError:
        return error_408("The request is not valid JSON")
    ids = [str(entry.auth_id) for entry in wanted]
    known = {str(auth_id): auth_id for auth_id in account.authorizations}
    if not all(auth_id in known for auth_id in ids):
        return bad("NOT_FOUND", "No such authId")
    for auth_id in ids:
        account.authorizations.pop(known[auth_id], None)
    return as_json(GOOD)
