"""The engine's configuration files, written by us at every start so that an upgrade of Kererū can change them.

Durable by default. The log holds no statements and no row contents, because those are people's texts.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from kereru.entrypoints.postgres.account import Account

SUPERUSER = "kereru_owner"
DATABASE = "kereru"
ROLES = ("kereru_owner", "kereru_app", "kereru_ingest", "kereru_service", "kereru_support")
"""The first is made by initdb, the others by the migrations; peer authentication lets our own system users act as each."""

# A batch of 200 receipts holds a lock for each carrier's id and one for each week and index it reads: about 700. The usual 64 a connection let ten
# such batches at once exhaust the table; this leaves room for all that can run (four a web process), and most of a batch's locks cost it nothing.
_LOCKS = "256"

# A table that was analysed while it was empty (a week's, the night before its first texts; all of them after a restore) is taken for free to read
# whole, by every plan that is kept, until it is analysed again. To look four times as often as usual bounds that to a quarter of a minute.
_LOOK_FOR_CHANGES = "15s"

_ALWAYS = {
    "autovacuum_naptime": _LOOK_FOR_CHANGES,
    "max_locks_per_transaction": _LOCKS,
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "superuser_reserved_connections": "3",
    "shared_buffers": "128MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    "random_page_cost": "1.1",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "wal_buffers": "4MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u ",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_startup_progress_interval": "2s",
    "client_connection_check_interval": "5s",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def settings(*, major: int, socket_folder: Path, max_connections: int, durable: bool, extra: Mapping[str, str]) -> dict[str, str]:
    """Every parameter we set. `durable=False` is for tests: a power cut may then cost the whole database."""
    values = {**_ALWAYS, "unix_socket_directories": str(socket_folder), "max_connections": str(max_connections)}
    if major >= 18:
        # Our reads are short and cached; the default would keep three more processes for nothing.
        values["io_method"] = "sync"
    if not durable:
        values.update(_NOT_DURABLE)
    return {**values, **extra}


def write(data: Path, values: Mapping[str, str], account: Account, users: Iterable[str]) -> None:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf for these parameters and these system users."""
    quoted = {name: value.replace("\\", "\\\\").replace("'", "''") for name, value in values.items()}
    lines = [f"{name} = '{value}'" for name, value in sorted(quoted.items())]
    _replace(data / "postgresql.conf", "\n".join(["# Written by Kererū at every start.", *lines, ""]), account)
    _replace(data / "pg_hba.conf", "local all all peer map=kereru\n", account)
    pairs = [f'kereru "{user}" {role}' for user in dict.fromkeys(users) for role in ROLES]
    _replace(data / "pg_ident.conf", "\n".join([*pairs, ""]), account)


def _replace(path: Path, text: str, account: Account) -> None:
    """Write a file whole or not at all. As root we write into a folder of another user, so no link of theirs may be followed."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        if account.switched:
            os.fchown(file.fileno(), account.uid, account.gid)
    fresh.rename(path)
