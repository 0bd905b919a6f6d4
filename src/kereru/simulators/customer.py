"""A customer's webhook receiver for driving a simulator alone: records what it gets, answers what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web


class Got(NamedTuple):
    """One webhook that arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> list[tuple[str, str]]:
        """The fields of a form, in order."""
        return parse_qsl(self.body.decode(), keep_blank_values=True)

    def fields(self) -> dict[str, str]:
        """The fields of a form; the last of a repeated name wins."""
        return dict(self.form())

    def json(self) -> dict[str, object]:
        """The fields of a JSON object."""
        return msgspec.json.decode(self.body, type=dict[str, object])


class Customer:
    """Webhooks that arrived, and how they are answered."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self._arrived = asyncio.Condition()
        self.url = ""
        self.statuses: list[int] = []
        self.content_type = "text/xml"
        self.body = "<Response/>"

    async def serve(self, request: web.Request) -> web.Response:
        """Record one webhook and answer it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.method, request.path, request.query_string, headers, await request.read()))
        async with self._arrived:
            self._arrived.notify_all()
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, text=self.body, content_type=self.content_type)

    async def wait(self, wanted: Callable[[Got], bool] = lambda _got: True, count: int = 1, seconds: float = 5) -> list[Got]:
        """The webhooks that fit, once there are enough of them. Fails after the deadline."""
        async with asyncio.timeout(seconds):
            async with self._arrived:
                await self._arrived.wait_for(lambda: sum(1 for g in self.got if wanted(g)) >= count)
        return [g for g in self.got if wanted(g)]


@contextlib.asynccontextmanager
async def customer() -> AsyncGenerator[Customer, None]:
    """Run a receiver on a free port."""
    receiver = Customer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    addresses = runner.addresses
    receiver.url = f"http://127.0.0.1:{addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
