"""What the sending tests work with: a person who texts, the simulators as carriers, and senders that can be started and stopped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from kereru.carriers.contract import PlatformAccess
from kereru.carriers.numbering import habits_of
from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.db import Database, ProviderScope, Row
from kereru.kernel.faults import Faults
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import Secret
from kereru.messaging import commands
from kereru.messaging.commands import Draft
from kereru.messaging.commands import Sender as Person
from kereru.messaging.delivery.sender import OpenPlatform, OpenPlatformRow, Sender
from kereru.messaging.model import Message
from kereru.simulators.config import example_config
from kereru.simulators.testing import Control, RunningSimulators
from world import PHONE, Owner, World

_keys = count(1)


@dataclass
class Desk:
    """Everything at hand."""

    world: World
    app: Database
    service: Database
    carriers: Carriers
    simulators: RunningSimulators
    names: count = field(default_factory=lambda: count(1))

    @property
    def carrier(self) -> Control:
        """The simulators' control."""
        return self.simulators.control

    async def send(self, owner: Owner, text: str = "It is. Keep it?", *, to: str = PHONE, key: str | None = None) -> Message:
        """`owner` sends a text."""
        message, _ = await commands.send(self.app, person(owner), key or f"client-id-{next(_keys)}", Draft(owner.number_id, to, text))
        return message

    async def resend(self, owner: Owner, message: str, attempt: int, *, despite_unknown: bool = False) -> Message:
        """`owner` clicks Send again."""
        async with self.app.transaction(ProviderScope(owner.provider_id)) as tx:
            return await commands.resend(tx, person(owner), int(message), attempt=attempt, despite_unknown=despite_unknown)

    @asynccontextmanager
    async def sending(
        self, *, lease_s: float = 15, faults: Faults | None = None, holder: str | None = None, open_platform: OpenPlatformRow | None = None
    ) -> AsyncIterator[Sender]:
        """A running sender, stopped in order at the end."""
        name = holder or f"sender-{next(self.names)}"
        sender = Sender(self.service, open_platform or self.open_platform, holder=name, clock=SystemClock(), lease_s=lease_s, faults=faults)
        running = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            sender.stop()
            # A test that failed half-way may have left something waiting that nobody will wake any more.
            async with asyncio.timeout(30):
                await running

    def open_platform(self, row: Row) -> OpenPlatform:
        """As provisioning does, with the simulators' credentials."""
        config = example_config()
        if row.carrier == "restcomm":
            account = config.restcomm[0]
            credentials = {"account_key": account.account_sid, "token_secret": Secret(account.auth_token)}
            endpoints = {"api": f"{self.simulators.url}/restcomm/restcomm/2012-04-24"}
        else:
            key = config.inteliquent[0]
            credentials = {
                "account_key": Secret(key.key), "token_secret": Secret(key.secret), "outbound_api_key": Secret(key.outbound_key),
            }  # fmt: skip
            endpoints = {
                "broker": f"{self.simulators.url}/inteliquent/msgbroker/rest",
                "services": f"{self.simulators.url}/inteliquent/Services/2.0.0",
            }
        adapter = self.carriers.of(row.carrier)
        access = PlatformAccess(row.provider_id, row.platform_id, adapter.kind, credentials, endpoints)
        return OpenPlatform(access, adapter, "http://127.0.0.1:9/ingress/x")

    async def sql(self, statement: str, **params: object) -> list[Row]:
        """As `World.sql`, beside the loop: a statement may have to wait for a lock that a task of this loop holds."""
        return await asyncio.to_thread(self.world.sql, statement, **params)

    def status(self, message: Message) -> Row:
        """The message's row as it is now."""
        return self.world.sql("SELECT * FROM message WHERE id = %(id)s", id=int(message.id))[0]

    async def until(self, message: Message, *statuses: int) -> Row:
        """Wait until the message has one of these statuses."""
        return await eventually(lambda: _now(self.status(message), statuses))


async def _now(row: Row, statuses: tuple[int, ...]) -> Row | None:
    return row if row.status in statuses else None


def person(owner: Owner) -> Person:
    """Who sends."""
    return Person(owner.provider_id, owner.user_id, habits_of("US", exclude_leading_zero=True))


async def eventually(look: Callable[[], Awaitable[Row | None]], seconds: float = 10) -> Row:
    """Poll `look` until it answers something."""
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


def door(simulators: RunningSimulators) -> CarrierClient:
    """A way out that reaches the simulators."""
    return CarrierClient(allow_private_hosts=(simulators.url.removeprefix("http://"),))
