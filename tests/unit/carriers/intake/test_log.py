"""The log on disk: what was answered is there, whole, after any end; bounded; a disk that says no is believed (G1, G2, G42)."""

import asyncio
import errno
import os
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kereru.carriers.arrivals import ArrivalBatch
from kereru.carriers.intake.log import Disk, IntakeFailed, IntakeLog, decode, encode, forget_set_aside, left_behind, take_slot, try_slot
from kereru.kernel.clock import ManualClock
from kereru.kernel.faults import Faults
from webhook_batches import batch, receipt, text, unrecognised


def aside(folder: Path) -> bytes:
    """What was set aside."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("set-aside-*.lines")))


def files(folder: Path) -> list[Path]:
    """The log's segments."""
    return sorted(folder.glob("*.log"))


async def lines(folder: Path) -> list[ArrivalBatch]:
    """Everything that the next process finds."""
    log = IntakeLog(folder)
    return [decode(line) for segment in await log.seal() for line in await log.read(segment)]


def test_a_line_brings_back_the_whole_batch() -> None:
    """References above 64 bits, bytes that are no text, line ends inside."""
    whole = batch(text("a\nb\x00 🐦"), receipt(), receipt(None), unrecognised())
    assert decode(encode(whole).removesuffix(b"\n")) == whole
    assert encode(whole).count(b"\n") == 1


def test_a_checksum_is_as_it_was_written_or_wrong() -> None:
    """Neither capitals nor the other ways in which a number can be written."""
    line = encode(batch(text("hello")))[:-1]
    sum_, _, body = line.partition(b" ")
    for spoilt in {sum_.upper(), sum_.replace(b"0", b"_"), b"+" + sum_[1:], b""} - {sum_}:
        with pytest.raises(ValueError):
            decode(spoilt + b" " + body)


@settings(max_examples=60, deadline=None)
@given(words=st.text(alphabet=st.characters(exclude_categories=["Cs"])), reference=st.none() | st.integers(0, 2**120), raw=st.binary(max_size=50))
def test_whatever_arrives_comes_back(words: str, reference: int | None, raw: bytes) -> None:
    """Any text, any reference, any bytes."""
    whole = batch(text(words, cid=words), receipt(reference))
    assert decode(encode(whole)[:-1]) == whole
    spoilt = bytearray(encode(whole)[:-1])
    for at in range(len(raw)):
        spoilt[(at * 7919) % len(spoilt)] ^= raw[at]
    if bytes(spoilt) != encode(whole)[:-1]:
        with pytest.raises(ValueError):
            decode(bytes(spoilt))


async def test_what_was_appended_is_found_by_the_next_process(tmp_path: Path) -> None:
    """In order, over several segments."""
    log = IntakeLog(tmp_path, segment_bytes=2_000)
    sent = [batch(text(f"text {n}")) for n in range(12)]
    for one in sent:
        await log.append(one)
    assert log.entries == 12
    assert log.size == sum(path.stat().st_size for path in files(tmp_path))
    assert len(files(tmp_path)) > 2
    assert await lines(tmp_path) == sent


async def test_many_at_once_share_a_sync_of_the_file_and_its_folder(tmp_path: Path) -> None:
    """G1: fsync of the file, then of the folder, before anybody is answered; a hundred waiting cost one more."""
    synced: list[bool] = []

    def sync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        os.fsync(handle)

    log = IntakeLog(tmp_path, disk=Disk(sync=sync))
    await log.append(batch())
    assert synced == [False, True]
    await asyncio.gather(*(log.append(batch()) for _ in range(100)))
    assert 3 <= len(synced) <= 5
    assert log.entries == 101


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_failed_sync_answers_nobody_and_the_log_goes_on(tmp_path: Path, number: int) -> None:
    """G2: after a failed fsync nothing more goes into that file; what was there before stays; a new file takes the next."""
    failing = False

    def sync(handle: int) -> None:
        if failing:
            raise OSError(number, os.strerror(number))
        os.fsync(handle)

    log = IntakeLog(tmp_path, disk=Disk(sync=sync))
    first, third = batch(text("first")), batch(text("third"))
    await log.append(first)
    failing = True
    with pytest.raises(IntakeFailed):
        await log.append(batch(text("second")))
    assert os.strerror(number) in await log.writable()
    failing = False
    assert await log.writable() == ""
    await log.append(third)
    found = await lines(tmp_path)
    assert found[0] == first
    assert found[-1] == third
    assert len(files(tmp_path)) == 2


async def test_a_disk_that_fills_up_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """G2: half a line is on disk, nobody was told, and it hides nothing that comes after."""
    room = 5_000

    def write(handle: int, block: bytes) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(handle, block[:room])
        room -= written
        return written

    log = IntakeLog(tmp_path, disk=Disk(write=write))
    kept: list[ArrivalBatch] = []

    async def fill() -> None:
        while True:
            one = batch(text("x" * 300))
            await log.append(one)
            kept.append(one)

    with pytest.raises(IntakeFailed):
        await fill()
    assert 2 < len(kept) < 12
    room = 10**6
    one = batch(text("after"))
    await log.append(one)
    kept.append(one)
    assert await lines(tmp_path) == kept


async def test_bounded_by_bytes_and_entries(tmp_path: Path) -> None:
    """G42: beyond, the carrier is asked to come again."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    by_entries = IntakeLog(tmp_path / "a", entries_max=3)
    for _ in range(3):
        await by_entries.append(batch())
    with pytest.raises(IntakeFailed, match="full"):
        await by_entries.append(batch())
    assert "full" in await by_entries.writable()
    by_bytes = IntakeLog(tmp_path / "b", bytes_max=2_000)
    results = await asyncio.gather(*(by_bytes.append(batch()) for _ in range(20)), return_exceptions=True)
    assert 0 < sum(result is None for result in results) < 20
    assert by_bytes.size <= 2_000


async def test_a_segment_that_was_dropped_makes_room(tmp_path: Path) -> None:
    """Also for the next process."""
    log = IntakeLog(tmp_path, entries_max=2)
    await log.append(batch())
    await log.append(batch())
    for segment in await log.seal():
        await log.drop(segment)
    assert log.empty
    await log.append(batch(text("later")))
    assert [one.items[0].text for one in await lines(tmp_path)] == ["later"]


async def test_a_torn_end_and_a_spoilt_line_hide_nothing(tmp_path: Path) -> None:
    """G6: a line without an end was never answered for; a spoilt one is told from the others."""
    log = IntakeLog(tmp_path)
    sent = [batch(text(str(n))) for n in range(3)]
    for one in sent:
        await log.append(one)
    [path] = files(tmp_path)
    raw = path.read_bytes()
    rows = raw.split(b"\n")
    rows[1] = rows[1][:-9] + b"garbage!!"
    path.write_bytes(b"\n".join(rows) + b"0badc0de {half")
    again = IntakeLog(tmp_path)
    [segment] = await again.seal()
    found = await again.read(segment)
    assert [decode(found[0]), decode(found[2])] == [sent[0], sent[2]]
    with pytest.raises(ValueError):
        decode(found[1])
    assert len(found) == 3
    await again.set_aside(found[1])
    assert aside(tmp_path) == found[1] + b"\n"


async def test_what_was_set_aside_goes_after_its_time(tmp_path: Path) -> None:
    """R45, G37: a file a day, in any slot; other files are left alone."""
    clock = ManualClock(datetime(2026, 5, 1, 23, tzinfo=UTC))
    folder = take_slot(tmp_path).folder
    log = IntakeLog(folder, clock=clock)
    await log.set_aside(b"one")
    clock.advance(2 * 3600)
    await log.set_aside(b"two")
    (folder / "set-aside-x.lines").touch()
    forget_set_aside(tmp_path, date(2026, 5, 1))
    assert aside(folder) == b"one\ntwo\n"
    forget_set_aside(tmp_path, date(2026, 5, 2))
    assert aside(folder) == b"two\n"
    forget_set_aside(tmp_path, date(2027, 1, 1))
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "set-aside-x.lines"]


async def test_a_text_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Input 9: a lone surrogate; the carrier hears 503, nothing half-written lies there."""
    log = IntakeLog(tmp_path)
    with pytest.raises(IntakeFailed):
        await log.append(batch(text("\ud800")))
    assert log.empty


async def test_a_crash_of_the_writer_answers_nobody_twice(tmp_path: Path) -> None:
    """Whatever ends a write, whoever waits hears of it, and the next append works."""
    faults = Faults()
    log = IntakeLog(tmp_path, faults=faults)

    async def fail() -> None:
        raise RuntimeError("between two steps")

    for point in ("intake.before_write", "intake.opened", "intake.written", "intake.synced", "intake.folder_synced"):
        await log.seal()
        faults.arm(point, fail)
        with pytest.raises(IntakeFailed, match="between two steps"):
            await log.append(batch())
        faults.disarm(point)
        await log.append(batch())
    assert log.entries == 5
    assert len(files(tmp_path)) == 5


def test_a_slot_is_held_by_one_process_and_found_again(tmp_path: Path) -> None:
    """Two web processes have one each; what comes back takes the lowest free one."""
    first, second = take_slot(tmp_path), take_slot(tmp_path)
    assert (first.folder.name, second.folder.name) == ("1", "2")
    assert try_slot(first.folder) is None
    assert [folder.name for folder in left_behind(tmp_path, second.folder)] == ["1"]
    first.release()
    again = take_slot(tmp_path)
    assert again.folder == first.folder
    again.release()
    second.release()
