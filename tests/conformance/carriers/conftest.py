"""A small world for the adapters: simulators, our ingress over real HTTP, and a sink that keeps what arrives."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
import uvicorn

from conformance.carriers.harness import HARNESSES, HOOK_SECRET, Harness
from kereru.carriers.arrivals import Arrival, ArrivalBatch
from kereru.carriers.contract import CarrierAdapter, OutboundPart, PlatformAccess, WebhookSet
from kereru.carriers.ingress import Ingress, IngressPlatform
from kereru.carriers.registry import Carriers
from kereru.kernel.clock import SystemClock
from kereru.kernel.http_client import CarrierClient
from kereru.kernel.secrets import Secret
from kereru.simulators.testing import Control, running_simulators

TOKEN = "canary-path-token"
T = TypeVar("T", bound=Arrival)


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to pytest."""
        yield


@dataclass
class Inbox:
    """Directory and sink of the ingress under test: one platform at each carrier, everything kept."""

    batches: list[ArrivalBatch] = field(default_factory=list[ArrivalBatch])

    async def find(self, carrier: str, token: str) -> IngressPlatform | None:
        """The platform of the harness."""
        harness = next((harness for kind, harness in HARNESSES.items() if kind == carrier), None)
        return IngressPlatform(1, 2, carrier, harness.proof()) if harness and token == TOKEN else None

    async def put(self, batch: ArrivalBatch) -> None:
        """Durable at once."""
        self.batches.append(batch)

    def items(self, kind: type[T]) -> list[T]:
        """Everything of one kind, in the order of arrival."""
        return [item for batch in self.batches for item in batch.items if isinstance(item, kind)]

    async def wait(self, kind: type[T], count: int, when: Callable[[T], bool] = lambda _item: True) -> list[T]:
        """The first `count` items of a kind that fit; fails after 5 s."""
        for _ in range(500):
            found = [item for item in self.items(kind) if when(item)]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"wanted {count} {kind.__name__}, there are {self.batches}")


@dataclass
class Rig:
    """One carrier's adapter between its simulator and our ingress."""

    harness: Harness
    adapter: CarrierAdapter
    access: PlatformAccess
    control: Control
    inbox: Inbox
    ingress: str
    url: str

    def part(self, to: str = "+12025550142", text: str = "Your table is ready", part_id: int = 41) -> OutboundPart:
        """A part with the callback the pipeline would give it."""
        path = self.adapter.status_path(part_id)
        return OutboundPart(part_id, self.harness.ours, to, text, (), self.ingress + path if path else None)

    async def hook(self) -> WebhookSet:
        """Point our number at the ingress."""
        url = self.ingress + self.adapter.inbound_path()
        found = await self.adapter.set_webhook(self.access, self.harness.ours, url, Secret(HOOK_SECRET), None)
        assert isinstance(found, WebhookSet)
        return found


def _listen() -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    held.bind(("127.0.0.1", 0))
    held.listen(128)
    held.setblocking(False)
    return held


@contextlib.asynccontextmanager
async def _served(app: Any) -> AsyncGenerator[str, None]:
    held = _listen()
    server = _Quiet(uvicorn.Config(app, lifespan="off", ws="none", loop="none", access_log=False, log_level="warning"))
    task = asyncio.ensure_future(server.serve(sockets=[held]))
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture(params=HARNESSES.values(), ids=lambda harness: str(harness.kind))
async def rig(request: pytest.FixtureRequest) -> AsyncGenerator[Rig, None]:
    """A rig for each registered carrier."""
    harness: Harness = request.param
    inbox = Inbox()
    world = {str(harness.kind): dict(harness.simulator), "receipt_delay_ms": 20, "hook_retry_seconds": [0.0]}
    async with running_simulators(world) as simulators:
        private = (simulators.url.removeprefix("http://"),)
        async with CarrierClient(allow_private_hosts=private, deadline_s=0.8) as client:
            carriers = Carriers(client, SystemClock())
            async with _served(Ingress(carriers.all(), inbox, inbox, SystemClock())) as ingress:
                adapter = carriers.of(harness.kind)
                access = harness.access(simulators.url)
                yield Rig(harness, adapter, access, simulators.control, inbox, f"{ingress}/ingress/{harness.kind}/{TOKEN}", simulators.url)
