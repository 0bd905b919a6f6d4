"""What all simulated systems share, and how a text finds its way between carriers and phones.

Promises: a text that a carrier took for a number of another simulated account arrives there as an inbound text; background work is held on
to and ends when the world closes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Protocol

import msgspec

from kereru.simulators.config import Config
from kereru.simulators.faults import ON_WEBHOOK, Faults
from kereru.simulators.hooks import Hooks
from kereru.simulators.ledger import Ledger
from kereru.simulators.live import Live
from kereru.simulators.media import LARGEST, Media
from kereru.simulators.messages import Message
from kereru.simulators.phones import Held, Phones, Picture
from kereru.simulators.receipts import Step, Timing

TURN_SECONDS = 2.0


class WorldModes(msgspec.Struct, forbid_unknown_fields=True):
    """Switches for both carriers. Delays are milliseconds."""

    receipt_delay_ms: int = 150
    late_receipt_ms: int = 10_000
    send_delay_ms: int = 0
    receipts: bool = True
    magic_numbers: bool = True


class Carrier(Protocol):
    """What the world needs of a carrier."""

    name: str

    def owner(self, number: str) -> str | None:
        """The account that holds this E.164 number."""
        ...

    def arrive(self, from_: str, to: str, text: str, media: Sequence[Picture]) -> tuple[str, Coroutine[object, object, None]]:
        """Take an inbound text: its carrier id, and the work of telling the customer's webhook."""
        ...


class World:
    """The shared parts, made once per process."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.clock = clock
        self.modes = WorldModes(config.receipt_delay_ms, config.late_receipt_ms, config.send_delay_ms)
        self.faults = Faults(time.monotonic)
        self.ledger = Ledger(config.ring, clock)
        self.phones = Phones(config.ring)
        self.hooks = Hooks(config.hook_timeout_seconds)
        self.live = Live()
        self.media = Media()
        self.carriers: list[Carrier] = []
        self.base_url = ""
        self.dirty = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: dict[tuple[str, str], asyncio.Task[None]] = {}

    def timing(self) -> Timing:
        """Receipt delays now in force."""
        return Timing(self.modes.receipt_delay_ms, self.modes.late_receipt_ms)

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Run something in the background."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def in_turn(self, parties: tuple[str, str], work: Coroutine[object, object, None]) -> None:
        """Run something in the background after what these two parties began before, so that texts arrive in the order they were sent.

        A receiver that does not answer holds the next one up for `TURN_SECONDS` only.
        """
        before = self._turns.get(parties)

        async def after() -> None:
            if before is not None:
                await asyncio.wait([before], timeout=TURN_SECONDS)
            await work

        task = asyncio.ensure_future(after())
        self._tasks.add(task)
        self._turns[parties] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if self._turns.get(parties) is task:
                del self._turns[parties]

        task.add_done_callback(ended)

    def changed(self, topic: str, **facts: str) -> None:
        """State changed: pages learn of it and the state file is written soon."""
        self.dirty = True
        self.live.publish(topic, **facts)

    def owner(self, number: str) -> tuple[Carrier, str] | None:
        """The carrier and account that hold a number."""
        for carrier in self.carriers:
            account = carrier.owner(number)
            if account is not None:
                return carrier, account
        return None

    def pass_on(self, carrier: str, message: Message) -> None:
        """An accepted text reaches its recipient's handset, and its account when a simulated carrier holds that number."""
        pictures = [Picture(url) for url in message.media]
        held = self._put(message.to, "in", message.from_, message.to, message.text, pictures, carrier, message.id)
        if pictures:
            self.later(self._fetch(held))
        found = self.owner(message.to)
        if found is not None:
            _id, work = found[0].arrive(message.from_, message.to, message.text, pictures)
            self.later(work)

    async def _fetch(self, held: Held) -> None:
        """Carriers fetch the files of an MMS once and hand the handset its own copies; what cannot be had stays an address."""
        got = [await self.hooks.fetch(held.carrier, picture.url, LARGEST) for picture in held.media]
        held.media = tuple(
            Picture(f"{self.base_url}/media/{self.media.keep(result.body, result.content_type)}", result.content_type) if result.good() else picture
            for picture, result in zip(held.media, got, strict=True)
        )
        self.changed("phone", phone=held.phone, carrier=held.carrier)

    def text_from_phone(self, phone: str, to: str, text: str, media: Sequence[Picture]) -> Held | None:
        """A phone sends a text; None when no carrier holds `to`."""
        found = self.owner(to)
        if found is None:
            return None
        carrier = found[0]
        message_id, work = carrier.arrive(phone, to, text, media)
        held = self._put(phone, "out", phone, to, text, media, carrier.name, message_id)
        self.in_turn((phone, to), work)
        return held

    def webhook_times(self, carrier: str, account: str, to: str) -> int:
        """How often an inbound text is told to the customer: once, twice or never, as the faults in force say."""
        fault = self.faults.take(carrier, ON_WEBHOOK, account=account, to=to)
        return 1 if fault is None else 2 if fault.kind == "double_webhook" else 0

    def _put(self, phone: str, direction: str, from_: str, to: str, text: str, media: Sequence[Picture], carrier: str, message_id: str) -> Held:
        held = self.phones.put(phone, direction, from_, to, text, media, self.clock(), carrier, message_id)
        self.changed("phone", phone=phone, carrier=carrier)
        return held

    async def close(self) -> None:
        """End background work and the HTTP client."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.hooks.close()


async def play(steps: Sequence[Step], report: Callable[[Step], Awaitable[None]]) -> None:
    """Make reports one after the other, each after its delay."""
    for step in steps:
        if step.after_ms > 0:
            await asyncio.sleep(step.after_ms / 1000)
        await report(step)
