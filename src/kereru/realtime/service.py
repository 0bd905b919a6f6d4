"""Realtime of one web process, put together: what entrypoints start, drain and stop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import psycopg

from kereru.kernel.clock import Clock
from kereru.kernel.db import Database
from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger
from kereru.realtime.backbone import Backbone
from kereru.realtime.cursor import CursorCodec
from kereru.realtime.hub import HEADS_EVERY_S, Hub
from kereru.realtime.live import LiveSockets
from kereru.realtime.model import ChangePresenter, SocketViewer
from kereru.realtime.socket import STALLED_S, Authenticate, FromOurPage, SocketApplication

CHECK_SIGNED_IN_S: Final = 2.0
"""How often sign-ins behind open sockets are looked at; G26 allows 5 s."""

SIGNED_IN_PER_QUERY: Final = 200
"""Small, and spread over that time: thousands at once would hold up every push that comes meanwhile."""

StillSignedIn = Callable[[Sequence[SocketViewer]], Awaitable[set[bytes]]]
"""Which of these viewers' session keys are still good, in one query."""

_log = get_logger("realtime")


class Realtime:
    """`socket` is the ASGI application for `/api/v1/socket`, `hub` the dependency of `api.ROUTES`.

    Make it before the backbone starts, since it subscribes. Start it after the backbone.
    """

    def __init__(
        self,
        *,
        database: Database,
        backbone: Backbone,
        presenter: ChangePresenter,
        cursors: CursorCodec,
        clock: Clock,
        process: str,
        authenticate: Authenticate,
        from_our_page: FromOurPage,
        still_signed_in: StillSignedIn,
        heads_every_s: float = HEADS_EVERY_S,
        stalled_s: float = STALLED_S,
        check_signed_in_s: float = CHECK_SIGNED_IN_S,
    ) -> None:
        self.hub = Hub(database, backbone, presenter, cursors, clock, heads_every_s=heads_every_s)
        self.live = LiveSockets(database, process)
        self.socket = SocketApplication(self.hub, self.live, clock, authenticate=authenticate, from_our_page=from_our_page, stalled_s=stalled_s)
        self._still_signed_in = still_signed_in
        self._check_signed_in_s = check_signed_in_s
        self._stall_every_s = min(1.0, stalled_s / 4)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin."""
        await self.hub.open()
        await self.live.start()
        self._tasks = [asyncio.create_task(self._watch_stalled()), asyncio.create_task(self._watch_sign_ins())]

    async def drain(self) -> None:
        """The process was asked to stop: long-polls are answered, sockets closed with 1012 and a hint when to come back."""
        self.hub.drain()
        await self.socket.drain()

    async def stop(self) -> None:
        """End. Call it after `drain`, while the database is still open."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.live.stop()
        await self.hub.close()

    async def _watch_stalled(self) -> None:
        while True:
            await asyncio.sleep(self._stall_every_s)
            self.socket.close_stalled()

    async def _watch_sign_ins(self) -> None:
        while True:
            viewers = self.socket.viewers()
            slices = range(0, max(1, len(viewers)), SIGNED_IN_PER_QUERY)
            for at in slices:
                await asyncio.sleep(self._check_signed_in_s / len(slices))
                await self._check_signed_in(viewers[at : at + SIGNED_IN_PER_QUERY])

    async def _check_signed_in(self, viewers: Sequence[SocketViewer]) -> None:
        if not viewers:
            return
        try:
            still = await self._still_signed_in(viewers)
        except (Unavailable, psycopg.Error) as error:
            _log.warning("sign-ins could not be checked", error=type(error).__name__)
        else:
            self.socket.close_signed_out({viewer.session_key for viewer in viewers} - still)
