"""Pools and transactions. The scope is set in the same string as BEGIN; COMMIT is never cancelled; NOTIFY follows by itself.

A COMMIT that is cancelled half-way leaves a row that others see and the caller believes lost (reliability.md §2 e), so cancellation waits for it.
Notifications of transactions that commit while others are being sent go out together. One that is lost costs latency, never a change: readers hold
cursors.
"""

import asyncio
import select
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import AsyncConnection, conninfo
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from kereru.kernel.breath import Breath
from kereru.kernel.db.transaction import Note, Row, Statement, Transaction, finish, merged
from kereru.kernel.errors import Unavailable
from kereru.kernel.faults import Faults
from kereru.kernel.logging import get_logger

_log = get_logger("kernel.db")


@dataclass(frozen=True, slots=True)
class ProviderScope:
    """One provider's rows, and no others (row-level security)."""

    provider_id: int


@dataclass(frozen=True, slots=True)
class InstallationScope:
    """No tenant: only functions listed for the role, and tables without a tenant."""


INSTALLATION: Final = InstallationScope()
Scope = ProviderScope | InstallationScope

APPLICATION_ROLES: Final = ("kereru_app", "kereru_ingest", "kereru_service", "kereru_support", "kereru_owner")


RECONNECT_S: Final = 1.0

NOTES_EVERY_S: Final = 0.01
"""Other processes are told no more often; this one hears of each commit at once (`hear_first`)."""


class _Stack(deque[AsyncConnection[Row]]):
    """The pool puts in at the right and takes out at the left."""

    def popleft(self) -> AsyncConnection[Row]:
        """What was put in last."""
        return self.pop()


class _WarmPool(AsyncConnectionPool[AsyncConnection[Row]]):
    """Hands out the connection that came back last: its server process has its plans and caches warm. In turns, a small batch costs a fifth more."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._pool = _Stack()


class Database:
    """Connections to one database as one role. A `patient` one opens without the database, and finds it when it comes."""

    def __init__(self, url: str, role: str, *, size: int = 6, wait_s: float = 5.0, patient: bool = False, faults: Faults | None = None) -> None:
        if role not in APPLICATION_ROLES:
            message = f"{role} is not one of Kererū's database roles"
            raise ValueError(message)
        self.url = url
        self.role = role
        self._wait_s = wait_s
        self._patient = patient
        self._faults = faults or Faults()
        self._unsaid: list[Note] = []
        self._saying: asyncio.Task[None] | None = None
        self._breath = Breath(NOTES_EVERY_S)
        self._ending: set[asyncio.Task[None]] = set()
        self.hear_first: Callable[[str, str], None] | None = None
        """Told each (channel, payload) as soon as it is committed, before other processes are."""
        self._pool = _WarmPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            timeout=wait_s,
            # A short one: the pool doubles its pause while it keeps trying, but begins anew with the next who asks.
            reconnect_timeout=RECONNECT_S,
            configure=self._look,
            kwargs={"autocommit": True, "row_factory": namedtuple_row, "prepare_threshold": 3, "application_name": role, **as_role(url, role)},
        )

    async def open(self) -> None:
        """Connect. Raises Unavailable when the database does not answer in time, unless patient."""
        try:
            await self._pool.open(wait=not self._patient, timeout=self._wait_s)
        except PoolTimeout as error:
            raise Unavailable from error

    async def close(self) -> None:
        """Say what is still to be said and close every connection."""
        unfinished = [*self._ending, *([self._saying] if self._saying else [])]
        if unfinished:
            await asyncio.wait(unfinished, timeout=self._wait_s)
        await self._pool.close()

    async def _look(self, connection: AsyncConnection[Row]) -> None:
        """Who the server says we are: as somebody else, no policy might hold (G30). And whether a pooler answers: it prepares nothing."""
        cursor = await connection.execute("SELECT current_user AS role, pg_backend_pid() AS pid")
        found = (await cursor.fetchall())[0]
        if found.role != self.role:
            _log.error("the server takes us for another role; behind a pooler, the address names no user", role=self.role, taken_for=found.role)
            message = f"connected as {found.role} instead of {self.role}"
            raise psycopg.OperationalError(message)
        if found.pid != connection.info.backend_pid:
            connection.prepare_threshold = None

    async def __aenter__(self) -> "Database":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def transaction(self, scope: Scope, *, lock_timeout_ms: int | None = None, reading: bool = False) -> AsyncGenerator[Transaction]:
        """A transaction in `scope`: committed when the block ends well, rolled back when it raises. Raises Unavailable without a connection.

        `reading` is for what writes nothing, runs often, and reads by key whatever its parameters: nobody waits for its end, planning anew would
        cost more than running, and a plan made while a table was empty must not be one that reads it whole.
        """
        begin = "BEGIN"
        if isinstance(scope, ProviderScope):
            begin += f"; SET LOCAL app.provider = '{int(scope.provider_id)}'"
        if lock_timeout_ms is not None:
            begin += f"; SET LOCAL lock_timeout = {int(lock_timeout_ms)}"
        if reading:
            begin += "; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
        connection = await self._begun(begin)
        transaction = Transaction(connection)
        try:
            yield transaction
        except BaseException:
            await finish(self._give_up(connection))
            raise
        end = self._end(connection, transaction)
        if reading:
            task = asyncio.create_task(end)
            self._ending.add(task)
            task.add_done_callback(self._ended)
        else:
            await finish(end)

    @asynccontextmanager
    async def statement(self) -> AsyncGenerator[Transaction]:
        """As `transaction` in INSTALLATION, for one statement that commits by itself: a listed function, or one that enters its scope. It saves two
        trips to the server.

        Once the statement is on its way cancellation waits for it. Raises Unavailable without a connection.
        """
        connection = await self._standing()
        try:
            transaction = Statement(connection)
            await self._faults.reach("db.before_commit")
            yield transaction
            await self._faults.reach("db.committed")
            self._tell(transaction)
        finally:
            await finish(self._pool.putconn(connection))

    def batch(self, scope: Scope, *, alone: bool) -> AbstractAsyncContextManager[Transaction]:
        """A `statement` where one is enough (`alone`), else a transaction in `scope`."""
        return self.statement() if alone else self.transaction(scope)

    async def _standing(self) -> AsyncConnection[Row]:
        """A connection that the server has not hung up on: a restarted one leaves dead ones in the pool."""
        end = asyncio.get_running_loop().time() + self._wait_s
        while True:
            try:
                connection = await self._pool.getconn(timeout=max(0.0, end - asyncio.get_running_loop().time()))
            except PoolTimeout as error:
                raise Unavailable from error
            if await _answers(connection):
                return connection
            await finish(self._pool.putconn(connection))

    async def _begun(self, begin: str) -> AsyncConnection[Row]:
        """A connection that answered `begin`. A restarted server leaves dead ones in the pool; nothing was done on them, so they are passed over."""
        end = asyncio.get_running_loop().time() + self._wait_s
        while True:
            try:
                connection = await self._pool.getconn(timeout=max(0.0, end - asyncio.get_running_loop().time()))
            except PoolTimeout as error:
                raise Unavailable from error
            try:
                await connection.execute(cast("LiteralString", begin))
            except BaseException as error:
                dead = isinstance(error, psycopg.OperationalError) and connection.broken
                await finish(self._pool.putconn(connection))
                if not dead:
                    raise
            else:
                return connection

    async def _end(self, connection: AsyncConnection[Row], transaction: Transaction) -> None:
        try:
            await self._faults.reach("db.before_commit")
            await connection.execute("COMMIT")
            await self._faults.reach("db.committed")
            self._tell(transaction)
        finally:
            await self._pool.putconn(connection)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What was read has been used already; a connection that broke at the very end is the pool's business."""
        self._ending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.info("the end of a reading failed", error=repr(task.exception()))

    async def _give_up(self, connection: AsyncConnection[Row]) -> None:
        try:
            if not connection.closed:
                await connection.execute("ROLLBACK")
        except psycopg.OperationalError:
            await connection.close()
        finally:
            await self._pool.putconn(connection)

    def _tell(self, transaction: Transaction) -> None:
        """Pass on what is committed: here at once, to other processes as soon as the notes before it are on their way."""
        notes = transaction.pending_notes()
        if not notes:
            return
        if self.hear_first is not None:
            for channel, payload in notes:
                self.hear_first(channel, payload)
        self._unsaid.extend(notes)
        if self._saying is None:
            self._saying = asyncio.create_task(self._say())

    async def _say(self) -> None:
        try:
            while self._unsaid:
                await self._breath.take()
                notes, self._unsaid = merged(self._unsaid), []
                try:
                    await self.autocommit(
                        "SELECT pg_notify(channel, payload) FROM unnest(%(channels)s::text[], %(payloads)s::text[]) AS note(channel, payload)",
                        {"channels": [channel for channel, _ in notes], "payloads": [payload for _, payload in notes]},
                    )
                except (psycopg.Error, Unavailable) as error:
                    # The change is committed; readers find it without the wake-up, a little later.
                    _log.warning("notification.lost", error=repr(error))
                await self._faults.reach("db.notified")
        finally:
            self._saying = None

    async def autocommit(self, sql: str, params: dict[str, object] | None = None) -> list[Row]:
        """One statement on its own, outside any scope: notifications, health, reads. It may run twice when the server restarts meanwhile."""
        end = asyncio.get_running_loop().time() + self._wait_s
        while True:
            try:
                connection = await self._pool.getconn(timeout=max(0.0, end - asyncio.get_running_loop().time()))
            except PoolTimeout as error:
                raise Unavailable from error
            try:
                cursor = await connection.execute(cast("LiteralString", sql), params)
                return await cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                # As in _begun: a restarted server leaves dead connections behind, and one of them must not make a healthy process look sick.
                if not connection.broken or asyncio.get_running_loop().time() >= end:
                    raise
            finally:
                await finish(self._pool.putconn(connection))

    async def alone(self, sql: str, *, lock_timeout_ms: int) -> None:
        """One statement that may not stand in a transaction, as DETACH CONCURRENTLY. Raises Unavailable, psycopg.Error."""
        try:
            connection = await self._pool.getconn(timeout=self._wait_s)
        except PoolTimeout as error:
            raise Unavailable from error
        try:
            await connection.execute(cast("LiteralString", f"SET lock_timeout = {int(lock_timeout_ms)}"))
            try:
                await connection.execute(cast("LiteralString", sql))
            finally:
                if not connection.broken:
                    await connection.execute("RESET lock_timeout")
        finally:
            await finish(self._pool.putconn(connection))


def as_role(url: str, role: str) -> dict[str, str]:
    """What makes a connection to `url` one of `role`, whoever the address names: the owner's address must never make a web process the owner."""
    parts = conninfo.conninfo_to_dict(url)
    user, host = parts.get("user"), str(parts.get("host") or "/")
    if not user or host.startswith("/"):
        return {"user": role}
    return {} if user == role else {"options": f"{parts.get('options') or ''} -c role={role}".strip()}


async def _answers(connection: AsyncConnection[Row]) -> bool:
    """Whether the server still holds its end. Nothing comes unasked from one that does, so only who has something to read is asked."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if not waiting.poll(0):
        return True
    try:
        await connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
