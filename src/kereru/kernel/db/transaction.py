"""One transaction: statements with named parameters, rows with named fields, and what to tell others once it is committed."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final, LiteralString, TypeVar, cast

from psycopg import AsyncConnection

Row = Any
"""A named tuple whose fields are the statement's columns."""

Params = Mapping[str, object]

Note = tuple[str, str]
"""(channel, payload) of a notification."""

T = TypeVar("T")

_FEEDS: Final = "kereru_feed"
_PAIRS_PER_NOTE: Final = 150
"""Keeps a payload below PostgreSQL's 8,000 bytes."""


class Transaction:
    """An open transaction. Made by `Database.transaction`, which alone begins, commits and rolls back."""

    __slots__ = ("_connection", "_notes", "_wakes")

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        self._connection = connection
        self._wakes: dict[int, int] = {}
        self._notes: list[tuple[str, str]] = []

    @property
    def connection(self) -> AsyncConnection[Row]:
        """The connection itself, for libraries that join our transaction (jobs)."""
        return self._connection

    async def rows(self, sql: str, params: Params | None = None) -> list[Row]:
        """All rows of a statement."""
        cursor = await self._connection.execute(cast("LiteralString", sql), params)
        return await cursor.fetchall()

    async def row(self, sql: str, params: Params | None = None) -> Row | None:
        """The first row, or None."""
        cursor = await self._connection.execute(cast("LiteralString", sql), params)
        return await cursor.fetchone()

    async def value(self, sql: str, params: Params | None = None) -> Any:
        """The first column of the first row, or None."""
        row = await self.row(sql, params)
        return None if row is None else row[0]

    async def run(self, sql: str, params: Params | None = None) -> int:
        """Run a statement; answers how many rows it touched."""
        cursor = await self._connection.execute(cast("LiteralString", sql), params)
        return cursor.rowcount

    def wake(self, feed_id: int, number: int) -> None:
        """After the commit, tell whoever shows this feed that it has reached `number`."""
        self._wakes[feed_id] = max(number, self._wakes.get(feed_id, 0))

    def notify(self, channel: str, payload: str = "") -> None:
        """After the commit, send `payload` on `channel`."""
        if (channel, payload) not in self._notes:
            self._notes.append((channel, payload))

    def pending_notes(self) -> list[Note]:
        """What is to be sent after the commit."""
        # Feeds last: whoever reads on because of them must not be answered from what the other notes make stale.
        return self._notes + _notes_of(self._wakes)


class Statement(Transaction):
    """A transaction of one statement, which commits by itself. Made by `Database.statement`."""

    __slots__ = ("_used",)

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        super().__init__(connection)
        self._used = False

    async def rows(self, sql: str, params: Params | None = None) -> list[Row]:
        """All rows of the statement, which is committed then. A caller who is cancelled hears of it afterwards."""
        return await self._once(super().rows(sql, params))

    async def row(self, sql: str, params: Params | None = None) -> Row | None:
        """As `rows`, the first one."""
        return await self._once(super().row(sql, params))

    async def run(self, sql: str, params: Params | None = None) -> int:
        """As `rows`, how many it touched."""
        return await self._once(super().run(sql, params))

    async def _once(self, work: Coroutine[object, object, T]) -> T:
        if self._used:
            work.close()
            message = "one statement is all there is"
            raise RuntimeError(message)
        self._used = True
        return await finish(work)


def merged(notes: Iterable[Note]) -> list[Note]:
    """The notes of several transactions as few: each said once, of each feed only the furthest."""
    others: dict[Note, None] = {}
    reached: dict[int, int] = {}
    for channel, payload in notes:
        if channel != _FEEDS:
            others[channel, payload] = None
            continue
        for pair in payload.split(","):
            feed, _, number = pair.partition(":")
            reached[int(feed)] = max(int(number), reached.get(int(feed), 0))
    return [*others, *_notes_of(reached)]


def _notes_of(reached: Mapping[int, int]) -> list[Note]:
    pairs = [f"{feed}:{number}" for feed, number in reached.items()]
    return [(_FEEDS, ",".join(pairs[at : at + _PAIRS_PER_NOTE])) for at in range(0, len(pairs), _PAIRS_PER_NOTE)]


async def finish(work: Coroutine[object, object, T]) -> T:
    """Let `work` end even if the caller is cancelled, then pass the cancellation on."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except Exception:  # noqa: BLE001 - the task holds it; result() below raises it once
            break
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
