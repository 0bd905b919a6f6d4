"""The engine's parts that can be judged without a PostgreSQL: configuration, places, programs, accounts (design §3)."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from kereru.entrypoints.postgres import configuration, places
from kereru.entrypoints.postgres.account import Account, may_enter
from kereru.entrypoints.postgres.binaries import Binaries, find_binaries, reachable_by
from kereru.entrypoints.postgres.creation import explain
from kereru.entrypoints.problems import MachineProblem

OURSELVES = Account("me", os.geteuid(), os.getegid(), switched=False)


def values(**changes: object) -> dict[str, str]:
    """The settings of a usual engine."""
    usual: dict[str, object] = {"major": 18, "socket_folder": Path("/run/x"), "max_connections": 100, "durable": True, "extra": {}}
    return configuration.settings(**{**usual, **changes})  # type: ignore[arg-type]


def test_nothing_weakens_durability_unless_asked() -> None:
    """G1 rests on PostgreSQL's own defaults."""
    assert not {"fsync", "synchronous_commit", "full_page_writes"} & set(values())
    assert values(durable=False)["fsync"] == "off"


def test_no_network_and_no_texts_in_the_log() -> None:
    """Unix socket only; the log shows neither statements nor row contents (G33)."""
    given = values()
    assert given["listen_addresses"] == ""
    assert given["log_min_error_statement"] == "panic"
    assert given["log_error_verbosity"] == "terse"


def test_version_18_settings_are_not_given_to_17() -> None:
    """A parameter unknown to 17 would keep it from starting."""
    assert "io_method" in values()
    assert "io_method" not in values(major=17)


def test_files_are_private_and_quoted(tmp_path: Path) -> None:
    """Values with quotes and backslashes arrive as they are; a link in the file's place is not followed."""
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    (tmp_path / "pg_hba.conf").symlink_to(target)
    configuration.write(tmp_path, {"cluster_name": "o'b\\x"}, OURSELVES, ["root", "root", "postgres"])
    assert "cluster_name = 'o''b\\\\x'" in (tmp_path / "postgresql.conf").read_text()
    assert target.read_text() == "untouched"
    assert (tmp_path / "pg_hba.conf").read_text() == "local all all peer map=kereru\n"
    assert len((tmp_path / "pg_ident.conf").read_text().splitlines()) == 2 * len(configuration.ROLES)
    assert stat.S_IMODE((tmp_path / "postgresql.conf").stat().st_mode) == 0o600


def test_cluster_names_differ_by_folder(tmp_path: Path) -> None:
    """The same folder always has the same name, others have others."""
    assert places.cluster_name(tmp_path) == places.cluster_name(tmp_path / "x" / "..")
    assert places.cluster_name(tmp_path) != places.cluster_name(tmp_path / "x")


def test_socket_path_limit_is_exact() -> None:
    """107 bytes fit on Linux (103 on macOS), one more is refused."""
    room = places.SOCKET_PATH_BYTES - len(places.SOCKET_NAME) - 2
    places.check_socket_path(Path("/" + "x" * room))
    with pytest.raises(MachineProblem):
        places.check_socket_path(Path("/" + "x" * (room + 1)))
    with pytest.raises(MachineProblem):
        places.check_socket_path(Path("/" + "ū" * (room // 2 + 1)))


def test_a_runtime_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Somebody else could have put it there, pointing at a folder of theirs."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "name").symlink_to(elsewhere)
    with pytest.raises(MachineProblem) as caught:
        places.socket_folder(str(tmp_path), "name", OURSELVES, tmp_path)
    assert caught.value.code == "foreign_runtime_folder"


def test_may_enter_looks_at_every_parent(tmp_path: Path) -> None:
    """One closed parent is enough."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    stranger = Account("stranger", 54321, 54321, switched=True)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to("/tmp/"):
            folder.chmod(0o755)
    open_before = may_enter(stranger, inner)
    (tmp_path / "a").chmod(0o700)
    assert not may_enter(stranger, inner)
    assert may_enter(OURSELVES, inner) or not open_before


def test_unreachable_programs_are_copied_once(tmp_path: Path) -> None:
    """Programs under a closed folder are copied to where the service user can run them, with their libraries beside them."""
    package = tmp_path / "closed" / "site" / "engine"
    programs = package / "pginstall" / "bin"
    programs.mkdir(parents=True)
    libraries = package.with_name("engine.libs")
    libraries.mkdir()
    (libraries / "libpq.so").write_text("library")
    for name in ("postgres", "initdb"):
        (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n")
        (programs / name).chmod(0o755)
    (tmp_path / "closed").chmod(0o700)
    home = Path(os.path.realpath("/tmp")) / f"ke-copy-{os.getpid()}"
    home.mkdir()
    home.chmod(0o755)
    try:
        stranger = Account("stranger", 54321, 54321, switched=True)
        copy = reachable_by(find_binaries(str(programs)), stranger, home)
        assert may_enter(stranger, copy.folder)
        assert (copy.folder / "../../../engine.libs/libpq.so").resolve().read_text() == "library"
        made = copy.folder.stat().st_ino
        assert reachable_by(find_binaries(str(programs)), stranger, home).folder.stat().st_ino == made
    finally:
        shutil.rmtree(home)


def test_our_own_programs_are_used_in_place(tmp_path: Path) -> None:
    """No copy when we run the engine ourselves."""
    binaries = Binaries(tmp_path, "18.6")
    assert reachable_by(binaries, OURSELVES, tmp_path) is binaries


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("FATAL:  could not write to file: No space left on device", "disk_full"),
        ("FATAL:  could not create shared memory segment: Cannot allocate memory", "no_shared_memory"),
        ("2026-01-02 03:04:05.678 UTC [12] FATAL:  something else", "engine_failed"),
        ("", "engine_failed"),
    ],
)
def test_postgres_words_become_ours(output: str, code: str, tmp_path: Path) -> None:
    """What PostgreSQL says on its way out, for people."""
    problem = explain(output, tmp_path)
    assert problem.code == code
    assert "[12]" not in problem.text
