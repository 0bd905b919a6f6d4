"""Between carriers and a database that does not always answer: what is answered is safe, what is logged is replayed once, consent words first."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kereru.carriers.arrivals import ArrivalBatch
from kereru.carriers.ingress import NotDurable
from kereru.carriers.intake.log import IntakeLog
from kereru.carriers.intake.sink import LoggedSink, answers_within
from webhook_batches import batch, text


def aside(folder: Path) -> bytes:
    """What was set aside."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("set-aside-*.lines")))


def files(folder: Path) -> list[Path]:
    """The log's segments."""
    return sorted(folder.glob("*.log"))


class Store:
    """A database: answers, is frozen, or is gone; stores each request once (as the real one does by carrier id and request id)."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.seen: set[object] = set()
        self.mode = "answers"
        self.thawed = asyncio.Event()
        self.refuses: set[str] = set()
        self.breaks: set[str] = set()
        self.puts = 0

    async def put(self, one: ArrivalBatch) -> None:
        """As InboundSink."""
        self.puts += 1
        words = one.items[0].text
        while self.mode == "frozen":
            await self.thawed.wait()
        await asyncio.sleep(0)
        if self.mode == "gone" or words in self.refuses:
            raise NotDurable
        if words in self.breaks:
            raise TypeError(words)
        if one.request_id not in self.seen:
            self.seen.add(one.request_id)
            self.stored.append(words)

    async def answers(self) -> bool:
        """A sign of life."""
        return self.mode == "answers"

    def freeze(self) -> None:
        """No answers, no errors."""
        self.mode = "frozen"
        self.thawed.clear()

    def thaw(self) -> None:
        """Everything that waited goes on."""
        self.mode = "answers"
        self.thawed.set()


def sink(store: Store, folder: Path, **bounds: int) -> LoggedSink:
    """With short waits."""
    log = IntakeLog(folder, **bounds)
    urgent = lambda one: one.items[0].text in ("STOP", "START")  # noqa: E731
    return LoggedSink(store, log, database_answers=store.answers, urgent=urgent, answer_within_s=0.05, look_every_s=0.02)


@pytest.fixture
async def store() -> Store:
    """A database that answers."""
    return Store()


async def until(condition) -> None:
    """Poll."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_while_the_database_answers_the_log_stays_empty(store: Store, tmp_path: Path) -> None:
    """The usual case costs no disk."""
    one = sink(store, tmp_path)
    one.start()
    await one.put(batch(text("a")))
    assert store.stored == ["a"]
    assert one.log.empty
    assert not one.holding.open
    await one.stop()


async def test_a_frozen_database_costs_one_wait_and_loses_nothing(store: Store, tmp_path: Path) -> None:
    """G2, design §6: no answer in time: the log has it and the carrier hears 2xx; later ones go to the log at once; then all are there once."""
    one = sink(store, tmp_path)
    one.start()
    store.freeze()
    await one.put(batch(text("first")))
    assert one.holding.open
    puts = store.puts
    for n in range(5):
        await asyncio.wait_for(one.put(batch(text(f"later {n}"))), 0.5)
    assert store.puts == puts, "the database is not asked again while it is silent"
    assert one.holding.entries == 6
    store.thaw()
    await until(lambda: not one.holding.open)
    assert sorted(store.stored) == sorted(["first", *(f"later {n}" for n in range(5))])
    assert store.stored[1:] == [f"later {n}" for n in range(5)]
    assert not files(tmp_path)
    await one.stop()


async def test_a_database_that_is_gone(store: Store, tmp_path: Path) -> None:
    """G1: an error instead of silence; the same way out."""
    one = sink(store, tmp_path)
    one.start()
    store.mode = "gone"
    await one.put(batch(text("a")))
    await one.put(batch(text("b")))
    await asyncio.sleep(0.1)
    assert one.holding.open
    store.mode = "answers"
    await until(lambda: not one.holding.open)
    assert store.stored == ["a", "b"]
    await one.stop()


async def test_consent_words_are_replayed_first_and_in_their_order(store: Store, tmp_path: Path) -> None:
    """Design §6, G35: START then STOP must end as STOP, so all consent words keep their order among themselves."""
    one = sink(store, tmp_path)
    store.mode = "gone"
    for words in ("a", "START", "b", "STOP", "c"):
        await one.put(batch(text(words)))
    store.mode = "answers"
    one.start()
    await until(lambda: not one.holding.open)
    assert store.stored == ["START", "STOP", "a", "b", "c"]
    await one.stop()


async def test_until_the_log_is_empty_everything_goes_through_it(store: Store, tmp_path: Path) -> None:
    """A START that comes while the log still holds an older STOP must not overtake it."""
    one = sink(store, tmp_path)
    store.mode = "gone"
    await one.put(batch(text("STOP")))
    store.mode = "answers"
    await one.put(batch(text("START")))
    assert store.stored == []
    one.start()
    await until(lambda: not one.holding.open)
    assert store.stored == ["STOP", "START"]
    await one.stop()


async def test_one_slow_batch_is_no_outage(store: Store, tmp_path: Path) -> None:
    """A busy feed: the batch is logged and answered, the others go straight, and it is not stored twice."""

    class Busy(Store):
        async def put(self, one: ArrivalBatch) -> None:
            if one.items[0].text == "slow":
                await self.thawed.wait()
            await super().put(one)

    busy = Busy()
    one = sink(busy, tmp_path)
    one.start()
    await one.put(batch(text("slow")))
    await one.put(batch(text("quick")))
    assert busy.stored == ["quick"]
    assert one.holding.open, "senders wait for what is in the log"
    busy.thawed.set()
    await until(lambda: not one.holding.open)
    assert busy.stored == ["quick", "slow"]
    assert busy.puts == 2
    await one.stop()


async def test_a_full_log_says_503(store: Store, tmp_path: Path) -> None:
    """G2, G42: neither committed nor on disk, so no 2xx."""
    one = sink(store, tmp_path, entries_max=1)
    store.mode = "gone"
    await one.put(batch(text("a")))
    with pytest.raises(NotDurable):
        await one.put(batch(text("b")))
    await one.stop()


async def test_the_next_process_replays_what_was_left(store: Store, tmp_path: Path) -> None:
    """G1: kill -9 loses nothing; until all is replayed, new ones queue behind."""
    before = sink(store, tmp_path)
    store.mode = "gone"
    await before.put(batch(text("left")))
    after = sink(store, tmp_path)
    assert after.holding.open
    await after.put(batch(text("new")))
    assert store.stored == []
    store.mode = "answers"
    after.start()
    await until(lambda: not after.holding.open)
    assert store.stored == ["left", "new"]
    await after.stop()


@pytest.mark.parametrize("how", ["breaks", "refuses", "spoilt"])
async def test_a_poison_entry_is_set_aside_and_holds_nobody_up(store: Store, tmp_path: Path, how: str) -> None:
    """G6: kept where people find it; everything else is there."""
    one = sink(store, tmp_path)
    store.mode = "gone"
    for words in ("a", "poison", "b"):
        await one.put(batch(text(words)))
    if how == "spoilt":
        [path] = files(tmp_path)
        path.write_bytes(path.read_bytes().replace(b"poison", b"POISON"))
    else:
        getattr(store, how).add("poison")
    store.mode = "answers"
    one.start()
    await until(lambda: not one.holding.open)
    assert store.stored == ["a", "b"]
    assert aside(tmp_path).lower().count(b"poison") == 1
    await one.stop()


async def test_a_database_that_goes_again_while_replaying(store: Store, tmp_path: Path) -> None:
    """G39: it goes on where it stood, and the order holds."""
    one = sink(store, tmp_path)
    store.mode = "gone"
    for n in range(250):
        await one.put(batch(text(f"{n:03d}")))
    store.mode = "answers"
    one.start()
    await until(lambda: len(store.stored) >= 100)
    store.mode = "gone"
    await asyncio.sleep(0.1)
    store.mode = "answers"
    await until(lambda: not one.holding.open)
    assert store.stored == [f"{n:03d}" for n in range(250)]
    await one.stop()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["text", "freeze", "gone", "heal", "restart", "wait"]), max_size=25))
async def test_whatever_happens_each_answered_text_is_there_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """G1, G3: any order of texts, outages and restarts."""
    folder = tmp_path_factory.mktemp("slot")
    store = Store()
    one = sink(store, folder)
    one.start()
    answered: list[str] = []
    for number, step in enumerate(steps):
        if step == "text":
            await one.put(batch(text(f"text {number}")))
            answered.append(f"text {number}")
        elif step == "freeze":
            store.freeze()
        elif step == "gone":
            store.mode = "gone"
            store.thawed.set()
        elif step == "heal":
            store.thaw()
        elif step == "restart":
            await one.stop()
            one = sink(store, folder)
            one.start()
        else:
            await asyncio.sleep(0.03)
    store.thaw()
    await until(lambda: not one.holding.open)
    assert sorted(store.stored) == sorted(answered)
    await one.stop()


async def test_asking_a_silent_server_takes_no_longer_than_said() -> None:
    """The question is left behind, not cancelled: cancelling would wait for the server."""

    async def silent() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            pytest.fail("it was cancelled")

    async def failing() -> None:
        raise OSError

    async def good() -> None:
        return

    assert not await answers_within(silent, 0.01)
    assert not await answers_within(failing, 1)
    assert await answers_within(good, 1)
