"""Takes the place out of a film: MP4 keeps it in boxes beside the pictures, which are blanked where they stand, so that nothing else moves.

Boxes by ISO/IEC 14496-12: four bytes of length, four of name. Phones write the place into `moov/udta` (`©xyz`) or `moov/meta`.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_TOLD = frozenset({b"udta", b"meta", b"uuid"})
_HOLDERS = frozenset({b"moov", b"trak"})
_BOXES_MOST = 10_000


def forget_place(path: Path) -> None:
    """Blank every box of a film in which somebody may say where it was taken. A file that is not built of boxes stays as it is."""
    with path.open("r+b") as film:
        end = film.seek(0, os.SEEK_END)
        _blank(film, 0, end, [0])


def _blank(film: BinaryIO, start: int, end: int, seen: list[int]) -> None:
    at = start
    while at + 8 <= end and seen[0] < _BOXES_MOST:
        seen[0] += 1
        film.seek(at)
        size, name = struct.unpack(">I4s", film.read(8))
        header = 8
        if size == 1:
            if at + 16 > end:
                return
            (size,), header = struct.unpack(">Q", film.read(8)), 16
        elif size == 0:
            size = end - at
        if size < header or at + size > end:
            return
        if name in _TOLD:
            film.seek(at + 4)
            film.write(b"free")
            film.seek(at + header)
            film.write(bytes(size - header))
        elif name in _HOLDERS:
            _blank(film, at + header, at + size, seen)
        at += size
