"""What the page shows of the carriers' own consoles (R94-R98, R102, R157, R158, R193) and of the mailbox.

Promises: the same facts as the carriers' APIs give, for a person who is signed in to the carrier; so secrets are shown here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from kereru.simulators.asgi import Answer, Outcome, Request, as_json, problem
from kereru.simulators.inteliquent import accounts as iq
from kereru.simulators.inteliquent.api import Inteliquent
from kereru.simulators.mailbox import Mailbox
from kereru.simulators.messages import Message, MessageStore
from kereru.simulators.restcomm import accounts as rc
from kereru.simulators.restcomm.api import Restcomm
from kereru.simulators.restcomm.views import REASONS
from kereru.simulators.segments import size
from kereru.simulators.times import iso
from kereru.simulators.world import World

NO_CONTENT = Answer(204, b"")
LARGEST_PAGE = 200
SCANNED = 20_000


class Console:
    """Console data over one world."""

    def __init__(self, world: World, restcomm: Restcomm, inteliquent: Inteliquent, mailbox: Mailbox) -> None:
        self.world, self.restcomm, self.inteliquent, self.mailbox = world, restcomm, inteliquent, mailbox

    async def handle(self, request: Request) -> Outcome | None:
        """Answer a request, or None when the path is not one of these."""
        try:
            match (request.method, [p for p in request.segments() if p]):
                case ("GET", ["console"]):
                    return as_json(self._overview())
                case ("GET", ["console", ("restcomm" | "inteliquent") as carrier, "messages"]):
                    return as_json(self._messages(carrier, request.queries()))
                case ("GET", ["console", ("restcomm" | "inteliquent") as carrier, "messages", message_id]):
                    message = self._store(carrier).get(message_id)
                    return problem(404, "not_found", "This message is not kept any more.") if message is None else as_json(_detail(message))
                case ("POST", ["console", "inteliquent", account, "keys"]) if account in self.inteliquent.accounts:
                    key = self.inteliquent.accounts[account].add_key()
                    self.world.changed("setting", carrier="inteliquent")
                    return as_json({"auth_id": key.auth_id, "key": key.api_key}, 201)
                case ("DELETE", ["console", "inteliquent", account, "authorizations", auth_id]) if account in self.inteliquent.accounts:
                    self.inteliquent.accounts[account].authorizations.pop(int(auth_id), None)
                    self.world.changed("setting", carrier="inteliquent")
                    return NO_CONTENT
                case ("DELETE", ["console", "restcomm", account, "numbers", sid, "hook"]) if account in self.restcomm.accounts:
                    self._unhook(account, sid)
                    return NO_CONTENT
                case ("GET", ["mail", "messages"]):
                    return as_json({"items": self.mailbox.newest_first()})
                case ("DELETE", ["mail", "messages"]):
                    self.mailbox.clear()
                    return NO_CONTENT
                case _:
                    return None
        except ValueError as error:
            return problem(422, "invalid", str(error))

    def _store(self, carrier: str) -> MessageStore:
        return self.restcomm.messages if carrier == "restcomm" else self.inteliquent.messages

    def _overview(self) -> dict[str, object]:
        return {
            "restcomm": [self._restcomm(a) for a in self.restcomm.accounts.values()],
            "inteliquent": [_inteliquent(a) for a in self.inteliquent.accounts.values()],
            "api": {
                "restcomm": f"{self.world.base_url}{rc.PREFIX}",
                "inteliquent_broker": f"{self.world.base_url}/inteliquent/msgbroker/rest",
                "inteliquent_services": f"{self.world.base_url}/inteliquent/Services/2.0.0",
            },
        }

    def _restcomm(self, account: rc.Account) -> dict[str, object]:
        return {
            "account": account.sid,
            "name": account.config.friendly_name,
            "email": account.config.email,
            "parent": account.config.parent,
            "token": account.config.auth_token,
            "numbers": [
                {"sid": n.sid, "number": n.phone_number, "name": n.friendly_name, "hook": n.sms_url, "fallback": n.sms_fallback_url,
                 "application": n.sms_application_sid}
                for n in account.listed()
            ],
            "applications": [
                {"sid": a.sid, "name": a.friendly_name, "kind": a.kind, "url": a.rcml_url} for a in account.applications.values()
            ],
            "notices": [{"at": iso(n.at), "code": n.code, "text": n.text, "number": n.number} for n in reversed(account.notices)],
        }  # fmt: skip

    def _messages(self, carrier: str, query: Mapping[str, str]) -> dict[str, object]:
        """A page of the log, newest first; the account may be named by id or e-mail (R95)."""
        limit = max(1, min(int(query.get("limit", "50")), LARGEST_PAGE))
        before = int(query["before"]) if query.get("before") else None
        account = self._scope(query.get("account", ""))
        start, end = _instant(query.get("start")), _instant(query.get("end"))
        items: list[dict[str, object]] = []
        for scanned, m in enumerate(self._store(carrier).newest_first()):
            if scanned >= SCANNED or len(items) > limit:
                break
            if (
                (before is None or m.serial < before)
                and (not account or m.account == account)
                and (start is None or m.created >= start)
                and (end is None or m.created <= end)
                and query.get("from", "") in m.from_
                and query.get("to", "") in m.to
                and query.get("body", "").lower() in m.text.lower()
                and query.get("status", "") in ("", m.status)
            ):
                items.append(_row(m))
        following = items[limit - 1]["serial"] if len(items) > limit else None
        return {"items": items[:limit], "next": following, "total": len(self._store(carrier))}

    def _scope(self, wanted: str) -> str:
        if "@" not in wanted:
            return wanted
        return next((a.sid for a in self.restcomm.accounts.values() if a.config.email.lower() == wanted.lower()), "nobody")

    def _unhook(self, account: str, sid: str) -> None:
        number = self.restcomm.accounts[account].numbers.get(sid)
        if number is not None:
            number.sms_url = None
            number.updated = self.world.clock()
            self.world.changed("setting", carrier="restcomm")


def _inteliquent(account: iq.Account) -> dict[str, object]:
    entries = list(account.authorizations.values())
    return {
        "account": account.id,
        "name": account.config.name,
        "key": account.config.key,
        "secret": account.config.secret,
        "receipts": account.modes.msg_delivery_receipt,
        "numbers": [
            {"tn": t.tn, "number": "+1" + t.tn, "name": t.friendly_name, "class": t.message_class, "type": t.message_type,
             "hook": hook.webhook_url if (hook := account.webhook(t.tn)) else None}
            for t in account.numbers.values()
        ],
        "keys": [{"auth_id": a.auth_id, "key": a.api_key} for a in entries if not a.inbound],
        "webhooks": [
            {"auth_id": a.auth_id, "url": a.webhook_url, "key": a.api_key, "header_name": a.header_name, "header_value": a.header_value,
             "tn": "1" + a.tn if a.tn else None}
            for a in entries if a.inbound
        ],
    }  # fmt: skip


def _instant(value: str | None) -> float | None:
    if not value:
        return None
    when = datetime.fromisoformat(value)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _row(m: Message) -> dict[str, object]:
    return {
        "serial": m.serial,
        "id": m.id,
        "at": iso(m.created),
        "from": m.from_,
        "to": m.to,
        "direction": m.direction,
        "status": m.status,
        "body": m.text,
        "media": list(m.media),
        "account": m.account,
    }


def _detail(m: Message) -> dict[str, object]:
    """One message in full: sid, characters and segments among it (R97, R98)."""
    measured = size(m.text)
    return {
        **_row(m),
        "updated": iso(m.updated),
        "sent": None if m.sent is None else iso(m.sent),
        "error": m.error,
        "reason": None if m.error is None else REASONS.get(m.error),
        "callback": m.callback,
        "characters": measured.characters,
        "segments": measured.segments,
        "encoding": measured.encoding,
    }
