"""The embedded engine, for real: started, stopped, killed, recovered, refused (design §3; issue 2 point 2; G1's ground)."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from kereru.entrypoints.postgres import EmbeddedPostgres, EngineOptions, State, leftovers
from kereru.entrypoints.postgres.account import SERVICE_USERS
from kereru.entrypoints.problems import MachineProblem

OPTIONS = EngineOptions(stop_s=5, durable=False)


@pytest.fixture
def engine(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    """An engine that is stopped after the test, whatever the test did to it."""
    engine = EmbeddedPostgres(short_folder / "home", OPTIONS)
    yield engine
    engine.stop()


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for `condition`; fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def ask(url: str, statement: str) -> object:
    """The first value of the first row."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def name_of(engine: EmbeddedPostgres) -> str:
    """The cluster name its processes carry."""
    return str(ask(engine.url, "SHOW cluster_name"))


def nothing_runs(name: str) -> bool:
    """No postmaster and no backend of that name is alive."""
    found = leftovers.find(name)
    return not found.postmasters and not found.backends


def test_starts_answers_and_stops(engine: EmbeddedPostgres) -> None:
    """Created, started, reached as kereru_owner over a private socket only, stopped without a trace."""
    url = engine.start()
    assert ask(url, "SELECT current_user::text") == "kereru_owner"
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'kereru'") == "bC.UTF-8"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    folder = Path(str(ask(url, "SHOW unix_socket_directories")))
    assert folder.stat().st_mode & 0o777 == 0o700
    name = name_of(engine)
    engine.stop()
    assert nothing_runs(name)
    assert not folder.exists()
    assert not (engine.data / "postmaster.pid").exists()


def test_durable_by_default(short_folder: Path) -> None:
    """fsync, synchronous_commit and full_page_writes are on unless a test turns them off (G1)."""
    engine = EmbeddedPostgres(short_folder / "home")
    try:
        url = engine.start()
        assert [ask(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on", "on", "on"]
    finally:
        engine.stop()


def test_data_stays_over_a_restart(engine: EmbeddedPostgres) -> None:
    """What was written is there after a stop and a start."""
    ask(engine.start(), "CREATE TABLE kept AS SELECT 7 AS n")
    engine.stop()
    assert ask(engine.start(), "SELECT n FROM kept") == 7


@pytest.fixture
def durable_engine(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    """An engine with the settings of production."""
    engine = EmbeddedPostgres(short_folder / "home", EngineOptions(stop_s=5))
    yield engine
    engine.stop()


def test_kill_of_the_postmaster_is_recovered(durable_engine: EmbeddedPostgres) -> None:
    """kill -9 of PostgreSQL: the next steps start it again and committed rows are there, although a backend was connected (G1)."""
    engine = durable_engine
    url = engine.start()
    ask(url, "CREATE TABLE kept AS SELECT 7 AS n")
    with psycopg.connect(url, autocommit=True) as busy:
        busy.execute("SELECT 1")
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        until(lambda: engine.step() is not State.READY)
        until(lambda: engine.step() is State.READY)
    assert ask(engine.url, "SELECT n FROM kept") == 7


def test_an_orphaned_backend_is_ended_before_the_restart(engine: EmbeddedPostgres) -> None:
    """A backend that computes on after its postmaster was killed would keep the folder busy; it is ended."""
    url = engine.start()
    command = [sys.executable, "-c", f"import psycopg; psycopg.connect({url!r}).execute('SELECT count(*) FROM generate_series(1, 1000000000000)')"]
    client = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ask(url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1000%' AND pid <> pg_backend_pid()"))
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        until(lambda: engine.step() is not State.READY)
        until(lambda: engine.step() is State.READY, 40)
        assert ask(engine.url, "SELECT 1") == 1
    finally:
        client.kill()
        client.wait()


def test_an_earlier_guardian_may_take_the_runtime_folder_away(engine: EmbeddedPostgres) -> None:
    """G39: the supervisor was killed and the next one was quick: the old guardian's last act falls upon the new engine's start."""
    engine.prepare()
    until(lambda: engine.step() is State.STARTING)
    assert engine._socket_folder is not None
    engine._socket_folder.rmdir()
    until(lambda: engine.step() is State.READY)
    assert ask(engine.url, "SELECT 1") == 1


def test_kill_of_the_guardian_is_recovered(engine: EmbeddedPostgres) -> None:
    """kill -9 of the guardian leaves a living postmaster; it is stopped and started anew."""
    engine.start()
    first = engine.pid
    assert first is not None
    os.kill(_parent(first), signal.SIGKILL)
    until(lambda: engine.step() is not State.READY)
    until(lambda: engine.step() is State.READY)
    assert engine.pid != first
    assert ask(engine.url, "SELECT 1") == 1


def _parent(pid: int) -> int:
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)


_OWNER_PROGRAM = """
import sys, time
from pathlib import Path
from kereru.entrypoints.postgres import EmbeddedPostgres, EngineOptions
engine = EmbeddedPostgres(Path(sys.argv[1]), EngineOptions(stop_s=5, durable=False))
print(engine.start(), engine.pid, flush=True)
time.sleep(600)
"""


def _owner_process(home: Path) -> tuple[subprocess.Popen[str], str, int]:
    process = subprocess.Popen([sys.executable, "-c", _OWNER_PROGRAM, str(home)], stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("postgresql://"):
            url, pid = line.split()
            return process, url, int(pid)
    raise AssertionError("the engine's owner ended")


def test_nothing_outlives_the_kill_of_its_owner(short_folder: Path) -> None:
    """kill -9 of the supervising process: the guardian ends the engine by itself."""
    process, url, _ = _owner_process(short_folder / "home")
    name = str(ask(url, "SHOW cluster_name"))
    folder = Path(str(ask(url, "SHOW unix_socket_directories")))
    process.kill()
    process.wait()
    until(lambda: nothing_runs(name))
    until(lambda: not folder.exists())


def test_owner_and_guardian_killed_together(engine: EmbeddedPostgres) -> None:
    """The worst case leaves a postmaster alone; the next start on that folder ends it and takes over."""
    process, _, pid = _owner_process(engine.home)
    os.kill(_parent(pid), signal.SIGKILL)
    process.kill()
    process.wait()
    engine.start()
    assert engine.pid != pid
    assert ask(engine.url, "SELECT 1") == 1


def test_a_second_start_on_the_same_home_is_refused(engine: EmbeddedPostgres) -> None:
    """Two processes on one folder would destroy it; the second is told who is there."""
    engine.start()
    with pytest.raises(MachineProblem) as caught:
        EmbeddedPostgres(engine.home, OPTIONS).start()
    assert caught.value.code == "home_in_use"
    assert str(os.getpid()) in caught.value.text


def test_two_homes_side_by_side(engine: EmbeddedPostgres, short_folder: Path) -> None:
    """Two instances with different homes do not see each other."""
    other = EmbeddedPostgres(short_folder / "other", OPTIONS)
    try:
        first, second = engine.start(), other.start()
        ask(first, "CREATE TABLE only_here ()")
        assert ask(second, "SELECT to_regclass('only_here')") is None
    finally:
        other.stop()


def test_a_stale_lock_file_of_a_reused_process_number(engine: EmbeddedPostgres) -> None:
    """After a crash the number in postmaster.pid may belong to somebody else; that must not keep us from starting."""
    engine.start()
    engine.stop()
    stale = engine.data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{engine.data}\n1\n5432\n/tmp\n\n 1 1\nready\n")
    assert ask(engine.start(), "SELECT 1") == 1


def test_another_major_version_is_refused(engine: EmbeddedPostgres) -> None:
    """A folder of another major version is left alone, with the way to move it."""
    engine.start()
    engine.stop()
    (engine.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(MachineProblem) as caught:
        engine.start()
    assert caught.value.code == "other_major_version"
    assert "16" in caught.value.text
    assert "upgrade-database" in caught.value.advice


def test_a_broken_engine_says_why(engine: EmbeddedPostgres) -> None:
    """When PostgreSQL ends while starting, its own reason is told, and nothing is left running."""
    broken = EmbeddedPostgres(engine.home, EngineOptions(durable=False, parameters={"shared_buffers": "1"}))
    try:
        with pytest.raises(MachineProblem) as caught:
            broken.start()
        assert caught.value.code == "engine_failed"
        assert "shared_buffers" in caught.value.text
    finally:
        broken.stop()


def test_a_long_socket_path_is_refused_in_words(engine: EmbeddedPostgres, short_folder: Path) -> None:
    """A path over what the system's socket address holds is refused before anything is made."""
    long = EmbeddedPostgres(engine.home, EngineOptions(runtime_folder=str(short_folder / ("x" * 100))))
    with pytest.raises(MachineProblem) as caught:
        long.start()
    assert caught.value.code == "socket_path_too_long"
    assert not engine.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the engine to another user")
def test_as_root_the_engine_runs_as_a_service_user_even_under_a_closed_home(short_folder: Path) -> None:
    """Root's own folders (0700) cannot be entered by the service user; engine and programs work all the same."""
    closed = short_folder / "closed"
    closed.mkdir(mode=0o700)
    engine = EmbeddedPostgres(closed / "home", OPTIONS)
    try:
        url = engine.start()
        owner = subprocess.run(["ps", "-o", "user=", "-p", str(engine.pid)], capture_output=True, text=True, check=True).stdout.strip()
        assert owner in SERVICE_USERS
        assert ask(url, "SELECT 1") == 1
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        engine.stop()


def test_many_large_batches_at_once_do_not_exhaust_the_locks(postgres_engine: EmbeddedPostgres, database_url: str) -> None:
    """Each carrier id of a batch of receipts is a lock (G20). Forty batches of five hundred hold more than PostgreSQL's usual table has room for."""
    with contextlib.ExitStack() as ending:
        room = int(str(ask(database_url, "SHOW max_connections"))) * 64
        assert room < 40 * 500
        for batch in range(40):
            connection = ending.enter_context(psycopg.connect(database_url))
            connection.execute("SELECT lock_carrier_ids(ARRAY(SELECT %s || ' ' || i FROM generate_series(1, 500) i))", [batch])
