"""What the machine did meanwhile: CPU time by group of processes, what others used, what the host took. From /proc; Linux only."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds from one moment to another, by group; `foreign` is everybody else's, `stolen` what the host withheld."""

    seconds: float
    groups: Mapping[str, float]
    foreign: float
    stolen: float

    @property
    def foreign_cores(self) -> float:
        """How many cores other people's work took, on average."""
        return self.foreign / self.seconds if self.seconds else 0.0


class Meter:
    """Reads the CPU time of process trees named by their roots; `Meter(server=[pid], database=[pid], load=[pid])`, then `start` and `stop`."""

    def __init__(self, **roots: Iterable[int]) -> None:
        self._roots = {name: tuple(pids) for name, pids in roots.items()}
        self._from: dict[str, float] = {}
        self._machine: tuple[float, float] = (0.0, 0.0)
        self._at = 0.0

    def start(self) -> None:
        """Begin."""
        self._from, self._machine, self._at = self._groups(), _machine(), time.monotonic()

    def stop(self) -> Usage:
        """What was used since `start`."""
        seconds = time.monotonic() - self._at
        busy, stolen = (now - before for now, before in zip(_machine(), self._machine, strict=True))
        groups = {name: max(0.0, value - self._from[name]) for name, value in self._groups().items()}
        return Usage(seconds, groups, max(0.0, busy - sum(groups.values())), stolen)

    def _groups(self) -> dict[str, float]:
        children, own = _processes()
        every = {pid for roots in self._roots.values() for pid in roots}
        # The load generator is the parent of the others: a tree ends where another group's begins.
        return {name: sum(own.get(pid, 0.0) for pid in _trees(roots, children, every - set(roots))) for name, roots in self._roots.items()}


def pss_bytes(roots: Iterable[int]) -> int:
    """The proportional memory of these process trees: shared pages are counted once in all."""
    children, _ = _processes()
    total = 0
    for pid in _trees(roots, children):
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def tree_of(root: int) -> list[int]:
    """A process and all that descend from it."""
    return _trees([root], _processes()[0])


def cpu_seconds(root: int) -> float:
    """CPU seconds that a process and all its descendants have used since they began."""
    children, own = _processes()
    return sum(own.get(pid, 0.0) for pid in _trees([root], children))


def describe() -> dict[str, str]:
    """The machine in a few words, for the reference page."""
    model = next((line.partition(":")[2].strip() for line in (_PROC / "cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    memory = next(int(line.split()[1]) // 2**20 for line in (_PROC / "meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory} GiB",
        "system": f"Linux {platform.release()}",
        "disk": f"{flush_us():.0f} µs a flush of 8 KiB",
        "python": platform.python_version(),
    }


def flush_us(times: int = 200) -> float:
    """The median time that the disk under the benchmarks takes to make 8 KiB durable."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=os.environ.get("BENCH_FOLDER", "/var/tmp")) as file:  # noqa: S108 - a real disk is what is measured
        for _ in range(times):
            file.write(b"x" * 8192)
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1e6)
    return statistics.median(took)


def _machine() -> tuple[float, float]:
    """CPU seconds of the whole machine: busy, stolen by the host."""
    values = [int(value) for value in (_PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _wait, interrupts, soft, stolen = values
    return (user + nice + system + interrupts + soft) * _TICK_S, stolen * _TICK_S


def _processes() -> tuple[dict[int, list[int]], dict[int, float]]:
    """Children by parent, and CPU seconds by process, those of children that ended included."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        pid = int(entry.name)
        children.setdefault(int(fields[1]), []).append(pid)
        used[pid] = sum(int(value) for value in fields[11:15]) * _TICK_S
    return children, used


def _trees(roots: Iterable[int], children: Mapping[int, list[int]], without: AbstractSet[int] = frozenset()) -> list[int]:
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(child for child in children.get(pid, ()) if child not in without)
    return found
