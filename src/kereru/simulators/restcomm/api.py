"""Restcomm's front door: who calls, on which account, for what; and the acceptance of texts (carriers.md §1)."""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence

from kereru.simulators.asgi import TEXT, Answer, Outcome, Request
from kereru.simulators.faults import ON_ANSWER, Fault, spoil
from kereru.simulators.messages import Message, MessageStore
from kereru.simulators.phones import Picture
from kereru.simulators.receipts import Step, at_once, magic, script
from kereru.simulators.restcomm import log, numbers
from kereru.simulators.restcomm.accounts import Account
from kereru.simulators.restcomm.sending import (
    Draft,
    draft_from_form,
    draft_from_json,
    refusal,
)
from kereru.simulators.restcomm.views import account_view, message_view, one
from kereru.simulators.restcomm.webhooks import Reply, tell_inbound, tell_status
from kereru.simulators.world import World, play

UNAUTHORISED = Answer(401, b"", TEXT, ((b"www-authenticate", b'Basic realm="Restcomm realm"'),))
EMPTY_404 = Answer(404, b"", TEXT)
VERSION = "2012-04-24"


class Restcomm:
    """The carrier."""

    name = "restcomm"

    def __init__(self, world: World) -> None:
        self.world = world
        self.messages = MessageStore(world.config.ring)
        self.accounts = {c.account_sid: Account(c, world.clock()) for c in world.config.restcomm}
        self._sign_ins = {header: account for account in self.accounts.values() for header in account.sign_ins()}
        self._sid_start = "SM" + secrets.token_hex(8)

    def owner(self, number: str) -> str | None:
        """The account that holds a number."""
        return next((a.sid for a in self.accounts.values() if a.find(number) is not None), None)

    async def handle(self, request: Request) -> Outcome:
        """Answer one request to the carrier's API; it is in the ledger before anything else happens."""
        entry = self.world.ledger.open(self.name, request)
        outcome = await self._route(request)
        entry.answer = outcome
        return outcome

    async def _route(self, request: Request) -> Outcome:
        caller = self._sign_ins.get(request.header(b"authorization"))
        if caller is None:
            return UNAUTHORISED
        if caller.config.status != "active":
            return Answer(403, b"Provided Account is not active", TEXT)
        parts = [p for p in request.segments() if p]
        json = parts[-1].endswith(".json") or "json" in request.header(b"accept")
        parts[-1] = parts[-1].removesuffix(".json").removesuffix(".xml")
        # /restcomm[/restcomm|/api]/2012-04-24/Accounts/{sid}/...
        parts = parts[2:] if parts[1:2] in (["api"], ["restcomm"]) else parts[1:]
        if parts[:2] != [VERSION, "Accounts"] or len(parts) < 3:
            return EMPTY_404
        account = self.accounts.get(parts[2])
        if account is None:
            return EMPTY_404
        if account is not caller and account.config.parent != caller.sid:
            return Answer(403, b"", TEXT)
        rest = parts[3:]
        if request.method == "POST" and rest in (["SMS", "Messages"], ["Messages"]):
            return await self._send(account, request, newer=rest == ["Messages"], json=json)
        fault = self.world.faults.take(self.name, ON_ANSWER, on="all", account=account.sid)

        async def answer() -> Answer:
            return self._read_or_change(account, rest, request, json=json)

        return await spoil(fault, lambda kind: refusal(account, kind, json=json), answer)

    def _read_or_change(self, account: Account, rest: Sequence[str], request: Request, *, json: bool) -> Answer:
        now, query = self.world.clock(), request.queries()
        if request.method != "GET":
            self.world.changed("setting", carrier=self.name)
        match rest:
            case []:
                return one(account_view(account), "Account", json=json) if request.method == "GET" else Answer(405, b"", TEXT)
            case ["SMS", "Messages"] if request.method == "GET":
                children = [a.sid for a in self.accounts.values() if a.config.parent == account.sid]
                return log.listed(self.messages.newest_first(), account, children, query, json=json)
            case ["SMS", "Messages", sid] if request.method == "GET":
                return log.read_one(self.messages.get(sid), account, json=json)
            case ["IncomingPhoneNumbers"] if request.method == "GET":
                return numbers.list_numbers(account, query, json=json)
            case ["IncomingPhoneNumbers"] if request.method == "POST":
                return numbers.buy_number(request)
            case ["IncomingPhoneNumbers", sid]:
                return numbers.change_number(account, sid, request, now, json=json)
            case ["Applications"]:
                return numbers.applications(account, None, request, now, json=json)
            case ["Applications", sid]:
                return numbers.applications(account, sid, request, now, json=json)
            case _:
                return EMPTY_404

    async def _send(self, account: Account, request: Request, *, newer: bool, json: bool) -> Outcome:
        draft = draft_from_json(account, request) if newer else draft_from_form(account, request)
        if isinstance(draft, Answer):
            return draft
        world = self.world
        digits = magic(draft.to, world.modes.magic_numbers)
        fault = world.faults.take(self.name, ON_ANSWER, account=account.sid, to=draft.to)

        async def accept() -> Answer:
            return await self._accept(account, draft, digits, json=json or newer)

        if fault is None and digits == "07":
            fault = Fault("restcomm", "timeout_after_accept")
        return await spoil(fault, lambda kind: refusal(account, kind, json=json or newer), accept)

    async def _accept(self, account: Account, draft: Draft, digits: str, *, json: bool) -> Answer:
        world = self.world
        message = self._record(account, draft, "outbound-api")
        faults = world.faults.take_receipts(self.name, account=account.sid, to=draft.to)
        steps = script(faults, digits, world.timing()) if world.modes.receipts else []
        answer = one(message_view(message, draft.channel), "SMSMessage", json=json)

        async def tell(step: Step) -> None:
            await tell_status(world, account, message, step)

        if "early_receipt" in faults:
            await play(at_once(steps), tell)
        elif steps:
            world.later(play(steps, tell))
        if world.modes.send_delay_ms:
            await asyncio.sleep(world.modes.send_delay_ms / 1000)
        return answer

    def _record(self, account: Account, draft: Draft, direction: str) -> Message:
        now, serial = self.world.clock(), self.messages.next_serial()
        client = draft.to.startswith("client:")
        message = Message(
            serial, f"{self._sid_start}{serial:016x}", account.sid, direction, draft.from_, draft.to, draft.text, draft.media,
            "sending", now, now, callback=None if client else draft.callback, callback_method=draft.callback_method,
        )  # fmt: skip
        self.messages.add(message)
        self.world.changed("message", carrier=self.name)
        if not client:
            self.world.pass_on(self.name, message)
        return message

    def arrive(self, from_: str, to: str, text: str, media: Sequence[Picture]) -> tuple[str, Coroutine[object, object, None]]:
        """Take an inbound text for one of the accounts' numbers."""
        account, number = next((a, n) for a in self.accounts.values() if (n := a.find(to)) is not None)
        now, serial = self.world.clock(), self.messages.next_serial()
        message = Message(
            serial,
            f"{self._sid_start}{serial:016x}",
            account.sid,
            "inbound",
            from_,
            to,
            text,
            tuple(p.url for p in media),
            "received",
            now,
            now,
        )
        self.messages.add(message)
        self.world.changed("message", carrier=self.name)
        return message.id, tell_inbound(self.world, account, number, message, media, self._reply)

    def _reply(self, account: Account, reply: Reply) -> None:
        """A text asked for by RCML is sent like any other, with its own direction (carriers.md §1.9)."""
        draft = Draft(reply.from_, reply.to, reply.text, (), reply.callback, "POST")
        message = self._record(account, draft, "outbound-reply")

        async def tell(step: Step) -> None:
            await tell_status(self.world, account, message, step)

        self.world.later(play(script({}, magic(reply.to, self.world.modes.magic_numbers), self.world.timing()), tell))
