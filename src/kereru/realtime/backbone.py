"""The backbone: how processes wake one another. A wake-up may be lost, which costs latency and never a change: readers hold positions and read again.

PostgreSQL's NOTIFY carries it (design §3); a message bus could take this port over.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from kereru.kernel.db import Database, as_role
from kereru.kernel.logging import get_logger

FEED_CHANNEL: Final = "kereru_feed"
OUTBOX_CHANNEL: Final = "kereru_outbox"
JOB_CHANNEL: Final = "kereru_job"
CONFIG_CHANNEL: Final = "kereru_config"

Hear = Callable[[str], None]
Missed = Callable[[], None]

_PAIRS_PER_NOTE = 150
_PROBE_S = 10.0
_ANSWER_S = 5.0
_LONGEST_WAIT_S = 5.0

_log = get_logger("realtime.backbone")


class Backbone(Protocol):
    """What the rest of Kererū knows of it."""

    def subscribe(self, channel: str, hear: Hear, missed: Missed) -> Callable[[], None]:
        """Call `hear` with each payload on `channel`, and `missed` whenever payloads may have been lost. Answers how to stop. Neither may block."""
        ...

    async def publish(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Wake the readers of feeds that have reached these numbers. Transactions do it by themselves (`Transaction.wake`)."""
        ...


def parse_pairs(payload: str) -> list[tuple[int, int]]:
    """The (feed, number) pairs of a note. Raises ValueError for anything else."""
    return [(int(feed), int(number)) for feed, _, number in (pair.partition(":") for pair in payload.split(",")) if feed]


class PostgresBackbone:
    """One LISTEN connection for the whole process, made again with back-off whenever it is lost."""

    def __init__(self, direct_url: str, role: str, database: Database) -> None:
        self._url = direct_url
        self._role = role
        self._database = database
        self._subscribers: dict[str, list[tuple[Hear, Missed]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._connection: AsyncConnection[object] | None = None
        self._listening = asyncio.Event()
        self.backend_pid = 0

    def subscribe(self, channel: str, hear: Hear, missed: Missed) -> Callable[[], None]:
        """See Backbone. Every channel must be subscribed to before `start`."""
        if self._task is not None and channel not in self._subscribers:
            message = f"subscribe to {channel} before the backbone starts"
            raise RuntimeError(message)
        subscriber = (hear, missed)
        self._subscribers.setdefault(channel, []).append(subscriber)
        return lambda: self._subscribers[channel].remove(subscriber)

    async def publish(self, pairs: Iterable[tuple[int, int]]) -> None:
        """See Backbone. Raises Unavailable without a database."""
        notes = [f"{feed}:{number}" for feed, number in pairs]
        payloads = [",".join(notes[at : at + _PAIRS_PER_NOTE]) for at in range(0, len(notes), _PAIRS_PER_NOTE)]
        if payloads:
            await self._database.autocommit(
                "SELECT pg_notify(%(channel)s, payload) FROM unnest(%(payloads)s::text[]) AS payload",
                {"channel": FEED_CHANNEL, "payloads": payloads},
            )

    def deliver(self, channel: str, payload: str) -> None:
        """Hand out what this very process has committed, without the way through the server (`Database.hear_first`)."""
        for hear, _ in tuple(self._subscribers.get(channel, ())):
            self._call(hear, payload)

    async def start(self, wait_s: float = 5.0) -> None:
        """Begin to listen; comes back when the first connection stands, or after `wait_s` without one (it goes on trying)."""
        self._task = asyncio.create_task(self._listen_for_ever())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), wait_s)

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _listen_for_ever(self) -> None:
        wait_s = 0.05
        while True:
            try:
                async with await self._connect() as connection:
                    self.backend_pid = connection.info.backend_pid
                    self._tell_missed()
                    self._listening.set()
                    wait_s = 0.05
                    await self._listen(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                _log.warning("the wake-up connection was lost", error=type(error).__name__)
            self._listening.clear()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    async def _connect(self) -> AsyncConnection[object]:
        url = make_conninfo(self._url, **as_role(self._url, self._role), application_name=f"{self._role} listen")
        connection: AsyncConnection[object] = await asyncio.wait_for(AsyncConnection.connect(url, autocommit=True), _ANSWER_S)
        for channel in self._subscribers:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return connection

    async def _listen(self, connection: AsyncConnection[object]) -> None:
        """Hand payloads out until the connection breaks. A silent connection is asked now and then whether it still stands."""
        while True:
            async for note in connection.notifies(timeout=_PROBE_S):
                self.deliver(note.channel, note.payload)
            await asyncio.wait_for(connection.execute("SELECT 1"), _ANSWER_S)

    def _tell_missed(self) -> None:
        for subscribers in self._subscribers.values():
            for _, missed in tuple(subscribers):
                self._call(missed)

    def _call(self, subscriber: Callable[..., None], *arguments: str) -> None:
        try:
            subscriber(*arguments)
        except Exception:  # noqa: BLE001 - one subscriber's mistake must not silence the others
            _log.exception("a subscriber of the backbone failed")
