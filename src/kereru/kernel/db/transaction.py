"""One transaction: statements with named parameters, rows with named fields, and what to tell others once it is committed."""

from collections.abc import Mapping
from typing import Any, LiteralString, cast

from psycopg import AsyncConnection

Row = Any
"""A named tuple whose fields are the statement's columns."""

Params = Mapping[str, object]


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

    def pending_notes(self) -> list[tuple[str, str]]:
        """What is to be sent after the commit: (channel, payload), each below PostgreSQL's 8,000 bytes."""
        # Feeds last: whoever reads on because of them must not be answered from what the other notes make stale.
        pairs = [f"{feed}:{number}" for feed, number in self._wakes.items()]
        return self._notes + [("kereru_feed", ",".join(pairs[at : at + 150])) for at in range(0, len(pairs), 150)]
