"""Which system user the engine runs as. PostgreSQL refuses to run as root, so root hands it to a service user."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from kereru.entrypoints.problems import MachineProblem

SERVICE_USERS = ("kereru", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system user; `switched` when it is not the one we run as."""

    name: str
    uid: int
    gid: int
    switched: bool


def engine_account(configured: str, data: Path) -> Account:
    """The user the engine runs as: ourselves, or as root the owner of the data folder, the configured user, or the first of SERVICE_USERS.

    Raises MachineProblem when there is none, or when the data belongs to somebody we cannot become.
    """
    uid = os.geteuid()
    owner = data.stat().st_uid if data.exists() else None
    if uid != 0:
        if owner is not None and owner != uid:
            raise MachineProblem(
                "foreign_data",
                f"The database in {data} belongs to the user {name_of(owner)}, not to {name_of(uid)}.",
                f"Start Kererū as {name_of(owner)} or as root, or choose another folder with --home.",
            )
        return _account(uid, switched=False)
    if owner:
        return _account(owner, switched=True)
    for name in (configured,) if configured else SERVICE_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switched=True)
    wanted = f"The user {configured}" if configured else "None of the users " + ", ".join(SERVICE_USERS)
    raise MachineProblem(
        "no_service_user",
        f"{wanted} can be used, and PostgreSQL does not run as root.",
        "Create one (useradd --system kereru), name one in KERERU_POSTGRES_USER, or start Kererū as an ordinary user.",
    )


def _account(uid: int, *, switched: bool) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise MachineProblem(
            "user_without_name",
            f"The user number {uid} has no name on this machine, and PostgreSQL wants one.",
            "Add a line for it to /etc/passwd, or run Kererū as a user that has one.",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switched=switched)


def name_of(uid: int) -> str:
    """The name of a user number, or the number itself."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def may_enter(account: Account, folder: Path) -> bool:
    """Whether `account` can pass through `folder` and all its parents (mode bits only; access lists can only make this answer too strict)."""
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        info = place.stat()
        if account.uid == info.st_uid:
            wanted = stat.S_IXUSR
        elif account.gid == info.st_gid:
            wanted = stat.S_IXGRP
        else:
            wanted = stat.S_IXOTH
        if not info.st_mode & wanted:
            return False
    return True
