"""Incoming phone numbers and applications: finding them, and pointing them at a webhook (carriers.md §1.3, §1.4)."""

from collections.abc import Mapping
from urllib.parse import urlencode

from kereru.simulators.asgi import TEXT, Answer, Request, as_json
from kereru.simulators.forms import NotAForm, parse_form
from kereru.simulators.restcomm.accounts import (
    PREFIX,
    Account,
    Application,
    Number,
    application_sid,
)
from kereru.simulators.restcomm.log import BadQuery, page_of
from kereru.simulators.restcomm.sending import said
from kereru.simulators.restcomm.views import (
    Page,
    application_view,
    number_view,
    one,
    xml_object,
)

EMPTY_404 = Answer(404, b"", TEXT)
METHODS = ("GET", "POST")


def list_numbers(account: Account, query: Mapping[str, str], *, json: bool) -> Answer:
    """A page of numbers. `PhoneNumber` matches anywhere inside the number; `*` stands for any digits."""
    wanted, name = query.get("PhoneNumber", "").replace("*", ""), query.get("FriendlyName")
    rows = [n for n in account.listed() if wanted in n.phone_number and (not name or n.friendly_name == name)]
    field, _, order = query.get("SortBy", "").partition(":")
    keys = {"PhoneNumber": lambda n: n.phone_number, "FriendlyName": lambda n: n.friendly_name}  # pyright: ignore[reportUnknownLambdaType, reportUnknownMemberType, reportUnknownVariableType]
    if field in keys:
        rows.sort(key=keys[field])  # pyright: ignore[reportUnknownArgumentType]
    if order == "desc" or query.get("Reverse", "").lower() == "true":
        rows.reverse()
    try:
        number, size = page_of(query, len(rows))
    except BadQuery:
        return Answer(400, b"", TEXT)
    total = len(rows)
    rows = rows[number * size : (number + 1) * size]
    kept = urlencode({k: v for k, v in query.items() if k not in ("Page", "PageSize", "AfterSid")})
    uri = f"{PREFIX}/Accounts/{account.sid}/IncomingPhoneNumbers.json"
    page = Page(uri, number, size, total, rows[-1].sid if rows else "", kept and kept + "&")
    views = [number_view(account, n) for n in rows]
    if not json:
        inner = "".join(xml_object("IncomingPhoneNumber", view) for view in views)
        return page.xml("IncomingPhoneNumbers", inner, page.envelope("incomingPhoneNumbers", ()))
    return as_json(views if account.modes.list_shape == "array" else page.envelope("incomingPhoneNumbers", views))


def change_number(account: Account, sid: str, request: Request, now: float, *, json: bool) -> Answer:
    """Read (GET), update (POST, PUT) or release (DELETE) one number."""
    number = account.numbers.get(sid)
    if number is None or number.released:
        return EMPTY_404
    if request.method == "DELETE":
        number.released = True
        return Answer(204, b"", TEXT)
    if request.method in ("POST", "PUT"):
        refused = _update(account, number, request, now)
        if refused is not None:
            return refused
    elif request.method != "GET":
        return Answer(405, b"", TEXT)
    return one(number_view(account, number), "IncomingPhoneNumber", json=json)


def _form(request: Request) -> dict[str, str] | Answer:
    if request.body and request.header(b"content-type").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return Answer(415, b"", TEXT)
    try:
        return dict(parse_form(request.body))
    except NotAForm:
        return said(400, "The form is not UTF-8.")


def _update(account: Account, number: Number, request: Request, now: float) -> Answer | None:
    fields = _form(request)
    if isinstance(fields, Answer):
        return fields
    if any(fields[name].upper() not in METHODS for name in ("SmsMethod", "SmsFallbackMethod", "VoiceMethod") if fields.get(name)):
        return said(400, "A method must be GET or POST.")
    if fields.get("SmsApplicationSid") and fields["SmsApplicationSid"] not in account.applications:
        return said(400, "SmsApplicationSid is unknown.")
    if "FriendlyName" in fields:
        number.friendly_name = fields["FriendlyName"]
    if "SmsUrl" in fields:
        number.sms_url = fields["SmsUrl"] or None
    if "SmsFallbackUrl" in fields:
        number.sms_fallback_url = fields["SmsFallbackUrl"] or None
    if "SmsApplicationSid" in fields:
        number.sms_application_sid = fields["SmsApplicationSid"] or None
    if "VoiceUrl" in fields:
        number.voice_url = fields["VoiceUrl"] or None
    if "StatusCallback" in fields:
        number.status_callback = fields["StatusCallback"] or None
    number.sms_method = (fields.get("SmsMethod") or number.sms_method).upper()
    number.sms_fallback_method = (fields.get("SmsFallbackMethod") or number.sms_fallback_method).upper()
    number.updated = now
    return None


def buy_number(request: Request) -> Answer:
    """Buying is always refused as not available: the inventory says which numbers there are (carriers.md §1.4)."""
    return said(400, "21452") if request.body else said(400, "PhoneNumber can not be null.")


def applications(account: Account, sid: str | None, request: Request, now: float, *, json: bool) -> Answer:
    """List (a bare array), create, read, update and remove applications."""
    if sid is None:
        if request.method == "GET":
            views = [application_view(account, app) for app in account.applications.values()]
            return as_json(views)
        return _save_application(account, None, request, now, json=json)
    app = account.applications.get(sid)
    if app is None:
        return EMPTY_404
    if request.method == "DELETE":
        del account.applications[sid]
        for number in account.listed():
            if number.sms_application_sid == sid:
                number.sms_application_sid = None
        return Answer(204, b"", TEXT)
    if request.method == "GET":
        return one(application_view(account, app), "Application", json=json)
    return _save_application(account, app, request, now, json=json)


def _save_application(account: Account, app: Application | None, request: Request, now: float, *, json: bool) -> Answer:
    fields = _form(request)
    if isinstance(fields, Answer):
        return fields
    if app is None and not fields.get("FriendlyName"):
        return said(400, "Friendly name can not be null.")
    if fields.get("Kind", "voice") not in ("voice", "sms", "ussd"):
        return said(400, "Kind must be voice, sms or ussd.")
    if app is None:
        sid = application_sid(account, fields["FriendlyName"])
        app = Application(sid, fields["FriendlyName"], "voice", None, "2012-04-24", False, now, now)
        account.applications[sid] = app
    app.friendly_name = fields.get("FriendlyName") or app.friendly_name
    app.kind = fields.get("Kind") or app.kind
    app.rcml_url = (fields["RcmlUrl"] or None) if "RcmlUrl" in fields else app.rcml_url
    app.api_version = fields.get("ApiVersion") or app.api_version
    app.voice_caller_id_lookup = fields.get("HasVoiceCallerIdLookup", str(app.voice_caller_id_lookup)).lower() == "true"
    app.updated = now
    return one(application_view(account, app), "Application", json=json)
