"""The simulators as one ASGI application. Owns which path belongs to whom."""

import asyncio
from collections.abc import Awaitable, Callable

from kereru.simulators.asgi import (
    BrokenOff,
    Outcome,
    Receive,
    Request,
    Scope,
    Send,
    TooLarge,
    perform,
    problem,
    read_request,
)
from kereru.simulators.config import Config
from kereru.simulators.console import Console
from kereru.simulators.control import Control
from kereru.simulators.inteliquent.api import Inteliquent
from kereru.simulators.mailbox import Mailbox
from kereru.simulators.page import Pages
from kereru.simulators.restcomm.api import Restcomm
from kereru.simulators.world import World


class Simulators:
    """One simulated world and its front door (ASGI)."""

    def __init__(self, config: Config) -> None:
        self.world = World(config)
        self.restcomm = Restcomm(self.world)
        self.inteliquent = Inteliquent(self.world)
        self.world.carriers = [self.restcomm, self.inteliquent]
        self.mailbox = Mailbox(self.world.clock, lambda: self.world.live.publish("mail"))
        self.control = Control(self.world, self.restcomm, self.inteliquent)
        self.console = Console(self.world, self.restcomm, self.inteliquent, self.mailbox)
        self.pages = Pages()
        self.stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        try:
            request = await read_request(scope, receive)
        except BrokenOff:
            return
        except TooLarge:
            await perform(problem(413, "too_large", "The body is larger than 4 MiB."), scope, receive, send, self.stopping)
            return
        await perform(await self.answer(request), scope, receive, send, self.stopping)

    async def answer(self, request: Request) -> Outcome:
        """The outcome of one request."""
        path = request.path
        carrier = self.restcomm if path.startswith("/restcomm/") else self.inteliquent if path.startswith("/inteliquent/") else None
        if carrier is not None:
            outcome = await carrier.handle(request)
            self.world.live.publish("ledger")
            return outcome
        if request.method not in ("GET", "HEAD") and foreign(request):
            return problem(403, "cross_site", "Another site's page may not change the simulators.")
        handlers: tuple[Callable[[Request], Awaitable[Outcome | None]], ...] = (self.control.handle, self.console.handle, self.pages.handle)
        for handle in handlers:
            outcome = await handle(request)
            if outcome is not None:
                return outcome
        return problem(404, "not_found", "There is nothing at this address.")

    async def close(self) -> None:
        """Stop background work."""
        self.stopping.set()
        await self.world.close()


def foreign(request: Request) -> bool:
    """Whether a browser says that the request comes from another site's page (Fetch Metadata, Origin)."""
    if request.header(b"sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin, host = request.header(b"origin"), request.header(b"host")
    return bool(origin) and origin.split("://", 1)[-1] != host


def create_app(config: Config) -> Simulators:
    """Make the application. It must be made inside a running event loop's process and closed with `close`."""
    return Simulators(config)
