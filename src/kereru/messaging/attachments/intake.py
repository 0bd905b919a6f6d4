"""Bytes that came from outside, on their way into the store: looked at in a process of their own, made anew where that is asked for, and stored.

Promises: a file lies under `arrivals` only while it is looked at, and is gone from there whatever happens; what is stored was looked at.
"""

import asyncio
import contextlib
import os
import secrets
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger
from kereru.kernel.objects import Objects, objects_of
from kereru.kernel.settings import Settings
from kereru.messaging.attachments.films import forget_place
from kereru.messaging.attachments.model import BY_CONTENT_TYPE, MP4, FileType, sniff
from kereru.messaging.attachments.pictures import Order, Outcome

WORKERS = 2
WORKER_S = 30.0
LEFT_OVER_S = 3600.0
_HEAD_BYTES = 512
_DRAWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/bmp", "image/webp", "application/pdf"})
_log = get_logger("messaging.attachments")


@dataclass(frozen=True, slots=True)
class Looked:
    """What a file turned out to be; `problem` as in pictures.Outcome."""

    type: FileType | None
    problem: str = ""
    width: int | None = None
    height: int | None = None
    preview: tuple[int, int] | None = None


@dataclass
class Files:
    """A process's way with files: where they are stored, and where they lie while they are looked at."""

    objects: Objects
    arrivals: Path
    media_base: str
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WORKERS))

    @asynccontextmanager
    async def place(self) -> AsyncGenerator["Place"]:
        """A place of one's own for one file and what is made of it."""
        self.arrivals.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = Place(self.arrivals / secrets.token_hex(16))
        try:
            yield place
        finally:
            place.clear()

    async def keep(self, provider_id: int, file_id: int, place: "Place") -> None:
        """Store the file and its preview, if it has one. Raises Unavailable."""
        if place.preview.exists():
            await self.objects.put(preview_key(provider_id, file_id), place.preview)
        await self.objects.put(key(provider_id, file_id), place.content)

    async def forget(self, provider_id: int, file_id: int) -> None:
        """Delete the file and its preview; they need not be there. Raises Unavailable."""
        await self.objects.delete(key(provider_id, file_id))
        await self.objects.delete(preview_key(provider_id, file_id))

    async def look(self, place: "Place", *, anew: bool, shrink_to: int | None = None) -> Looked:
        """Say what the file is; with `anew` it is replaced by a version that holds only what is to be seen or heard."""
        content_type = await asyncio.to_thread(_sniffed, place.content)
        if content_type is None:
            return Looked(None)
        if content_type is MP4 and anew:
            await asyncio.to_thread(forget_place, place.content)
        if content_type.content_type not in _DRAWN:
            return Looked(content_type)
        fresh = content_type.kind == "picture" and (anew or shrink_to is not None)
        order = Order(str(place.content), content_type.content_type, str(place.preview), str(place.fresh) if fresh else None, shrink_to)
        async with self._turns:
            outcome = await _work(order)
        if outcome.problem:
            return Looked(content_type, outcome.problem)
        if fresh:
            place.fresh.replace(place.content)
        return Looked(BY_CONTENT_TYPE[outcome.content_type], "", outcome.width, outcome.height, outcome.preview)

    def sweep(self) -> None:
        """Remove what a process that died left behind."""
        if not self.arrivals.is_dir():
            return
        oldest = time.time() - LEFT_OVER_S
        for left in self.arrivals.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < oldest:
                    left.unlink()


def files_of(settings: Settings) -> Files:
    """As the settings say."""
    return Files(objects_of(settings), settings.arrivals_path, settings.media_base)


class Place:
    """Three names beside each other: the file as it came, the version made of it, its preview."""

    def __init__(self, stem: Path) -> None:
        self.content = stem
        self.fresh = stem.with_suffix(".fresh")
        self.preview = stem.with_suffix(".preview")

    def clear(self) -> None:
        """Remove all three."""
        for each in (self.content, self.fresh, self.preview):
            each.unlink(missing_ok=True)


def key(provider_id: int, file_id: int) -> str:
    """Where a file lies in the store: by its provider, then spread over 256 folders."""
    return f"{provider_id}/{file_id & 255:02x}/{file_id}"


def preview_key(provider_id: int, file_id: int) -> str:
    """Where its preview lies."""
    return key(provider_id, file_id) + ".preview"


def _sniffed(path: Path) -> FileType | None:
    with path.open("rb") as file:
        return sniff(file.read(_HEAD_BYTES))


async def _work(order: Order) -> Outcome:
    """Run a worker. One that dies, or takes too long, found a file that cannot be read."""
    variables = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")}
    try:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "kereru.messaging.attachments.pictures",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=variables,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable from error
    try:
        async with asyncio.timeout(WORKER_S):
            said, _ = await worker.communicate(msgspec.json.encode(order))
    except TimeoutError:
        return Outcome(problem="too_large")
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    try:
        return msgspec.json.decode(said, type=Outcome)
    except msgspec.DecodeError:
        _log.warning("file.worker_died", code=worker.returncode)
        return Outcome(problem="unreadable")
