"""The control API: phones, faults, ledger, switches (design §8).

Promises: the paths and shapes that tests and people rely on; a browser page of another site cannot change anything through it.
"""

import asyncio
import re
from typing import Literal, TypeVar

import msgspec

from kereru.simulators.asgi import Answer, Outcome, Request, Stream, as_json, problem
from kereru.simulators.faults import Armed, Fault
from kereru.simulators.inteliquent.api import Inteliquent
from kereru.simulators.media import BadMedia
from kereru.simulators.phones import Picture, shown
from kereru.simulators.restcomm.api import Restcomm
from kereru.simulators.world import World

E164 = re.compile(r"\+[1-9]\d{6,14}")
LONGEST_WAIT = 25.0
NO_CONTENT = Answer(204, b"")
M = TypeVar("M", bound=msgspec.Struct)


class Attached(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file on a text: a URL, or its base64 bytes."""

    url: str | None = None
    data: str | None = None
    content_type: str = "image/jpeg"


class PhoneText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a phone sends."""

    to: str
    text: str = ""
    media: tuple[Attached, ...] = ()


class ModesAsked(msgspec.Struct, frozen=True):
    """For whom switches are set; the switches themselves stand beside these names."""

    carrier: Literal["restcomm", "inteliquent"] | None = None
    account: str | None = None


class Control:
    """The control API over one world."""

    def __init__(self, world: World, restcomm: Restcomm, inteliquent: Inteliquent) -> None:
        self.world = world
        self.restcomm = restcomm
        self.inteliquent = inteliquent

    async def handle(self, request: Request) -> Outcome | None:
        """Answer a request, or None when the path is not one of these."""
        parts = [p for p in request.segments() if p]
        try:
            match (request.method, parts):
                case (_, ["phones", *rest]):
                    return await self._phones(request, rest)
                case (_, ["faults", *rest]):
                    return self._faults(request, rest)
                case (_, ["ledger"]):
                    return self._ledger(request)
                case ("GET" | "PUT", ["modes"]):
                    return self._set_modes(request) if request.method == "PUT" else as_json(self._modes())
                case ("GET", ["deliveries"]):
                    query = request.queries()
                    return as_json({"items": self.world.hooks.made(int(query.get("after", "0")), int(query.get("limit", "500")))})
                case ("GET", ["events"]):
                    return Stream(b"text/event-stream", self.world.live.stream)
                case ("GET", ["media", name]):
                    return self._media(name, request)
                case _:
                    return None
        except (msgspec.DecodeError, ValueError) as error:
            return problem(422, "invalid", str(error))

    async def _phones(self, request: Request, rest: list[str]) -> Answer | None:
        if not rest and request.method == "GET":
            return as_json({"items": [{"phone": p, "last": shown(h)} for p, h in self.world.phones.known()]})
        if len(rest) != 2 or rest[1] != "messages" or request.method not in ("GET", "POST"):
            return None
        if not E164.fullmatch(rest[0]):
            return problem(422, "not_a_number", "A phone is named by its number in international form, such as %2B12025550142.")
        return await self._texts(rest[0], request) if request.method == "GET" else self._send(rest[0], request)

    async def _texts(self, phone: str, request: Request) -> Answer:
        query = request.queries()
        after, limit = int(query.get("after", "0")), int(query["limit"]) if "limit" in query else None
        deadline = min(float(query.get("wait", "0")), LONGEST_WAIT)
        while not (found := self.world.phones.texts(phone, after, limit)) and deadline > 0:
            await asyncio.sleep(0.05)
            deadline -= 0.05
        return as_json({"items": [shown(held) for held in found]})

    def _send(self, phone: str, request: Request) -> Answer:
        wanted = msgspec.json.decode(request.body, type=PhoneText)
        if not wanted.text and not wanted.media:
            return problem(422, "empty_text", "A text needs words or a file.")
        found = self.world.owner(wanted.to)
        if found is None:
            return problem(404, "nobody_has_this_number", f"No simulated carrier has {wanted.to} with messaging. Look at the numbers in its console.")
        pictures = [self._picture(file, found[0].name, found[1]) for file in wanted.media]
        held = self.world.text_from_phone(phone, wanted.to, wanted.text, pictures)
        return as_json(shown(held) if held else {}, 201)

    def _picture(self, file: Attached, carrier: str, account: str) -> Picture:
        if file.url:
            return Picture(file.url, file.content_type)
        if not file.data:
            raise BadMedia("A file needs a url or data.")
        name = self.world.media.put(file.data, file.content_type, carrier, account)
        return Picture(f"{self.world.base_url}/media/{name}", file.content_type)

    def _media(self, name: str, request: Request) -> Answer:
        file = self.world.media.get(name)
        if file is None:
            return problem(404, "not_found", "This file is not kept any more.")
        by_page = request.header(b"sec-fetch-site") == "same-origin"
        if file.carrier == "restcomm" and not by_page and request.header(b"authorization") not in self.restcomm.accounts[file.account].sign_ins():
            return Answer(401, b"", headers=((b"www-authenticate", b'Basic realm="Restcomm realm"'),))
        safe = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox; default-src 'none'"))
        return Answer(200, file.data, file.content_type.encode(), safe)

    def _faults(self, request: Request, rest: list[str]) -> Answer:
        faults = self.world.faults
        if request.method == "POST" and not rest:
            armed = faults.add(msgspec.json.decode(request.body, type=Fault))
            self.world.changed("faults")
            return as_json(fault_view(armed), 201)
        if request.method == "DELETE":
            query = request.queries()
            taken = faults.clear(query.get("carrier"), query.get("kind"), int(rest[0]) if rest else None)
            self.world.changed("faults")
            return as_json({"taken": taken})
        if request.method == "GET" and not rest:
            return as_json({"items": [fault_view(a) for a in faults.items()]})
        return problem(405, "method_not_allowed", "Faults are added by POST, read by GET and taken away by DELETE.")

    def _ledger(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self.world.ledger.clear()
            return NO_CONTENT
        query = request.queries()
        limit = int(query["limit"]) if "limit" in query else None
        items = self.world.ledger.items(query.get("carrier"), int(query.get("after", "0")), limit, query.get("order") == "newest")
        return as_json({"items": items})

    def _modes(self) -> dict[str, object]:
        return {
            "world": self.world.modes,
            "restcomm": {sid: a.modes for sid, a in self.restcomm.accounts.items()},
            "inteliquent": {key: a.modes for key, a in self.inteliquent.accounts.items()},
        }

    def _set_modes(self, request: Request) -> Answer:
        raw = msgspec.json.decode(request.body, type=dict[str, object])
        asked = msgspec.convert(raw, ModesAsked)
        patch = {name: value for name, value in raw.items() if name not in ("carrier", "account")}
        if asked.carrier is None:
            self.world.modes = patched(self.world.modes, patch)
        elif asked.carrier == "restcomm":
            for account in (a for a in self.restcomm.accounts.values() if asked.account in (None, a.sid)):
                account.modes = patched(account.modes, patch)
        else:
            for account in (a for a in self.inteliquent.accounts.values() if asked.account in (None, a.id)):
                account.modes = patched(account.modes, patch)
        self.world.changed("setting")
        return as_json(self._modes())


def fault_view(armed: Armed) -> dict[str, object]:
    """A fault in force."""
    fault: dict[str, object] = msgspec.to_builtins(armed.fault)
    return {"id": armed.id, **fault, "left": armed.left, "bites": armed.bites}


def patched(modes: M, patch: dict[str, object]) -> M:
    """The same switches with some of them changed. Raises ValidationError for unknown names and values."""
    return msgspec.convert({**msgspec.to_builtins(modes), **patch}, type(modes))
