"""Taking a text to send: the form of SMS/Messages and the JSON of the newer Messages API (carriers.md §1.5, §1.6, C.1).

Promises: what the documents call required is required, and a refusal is given before anything is accepted.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from kereru.simulators.asgi import TEXT, Answer, Request, as_json
from kereru.simulators.forms import NotAForm, parse_form
from kereru.simulators.restcomm.accounts import Account
from kereru.simulators.restcomm.views import xml_answer
from kereru.simulators.restcomm.webhooks import E164

LONGEST = 1600
STRICT_BYTES = 160
STRICT_CUT = 159
MOST_MEDIA = 10
MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "audio/mpeg", "audio/mp3", "video/mp4"})
CLIENT = re.compile(r"client:\S+")
CHANNEL = re.compile(r"(sms|mms):(\S+)")


class Draft(NamedTuple):
    """A text that was checked and may be accepted. `channel` is written before numbers in the answer."""

    from_: str
    to: str
    text: str
    media: tuple[str, ...]
    callback: str | None
    callback_method: str
    channel: str = ""


def said(status: int, text: str) -> Answer:
    """A refusal as this carrier gives it: bare text."""
    return Answer(status, text.encode(), TEXT)


def draft_from_form(account: Account, request: Request) -> Draft | Answer:
    """Check a form; an Answer is the refusal."""
    if request.header(b"content-type").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return Answer(415)
    try:
        pairs = parse_form(request.body)
    except NotAForm:
        return said(400, "The form is not UTF-8.")
    fields = dict(pairs)
    for name in ("From", "To", "Body"):
        if not fields.get(name) and not (name == "Body" and "MediaUrl" in fields):
            return said(400, f"{name} can not be null.")
    media = tuple(value for name, value in pairs if name == "MediaUrl")
    if media and not (account.modes.mms and account.modes.mms_form):
        return said(403, "This account may not send media.")
    if fields.get("Encoding", "GSM") not in ("GSM", "UCS-2"):
        return said(400, "Encoding must be GSM or UCS-2.")
    method = fields.get("StatusCallbackMethod", "POST").upper()
    if method not in ("GET", "POST"):
        return said(400, "StatusCallbackMethod must be GET or POST.")
    draft = Draft(fields["From"], fields["To"], fields.get("Body", ""), media, fields.get("StatusCallback") or None, method)
    return _checked(account, draft)


class _Media(msgspec.Struct, frozen=True):
    url: str
    content_type: str = ""


class _Json(msgspec.Struct, frozen=True):
    from_: str = msgspec.field(name="from")
    to: str
    body: str = ""
    status_callback: str | None = None
    media: tuple[_Media, ...] = ()


def draft_from_json(account: Account, request: Request) -> Draft | Answer:
    """Check a JSON message of the newer API, which is switched on per account; an Answer is the refusal."""
    if not account.modes.mms:
        return said(403, "The Messages API is not switched on for this account.")
    if request.header(b"content-type").split(";")[0].strip().lower() != "application/json":
        return Answer(415)
    try:
        body = msgspec.json.decode(request.body, type=_Json)
    except msgspec.DecodeError as error:
        return said(400, str(error))
    from_, to = CHANNEL.fullmatch(body.from_), CHANNEL.fullmatch(body.to)
    if from_ is None or to is None or from_[1] != to[1]:
        return said(400, "from and to must name one channel, as in sms:+12015550110.")
    if not body.body and not body.media:
        return said(400, "body can not be null.")
    if any(m.content_type and m.content_type not in MEDIA_TYPES for m in body.media):
        return said(400, "A media type is not supported.")
    media = tuple(m.url for m in body.media)
    return _checked(account, Draft(from_[2], to[2], body.body, media, body.status_callback, "POST", from_[1] + ":"))


def _checked(account: Account, draft: Draft) -> Draft | Answer:
    if not _absolute(draft.callback):
        return said(400, "StatusCallback must be an absolute URL.")
    if len(draft.media) > MOST_MEDIA or not all(_absolute(url) for url in draft.media):
        return said(400, "Media must be at most ten absolute URLs.")
    if account.find(draft.from_) is None:
        return said(400, "From is not a number of this account.")
    if not E164.fullmatch(draft.to) and not CLIENT.fullmatch(draft.to):
        return said(400, "To is not a valid number.")
    if account.modes.long_text == "strict":
        return draft._replace(text=draft.text[:STRICT_CUT]) if len(draft.text.encode()) > STRICT_BYTES else draft
    return said(400, f"Body is longer than {LONGEST} characters.") if len(draft.text) > LONGEST else draft


def _absolute(url: str | None) -> bool:
    if url is None:
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def refusal(account: Account, kind: str, *, json: bool) -> Answer:
    """What a fault answers in place of accepting (carriers.md §1.8, C.5)."""
    if kind == "error":
        return Answer(500, b"java.lang.IllegalStateException", TEXT)
    if kind == "throttle":
        message, error = "The account sends faster than it may.", "SMS_LIMIT_EXCEEDED"
        status = int(account.modes.limit_answer)
        if not json:
            return xml_answer(f"<Message>{message}</Message><Error>{error}</Error>", status)
        return as_json({"message": message, "error": error}, status)
    return said(400, "The message was refused.")
