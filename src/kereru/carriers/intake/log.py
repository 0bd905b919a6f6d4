"""The intake log: webhooks' batches in files of one web process, fsynced with their folder before anybody hears 2xx (G1, G2).

A slot is a folder that one process holds by a lock; it outlives its process, and whoever takes the slot next finds what was left. Entries are lines
`CRC-32 JSON`, in segments that are only appended to and dropped whole. Promises: `append` returns when the bytes and the name of their file are on
disk; bounded by bytes and entries; a torn or spoilt line never hides the others; what cannot be read is kept aside, never thrown away.
"""

import asyncio
import contextlib
import fcntl
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from kereru.carriers.arrivals import ArrivalBatch
from kereru.kernel.clock import Clock, SystemClock
from kereru.kernel.faults import Faults
from kereru.kernel.logging import get_logger

SEGMENT_BYTES = 4 * 2**20
BYTES_MAX = 256 * 2**20
ENTRIES_MAX = 200_000
ASIDE = "set-aside-*.lines"
"""A file a day, so that what is too old goes whole."""
_log = get_logger("carriers.intake")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ArrivalBatch)


class IntakeFailed(Exception):
    """The log could not make an entry durable: full, or the disk says no."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The calls that may fail; tests put their own here."""

    write: Callable[[int, bytes], int] = os.write
    sync: Callable[[int], None] = os.fsync


@dataclass(slots=True)
class Segment:
    """A file of the log; `entries` counts what was appended by this process or found at the start."""

    path: Path
    size: int = 0
    entries: int = 0


def encode(batch: ArrivalBatch) -> bytes:
    """One line. JSON, since ids that name a part exceed 64 bits."""
    body = _encoder.encode(batch)
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> ArrivalBatch:
    """Read a line without its end. Raises ValueError for one that is torn, spoilt or of another shape."""
    head, _, body = line.partition(b" ")
    if head != b"%08x" % zlib.crc32(body):
        raise ValueError("the line is not as it was written")
    return _decoder.decode(body)


class Slot:
    """One folder of HOME/intake, held by a lock that ends with this process."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock
        self._mark = folder / "announced"

    @property
    def announced(self) -> bool:
        """Whether senders have been told of this slot, and so wait for it."""
        return self._mark.exists()

    def note_announced(self) -> None:
        """Senders know of it."""
        self._mark.touch(mode=0o600)

    def forget_announced(self) -> None:
        """Senders are about to hear that they need not wait for it."""
        self._mark.unlink(missing_ok=True)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._lock)


def take_slot(root: Path) -> Slot:
    """The lowest slot nobody holds; processes that come back find their own again. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = 1
    while (slot := try_slot(root / str(number))) is None:
        number += 1
    return slot


def try_slot(folder: Path) -> Slot | None:
    """This slot, or None while another process holds it. Raises OSError."""
    if not folder.exists():
        folder.mkdir(exist_ok=True, mode=0o700)
        _sync_folder(folder.parent, os.fsync)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return Slot(folder, lock)


class IntakeLog:
    """The log of one slot. One task at a time writes; whoever waits meanwhile shares the next fsync."""

    def __init__(
        self,
        folder: Path,
        *,
        bytes_max: int = BYTES_MAX,
        entries_max: int = ENTRIES_MAX,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.folder = folder
        self._clock = clock or SystemClock()
        self._bytes_max, self._entries_max, self._segment_bytes = bytes_max, entries_max, segment_bytes
        self._disk = disk or Disk()
        self._faults = faults or Faults()
        self._handle: int | None = None
        self._segments = [self._found(path) for path in sorted(folder.glob("*.log"))]
        self._next = 1 + max((int(segment.path.stem) for segment in self._segments), default=0)
        self._queued: list[tuple[bytes, asyncio.Future[None]]] = []
        self._queued_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    @property
    def entries(self) -> int:
        """How many entries lie in the log."""
        return sum(segment.entries for segment in self._segments)

    @property
    def size(self) -> int:
        """How many bytes its files hold."""
        return sum(segment.size for segment in self._segments)

    @property
    def empty(self) -> bool:
        """Whether nothing lies in it and nothing is being written."""
        return not self._segments and not self._queued and self._writer is None

    async def append(self, batch: ArrivalBatch) -> None:
        """Return when it is on disk. Raises IntakeFailed."""
        try:
            line = encode(batch)
        except (UnicodeError, TypeError, ValueError) as error:
            raise IntakeFailed(repr(error)) from error
        if self.size + self._queued_bytes + len(line) > self._bytes_max or self.entries + len(self._queued) >= self._entries_max:
            raise IntakeFailed("the intake log is full")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queued.append((line, future))
        self._queued_bytes += len(line)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await asyncio.shield(future)

    async def seal(self) -> list[Segment]:
        """End the segment now written to; answers all that are complete, oldest first."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        self._close()
        return list(self._segments)

    async def read(self, segment: Segment) -> list[bytes]:
        """Its whole lines."""
        try:
            raw = await asyncio.to_thread(segment.path.read_bytes)
        except FileNotFoundError:
            _log.error("intake.vanished", file=str(segment.path), entries=segment.entries)
            return []
        # A last line without an end was being written when the process died: nobody was told 2xx for it.
        return raw.split(b"\n")[:-1]

    async def drop(self, segment: Segment) -> None:
        """Forget a segment whose entries are all elsewhere."""
        await self._faults.reach("intake.before_drop")
        await asyncio.to_thread(segment.path.unlink, missing_ok=True)
        await self._faults.reach("intake.dropped")
        await asyncio.to_thread(_sync_folder, self.folder, self._disk.sync)
        self._segments.remove(segment)

    async def set_aside(self, line: bytes) -> None:
        """Keep a line that cannot be replayed where people find it (G6)."""
        path = self.folder / ASIDE.replace("*", self._clock.now().date().isoformat())

        def write() -> None:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _write_all(self._disk.write, handle, line + b"\n")
                self._disk.sync(handle)
            finally:
                os.close(handle)
            _sync_folder(self.folder, self._disk.sync)

        await asyncio.to_thread(write)

    async def writable(self) -> str:
        """Why the log could not take an entry now; empty when it could."""
        if self.size >= self._bytes_max or self.entries >= self._entries_max:
            return "the intake log is full"

        def try_it() -> None:
            probe = self.folder / "probe"
            handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write_all(self._disk.write, handle, bytes(4096))
                self._disk.sync(handle)
            finally:
                os.close(handle)
                probe.unlink(missing_ok=True)

        try:
            await asyncio.to_thread(try_it)
        except OSError as error:
            return f"the intake log cannot be written: {error.strerror or error}"
        return ""

    def close(self) -> None:
        """Let go of the file."""
        self._close()

    async def _write(self) -> None:
        try:
            while self._queued:
                taken, self._queued, self._queued_bytes = self._queued, [], 0
                try:
                    await self._store(b"".join(line for line, _ in taken), len(taken))
                except Exception as error:  # noqa: BLE001 - whoever waits hears of it, the next ones find a writer that works
                    _log.error("intake.not_written", error=repr(error), entries=len(taken))
                    self._abandon()
                    _end(taken, IntakeFailed(str(error)))
                else:
                    _end(taken, None)
        finally:
            self._writer = None

    async def _store(self, block: bytes, entries: int) -> None:
        await self._faults.reach("intake.before_write")
        fresh = self._handle is None
        if fresh:
            await asyncio.to_thread(self._open)
            await self._faults.reach("intake.opened")
        segment, handle = self._segments[-1], self._handle
        assert handle is not None  # noqa: S101 - just opened
        await asyncio.to_thread(_write_all, self._disk.write, handle, block)
        await self._faults.reach("intake.written")
        await asyncio.to_thread(self._disk.sync, handle)
        await self._faults.reach("intake.synced")
        if fresh:
            await asyncio.to_thread(_sync_folder, self.folder, self._disk.sync)
            await self._faults.reach("intake.folder_synced")
        segment.size += len(block)
        segment.entries += entries
        if segment.size >= self._segment_bytes:
            self._close()

    def _open(self) -> None:
        path = self.folder / f"{self._next:08d}.log"
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._next += 1
        self._segments.append(Segment(path))

    def _abandon(self) -> None:
        """After a failed write nobody knows what the file holds: what was answered 2xx is in its synced part, and nothing more is written to it."""
        was_open = self._handle is not None
        self._close()
        if was_open and not self._segments[-1].entries:
            with contextlib.suppress(OSError):
                self._segments.pop().path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with contextlib.suppress(OSError):
                os.close(handle)

    @staticmethod
    def _found(path: Path) -> Segment:
        raw = path.read_bytes()
        return Segment(path, len(raw), raw.count(b"\n"))


def left_behind(root: Path, own: Path) -> Iterator[Path]:
    """Other slots' folders, held or not."""
    if root.is_dir():
        yield from (folder for folder in sorted(root.iterdir()) if folder.is_dir() and folder.name.isdigit() and folder != own)


def forget_set_aside(root: Path, before: date) -> None:
    """Delete what was set aside in any slot before that day (R45, G37). Raises OSError."""
    for path in root.glob(f"*/{ASIDE}"):
        with contextlib.suppress(ValueError):
            if date.fromisoformat(path.stem.removeprefix("set-aside-")) < before:
                path.unlink(missing_ok=True)


def _end(taken: list[tuple[bytes, asyncio.Future[None]]], error: IntakeFailed | None) -> None:
    for _, future in taken:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _write_all(write: Callable[[int, bytes], int], handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[write(handle, bytes(view)) :]


def _sync_folder(folder: Path, sync: Callable[[int], None]) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(handle)
    finally:
        os.close(handle)
