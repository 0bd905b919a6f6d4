"""`kereru doctor`: what is wrong with a machine, in words, each with what to do next. It changes nothing and needs nothing running.

Each check is a function from facts to a Finding, so that tests can give it any machine; `examine` collects the facts of this one.
"""

import http.client
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kereru.entrypoints import ports
from kereru.entrypoints.postgres import places
from kereru.entrypoints.postgres.account import Account, engine_account, may_enter
from kereru.entrypoints.postgres.binaries import OLDEST_MAJOR, Binaries, find_binaries
from kereru.entrypoints.postgres.creation import HERE, check_version
from kereru.entrypoints.problems import MachineProblem, disk_full, folder_not_writable, from_os_error
from kereru.entrypoints.serve import check_address
from kereru.kernel.settings import Settings

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 200 * 2**20
LITTLE_FREE_BYTES = 2 * 2**30
CLOCK_LIMIT_S = 5.0
"""Carriers and one-time codes allow minutes; a clock kept by the network is within a second."""

FEW_FILES = 4096

State = Literal["good", "note", "wrong"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of one check. `note` does not keep Kererū from running; `wrong` does."""

    check: str
    state: State
    text: str
    advice: str = ""
    code: str = ""

    @property
    def wrong(self) -> bool:
        """Whether this keeps Kererū from running well."""
        return self.state == "wrong"


def _wrong(check: str, problem: MachineProblem) -> Finding:
    return Finding(check, "wrong", problem.text, problem.advice, problem.code)


def python_version(version: tuple[int, ...]) -> Finding:
    """Is this Python new enough?"""
    shown = ".".join(str(part) for part in version[:3])
    if version[:2] >= OLDEST_PYTHON:
        return Finding("python", "good", f"Python {shown}")
    return Finding("python", "wrong", f"Python {shown} is too old.", "Install Python 3.11 or newer and run make install again.", "python_too_old")


def disk(folder: Path, free_bytes: int, total_bytes: int) -> Finding:
    """Is there room?"""
    shown = f"{free_bytes / 2**30:.1f} GiB free of {total_bytes / 2**30:.1f} GiB for {folder}"
    if free_bytes < LEAST_FREE_BYTES:
        return _wrong("disk", disk_full(folder))
    if free_bytes < LITTLE_FREE_BYTES:
        return Finding("disk", "note", shown, "Free some space soon; texts stop when the disk is full.", "disk_nearly_full")
    return Finding("disk", "good", shown)


def folder(home: Path) -> Finding:
    """Can we write where the data lies, or make that folder? Tries it with a file that is removed again."""
    place = home if home.exists() else _nearest(home)
    if not place.is_dir():
        return _wrong("folder", from_os_error(NotADirectoryError(20, "it is not a folder"), place))
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(bytes(4096))
    except OSError as error:
        return _wrong("folder", from_os_error(error, place))
    if not os.access(place, os.W_OK | os.X_OK):
        return _wrong("folder", folder_not_writable(place))
    return Finding("folder", "good", f"{home} can be written" if home.exists() else f"{home} can be made")


def _nearest(folder: Path) -> Path:
    return next(place for place in folder.parents if place.exists())


def port(host: str, number: int, *, ours: bool) -> Finding:
    """Can we listen? When our own server runs on this home, its port is naturally taken."""
    if ours:
        return Finding("port", "good", "Kererū is running on this folder already")
    try:
        ports.bind(host, number).close()
    except MachineProblem as problem:
        return _wrong("port", problem)
    return Finding("port", "good", f"{host} port {number} is free")


def address(settings: Settings) -> Finding:
    """May we answer plain http there?"""
    try:
        warning = check_address(settings)
    except MachineProblem as problem:
        return _wrong("address", problem)
    return Finding("address", "note" if warning else "good", warning or f"{settings.base_url} is where people will find it")


def service_user(find: Callable[[], Account]) -> Finding:
    """Is there a user the engine can run as?"""
    try:
        account = find()
    except MachineProblem as problem:
        return _wrong("user", problem)
    return Finding("user", "good", f"PostgreSQL runs as {account.name}")


def binaries(find: Callable[[], Binaries]) -> Finding:
    """Are PostgreSQL's programs there, and new enough?"""
    try:
        found = find()
    except MachineProblem as problem:
        return _wrong("postgresql", problem)
    return Finding("postgresql", "good", f"PostgreSQL {found.version} in {found.folder}")


def data_version(data: Path, found: Binaries) -> Finding:
    """Was the database made by these programs' major version?"""
    if not (data / "PG_VERSION").exists():
        return Finding("database", "good", "There is no database yet; the first start makes it")
    try:
        check_version(data, found)
    except MachineProblem as problem:
        return _wrong("database", problem)
    return Finding("database", "good", f"The database in {data} fits these programs")


def reachable(home: Path, account: Account, *, by_standing: bool) -> Finding | None:
    """Can the service user get to the data? On Linux it need not pass through the parents, because it is put there."""
    place = home if home.exists() else _nearest(home)
    if not account.switched or by_standing or may_enter(account, place):
        return None
    return Finding(
        "home",
        "wrong",
        f"The user {account.name}, as which PostgreSQL runs when Kererū is started by root, cannot enter {place}.",
        "Choose a --home it can enter, for example /var/lib/kereru, or start Kererū as an ordinary user.",
        "home_unreachable",
    )


def socket_path(configured: str, name: str) -> Finding | None:
    """Is the configured runtime folder short enough for a socket?"""
    if not configured:
        return None
    try:
        places.check_socket_path(Path(configured).expanduser().absolute() / name)
    except MachineProblem as problem:
        return _wrong("socket", problem)
    return Finding("socket", "good", f"The database's socket fits into {configured}")


def clock(ours: float, others: list[tuple[str, float]]) -> Finding:
    """Does our clock agree with the others that can be seen? Times are seconds since 1970."""
    for name, theirs in others:
        off = ours - theirs
        if abs(off) > CLOCK_LIMIT_S:
            direction = "ahead of" if off > 0 else "behind"
            return Finding(
                "clock",
                "wrong",
                f"This machine's clock is {abs(off):.0f} s {direction} that of {name}.",
                "Switch on time synchronisation (timedatectl set-ntp true), or set the clock.",
                "clock_off",
            )
    seen = ", ".join(name for name, _ in others)
    return Finding("clock", "good", f"The clock agrees with {seen}" if seen else "No other clock was in sight to compare with")


def clock_not_before(ours: float, known: list[tuple[str, float]]) -> Finding | None:
    """A clock cannot be earlier than things that already happened (a minute's grace for copied files)."""
    for name, then in known:
        if ours < then - 60:
            return Finding(
                "clock",
                "wrong",
                f"This machine's clock says {time.strftime('%Y-%m-%d %H:%M', time.gmtime(ours))} UTC, which is before {name}.",
                "Switch on time synchronisation (timedatectl set-ntp true), or set the clock.",
                "clock_off",
            )
    return None


def open_files(limit: int) -> Finding:
    """Does the limit of open files leave room for people's connections?"""
    if limit < FEW_FILES:
        return Finding(
            "files", "note", f"A process may open {limit} files, so about {max(0, limit - 200)} people can be connected at once.",
            "Raise it with ulimit -n 65536, or LimitNOFILE=65536 for a service.", "few_files",
        )  # fmt: skip
    return Finding("files", "good", f"A process may open {limit} files")


def given_database(url: str) -> tuple[Finding, list[tuple[str, float]]]:
    """Does the database in KERERU_DATABASE_URL answer, is it new enough, and what time does it think it is?"""
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            version = connection.info.server_version
            row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    except psycopg.OperationalError as error:
        first = str(error).strip().splitlines()[0]
        text = f"The database in KERERU_DATABASE_URL does not answer: {first}"
        return Finding("database", "wrong", text, "Check the address, and that the server is running.", "database_unreachable"), []
    times = [("the database", float(row[0]))] if row else []
    if version < OLDEST_MAJOR * 10000:
        text = f"The database server is version {version // 10000}; Kererū needs {OLDEST_MAJOR} or newer."
        return Finding("database", "wrong", text, "Use a newer server.", "postgres_too_old"), times
    return Finding("database", "good", f"The database server answers, version {version // 10000}"), times


def examine(settings: Settings) -> list[Finding]:
    """Every check on this machine with these settings."""
    return [finding for finding in _examined(settings) if finding is not None]


def _examined(settings: Settings) -> Iterator[Finding | None]:
    home = settings.home_path
    running = places.HomeLock(home).held_by_another()
    yield python_version(sys.version_info[:3])
    yield folder(home)
    place = home if home.is_dir() else _nearest(home)
    usage = shutil.disk_usage(place)
    if usage.total:
        yield disk(place, usage.free, usage.total)
    yield address(settings)
    yield port(settings.host, settings.port, ours=running)
    others = _file_system_time(place) + _served_time(settings.public_url)
    if settings.database_url:
        finding, times = given_database(settings.server_url)
        others += times
        yield finding
    else:
        yield from _engine(settings, home)
    yield clock_not_before(time.time(), _known_past(home)) or clock(time.time(), others)
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _engine(settings: Settings, home: Path) -> Iterator[Finding | None]:
    data = home / "postgres"
    yield service_user(lambda: engine_account(settings.postgres_user, data))
    yield binaries(lambda: find_binaries(settings.postgres_binaries))
    yield socket_path(settings.runtime_folder, places.cluster_name(data))
    try:
        account, found = engine_account(settings.postgres_user, data), find_binaries(settings.postgres_binaries)
    except MachineProblem:
        return
    yield reachable(home, account, by_standing=HERE.exists())
    try:
        yield data_version(data, found)
    except PermissionError:
        yield Finding("database", "note", f"This user cannot look into {data}.", "Run kereru doctor as the user that runs Kererū.")


def _file_system_time(place: Path) -> list[tuple[str, float]]:
    """The time the file system stamps a new file with: another machine's, when it is a network disk."""
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"\0")
            probe.flush()
            return [(f"the disk that holds {place}", os.fstat(probe.fileno()).st_mtime)]
    except OSError:
        return []


def _served_time(public_url: str) -> list[tuple[str, float]]:
    """The Date header of the server at our public address, when there is one."""
    parts = urlsplit(public_url)
    if not parts.hostname:
        return []
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=3)
    try:
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
        return [(parts.hostname, parsedate_to_datetime(date).timestamp())] if date else []
    except (OSError, ValueError, http.client.HTTPException):
        return []
    finally:
        connection.close()


def _known_past(home: Path) -> list[tuple[str, float]]:
    """Moments that surely lie behind us: this installation was made, the database last ran."""
    known: list[tuple[str, float]] = []
    for name, path in (("Kererū was installed", Path(__file__)), ("the database last ran", home / "logs" / "postgres.log")):
        try:
            known.append((name, path.stat().st_mtime))
        except OSError:
            continue
    return known


_MARKS = {"good": "ok   ", "note": "note ", "wrong": "WRONG"}


def report(findings: list[Finding], *, as_json: bool) -> str:
    """The findings for people, or as one JSON object for programs."""
    if as_json:
        return msgspec.json.encode({"ok": not any(finding.wrong for finding in findings), "findings": findings}).decode()
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.state]}  {finding.check:<11} {finding.text}")
        if finding.advice:
            lines.append(f"{'':19}→ {finding.advice}")
    wrong = sum(finding.wrong for finding in findings)
    lines += ["", "Nothing is wrong with this machine." if not wrong else f"{wrong} thing{'s' if wrong > 1 else ''} to put right."]
    return "\n".join(lines)
