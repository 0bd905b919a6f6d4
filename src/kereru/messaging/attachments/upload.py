"""Takes one file out of a multipart/form-data request, piece by piece, straight to disk; holds neither the request nor the file in memory.

Promises (bad inputs 42, 57, 59, 83): what is too large, too slow, cut off or oddly built ends the reading at once, and the caller's place is cleared.
"""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header  # pyright: ignore[reportUnknownVariableType]

from kereru.kernel.errors import Unavailable
from kereru.messaging.attachments.errors import EmptyFile, FileTooLarge, NotAFileForm, UploadCutOff

PIECE_S = 15.0
UPLOAD_S = 600.0
FORM_BYTES = 16 * 1024
"""What a form may have around its file."""
_PARTS_MOST = 4


class Received(msgspec.Struct, frozen=True):
    """What was uploaded: the name it came with (a stranger's words) and its size in bytes."""

    name: str
    bytes: int


async def receive(pieces: AsyncIterator[bytes], content_type: str, length: str | None, target: Path, most: int) -> Received:
    """Write the part called "file" to `target`. Raises NotAFileForm, FileTooLarge, EmptyFile, UploadCutOff, Unavailable (the disk is full)."""
    boundary = _boundary(content_type)
    if length is not None and (not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > most + FORM_BYTES):
        raise FileTooLarge(too_large(most))
    reading = _Reading(target, most)
    try:
        parser = PushMultipartParser(boundary, max_segment_count=_PARTS_MOST, strict=True)
        async with asyncio.timeout(UPLOAD_S):
            await _read(pieces, parser, reading)
    except MultipartError as error:
        raise NotAFileForm from error
    except TimeoutError as error:
        raise UploadCutOff from error
    finally:
        reading.close()
    if reading.name is None:
        raise NotAFileForm
    if reading.bytes == 0:
        raise EmptyFile
    return Received(reading.name, reading.bytes)


def _boundary(content_type: str) -> str:
    named: tuple[str, dict[str, str]] = parse_options_header(content_type)  # pyright: ignore[reportUnknownVariableType] - the library has no types for it
    kind, options = named
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise NotAFileForm
    return options["boundary"]


def too_large(most: int) -> str:
    """The sentence for a file over the limit."""
    return f"This file is larger than {most / 2**20:.3g} MiB, the most that can be sent. Send a smaller one, or shrink the picture."


class _Reading:
    """Where the form's parts go: the file to disk, everything else nowhere."""

    def __init__(self, target: Path, most: int) -> None:
        self.name: str | None = None
        self.bytes = 0
        self._most = most
        self._target = target
        self._file = target.open("wb")
        self._within = False
        self._beside = 0

    def take(self, event: object) -> None:
        """One event of the parser."""
        if isinstance(event, MultipartSegment):
            self._within = event.name == "file" and self.name is None
            if self._within:
                self.name = event.filename or ""
        elif event is not None:
            piece = bytes(event)  # type: ignore[call-overload]
            if not self._within:
                self._beside += len(piece)
                if self._beside > FORM_BYTES:
                    raise NotAFileForm
                return
            self.bytes += len(piece)
            if self.bytes > self._most:
                raise FileTooLarge(too_large(self._most))
            with _disk():
                self._file.write(piece)

    def close(self) -> None:
        """Nothing more comes."""
        with _disk():
            self._file.close()


@contextmanager
def _disk() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable from error


async def _read(pieces: AsyncIterator[bytes], parser: PushMultipartParser, reading: _Reading) -> None:
    while True:
        try:
            async with asyncio.timeout(PIECE_S):
                piece = await anext(pieces)
        except StopAsyncIteration:
            break
        for event in parser.parse(piece):
            reading.take(event)
    if not parser.closed:
        raise UploadCutOff
