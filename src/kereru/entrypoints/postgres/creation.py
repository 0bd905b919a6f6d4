"""Making a new data folder, whole or not at all, and refusing one of another major version."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from kereru.entrypoints.postgres.account import Account
from kereru.entrypoints.postgres.binaries import Binaries
from kereru.entrypoints.postgres.configuration import DATABASE, SUPERUSER
from kereru.entrypoints.problems import MachineProblem, disk_full, from_os_error

_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d \S+ \w+ \[\d+\] ")
_LOUD = re.compile(r"FATAL:|PANIC:|ERROR:|error:|LOG: .*(parameter|could not|unrecognized)")

_NEW_BYTES = 100 * 2**20
"""What an empty database and its write-ahead log take."""

_SEGMENT_BYTES = 16 * 2**20
"""PostgreSQL cannot go on without room for one more piece of its write-ahead log, whatever words it finds for that."""

HERE = Path("/proc/self/cwd")
"""How a process names the folder it stands in, without passing through that folder's parents (Linux)."""


def check_version(data: Path, binaries: Binaries) -> None:
    """Raises MachineProblem when `data` was made by another major version than these programs'."""
    found = int((data / "PG_VERSION").read_text().strip().split(".")[0])
    if found == binaries.major:
        return
    raise MachineProblem(
        "other_major_version",
        f"The database in {data} was made by PostgreSQL {found}; these programs are version {binaries.version}. Nothing was changed.",
        f"To move it: install the programs of PostgreSQL {found}, then run kereru upgrade-database --home {data.parent} --from-binaries FOLDER, "
        f"naming the folder that holds them.",
    )


def create(data: Path, binaries: Binaries, account: Account, name: Path, environment: Mapping[str, str], *, durable: bool) -> None:
    """Make the cluster and its database under another name, then rename it, so that a crash half-way leaves nothing to repair.

    `name` is how the engine's user is to name the folder it stands in. Raises MachineProblem.
    """
    kept = next(iter(sorted(data.parent.glob(data.name + "-*"))), None)
    if kept is not None:
        raise MachineProblem(
            "upgrade_interrupted",
            f"An upgrade of the database was interrupted: {kept} is there, {data} is not.",
            f"Rename {kept} back to {data}, then run kereru upgrade-database again.",
        )
    if shutil.disk_usage(data.parent).free < _NEW_BYTES:
        raise disk_full(data.parent)
    fresh = data.with_name(data.name + ".new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if account.switched:
            os.chown(fresh, account.uid, account.gid)
        where = name if name == HERE else fresh
        initdb = [str(binaries.folder / "initdb"), "-D", str(where), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"]
        initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=peer", "--no-instructions"]
        _run([*initdb, *([] if durable else ["--no-sync"])], fresh, account, environment, "")
        single = [str(binaries.folder / "postgres"), "--single", "-D", str(where), *([] if durable else ["-F"]), "postgres"]
        _run(single, fresh, account, environment, f"CREATE DATABASE {DATABASE};\n")
        fresh.rename(data)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise from_os_error(error, data.parent) from error
    except MachineProblem:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _run(command: list[str], folder: Path, account: Account, environment: Mapping[str, str], words: str) -> None:
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        command,
        cwd=folder,
        env=dict(environment),
        input=words,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        user=account.uid if account.switched else None,
        group=account.gid if account.switched else None,
        extra_groups=() if account.switched else None,
    )
    output = done.stdout + done.stderr
    if done.returncode or "ERROR:" in output or "FATAL:" in output:
        raise explain(output, folder)


def explain(output: str, folder: Path) -> MachineProblem:
    """What PostgreSQL's own words mean for the person who runs it."""
    full = "No space left on device" in output or "Disk quota exceeded" in output
    if full or shutil.disk_usage(folder).free < _SEGMENT_BYTES:
        return disk_full(folder)
    if "could not create shared memory segment" in output or "could not create semaphores" in output:
        return MachineProblem(
            "no_shared_memory",
            "The system gave PostgreSQL no shared memory.",
            "Raise the limits of shared memory (in a container: --shm-size), then start again.",
        )
    lines = [_PREFIX.sub("", line).strip() for line in output.splitlines() if line.strip()]
    loud = [line for line in lines if _LOUD.search(line)] or lines[-1:]
    return MachineProblem(
        "engine_failed",
        f"PostgreSQL did not start: {'; '.join(loud[:2]) or 'it said nothing'}.",
        f"Its log is {folder.parent / 'logs' / 'postgres.log'}; kereru doctor looks for the usual reasons.",
    )
