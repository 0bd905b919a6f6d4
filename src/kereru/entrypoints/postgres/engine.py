"""One embedded engine, driven a step at a time: whoever supervises it calls `step()` and never waits; `start()` waits for it.

Between a step and the next it may be recovering from a crash for any length of time. That is never cut short, only reported.
"""

import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from kereru.entrypoints.postgres import configuration, guardian, places
from kereru.entrypoints.postgres.account import Account, engine_account, may_enter, name_of
from kereru.entrypoints.postgres.binaries import Binaries, find_binaries, reachable_by
from kereru.entrypoints.postgres.creation import HERE, check_version, create, explain
from kereru.entrypoints.postgres.leftovers import Cleaner
from kereru.entrypoints.problems import MachineProblem, Stopped, from_os_error
from kereru.kernel.logging import get_logger

_LOG_BYTES = 10 * 2**20
_TIDY_S = 60.0
_STILL_SHARED = "pre-existing shared memory block"
_log = get_logger("engine")


class State(Enum):
    """Where an engine stands."""

    STOPPED = "stopped"
    CLEARING = "clearing"
    STARTING = "starting"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How to run it. Empty strings mean: look it up. `durable=False` is for tests only."""

    binaries: str = ""
    user: str = ""
    runtime_folder: str = ""
    max_connections: int = 100
    durable: bool = True
    stop_s: float = 20.0
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class EmbeddedPostgres:
    """PostgreSQL in `home`/postgres, reached by a private socket only, as the superuser kereru_owner of the database kereru.

    Nothing of it outlives this process: a guardian ends it when this process is gone. In a forked child every method is useless and harmless.
    """

    def __init__(self, home: Path, options: EngineOptions | None = None) -> None:
        self.home = home.absolute()
        self.data = self.home / "postgres"
        self.log_path = self.home / "logs" / "postgres.log"
        self.state = State.STOPPED
        self.pid: int | None = None
        self.version = ""
        self._options = options or EngineOptions()
        self._name = places.cluster_name(self.data)
        self._lock = places.HomeLock(self.home)
        self._cleaner = Cleaner(self.data, self._name)
        self._guardian: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._socket_folder: Path | None = None
        self._command: list[str] = []
        self._account: Account | None = None
        self._log_start = 0
        self._told = 0.0
        self._tidied = time.monotonic()
        self._owner = True
        _close_in_children(self)

    @property
    def url(self) -> str:
        """The address of the database kereru, as kereru_owner. Valid once started."""
        return self.url_of(configuration.DATABASE)

    def url_of(self, database: str) -> str:
        """The address of another database of this engine."""
        if self._socket_folder is None:
            message = "the engine was not started"
            raise RuntimeError(message)
        return f"postgresql://{configuration.SUPERUSER}@/{database}?host={quote(str(self._socket_folder), safe='')}&port=5432"

    def start(self, stopping: Callable[[], bool] = lambda: False) -> str:
        """Start and wait until it answers, without limit while it recovers; answers the URL. Raises MachineProblem.

        `stopping` is asked meanwhile; when it says yes the engine is stopped again and Stopped raised.
        """
        self.prepare()
        while self.step() is not State.READY:
            if stopping():
                self.stop()
                raise Stopped
            time.sleep(0.01)
        return self.url

    def prepare(self) -> None:
        """Find the programs, make the folders and, if there is none, the database. Raises MachineProblem; after it, call `step`."""
        places.prepare_home(self.home)
        self._lock.take()
        try:
            self._prepare()
        except OSError as error:
            self._lock.release()
            raise from_os_error(error, self.home) from error
        except MachineProblem:
            self._lock.release()
            raise
        self.state = State.CLEARING

    def _prepare(self) -> None:
        options = self._options
        account = engine_account(options.user, self.data)
        binaries = reachable_by(find_binaries(options.binaries), account, self.home)
        self._account, self.version = account, binaries.version
        name = self._folder_name(account)
        self._socket_folder = places.socket_folder(options.runtime_folder, self._name, account, self.home)
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **options.environment}
        if self.data.exists():
            check_version(self.data, binaries)
        else:
            _log.info("creating the database", folder=str(self.data), user=account.name, version=binaries.version)
            create(self.data, binaries, account, name, environment, durable=options.durable)
        self._command = self._commanded(binaries, account, name)

    def _folder_name(self, account: Account) -> Path:
        if not account.switched or may_enter(account, self.home):
            return self.data
        if HERE.exists():
            return HERE
        raise MachineProblem(
            "home_unreachable",
            f"The user {account.name}, as which PostgreSQL runs when Kererū is started by root, cannot enter {self.home}.",
            "Choose a --home it can enter, for example /var/lib/kereru, or start Kererū as an ordinary user.",
        )

    def _commanded(self, binaries: Binaries, account: Account, name: Path) -> list[str]:
        switch = (account.uid, account.gid) if account.switched else (-1, -1)
        engine = [str(binaries.folder / "postgres"), "-D", str(name), "-c", f"cluster_name={self._name}"]
        watcher = [sys.executable, "-I", "-S", guardian.__file__]
        return [*watcher, "{lifeline}", str(self._options.stop_s), str(switch[0]), str(switch[1]), str(self.data), str(self._socket_folder), *engine]

    def step(self) -> State:
        """Go on with whatever is due and say where it stands. Raises MachineProblem when it ended while starting; the next call tries again."""
        if self.state is State.CLEARING and self._cleaner.step():
            self._launch()
        elif self.state in {State.STARTING, State.READY}:
            self._watch()
        elif self.state is State.CLEARING:
            self._tell("waiting for what an earlier engine left running")
        return self.state

    def _watch(self) -> None:
        code = self._guardian.poll() if self._guardian else 1
        if code is None:
            if self.state is State.STARTING:
                self._look_whether_ready()
            elif time.monotonic() - self._tidied >= _TIDY_S:
                self._tidied = time.monotonic()
                self._turn_log(in_use=True)
            return
        self._drop_lifeline()
        before, self.state, self.pid = self.state, State.CLEARING, None
        if before is State.READY:
            _log.warning("the database engine ended; starting it again", status=code)
            return
        output = self._new_log()
        if _STILL_SHARED in output:
            self._tell("waiting for connections of the earlier engine to end")
            time.sleep(0.1)
            return
        if self._socket_folder is not None and not self._socket_folder.exists():
            # An earlier engine's guardian took it away at its very end; it is made again for the next try.
            return
        raise explain(output, self.data)

    def _look_whether_ready(self) -> None:
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return
        if lines[0] == str(self.pid) and len(lines) > 7 and lines[7].strip() == "ready":
            self.state = State.READY
            _log.info("the database engine is ready", pid=self.pid, version=self.version)
        else:
            redo = [line for line in self._new_log().splitlines() if "redo" in line or "syncing data" in line]
            self._tell("the database engine is recovering" if redo else "the database engine is starting", progress=redo[-1:])

    def _launch(self) -> None:
        if self._account is None or self._socket_folder is None:
            message = "prepare() comes before step()"
            raise RuntimeError(message)
        values = configuration.settings(
            major=int(self.version.split(".")[0]),
            socket_folder=self._socket_folder,
            max_connections=self._options.max_connections,
            durable=self._options.durable,
            extra=self._options.parameters,
        )
        try:
            places.socket_folder(self._options.runtime_folder, self._name, self._account, self.home)
            configuration.write(self.data, values, self._account, (name_of(os.geteuid()), self._account.name))
            self._spawn()
        except OSError as error:
            raise from_os_error(error, self.home) from error
        self.state = State.STARTING
        self._told = time.monotonic()

    def _spawn(self) -> None:
        self.log_path.parent.mkdir(exist_ok=True, mode=0o700)
        self._turn_log()
        reading, self._lifeline = os.pipe()
        try:
            with self.log_path.open("ab") as log:
                self._log_start = log.tell()
                guard = subprocess.Popen(  # noqa: S603 - our own program and PostgreSQL's
                    [word.replace("{lifeline}", str(reading)) for word in self._command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **self._options.environment},
                    pass_fds=(reading,),
                    start_new_session=True,
                )
        finally:
            os.close(reading)
        self._guardian = guard
        first = b""
        if guard.stdout is not None:
            with guard.stdout as answer:
                first = answer.readline()
        self.pid = int(first) if first else None

    def stop(self) -> None:
        """Fast shutdown; returns when the engine and its guardian are gone. Harmless when it does not run."""
        if self._guardian is not None:
            self._drop_lifeline()
            self._guardian.wait()
            self._guardian = None
        self.state, self.pid = State.STOPPED, None
        if self._owner and self._socket_folder is not None and self._socket_folder.exists():
            for entry in (places.SOCKET_NAME, places.SOCKET_NAME + ".lock"):
                (self._socket_folder / entry).unlink(missing_ok=True)
            try:
                self._socket_folder.rmdir()
            except OSError:
                _log.info("the runtime folder was left in place", folder=str(self._socket_folder))
        self._lock.release()

    def _turn_log(self, *, in_use: bool = False) -> None:
        try:
            if self.log_path.stat().st_size < _LOG_BYTES:
                return
        except FileNotFoundError:
            return
        older = self.log_path.with_suffix(".log.1")
        if in_use:
            older.write_bytes(self.log_path.read_bytes())
            os.truncate(self.log_path, 0)
        else:
            self.log_path.replace(older)

    def _new_log(self) -> str:
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._log_start)
                return log.read(2**20).decode(errors="replace")
        except OSError:
            return ""

    def _tell(self, words: str, **facts: object) -> None:
        if time.monotonic() - self._told >= 2.0:
            self._told = time.monotonic()
            _log.info(words, **facts)

    def _drop_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent, or the child would keep the engine alive after the parent's death."""
        self._drop_lifeline()
        self._lock.release()
        self._guardian, self.state, self._owner = None, State.STOPPED, False


def _close_in_children(engine: EmbeddedPostgres) -> None:
    reference = weakref.ref(engine)

    def after_fork() -> None:
        alive = reference()
        if alive is not None:
            alive.forget()

    os.register_at_fork(after_in_child=after_fork)
