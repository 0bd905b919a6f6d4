"""Folders of one engine: its data under the home, and the short private folder of its socket."""

import fcntl
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from kereru.entrypoints.postgres.account import Account, may_enter, name_of
from kereru.entrypoints.problems import MachineProblem, from_os_error

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
"""What the system's address of a Unix socket can hold."""


_NAME_ONE = "Name a short, writable folder in KERERU_RUNTIME_FOLDER."


def cluster_name(data: Path) -> str:
    """A name that is the same for one data folder always, and different for any other."""
    return "kereru-" + hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]


def check_socket_path(folder: Path) -> None:
    """Raises MachineProblem when the socket's path in `folder` is longer than the system allows."""
    length = len(os.fsencode(folder / SOCKET_NAME))
    if length > SOCKET_PATH_BYTES:
        raise MachineProblem(
            "socket_path_too_long",
            f"The path of the database's socket, {folder / SOCKET_NAME}, has {length} bytes; this system allows {SOCKET_PATH_BYTES}.",
            "Name a shorter folder in KERERU_RUNTIME_FOLDER, or leave it empty.",
        )


def socket_folder(configured: str, name: str, account: Account, home: Path) -> Path:
    """Make the private folder (mode 0700, owned by the engine's user) that the socket of the engine `name` lies in.

    In `configured`, else in the first that can be used of the user's runtime folder, the temporary one, `home`. Raises MachineProblem.
    """
    reason: MachineProblem | None = None
    for parent in [Path(configured).expanduser().absolute()] if configured else _parents(account, home):
        try:
            return _private(parent, name, account)
        except OSError as error:
            reason = reason or from_os_error(error, parent)
        except MachineProblem as problem:
            reason = problem
    raise reason or MachineProblem("no_runtime_folder", "There is no folder for the database's socket.", _NAME_ONE)


def _private(parent: Path, name: str, account: Account) -> Path:
    folder = parent / name
    check_socket_path(folder)
    parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in {os.geteuid(), account.uid}:
        raise MachineProblem(
            "foreign_runtime_folder",
            f"{folder} belongs to {name_of(info.st_uid)}, so the database's socket would not be private.",
            "Remove that folder, or name another in KERERU_RUNTIME_FOLDER.",
        )
    if account.switched:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(0o700)
    return folder


def _parents(account: Account, home: Path) -> list[Path]:
    offered = [os.environ.get("XDG_RUNTIME_DIR", ""), "/run" if os.geteuid() == 0 else "", "/tmp", tempfile.gettempdir()]  # noqa: S108 - made private
    # The user's TMPDIR may be long (macOS, tests), /tmp is short nearly everywhere.
    folders = [Path(folder) for folder in dict.fromkeys(offered) if folder]
    return [folder for folder in (*folders, home) if folder.is_dir() and os.access(folder, os.W_OK) and may_enter(account, folder)]


def prepare_home(home: Path) -> None:
    """Make the home folder and see that it can be written. Raises MachineProblem with the reason when not."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not any(home.iterdir()):
            # The engine's user passes through; what lies in it guards itself. A folder that somebody else filled keeps its mode.
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        probe = home / f".writable-{os.getpid()}"
        try:
            probe.write_bytes(bytes(4096))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise from_os_error(error, home) from error


class HomeLock:
    """Held while a process uses a home folder; the system lets it go when that process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / "kereru.lock"
        self._handle: int | None = None

    def take(self) -> None:
        """Raises MachineProblem when another process holds it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 32).decode(errors="replace").strip()
            os.close(handle)
            raise MachineProblem(
                "home_in_use",
                f"Another Kererū{f' (process {holder})' if holder else ''} is already using {self._path.parent}.",
                "Stop that one first, or choose another folder with --home.",
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def held_by_another(self) -> bool:
        """Whether some process uses the folder now. Changes nothing."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def release(self) -> None:
        """Let go; harmless when not held. In a forked child this only closes the child's copy."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
