"""Which users have a live socket, across all web processes: a "start" of the client is the load of a window while there is none (design §7, R14).

One row for a user on a process. A process renews its rows; rows of one that died count no more after STALE_S and are swept.
"""

import asyncio
import contextlib
import secrets
from typing import Final

import psycopg

from kereru.kernel.db import Database, ProviderScope, Transaction
from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger
from kereru.realtime import store

BEAT_S: Final = 15.0
STALE_S: Final = 45.0

_log = get_logger("realtime.live")


async def has_live_socket(tx: Transaction, provider_id: int, user_id: int) -> bool:
    """Whether this user has a socket open on any living process."""
    return await store.has_live_socket(tx, provider_id, user_id, STALE_S)


class LiveSockets:
    """This process's part of the registry. Changes are written in the background, whatever gathered while the last write ran at once."""

    def __init__(self, database: Database, process: str, *, beat_s: float = BEAT_S) -> None:
        self._database = database
        # A process that starts again under its old name must not keep its predecessor's rows alive.
        self._process = f"{process}:{secrets.token_hex(4)}"
        self._beat_s = beat_s
        self._counts: dict[tuple[int, int], int] = {}
        self._unwritten: set[tuple[int, int]] = set()
        self._stored: set[tuple[int, int]] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def opened(self, provider_id: int, user_id: int) -> None:
        """A socket of this user opened here."""
        key = (provider_id, user_id)
        self._counts[key] = self._counts.get(key, 0) + 1
        # A second window changes nothing that anyone asks for.
        if self._counts[key] == 1:
            self._note(key)

    def closed(self, provider_id: int, user_id: int) -> None:
        """A socket of this user closed here."""
        key = (provider_id, user_id)
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
            self._note(key)

    async def start(self) -> None:
        """Begin to write and to renew."""
        self._tasks = [asyncio.create_task(self._write_for_ever()), asyncio.create_task(self._beat_for_ever())]

    async def stop(self) -> None:
        """Take this process's rows away, if the database answers; else they go stale by themselves."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        if self._stored:
            with contextlib.suppress(Unavailable, psycopg.Error):
                await store.end_live_sockets(self._database, sorted({provider for provider, _ in self._stored}), self._process)

    async def flush(self) -> None:
        """Write what changed."""
        taken, self._unwritten = self._unwritten, set()
        try:
            for provider_id in sorted({provider for provider, _ in taken}):
                keys = {key for key in taken if key[0] == provider_id}
                counts = {key: self._counts.get(key, 0) for key in keys}
                async with self._database.transaction(ProviderScope(provider_id)) as tx:
                    await store.put_live_sockets(tx, provider_id, self._process, {user: count for (_, user), count in counts.items()})
                taken -= keys
                self._stored = self._stored - keys | {key for key, count in counts.items() if count}
        finally:
            self._unwritten |= taken

    async def beat(self) -> None:
        """Renew this process's rows; writes all of them again if the database lost any (the table does not survive its crash)."""
        if not self._stored:
            return
        mine = await store.beat_live_sockets(self._database, sorted({provider for provider, _ in self._stored}), self._process, STALE_S)
        if mine < len(self._stored):
            self._unwritten |= self._stored | set(self._counts)
            self._changed.set()

    def _note(self, key: tuple[int, int]) -> None:
        self._unwritten.add(key)
        self._changed.set()

    async def _write_for_ever(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.flush()
            except (Unavailable, psycopg.Error) as error:
                _log.warning("live sockets could not be written", error=type(error).__name__)
                await asyncio.sleep(1.0)
                self._changed.set()

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            try:
                await self.beat()
            except (Unavailable, psycopg.Error) as error:
                _log.warning("live sockets could not be renewed", error=type(error).__name__)
