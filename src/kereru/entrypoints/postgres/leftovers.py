"""What an earlier engine left behind: a postmaster that outlived its guardian, backends that outlived their postmaster, a stale lock file.

Our engines carry a cluster name that is unique to their data folder, in their command line and in their backends' titles, so they can be told
from everything else on the machine without asking for more rights than `ps` has.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 30.0
"""How long an old engine may take over its own fast shutdown before the next stronger signal."""

_ORPHAN_S = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """Processes of one cluster name."""

    postmasters: tuple[int, ...]
    backends: tuple[int, ...]


def find(cluster_name: str) -> Found:
    """Living processes of the engine called `cluster_name`."""
    postmasters: list[int] = []
    backends: list[int] = []
    for pid, words in _processes():
        if f"cluster_name={cluster_name}" in words and pid != os.getpid() and "guardian.py" not in words:
            postmasters.append(pid)
        elif words.startswith(f"postgres: {cluster_name}: "):
            backends.append(pid)
    return Found(tuple(postmasters), tuple(backends))


def _processes() -> list[tuple[int, str]]:
    if sys.platform == "linux":
        return [(int(entry.name), words) for entry in Path("/proc").iterdir() if entry.name.isdigit() and (words := _words(entry))]
    answer = subprocess.run(["/bin/ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = (line.strip().partition(" ") for line in answer.splitlines())
    return [(int(pid), words.strip()) for pid, _, words in lines]


def _words(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Cleaner:
    """Ends what is left of one cluster, a step at a time, so that a supervisor can do other things meanwhile."""

    def __init__(self, data: Path, cluster_name: str) -> None:
        self._lock_file = data / "postmaster.pid"
        self._name = cluster_name
        self._since: float | None = None

    def step(self) -> bool:
        """True when nothing of an earlier engine runs any more and the folder may be opened; else call again soon."""
        if self._since is None and not self._lock_file.exists():
            return True
        found = find(self._name)
        if not found.postmasters and not found.backends:
            self._forget_reused_pid()
            self._since = None
            return True
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        waited = now - self._since
        if found.postmasters:
            self._signal(found.postmasters, _stronger(waited, PATIENCE_S, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)))
        else:
            self._signal(found.backends, _stronger(waited, _ORPHAN_S, (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL)))
        return False

    def _signal(self, pids: tuple[int, ...], number: signal.Signals) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _forget_reused_pid(self) -> None:
        """Remove a lock file whose process number now belongs to somebody else; PostgreSQL would take that for a living postmaster."""
        try:
            pid = int(self._lock_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if _alive(pid):
            self._lock_file.unlink(missing_ok=True)


def _stronger(waited_s: float, patience_s: float, signals: tuple[signal.Signals, ...]) -> signal.Signals:
    return signals[min(int(waited_s / patience_s), len(signals) - 1)]
