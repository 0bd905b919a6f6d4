"""Natural batching: a free flusher takes everything that has queued up (perf.md §6); where batches follow closely, after a breath.

Promises: what `submit` answers ends when its item is committed, or kept where people find it, or with the error that prevented both; one item that
cannot be stored never holds the others up (G6); an item whose rows are busy waits for a later batch while the rest goes on. An error that is the
installation's fault is nobody's item: it is raised, and the carrier asked to come again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg

from kereru.kernel.breath import Breath
from kereru.kernel.logging import get_logger
from kereru.messaging.trouble import Fault, fault_of

_log = get_logger("messaging.inbound")

T = TypeVar("T")
Entry = tuple[T, asyncio.Future[None]]

BUSY_WAIT_S = 0.02
BATCH_EVERY_S = 0.003

Write = Callable[[Sequence[T]], Awaitable[None]]
"""Commits all items, or raises and commits none; LockNotAvailable says that some rows were busy."""
Free = Callable[[Sequence[T]], Awaitable[Sequence[bool]]]
"""Which items' rows are free just now."""
SetAside = Callable[[T, Exception], Awaitable[None]]
"""Keeps an item that the database refuses, where people find it."""


class Batcher(Generic[T]):
    """One queue, a few flushers, at most `most` items a batch."""

    def __init__(self, write: Write[T], free: Free[T], set_aside: SetAside[T], *, most: int, flushers: int = 2) -> None:
        self._write, self._free, self._set_aside = write, free, set_aside
        self._most, self._limit = most, flushers
        self._waiting: deque[Entry[T]] = deque()
        self._flushers: set[asyncio.Task[None]] = set()
        self._flushing = 0
        self._breath = Breath(BATCH_EVERY_S)
        self._later: set[asyncio.TimerHandle] = set()

    def submit(self, item: T) -> asyncio.Future[None]:
        """Queue an item; the future ends when it is committed, or with what prevented that."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake()
        return future

    async def drain(self) -> None:
        """Wait until everything submitted so far has ended."""
        while self._flushers or self._later or self._waiting:
            if self._flushers:
                await asyncio.wait(self._flushers)
            else:
                await asyncio.sleep(BUSY_WAIT_S)

    def _wake(self) -> None:
        if self._flushing < self._limit and self._waiting:
            self._flushing += 1
            task = asyncio.create_task(self._flush())
            self._flushers.add(task)
            task.add_done_callback(self._flushers.discard)

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self._breath.take()
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                try:
                    await self._store(batch)
                except Exception as error:  # noqa: BLE001 - whoever waits learns of it and answers the carrier accordingly
                    for _, future in batch:
                        _fail(future, error)
        finally:
            # In the same step that saw the queue empty: whoever submits next must find this flusher gone, or nobody would take his item.
            self._flushing -= 1

    async def _store(self, batch: list[Entry[T]], *, asked: bool = False) -> None:
        """Commit `batch`, or what of it can be; `asked`: all of it was free a moment ago."""
        try:
            await self._write([item for item, _ in batch])
        except psycopg.errors.LockNotAvailable:
            await self._store_around(batch, asked=asked)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            self._retry(batch)
        except Exception as error:
            if fault_of(error) is not Fault.ITEM:
                raise
            await self._store_singly(batch, error)
        else:
            for _, future in batch:
                if not future.done():
                    future.set_result(None)

    async def _store_around(self, batch: list[Entry[T]], *, asked: bool) -> None:
        if len(batch) == 1:
            self._retry(batch)
        elif asked:
            # Busy is something that nobody can see beforehand: a row that is only just being made.
            for entry in batch:
                await self._store([entry])
        else:
            free = await self._free([item for item, _ in batch])
            self._retry([entry for entry, is_free in zip(batch, free, strict=True) if not is_free])
            ready = [entry for entry, is_free in zip(batch, free, strict=True) if is_free]
            if ready:
                await self._store(ready, asked=True)

    async def _store_singly(self, batch: list[Entry[T]], error: Exception) -> None:
        if len(batch) > 1:
            for entry in batch:
                await self._store([entry])
            return
        item, future = batch[0]
        _log.error("arrival.set_aside", error=repr(error))
        await self._set_aside(item, error)
        if not future.done():
            future.set_result(None)

    def _retry(self, batch: list[Entry[T]]) -> None:
        if not batch:
            return

        def again() -> None:
            self._later.discard(handle)
            self._waiting.extendleft(reversed(batch))
            self._wake()

        handle = asyncio.get_running_loop().call_later(BUSY_WAIT_S, again)
        self._later.add(handle)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
