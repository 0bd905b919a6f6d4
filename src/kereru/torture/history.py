"""What everybody did and saw, in order, as JSON lines: invoke, then ok, fail or unknown; notes tell of misfortunes and bites."""

import time
from pathlib import Path
from typing import Literal

import msgspec

Phase = Literal["invoke", "ok", "fail", "unknown", "note"]


class Entry(msgspec.Struct, frozen=True):
    """One line. `at` is seconds since the history began."""

    at: float
    who: str
    what: str
    phase: Phase
    facts: dict[str, object] = {}


class History:
    """Appends to memory and to a file."""

    def __init__(self, file: Path) -> None:
        self.entries: list[Entry] = []
        self._began = time.monotonic()
        self._file = file.open("ab")

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def write(self, who: str, what: str, phase: Phase, **facts: object) -> None:
        """One more line."""
        entry = Entry(round(self.now, 4), who, what, phase, facts)
        self.entries.append(entry)
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        """Write everything out."""
        self._file.close()
