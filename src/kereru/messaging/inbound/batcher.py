"""Natural batching: a free flusher takes everything that has queued up (perf.md §6); where batches follow closely, after a breath.

Promises: what `submit` answers ends when its item is committed, or kept where people find it, or with the error that prevented both; one item that
cannot be stored never holds the others up (G6); an item whose rows are busy waits for a later batch while the rest goes on; items of one line are
stored in the order in which they came, whatever happens to the first of them, so that a STOP behind a START stays behind it. An error that is the
installation's fault is nobody's item: it is raised, and the carrier asked to come again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import psycopg

from kereru.kernel.breath import Breath
from kereru.kernel.logging import get_logger
from kereru.messaging.trouble import Fault, fault_of

_log = get_logger("messaging.inbound")

T = TypeVar("T")


class Entry(NamedTuple, Generic[T]):
    """An item, what its caller waits for, and the line it stands in; None: in none."""

    item: T
    future: asyncio.Future[None]
    line: Hashable


BUSY_WAIT_S = 0.02
BATCH_EVERY_S = 0.005
ENOUGH = 20
"""Where so many wait already, a breath would gather little more."""

Write = Callable[[Sequence[T]], Awaitable[None]]
"""Commits all items, or raises and commits none; LockNotAvailable says that some rows were busy."""
Free = Callable[[Sequence[T]], Awaitable[Sequence[bool]]]
"""Which items' rows are free just now."""
SetAside = Callable[[T, Exception], Awaitable[None]]
"""Keeps an item that the database refuses, where people find it."""


class Batcher(Generic[T]):
    """One queue, a few flushers, at most `most` items a batch. `line` names what an item must not overtake another of."""

    def __init__(
        self,
        write: Write[T],
        free: Free[T],
        set_aside: SetAside[T],
        *,
        most: int,
        line: Callable[[T], Hashable] = lambda _: None,
        flushers: int = 2,
    ) -> None:
        self._write, self._free, self._set_aside, self._line = write, free, set_aside, line
        self._most, self._limit = most, flushers
        self._waiting: deque[Entry[T]] = deque()
        self._in_hand: dict[Hashable, list[Entry[T]]] = {}
        """Lines of which some are being stored or tried again, with those that came meanwhile."""
        self._flushers: set[asyncio.Task[None]] = set()
        self._flushing = 0
        self._breath = Breath(BATCH_EVERY_S)
        self._later: set[asyncio.TimerHandle] = set()

    def submit(self, item: T) -> asyncio.Future[None]:
        """Queue an item; the future ends when it is committed, or with what prevented that."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(Entry(item, future, self._line(item)))
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
                if len(self._waiting) < ENOUGH:
                    await self._breath.take()
                batch = self._take()
                if not batch:
                    continue
                busy: list[Entry[T]] = []
                try:
                    busy = await self._store(batch)
                except Exception as error:  # noqa: BLE001 - whoever waits learns of it and answers the carrier accordingly
                    for entry in batch:
                        _fail(entry.future, error)
                kept = _lines(busy)
                self._let_go(line for line in _lines(batch) if line not in kept)
                self._retry(busy)
        finally:
            # In the same step that saw the queue empty: whoever submits next must find this flusher gone, or nobody would take his item.
            self._flushing -= 1

    def _take(self) -> list[Entry[T]]:
        """The next batch. Whoever stands behind one that another flusher has in hand goes on waiting there."""
        batch: list[Entry[T]] = []
        ours: set[Hashable] = set()
        while self._waiting and len(batch) < self._most:
            entry = self._waiting.popleft()
            if entry.line in self._in_hand and entry.line not in ours:
                self._in_hand[entry.line].append(entry)
                continue
            if entry.line is not None:
                ours.add(entry.line)
                self._in_hand.setdefault(entry.line, [])
            batch.append(entry)
        return batch

    def _let_go(self, lines: Iterable[Hashable]) -> None:
        """Nothing of these lines is in hand any more: whoever came meanwhile is next."""
        for line in lines:
            self._waiting.extendleft(reversed(self._in_hand.pop(line)))

    async def _store(self, batch: list[Entry[T]], *, asked: bool = False) -> list[Entry[T]]:
        """Commit `batch`, or what of it can be; answers what has to wait. `asked`: all of it was free a moment ago."""
        try:
            await self._write([entry.item for entry in batch])
        except psycopg.errors.LockNotAvailable:
            return await self._store_around(batch, asked=asked)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            return batch
        except Exception as error:
            if fault_of(error) is not Fault.ITEM:
                raise
            return await self._store_singly(batch, error)
        for entry in batch:
            _end(entry.future)
        return []

    async def _store_around(self, batch: list[Entry[T]], *, asked: bool) -> list[Entry[T]]:
        if len(batch) == 1:
            return batch
        if asked:
            # Busy is something that nobody can see beforehand: a row that is only just being made.
            return await self._store_each(batch)
        free = await self._free([entry.item for entry in batch])
        behind = _lines(entry for entry, is_free in zip(batch, free, strict=True) if not is_free)
        ready = [entry for entry, is_free in zip(batch, free, strict=True) if is_free and entry.line not in behind]
        busy = [entry for entry, is_free in zip(batch, free, strict=True) if not is_free or entry.line in behind]
        return busy + (await self._store(ready, asked=True) if ready else [])

    async def _store_each(self, batch: list[Entry[T]]) -> list[Entry[T]]:
        """One by one; nobody behind one that has to wait."""
        busy: list[Entry[T]] = []
        for entry in batch:
            if entry.line in _lines(busy):
                busy.append(entry)
            else:
                busy += await self._store([entry])
        return busy

    async def _store_singly(self, batch: list[Entry[T]], error: Exception) -> list[Entry[T]]:
        if len(batch) > 1:
            return await self._store_each(batch)
        [entry] = batch
        _log.error("arrival.set_aside", error=repr(error))
        await self._set_aside(entry.item, error)
        _end(entry.future)
        return []

    def _retry(self, busy: list[Entry[T]]) -> None:
        """Try these again in a moment, before whoever came behind them."""
        if not busy:
            return

        def again() -> None:
            self._later.discard(handle)
            self._let_go(_lines(busy))
            self._waiting.extendleft(reversed(busy))
            self._wake()

        handle = asyncio.get_running_loop().call_later(BUSY_WAIT_S, again)
        self._later.add(handle)


def _lines(entries: Iterable[Entry[T]]) -> set[Hashable]:
    return {entry.line for entry in entries if entry.line is not None}


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
