"""Supervision of real processes: restarts, orderly and forced ends, nothing left behind (issue 2 point 2; reliability.md §6 "Stop")."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOYS = Path(__file__).with_name("toy_processes.py")


@dataclass(frozen=True)
class Run:
    """A running supervisor and its toys' journal."""

    process: subprocess.Popen[str]
    pids: dict[str, int]
    journal: Path

    def lines(self, words: str) -> list[str]:
        """Journal lines that begin with `words`."""
        return [line for line in self.journal.read_text().splitlines() if line.startswith(words)] if self.journal.exists() else []


@contextmanager
def supervised(folder: Path, *names: str, stop_s: float = 5.0) -> Iterator[Run]:
    """Run the toys `names` under a supervisor; everything is gone afterwards or the test fails."""
    process = subprocess.Popen([sys.executable, str(TOYS), str(folder), str(stop_s), *names], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if line.startswith("{"))
        run = Run(process, json.loads(line), folder / "journal")
        until(lambda: all(run.lines(f"{name} started") for name in names))
        yield run
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Wait for `condition`; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    answer = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(answer) and not answer.startswith("Z")


def test_orderly_stop(short_folder: Path) -> None:
    """SIGTERM lets every process finish what it does, and the supervisor ends with 0."""
    with supervised(short_folder, "polite", "other") as run:
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 0
        assert len(run.lines("polite finished")) == len(run.lines("other finished")) == 1
        assert not any(alive(pid) for pid in run.pids.values())


def test_ctrl_c_reaches_the_supervisor_only(short_folder: Path) -> None:
    """Children have sessions of their own, so the terminal's SIGINT cannot tear them down out of order."""
    with supervised(short_folder, "polite") as run:
        assert os.getsid(run.pids["polite"]) == run.pids["polite"]
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(10) == 0
        assert run.lines("polite finished")


def test_a_killed_process_is_started_again(short_folder: Path) -> None:
    """kill -9 of a child: the same process is back, and the others were not touched."""
    with supervised(short_folder, "polite", "other") as run:
        os.kill(run.pids["polite"], signal.SIGKILL)
        until(lambda: len(run.lines("polite started")) == 2)
        assert len(run.lines("other started")) == 1


def test_a_failing_process_is_tried_with_growing_pauses(short_folder: Path) -> None:
    """A process that cannot live does not eat the machine: pauses of 0.1, 0.2, 0.4 ... seconds."""
    with supervised(short_folder, "failing", "polite") as run:
        began = time.monotonic()
        until(lambda: len(run.lines("failing started")) >= 4)
        assert time.monotonic() - began >= 0.5
        assert len(run.lines("polite started")) == 1


def test_a_process_that_does_not_end_is_ended_by_force(short_folder: Path) -> None:
    """The limit of a stop is hard."""
    with supervised(short_folder, "stubborn", "polite", stop_s=0.5) as run:
        began = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert run.lines("polite finished")
        assert not any(alive(pid) for pid in run.pids.values())


def test_a_second_ctrl_c_does_not_wait(short_folder: Path) -> None:
    """Somebody who asks twice, a second apart, does not want to wait for the limit."""
    with supervised(short_folder, "stubborn", stop_s=60) as run:
        run.process.send_signal(signal.SIGINT)
        time.sleep(1.2)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(5) == 0
        assert not alive(run.pids["stubborn"])


def test_children_end_when_the_supervisor_is_killed(short_folder: Path) -> None:
    """kill -9 of the supervisor: its children notice by the pipe and end in order."""
    with supervised(short_folder, "polite", "other") as run:
        run.process.kill()
        until(lambda: not any(alive(pid) for pid in run.pids.values()))
        assert run.lines("polite finished")


def test_a_rolling_restart_replaces_one_after_the_other(short_folder: Path) -> None:
    """SIGUSR1: of an overlapping process the successor is ready before it ends; of others none runs beside its successor.

    The one whose successor is there is told so, by SIGUSR1: it need not tell health checks to go elsewhere (decision 0021).
    """
    with supervised(short_folder, "overlapping", "polite") as run:
        until(lambda: run.lines("polite ready") and run.lines("overlapping ready"))
        run.process.send_signal(signal.SIGUSR1)
        until(lambda: len(run.lines("polite ready")) == 2)
        story = [" ".join(line.split()[:2]) for line in run.lines("")]
        assert [line for line in story if line.startswith("overlapping")] == [
            "overlapping started", "overlapping ready", "overlapping started", "overlapping ready", "overlapping replaced",
        ]  # fmt: skip
        assert [line for line in story if line.startswith("polite")] == [
            "polite started", "polite ready", "polite finished", "polite started", "polite ready",
        ]  # fmt: skip
        assert story.index("overlapping replaced") < story.index("polite finished"), "one after the other"
        first, second = (int(line.split()[2]) for line in run.lines("overlapping ready"))
        assert (alive(first), alive(second)) == (False, True)


def test_a_rolling_restart_is_given_up_when_a_successor_fails(short_folder: Path) -> None:
    """The old process goes on, and those after it are left as they are."""
    with supervised(short_folder, "once", "polite") as run:
        until(lambda: run.lines("polite ready") and run.lines("once ready"))
        (short_folder / "spent").touch()
        run.process.send_signal(signal.SIGUSR1)
        until(lambda: len(run.lines("once started")) == 2)
        until(lambda: not alive(int(run.lines("once started")[1].split()[2])))
        time.sleep(0.3)
        assert alive(int(run.lines("once ready")[0].split()[2]))
        assert len(run.lines("polite started")) == 1
        assert not run.lines("once finished")


def test_a_rolling_restart_ends_by_force_what_does_not_end(short_folder: Path) -> None:
    """The limit of a stop holds for it too."""
    with supervised(short_folder, "stubborn", stop_s=0.5) as run:
        run.process.send_signal(signal.SIGUSR1)
        until(lambda: len(run.lines("stubborn started")) == 2)
        assert not alive(int(run.lines("stubborn started")[0].split()[2]))
