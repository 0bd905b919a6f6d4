"""`kereru doctor` names each thing that can be wrong with a machine, and what to do (issue 2 point 2)."""

import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from kereru.entrypoints import doctor
from kereru.entrypoints.postgres.account import Account, engine_account
from kereru.entrypoints.postgres.binaries import Binaries, find_binaries
from kereru.entrypoints.postgres.places import HomeLock
from kereru.kernel.settings import Settings


def programs(folder: Path, version: str) -> Path:
    """A folder with stand-ins for PostgreSQL's programs of `version`."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize(("version", "wrong"), [((3, 10, 14), True), ((3, 11, 0), False), ((3, 14, 1), False)])
def test_python(version: tuple[int, ...], wrong: bool) -> None:
    """Version too old: Python."""
    assert doctor.python_version(version).wrong is wrong


@pytest.mark.parametrize(("free", "state"), [(0, "wrong"), (100 * 2**20, "wrong"), (2**30, "note"), (50 * 2**30, "good")])
def test_disk(free: int, state: str) -> None:
    """Disk full, nearly full, fine."""
    finding = doctor.disk(Path("/somewhere"), free, 100 * 2**30)
    assert finding.state == state
    assert "/somewhere" in finding.text


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "home").write_text("")
    assert doctor.folder(tmp_path / "home").wrong
    assert doctor.folder(tmp_path / "home" / "below").wrong


def test_folder_that_can_be_made(tmp_path: Path) -> None:
    """Not there yet is fine, and looking does not make it."""
    assert doctor.folder(tmp_path / "a" / "b").state == "good"
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_not_writable(tmp_path: Path) -> None:
    """A folder of mode 0500 refuses an ordinary user."""
    tmp_path.chmod(0o500)
    assert doctor.folder(tmp_path).code == "folder_not_writable"


def test_folder_on_a_file_system_that_refuses() -> None:
    """The system's process folder takes no files, not even root's."""
    if sys.platform == "linux":
        assert doctor.folder(Path("/proc/kereru")).wrong


def test_port_taken_names_the_holder() -> None:
    """Port taken, and by whom where that can be seen."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        number = holder.getsockname()[1]
        finding = doctor.port("127.0.0.1", number, ours=False)
        assert finding.code == "port_taken"
        if sys.platform == "linux":
            assert str(os.getpid()) in finding.text
        assert doctor.port("127.0.0.1", number, ours=True).state == "good"
    assert doctor.port("127.0.0.1", 0, ours=False).state == "good"


def test_address_of_another_machine() -> None:
    """An address that is not ours cannot be listened on."""
    assert doctor.port("203.0.113.7", 0, ours=False).code == "host_unknown"


def test_plain_http_for_others() -> None:
    """The same rule as serve's (design §9)."""
    assert doctor.address(Settings.load({}, host="0.0.0.0")).code == "insecure_http"
    assert doctor.address(Settings.load({}, host="0.0.0.0", insecure_http=True)).state == "note"
    assert doctor.address(Settings.load({}, host="0.0.0.0", public_url="https://texts.example")).state == "good"
    assert doctor.address(Settings.load({})).state == "good"


def test_missing_binaries(tmp_path: Path) -> None:
    """A configured folder without programs."""
    assert doctor.binaries(lambda: find_binaries(str(tmp_path))).code == "no_binaries"


def test_old_binaries(tmp_path: Path) -> None:
    """Version too old: PostgreSQL."""
    folder = programs(tmp_path / "old" / "bin", "16.4")
    assert doctor.binaries(lambda: find_binaries(str(folder))).code == "postgres_too_old"
    assert doctor.binaries(lambda: find_binaries(str(programs(tmp_path / "new" / "bin", "19.1")))).state == "good"


def test_database_of_another_major_version(tmp_path: Path) -> None:
    """The folder was made by another version; the way on is named."""
    (tmp_path / "PG_VERSION").write_text("17\n")
    finding = doctor.data_version(tmp_path, Binaries(Path("/x"), "18.6"))
    assert finding.code == "other_major_version"
    assert "upgrade-database" in finding.advice


def test_root_without_a_service_user(tmp_path: Path) -> None:
    """Running as root with no user to hand the engine to."""
    finding = doctor.service_user(lambda: engine_account("no-such-user", tmp_path / "none"))
    assert finding.wrong is (os.geteuid() == 0)
    assert not finding.wrong or finding.code == "no_service_user"


def test_home_the_service_user_cannot_enter(tmp_path: Path) -> None:
    """Only where the engine cannot be put into its folder without passing through the parents."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stranger = Account("stranger", 54321, 54321, switched=True)
    finding = doctor.reachable(closed, stranger, by_standing=False)
    assert finding is not None
    assert finding.code == "home_unreachable"
    assert doctor.reachable(closed, stranger, by_standing=True) is None


def test_long_socket_path() -> None:
    """A configured runtime folder beyond the system's limit."""
    finding = doctor.socket_path("/" + "x" * 100, "kereru-0123456789ab")
    assert finding is not None
    assert finding.code == "socket_path_too_long"
    assert doctor.socket_path("", "any") is None


@pytest.mark.parametrize(("off", "wrong", "word"), [(0.2, False, "agrees"), (90.0, True, "ahead"), (-3600.0, True, "behind")])
def test_clock_off(off: float, wrong: bool, word: str) -> None:
    """Clock off, and in which direction."""
    finding = doctor.clock(1_000_000.0 + off, [("the database", 1_000_000.0)])
    assert finding.wrong is wrong
    assert word in finding.text


def test_clock_before_what_already_happened() -> None:
    """A clock that lost its battery says 1970."""
    finding = doctor.clock_not_before(0.0, [("Kererū was installed", time.time())])
    assert finding is not None
    assert finding.code == "clock_off"
    assert doctor.clock_not_before(time.time(), [("Kererū was installed", time.time() - 5)]) is None


def test_few_open_files() -> None:
    """A low limit is a note, not a fault."""
    assert doctor.open_files(1024).state == "note"
    assert doctor.open_files(65536).state == "good"


def test_database_that_does_not_answer(tmp_path: Path) -> None:
    """A given address where nobody is."""
    finding, times = doctor.given_database(f"postgresql://nobody@/none?host={tmp_path}")
    assert finding.code == "database_unreachable"
    assert times == []


def test_all_of_it_for_this_machine(tmp_path: Path) -> None:
    """The report for people ends with a verdict; the one for programs is one object with the same verdict."""
    findings = doctor.examine(Settings.load({}, home=str(tmp_path / "home"), port=0))
    assert {"python", "folder", "disk", "address", "port", "user", "postgresql", "clock", "files"} <= {finding.check for finding in findings}
    answer = json.loads(doctor.report(findings, as_json=True))
    assert answer["ok"] is not any(finding.wrong for finding in findings)
    assert doctor.report(findings, as_json=False).splitlines()[-1].endswith(("this machine.", "to put right."))
    assert not (tmp_path / "home").exists()


def test_every_wrong_thing_has_advice(tmp_path: Path) -> None:
    """What is wrong always comes with what to do next."""
    (tmp_path / "home").write_text("")
    settings = Settings.load({}, home=str(tmp_path / "home"), host="0.0.0.0", postgres_binaries=str(tmp_path), runtime_folder="/" + "x" * 100)
    wrong = [finding for finding in doctor.examine(settings) if finding.wrong]
    assert {"folder", "address", "postgresql", "socket"} <= {finding.check for finding in wrong}
    assert all(finding.advice and finding.code for finding in wrong)


def test_a_running_instance_is_not_a_fault(tmp_path: Path) -> None:
    """The lock of a running Kererū is seen without disturbing it."""
    lock = HomeLock(tmp_path)
    assert not HomeLock(tmp_path).held_by_another()
    lock.take()
    assert HomeLock(tmp_path).held_by_another()
    lock.release()
    assert not HomeLock(tmp_path).held_by_another()
