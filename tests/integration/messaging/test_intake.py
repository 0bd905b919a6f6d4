"""The intake log against the real database: frozen, gone, killed in between; and the senders that wait for it (design §6; G1 to G3, G17, G42)."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from arrivals import batch, receipt, text
from desk import Desk, eventually

from kereru.carriers.ingress import NotDurable
from kereru.carriers.intake.keeper import Keeper
from kereru.carriers.intake.log import IntakeLog, take_slot
from kereru.entrypoints.postgres import EmbeddedPostgres
from kereru.kernel.db import Database
from kereru.messaging.inbound.sink import Sink, has_consent_word
from kereru.torture.misfortunes import children_of
from role_databases import as_role
from world import PHONE, World

VICTIM = Path(__file__).with_name("intake_victim.py")


@contextmanager
def frozen(engine: EmbeddedPostgres) -> Iterator[None]:
    """SIGSTOP of PostgreSQL, backends and all, then SIGCONT."""
    pids = [engine.pid, *children_of(engine.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def keeping(ingest: Database, root: Path, **options: float) -> AsyncIterator[Keeper]:
    """A web process's intake."""
    keeper = Keeper(root, Sink(ingest), ingest, has_consent_word, **options)
    await keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


async def at_rest(keeper: Keeper) -> None:
    """The log is empty and batches go straight."""
    async with asyncio.timeout(30):
        while keeper.sink.holding.open:
            await asyncio.sleep(0.02)


def texts(world: World) -> list[str]:
    """Every stored text, in order of its id."""
    return [row.text for row in world.sql("SELECT text FROM message WHERE NOT outbound ORDER BY id")]


# --- What makes a replay harmless ---


async def test_a_text_without_an_id_is_stored_once_a_request(world: World, ingest: Database) -> None:
    """Design §6, G3, G4: the same request again is a replay, another request with the same words is another text; two in one request are two."""
    sink = Sink(ingest)
    first = batch(world.ana, text(world.ana, "yes", cid=""), text(world.ana, "yes", cid=""))
    for _ in range(3):
        await sink.put(first)
    await asyncio.gather(*(sink.put(first) for _ in range(5)))
    assert texts(world) == ["yes", "yes"]
    await sink.put(batch(world.ana, text(world.ana, "yes", cid="")))
    assert texts(world) == ["yes"] * 3
    assert [row.number for row in world.sql("SELECT number FROM change ORDER BY number")] == [1, 2, 3]


async def test_an_unknown_number_without_an_id_is_set_aside_once_a_request(world: World, ingest: Database) -> None:
    """Input 68."""
    sink = Sink(ingest)
    one = batch(world.ana, text(world.ana, cid="", to="+12015550199"))
    for _ in range(3):
        await sink.put(one)
    assert len(world.sql("SELECT 1 FROM quarantine")) == 1


async def test_a_receipt_replayed_is_one_receipt(world: World, ingest: Database) -> None:
    """G19."""
    sink = Sink(ingest)
    one = batch(world.ana, receipt(world.ana, "SM5", "delivered"))
    for _ in range(3):
        await sink.put(one)
    assert len(world.sql("SELECT 1 FROM receipt")) == 1


# --- A silent database ---


async def test_a_frozen_database_is_bridged_by_the_log(postgres_engine: EmbeddedPostgres, world: World, ingest: Database, tmp_path: Path) -> None:
    """G1, G2: SIGSTOP of PostgreSQL: every text is answered for within seconds, is on disk, and is there once when it goes on."""
    async with keeping(ingest, tmp_path) as keeper:
        await keeper.sink.put(batch(world.ana, text(world.ana, "before")))
        with frozen(postgres_engine):
            async with asyncio.timeout(20):
                for number in range(5):
                    await keeper.sink.put(batch(world.ana, text(world.ana, f"text {number}", cid="" if number % 2 else None)))
            assert keeper.sink.holding.entries == 5
            assert sum(path.read_bytes().count(b"\n") for path in (tmp_path / "1").glob("*.log")) == 5
        await at_rest(keeper)
        assert sorted(texts(world)) == ["before", *(f"text {number}" for number in range(5))]
        assert not list((tmp_path / "1").glob("*.log"))
        assert [row.number for row in world.sql("SELECT number FROM change ORDER BY number")] == [1, 2, 3, 4, 5, 6]


POINTS = [
    ("intake.before_write", 3), ("intake.opened", 2), ("intake.written", 4), ("intake.synced", 4), ("intake.folder_synced", 2),
    ("intake.before_answer", 5), ("intake.before_replay", 1), ("intake.replayed", 1), ("intake.before_drop", 2), ("intake.dropped", 1),
    ("db.before_commit", 1), ("db.before_commit", 2), ("db.committed", 1), ("db.notified", 1),
]  # fmt: skip


@pytest.mark.parametrize(("point", "nth"), POINTS)
async def test_kill_9_between_any_two_steps_loses_nothing_and_doubles_nothing(
    world: World, ingest: Database, tmp_path: Path, point: str, nth: int
) -> None:
    """G1, G3: texts without carrier ids, so that only the request's own id tells a replay from a second text."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, str(VICTIM), world.url, str(tmp_path), point, str(nth), msgspec.json.encode(world.ana).decode()]
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, (point, done.stdout, done.stderr[-2000:])
    answered = [f"text {line}" for line in done.stdout.splitlines() if line.isdigit()]
    async with keeping(ingest, tmp_path) as keeper:
        await at_rest(keeper)
    there = Counter(texts(world))
    assert set(answered) <= set(there)
    assert max(there.values(), default=1) == 1
    assert len(there) <= len(answered) + 1, "at most the one text that was under way is there without having been answered for"


async def test_a_slot_whose_process_never_came_back_is_adopted(world: World, ingest: Database, tmp_path: Path) -> None:
    """Fewer web processes than before: another one replays what is left and takes it off the senders' list."""
    slot = take_slot(tmp_path)
    await IntakeLog(slot.folder).append(batch(world.ana, text(world.ana, "left behind")))
    holder = f"{os.uname().nodename}:{slot.folder}"
    world.sql("SELECT report_intake(%(holder)s, true, 1, 1, clock_timestamp())", holder=holder)
    async with keeping(ingest, tmp_path, adopt_every_s=0.1):
        assert not allowed(world)
        slot.release()
        await eventually(lambda: _true(texts(world) == ["left behind"]))
        await eventually(lambda: _true(len(world.sql("SELECT 1 FROM intake_holder")) == 1))
    assert not world.sql("SELECT 1 FROM intake_holder"), "who leaves in order with an empty log is waited for no longer"


async def test_a_process_that_starts_without_the_database_logs_only_where_senders_would_wait(world: World, tmp_path: Path) -> None:
    """Decision 0013, G17: into the slot of one that ended, of which senders know; a slot they do not know of takes nothing."""
    nowhere = f"postgresql://kereru_ingest@/x?host={tmp_path}"
    one = batch(world.ana, text(world.ana, "STOP"))
    async with Database(nowhere, "kereru_ingest", wait_s=0.2, patient=True) as away:
        async with keeping(away, tmp_path / "new") as keeper:
            with pytest.raises(NotDurable):
                await keeper.sink.put(one)
        root = tmp_path / "known"
        async with as_role(world.url, "kereru_ingest") as there:
            ended = Keeper(root, Sink(there), there, has_consent_word)
            assert await ended.start()
            await ended.sink.put(batch(world.ana, text(world.ana, "before")))
            ended._own.slot.release()  # kill -9
            async with keeping(away, root) as keeper:
                await keeper.sink.put(one)
                assert keeper.sink.holding.entries == 1
            assert len(world.sql("SELECT 1 FROM intake_holder")) == 1, "it could not leave in order, so senders go on waiting for it"
            ended._own.slot._lock = os.open(tmp_path, os.O_RDONLY)
            await ended.stop()
        async with as_role(world.url, "kereru_ingest") as there, keeping(there, root) as keeper:
            await at_rest(keeper)
            assert texts(world) == ["before", "STOP"]
    # What the pool without a server left behind is told of here: Python 3.11 cannot format a traceback while it parses another file.
    gc.collect()


# --- The senders' gate ---


def allowed(world: World, since: str = "epoch") -> bool:
    """Whether the database would let a sender claim."""
    return world.sql("SELECT sending_allowed(%(since)s::timestamptz) AS allowed", since=since)[0].allowed


async def test_who_holds_and_who_has_not_reported_since_keep_the_gate_shut(world: World) -> None:
    """Design §6, and the operator's override, which ends when the log is reported empty."""
    assert allowed(world)
    [row] = world.sql("SELECT report_intake('web:1', false, 0, 0, clock_timestamp()) AS at")
    assert allowed(world)
    assert not allowed(world, str(row.at))
    world.sql("SELECT report_intake('web:1', false, 0, 0, pg_postmaster_start_time() - interval '1 second')")
    assert not allowed(world), "said before the database last came up"
    world.sql("SELECT report_intake('web:1', true, 3, 900, clock_timestamp())")
    assert not allowed(world)
    assert [row.holder for row in world.sql("SELECT holder FROM excuse_intake(20)")] == ["web:1"]
    assert allowed(world)
    world.sql("SELECT report_intake('web:1', true, 2, 600, clock_timestamp())")
    assert allowed(world)
    world.sql("SELECT report_intake('web:1', false, 0, 0, clock_timestamp())")
    world.sql("SELECT report_intake('web:1', true, 1, 300, clock_timestamp())")
    assert not allowed(world)
    world.sql("SELECT retire_intake('web:1')")
    assert allowed(world)


async def test_nothing_is_handed_over_while_a_web_process_holds_webhooks(desk: Desk) -> None:
    """Design §6: claimed as soon as the log is reported empty."""
    desk.world.sql("SELECT report_intake('web:1', true, 1, 300, clock_timestamp())")
    message = await desk.send(desk.world.ana)
    async with desk.sending():
        await asyncio.sleep(0.7)
        assert desk.status(message).status == 1
        assert not await desk.carrier.ledger()
        for _ in range(200):
            desk.world.sql("SELECT report_intake('web:1', false, 0, 0, clock_timestamp())")
            if desk.status(message).status != 1:
                break
            await asyncio.sleep(0.05)
        await desk.until(message, 3, 4)
    assert len(await desk.carrier.phone_messages(PHONE)) == 1


async def test_a_stop_in_the_log_is_heard_before_anything_is_sent(
    postgres_engine: EmbeddedPostgres, desk: Desk, ingest: Database, tmp_path: Path
) -> None:
    """G17, design §6: a STOP is answered for while the database stands still, a text to that person waits in the queue, a sender is there all the
    time: when the database goes on, the STOP comes first and the text is not handed over.
    """
    world = desk.world
    async with keeping(ingest, tmp_path) as keeper, desk.sending(lease_s=60) as sender:
        await eventually(lambda: _true(sender.platforms and sender.gate.look()[0]))
        # Held back by its time, not by the gate: it becomes due while the database stands still.
        await desk.sql("SELECT report_intake('test', true, 1, 1, clock_timestamp())")
        message = await desk.send(world.ana)
        await asyncio.sleep(0.3)
        assert desk.status(message).status == 1
        await desk.sql("UPDATE outbox SET run_at = clock_timestamp() + interval '1 second'")
        await desk.sql("SELECT retire_intake('test')")
        with frozen(postgres_engine):
            for number in range(30):
                await keeper.sink.put(batch(world.ana, text(world.ana, f"text {number}", remote="+12025550177")))
            await keeper.sink.put(batch(world.ana, text(world.ana, "STOP")))
        row = await desk.until(message, 3, 4, 6, 8)
        assert (row.status, row.reason_code) == (6, "not_allowed")
        await at_rest(keeper)
    assert not [item for item in await desk.carrier.ledger() if item.method == "POST"]
    assert len(texts(world)) == 31


async def _true(value: object) -> object:
    return value
