"""Runs the simulators: sockets, wire protocol, mail server, state file, orderly end.

Promises: ready means that both ports answer; a stop ends within a second, whatever answers are being held back.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import NamedTuple, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kereru.simulators.app import Simulators
from kereru.simulators.asgi import WIRE
from kereru.simulators.config import Config
from kereru.simulators.statefile import StateFile


class WireProtocol(HttpToolsProtocol):
    """uvicorn's protocol, showing the application the transport, so that it can break connections on purpose."""

    def on_message_begin(self) -> None:
        """Put the transport into the new request's scope."""
        super().on_message_begin()
        cast("dict[str, object]", self.scope)["extensions"] = {WIRE: self.transport}


class _Server(uvicorn.Server):
    """uvicorn's server, which stops at once when it is told to, in place of looking every 100 ms."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.stopping = stopping
        self.listening = asyncio.Event()

    async def main_loop(self) -> None:
        """Run until told to stop."""
        self.listening.set()
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers being held back end by themselves once `stopping` is set; what is left after that is cut."""
        for server in self.servers:
            server.close()
        tasks = list(self.server_state.tasks)
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=0.5)
            for task in late:
                task.cancel()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to whoever runs the simulators, which may be a test."""
        yield


class Running(NamedTuple):
    """Simulators that answer."""

    simulators: Simulators
    url: str
    smtp_host: str
    smtp_port: int


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named, or accepted connections run without TCP_NODELAY and every answer waits 40 ms.
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, port))
    held.listen(1024)
    held.setblocking(False)
    return held


@contextlib.asynccontextmanager
async def serving(
    config: Config, *, host: str = "127.0.0.1", port: int = 0, smtp_port: int = 0, state: Path | None = None
) -> AsyncGenerator[Running, None]:
    """Run the simulators in this event loop. Ports of 0 take free ones. Raises OSError when a port is taken."""
    held = _listen(host, port)
    simulators = Simulators(config)
    name = "localhost" if host == "127.0.0.1" else host
    simulators.world.base_url = f"http://{name}:{held.getsockname()[1]}"
    mail = await simulators.mailbox.listen(host, smtp_port)
    file = StateFile(state, simulators.world, simulators.restcomm, simulators.inteliquent) if state else None
    if file is not None:
        file.load()
    settings = uvicorn.Config(
        simulators, http=WireProtocol, ws="none", lifespan="off", loop="none", access_log=False, log_level="warning",  # pyright: ignore[reportArgumentType]
        server_header=False, timeout_keep_alive=60, date_header=False, backlog=1024,
    )  # fmt: skip
    server = _Server(settings, simulators.stopping)
    task = asyncio.ensure_future(server.serve(sockets=[held]))
    keeper = asyncio.ensure_future(file.keep()) if file else None
    try:
        listening = asyncio.ensure_future(server.listening.wait())
        await asyncio.wait([task, listening], return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            await task
        yield Running(simulators, simulators.world.base_url, name, mail.sockets[0].getsockname()[1])
    finally:
        simulators.stopping.set()
        mail.close()
        if keeper is not None:
            keeper.cancel()
        await asyncio.gather(task, *([keeper] if keeper else []), return_exceptions=True)
        await simulators.close()
        if file is not None:
            file.write(file.encoded())


async def run(
    config: Config,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    smtp_port: int = 0,
    state: Path | None = None,
    ready: Callable[[Running], None] = lambda _running: None,
) -> None:
    """Run until SIGINT or SIGTERM; `ready` is called once both ports answer."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(config, host=host, port=port, smtp_port=smtp_port, state=state) as running:
        ready(running)
        await stop.wait()
