"""Inteliquent's front doors: broker, Services API and token service (carriers.md §2)."""

import asyncio
import base64
import binascii
import secrets
import uuid
from collections.abc import Coroutine, Sequence

from kereru.simulators.asgi import TEXT, XML, Answer, Outcome, Request, as_json
from kereru.simulators.faults import ON_ANSWER, Fault, spoil
from kereru.simulators.forms import NotAForm, parse_form
from kereru.simulators.inteliquent import broker, services
from kereru.simulators.inteliquent.accounts import Account
from kereru.simulators.inteliquent.webhooks import tell_inbound, tell_receipt
from kereru.simulators.messages import Message, MessageStore
from kereru.simulators.phones import Picture
from kereru.simulators.receipts import Step, at_once, magic, script
from kereru.simulators.times import iso
from kereru.simulators.world import World, play

TOKEN_SECONDS = 3600.0
EMPTY_404 = Answer(404, b"", TEXT)


class Inteliquent:
    """The carrier."""

    name = "inteliquent"

    def __init__(self, world: World) -> None:
        self.world = world
        self.messages = MessageStore(world.config.ring)
        self.accounts = {c.key: Account(c) for c in world.config.inteliquent}

    def owner(self, number: str) -> str | None:
        """The account that holds a number with messaging."""
        for account in self.accounts.values():
            tn = account.find(number)
            if tn is not None and tn.message_type is not None:
                return account.id
        return None

    async def handle(self, request: Request) -> Outcome:
        """Answer one request to the carrier's APIs; it is in the ledger before anything else happens."""
        entry = self.world.ledger.open(self.name, request)
        outcome = await self._route(request)
        entry.answer = outcome
        return outcome

    async def _route(self, request: Request) -> Outcome:
        match [p for p in request.segments() if p][1:]:
            case ["msgbroker", "rest", call]:
                return await self._broker(call, request)
            case ["Services", "2.0.0" | "1.0.0", call]:
                return await self._services(call, request)
            case ["ClientMgmt", "1.0.0", "getClientList"]:
                return await self._services("accountDefaultDetail", request)
            case ["oauth2", "token"]:
                return self._token(request)
            case _:
                return EMPTY_404

    async def _broker(self, call: str, request: Request) -> Outcome:
        header = request.header(b"authorization")
        key = header[7:] if header.startswith("Bearer ") else ""
        account = next((a for a in self.accounts.values() if key and key in a.outbound_keys()), None)
        if account is None:
            return broker.wrong_key(next((a.modes.wrong_key for a in self.accounts.values()), "401"))
        if call == "publishMessages":
            return await self._publish(account, request)
        refused = broker.not_json(request)
        if refused is not None:
            return refused
        fault = self.world.faults.take(self.name, ON_ANSWER, on="all", account=account.id)

        async def answer() -> Answer:
            if call == "selectAuthorization":
                return broker.select(account)
            if call not in ("configureAuthorization", "removeAuthorization"):
                return EMPTY_404
            self.world.changed("setting", carrier=self.name)
            return broker.configure(account, request) if call == "configureAuthorization" else broker.remove(account, request)

        return await spoil(fault, broker.refusal, answer)

    async def _publish(self, account: Account, request: Request) -> Outcome:
        draft = broker.draft(account, request)
        if isinstance(draft, Answer):
            return draft
        digits = magic(draft.to[0], self.world.modes.magic_numbers)
        fault = self.world.faults.take(self.name, ON_ANSWER, account=account.id, to=draft.to[0])
        if fault is None and digits == "07":
            fault = Fault("inteliquent", "timeout_after_accept")

        async def accept() -> Answer:
            return await self._accept(account, draft, digits)

        return await spoil(fault, broker.refusal, accept)

    async def _accept(self, account: Account, draft: broker.Draft, digits: str) -> Answer:
        world = self.world
        faults = world.faults.take_receipts(self.name, account=account.id, to=draft.to[0])
        steps = script(faults, digits, world.timing()) if world.modes.receipts else []
        reference, answer = str(uuid.uuid4()), EMPTY_404
        for index, to in enumerate(draft.to):
            now = world.clock()
            message_id = reference if index == 0 else f"{reference}/{index}"
            serial = self.messages.next_serial()
            message = Message(serial, message_id, account.id, "outbound", draft.from_, to, draft.text, draft.media, "sent", now, now, now)
            self.messages.add(message)
            world.changed("message", carrier=self.name)
            world.pass_on(self.name, message)
            if index == 0:
                answer = broker.published(message, draft.to)

                async def tell(step: Step, message: Message = message) -> None:
                    await tell_receipt(world, account, message, step)

                if "early_receipt" in faults:
                    await play(at_once(steps), tell)
                elif steps:
                    world.later(play(steps, tell))
        if world.modes.send_delay_ms:
            await asyncio.sleep(world.modes.send_delay_ms / 1000)
        return answer

    def arrive(self, from_: str, to: str, text: str, media: Sequence[Picture]) -> tuple[str, Coroutine[object, object, None]]:
        """Take an inbound text for one of the accounts' numbers."""
        account = self.accounts[self.owner(to) or ""]
        now, serial = self.world.clock(), self.messages.next_serial()
        reference = "Acc" + secrets.token_urlsafe(12)
        message = Message(serial, reference, account.id, "inbound", from_, to, text, tuple(p.url for p in media), "received", now, now)
        self.messages.add(message)
        self.world.changed("message", carrier=self.name)
        return reference, tell_inbound(self.world, account, message, media)

    async def _services(self, call: str, request: Request) -> Outcome:
        if request.method != "POST":
            return Answer(405, b"", TEXT)
        account = self._services_account(request.header(b"authorization"))
        if isinstance(account, Answer):
            return account
        fault = self.world.faults.take(self.name, ON_ANSWER, on="all", account=account.id)

        async def answer() -> Answer:
            try:
                body = services.body_of(account, request.body)
                if call == "messageDetailSearch":
                    return services.records(account, body, self.messages.newest_first())
                act = services.CALLS.get(call)
                if act is None:
                    return EMPTY_404
                self.world.changed("setting", carrier=self.name)
                return act(account, body)
            except services.Refused as problem:
                return services.refused(account, problem)

        return await spoil(fault, lambda _kind: services.refused(account, services.Refused("431", "Please try again")), answer)

    def _services_account(self, header: str) -> Account | Answer:
        for account in self.accounts.values():
            if header == account.basic():
                return account
            if header.startswith("Bearer ") and account.tokens.get(header[7:], 0.0) > self.world.clock():
                return account
        if header.startswith("Bearer "):
            text = b'<ams:fault xmlns:ams="http://wso2.org/apimanager/security"><ams:code>900901</ams:code>'
            return Answer(401, text + b"<ams:message>Invalid Credentials</ams:message></ams:fault>", XML)
        return as_json(
            {"message": "Invalid authentication information provided", "status": "Invalid credentials", "statusCode": "401001",
             "timestamp": iso(self.world.clock())},
            401,
        )  # fmt: skip

    def _token(self, request: Request) -> Answer:
        try:
            fields = dict(parse_form(request.body))
        except NotAForm:
            fields = {}
        who = (fields.get("client_id", ""), fields.get("client_secret", ""))
        if request.header(b"authorization").startswith("Basic ") and not who[0]:
            who = _basic(request.header(b"authorization"))
        if fields.get("grant_type") != "client_credentials":
            return as_json({"error": "unsupported_grant_type", "error_description": "grant_type must be client_credentials"}, 400)
        for account in self.accounts.values():
            if who == (account.config.key, account.config.secret):
                token = secrets.token_hex(20)
                account.tokens = {t: end for t, end in account.tokens.items() if end > self.world.clock()}
                account.tokens[token] = self.world.clock() + TOKEN_SECONDS
                return as_json({"scope": "am_application_scope default", "token_type": "bearer", "expires_in": 3600, "access_token": token})
        return as_json({"error": "invalid_client", "error_description": "A valid OAuth client could not be found"}, 401)


def _basic(header: str) -> tuple[str, str]:
    try:
        user, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret
