"""`serve` and `demo` as programs, with toy processes in place of the product's: start, kills, stop, refusals (issue 2 point 2, design §10)."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOYS = Path(__file__).with_name("toy_product.py")


@dataclass(frozen=True)
class Started:
    """A program that is ready, and the line it said so with."""

    process: subprocess.Popen[str]
    line: str
    home: Path

    @property
    def pids(self) -> dict[str, int]:
        """The demo's process numbers by name."""
        return json.loads(self.line)["pids"]

    def ask(self) -> str | None:
        """The process number of a web process that is ready."""
        address = json.loads(self.line)["client"] if self.line.startswith("{") else self.line.split()[4]
        try:
            with urllib.request.urlopen(address + "/health/ready", timeout=3) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for `condition`; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def postmaster_of(home: Path) -> int | None:
    """PostgreSQL's process number; None while it is being started anew."""
    try:
        return int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError):
        return None


def left_behind(home: Path) -> list[str]:
    """Processes whose command line names the home folder."""
    listing = subprocess.run(["ps", "-axww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(home) in line]


@contextlib.contextmanager
def started(command: str, home: Path, **values: object) -> Iterator[Started]:
    """Run the program until its ready line; stop it, and see that nothing stays."""
    process = _run(command, home, **values)
    assert process.stdout is not None
    try:
        line = next((line for line in process.stdout if line.startswith(("{", "Kererū"))), None)
        assert line is not None, "it ended before it was ready"
        yield Started(process, line, home)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGKILL)
        process.stdout.close()
        until(lambda: not left_behind(home))


def _run(command: str, home: Path, **values: object) -> "subprocess.Popen[str]":
    ports = {"port": 0} if command == "serve" else {"port": 0, "simulator_port": 0, "as_json": "yes"}
    words = [f"{name}={value}" for name, value in {**ports, "home": home, **values}.items()]
    return subprocess.Popen([sys.executable, str(TOYS), command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def refused(command: str, home: Path, **values: object) -> str:
    """What the program says when it cannot start; it must end with 1 and leave nothing running."""
    process = _run(command, home, **values)
    words = process.communicate(timeout=30)[1].strip().splitlines()
    assert process.returncode == 1
    assert not left_behind(home)
    return words[-1]


@pytest.mark.timeout(90)
def test_serve_recovers_from_the_kill_of_anything(short_folder: Path) -> None:
    """kill -9 of a web process, then of PostgreSQL: ready again each time. kill -9 of the supervisor: nothing is left."""
    with started("serve", short_folder / "home", stop_s=5) as running:
        first = running.ask()
        assert first is not None
        os.kill(int(first), signal.SIGKILL)
        until(lambda: running.ask() not in (None, first))
        postmaster = postmaster_of(running.home)
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        until(lambda: postmaster_of(running.home) not in (None, postmaster))
        until(running.ask)
        running.process.kill()
        until(lambda: not left_behind(running.home))


@pytest.mark.timeout(90)
def test_a_killed_supervisor_leaves_its_address_to_the_next(short_folder: Path) -> None:
    """G39: its sender and scheduler may need long to end; whoever starts Kererū again must not have to wait for them."""
    home, stuck = short_folder / "home", list[int]()
    try:
        with started("serve", home, stop_s=5) as running:
            port = running.line.split()[4].rpartition(":")[2]
            listing = subprocess.run(
                ["ps", "-o", "pid=,comm=", "--ppid", str(running.process.pid)], capture_output=True, text=True, check=True
            ).stdout
            stuck = [int(line.split()[0]) for line in listing.splitlines() if line.split()[1] in {"kereru-sender", "kereru-schedule"}]
            assert len(stuck) == 2
            for pid in stuck:
                os.kill(pid, signal.SIGSTOP)
            running.process.kill()
            until(lambda: len(left_behind(home)) == len(stuck))
            with started("serve", home, port=port, stop_s=5) as next_one:
                assert next_one.ask()
                for pid in stuck:
                    os.kill(pid, signal.SIGKILL)
    finally:
        for pid in stuck:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_serve_with_a_given_database(short_folder: Path, database_url: str) -> None:
    """A URL instead of the embedded engine; it must have this version's shape already."""
    with started("serve", short_folder / "home", database_url=database_url, stop_s=5) as running:
        assert running.ask()
        assert not (running.home / "postgres").exists()


def test_serve_refuses_a_database_of_another_shape(short_folder: Path, empty_database_url: str) -> None:
    """No migration happens behind the operator's back on a shared database; the command to run is named."""
    words = refused("serve", short_folder / "home", database_url=empty_database_url)
    assert words.startswith("not_migrated: ")
    assert "kereru migrate" in words


def test_serve_says_when_the_database_does_not_answer(short_folder: Path) -> None:
    """A wrong address is named as such."""
    words = refused("serve", short_folder / "home", database_url=f"postgresql://kereru_owner@/kereru?host={short_folder}")
    assert words.startswith("database_unreachable: ")


def test_serve_refuses_plain_http_for_others(short_folder: Path) -> None:
    """http on an address others can reach needs --insecure-http, which then says what is off (design §9)."""
    assert refused("serve", short_folder / "home", host="0.0.0.0").startswith("insecure_http: ")


def test_a_taken_port_is_named_with_its_holder(short_folder: Path) -> None:
    """A taken port: plain words, exit code 1, nothing lost; ours is named by process number where that can be seen."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        words = refused("demo", short_folder / "home", port=holder.getsockname()[1])
    assert words.startswith("port_taken: ")
    assert "--port" in words
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in words


def test_a_taken_simulator_port_names_its_option(short_folder: Path) -> None:
    """The advice names the right option."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        assert "--simulator-port" in refused("demo", short_folder / "home", simulator_port=holder.getsockname()[1])


def test_a_folder_that_cannot_be_written(short_folder: Path) -> None:
    """A file where the folder should be: said in words."""
    (short_folder / "home").write_text("not a folder")
    assert refused("demo", short_folder / "home").startswith(("folder_unusable: ", "folder_not_writable: "))


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount a small disk")
def test_a_full_disk_is_named(short_folder: Path) -> None:
    """Too small a disk for a database: plain words, and nothing half made that a later start would trip over."""
    home = short_folder / "home"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(home)], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        assert refused("demo", home).startswith("disk_full: ")
        assert not (home / "postgres").exists()
        assert not (home / "postgres.new").exists()
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@pytest.mark.timeout(120)
def test_demo_line_kill_stop_and_second_start(short_folder: Path) -> None:
    """One JSON line of design §10; a killed simulator returns; Ctrl-C ends all within 10 s; the next start finds everything."""
    home = short_folder / "home"
    with started("demo", home) as running:
        line = json.loads(running.line)
        assert set(line) == {"client", "portal", "simulator", "mail", "accounts", "platforms", "pids"}
        assert set(line["pids"]) == {"postgres", "supervisor", "web", "sender", "scheduler", "simulator"}
        assert all(line[name].startswith("http://localhost:") for name in ("client", "portal", "simulator", "mail"))
        assert running.ask() == str(line["pids"]["web"])
        os.kill(line["pids"]["simulator"], signal.SIGKILL)
        until(lambda: _answers(line["mail"]))
        began = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0
        assert time.monotonic() - began < 10
        assert not left_behind(home)
    with started("demo", home) as running:
        assert json.loads(running.line)["accounts"] == line["accounts"]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_demo_stopped_while_it_starts(short_folder: Path) -> None:
    """Ctrl-C during the start is not a failure, and leaves nothing."""
    home = short_folder / "home"
    process = _run("demo", home)
    until(lambda: left_behind(home) and (home / "postgres" / "postmaster.pid").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0
    until(lambda: not left_behind(home))


def test_demo_for_people(short_folder: Path) -> None:
    """Without --json: addresses and whole sign-ins to read, logs in a file of the home, nothing on standard error."""
    home = short_folder / "home"
    process = _run("demo", home, as_json="no")
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=15)[1] == ""
    assert process.returncode == 0
    shown = "".join(lines)
    for part in ("http://localhost:", "ana@bluedoor.example", "secret", "+12015550110"):
        assert part in shown
    assert "everything has stopped" in (home / "logs" / "kereru.log").read_text()
