"""The batcher against writes that fail in every way: every future ends, once, and truthfully."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import psycopg
import pytest

from kereru.kernel.errors import Unavailable
from kereru.messaging.inbound.batcher import Batcher
from kereru.messaging.trouble import Fault, fault_of


class Store:
    """What was written; `refuse` decides what a write of some items raises."""

    def __init__(self, refuse=lambda items: None, *, free=None, line=lambda _: None) -> None:
        self.written: list[str] = []
        self.aside: list[str] = []
        self.writes = 0
        self.hold: Callable[[Sequence[str]], Awaitable[object]] = lambda _: asyncio.sleep(0)
        self._refuse, self._answer = refuse, free
        self.batcher: Batcher[str] = Batcher(self._write, self._free, self._set_aside, most=3, line=line)

    async def _write(self, items: Sequence[str]) -> None:
        self.writes += 1
        await self.hold(items)
        error = self._refuse(items)
        if error is not None:
            raise error
        self.written.extend(items)

    async def _free(self, items: Sequence[str]) -> Sequence[bool]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return [True] * len(items) if self._answer is None else self._answer(items)

    async def _set_aside(self, item: str, error: Exception) -> None:
        self.aside.append(item)


async def test_an_item_submitted_just_as_all_flushers_end_is_taken() -> None:
    """G2: a flusher that saw the queue empty is gone at once, not only when its task is swept up."""
    for delay in range(12):
        store = Store()
        first = [store.batcher.submit(f"first {n}") for n in range(4)]
        for _ in range(delay):
            await asyncio.sleep(0)
        last = store.batcher.submit("last")
        await asyncio.wait_for(asyncio.gather(*first, last), 1)
        assert sorted(store.written) == ["first 0", "first 1", "first 2", "first 3", "last"]


async def test_when_even_the_question_fails_everybody_hears_of_it() -> None:
    """G2: busy rows, then no database: 503 at once, and the flusher lives on."""
    broken = True
    store = Store(lambda items: psycopg.errors.LockNotAvailable() if broken else None, free=psycopg.OperationalError("gone"))
    futures = [store.batcher.submit(item) for item in "abc"]
    for future in futures:
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(future, 1)
    broken = False
    await asyncio.wait_for(store.batcher.submit("d"), 1)


async def test_one_item_that_stays_busy_holds_up_nobody() -> None:
    """Design §6: even where its rows look free, as those that are only just being made."""
    busy = True
    store = Store(lambda items: psycopg.errors.LockNotAvailable() if busy and "slow" in items else None)
    futures = {item: store.batcher.submit(item) for item in ("a", "slow", "b", "c", "d")}
    await asyncio.wait_for(asyncio.gather(*(future for item, future in futures.items() if item != "slow")), 1)
    await asyncio.sleep(0.1)
    assert not futures["slow"].done()
    busy = False
    await asyncio.wait_for(futures["slow"], 1)
    await store.batcher.drain()
    assert sorted(store.written) == ["a", "b", "c", "d", "slow"]


@pytest.mark.parametrize("trouble", ["busy", "seen to be busy", "deadlock", "slow", "set aside"])
@pytest.mark.parametrize("before", range(4))
async def test_nobody_overtakes_another_of_the_same_line(trouble: str, before: int) -> None:
    """G17: what one person sent is stored in the order in which it came, whatever happens to the first of it; others go on meanwhile."""
    troubled = True
    released = asyncio.Event()

    def refuse(items: Sequence[str]) -> Exception | None:
        if not troubled or "ana 1" not in items:
            return None
        return {
            "busy": psycopg.errors.LockNotAvailable(), "seen to be busy": psycopg.errors.LockNotAvailable(),
            "deadlock": psycopg.errors.DeadlockDetected(), "set aside": psycopg.errors.DataError(),
        }.get(trouble)  # fmt: skip

    def free(items: Sequence[str]) -> Sequence[bool]:
        return [trouble != "seen to be busy" or item != "ana 1" for item in items]

    store = Store(refuse, free=free, line=lambda item: item.split()[0])
    if trouble == "slow":
        store.hold = lambda items: released.wait() if "ana 1" in items else asyncio.sleep(0)
    items = [f"ben {number}" for number in range(before)] + ["ana 1", "cem 1", "ana 2", "ana 3", "dee 1", "ana 4", "cem 2"]
    futures = [store.batcher.submit(item) for item in items]
    others = [future for item, future in zip(items, futures, strict=True) if item.startswith("dee")]
    await asyncio.wait_for(asyncio.gather(*others), 1)
    late = store.batcher.submit("ana 5")
    troubled = trouble == "set aside"
    released.set()
    await asyncio.wait_for(asyncio.gather(*futures, late), 1)
    await store.batcher.drain()
    ana = [f"ana {number}" for number in range(1, 6)]
    assert [item for item in store.written if item.startswith("ana")] == (ana[1:] if trouble == "set aside" else ana)
    assert [item for item in store.written if item.startswith("cem")] == ["cem 1", "cem 2"]
    assert sorted(store.written + store.aside) == sorted([*items, "ana 5"])


@pytest.mark.parametrize("error", [psycopg.errors.DataError(), psycopg.errors.ProgramLimitExceeded(), psycopg.errors.UniqueViolation()])
async def test_a_poisoned_item_is_set_aside_alone(error: psycopg.Error) -> None:
    """G6."""
    store = Store(lambda items: error if "poison" in items else None)
    await asyncio.wait_for(asyncio.gather(*(store.batcher.submit(item) for item in ("a", "poison", "b"))), 1)
    assert (sorted(store.written), store.aside) == (["a", "b"], ["poison"])


@pytest.mark.parametrize("error", [psycopg.errors.UndefinedFunction(), psycopg.errors.InsufficientPrivilege(), psycopg.errors.CheckViolation()])
async def test_what_is_our_own_fault_is_never_called_done(error: psycopg.Error) -> None:
    """G6, G45: a schema that the process does not know is no poisoned text; the carrier is asked to come again."""
    store = Store(lambda items: error)
    with pytest.raises(psycopg.Error):
        await asyncio.wait_for(store.batcher.submit("text"), 1)
    assert store.aside == []


async def test_a_deadlock_is_tried_again() -> None:
    """The other one was let through."""
    store = Store(lambda items: psycopg.errors.DeadlockDetected() if store.writes == 1 else None)
    await asyncio.wait_for(store.batcher.submit("a"), 1)
    assert store.written == ["a"]


async def test_a_caller_that_went_away_loses_nothing_for_the_others() -> None:
    """A cancelled request's item is stored all the same."""
    store = Store()
    futures = [store.batcher.submit(item) for item in "abcde"]
    futures[1].cancel()
    await asyncio.wait_for(asyncio.gather(*(futures[n] for n in (0, 2, 3, 4))), 1)
    assert sorted(store.written) == list("abcde")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (Unavailable(), Fault.MOMENT), (psycopg.OperationalError("the connection is lost"), Fault.MOMENT),
        (psycopg.errors.QueryCanceled(), Fault.MOMENT), (psycopg.errors.OutOfMemory(), Fault.MOMENT),
        (psycopg.errors.UntranslatableCharacter(), Fault.ITEM), (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), Fault.ITEM),
        (psycopg.InterfaceError("a mistake"), Fault.OURS), (RuntimeError(), Fault.OURS),
    ],
)  # fmt: skip
def test_every_error_has_one_whose_fault_it_is(error: Exception, fault: Fault) -> None:
    """G6."""
    assert fault_of(error) is fault
