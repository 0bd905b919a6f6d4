"""A program that supervises toy processes: it is run by the supervisor's tests, and prints one JSON line when all of them run.

Arguments: the folder the toys write their process numbers to, how many seconds a stop may take, and the names of the toys.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.supervisor import ProcessSpec, StopRequest, Supervisor


def note(folder: Path, name: str, event: str) -> None:
    """Append one line to the toys' journal."""
    with (folder / "journal").open("a", encoding="utf-8") as journal:
        journal.write(f"{name} {event} {os.getpid()}\n")


def polite(folder: Path, name: str, announce: Announce) -> None:
    """Runs until SIGTERM, or SIGUSR1 when it was replaced, then takes a moment to end in order."""
    ended: list[int] = []
    for one in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(one, lambda number, _: ended.append(number))
    note(folder, name, "started")
    time.sleep(0.1)
    note(folder, name, "ready")
    announce()
    while not ended:
        time.sleep(0.02)
    time.sleep(0.1)
    note(folder, name, "replaced" if ended[0] == signal.SIGUSR1 else "finished")


def stubborn(folder: Path, name: str, announce: Announce) -> None:
    """Does not hear SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(folder, name, "started")
    announce()
    while True:
        time.sleep(1)


def failing(folder: Path, name: str, _announce: Announce) -> None:
    """Ends at once, with an error."""
    note(folder, name, "started")
    raise RuntimeError(name)


def once(folder: Path, name: str, announce: Announce) -> None:
    """Polite the first time; whoever comes after it fails."""
    (failing if (folder / "spent").exists() else polite)(folder, name, announce)


TOYS: dict[str, Callable[[Path, str, Announce], None]] = {
    "polite": polite, "other": polite, "stubborn": stubborn, "failing": failing, "overlapping": polite, "once": once,
}  # fmt: skip


def main() -> None:
    """Supervise the named toys."""
    folder, stop_s, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    supervisor = Supervisor(StopRequest(), stop_s=stop_s)

    def spec(name: str) -> ProcessSpec:
        rolling = "overlap" if name in ("overlapping", "once") else "in_turn"
        return ProcessSpec(name, lambda announce: TOYS[name](folder, name, announce), rolling=rolling)

    for name in names:
        supervisor.add(spec(name))
    print(json.dumps(supervisor.pids()), flush=True)
    supervisor.run()


if __name__ == "__main__":
    main()
