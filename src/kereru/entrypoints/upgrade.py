"""Bringing a database to what this version needs: its shape (`kereru migrate`), and the engine's major version (`kereru upgrade-database`)."""

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import IO

from kereru.entrypoints.postgres import EmbeddedPostgres
from kereru.entrypoints.postgres.binaries import find_binaries
from kereru.entrypoints.postgres.configuration import SUPERUSER
from kereru.entrypoints.problems import MachineProblem, from_os_error
from kereru.entrypoints.serve import engine_options
from kereru.kernel.settings import Settings


def migrate_database(settings: Settings) -> None:
    """Apply every migration to the given database, or to the embedded one. Raises MachineProblem when it cannot be reached."""
    import psycopg

    from kereru.migrations.runner import migrate

    if settings.database_url:
        try:
            migrate(settings.server_url)
        except psycopg.OperationalError as error:
            raise MachineProblem(
                "database_unreachable", f"The database does not answer: {str(error).strip()}.", "Check KERERU_DATABASE_URL and that it is running."
            ) from error
        return
    engine = EmbeddedPostgres(settings.home_path, engine_options(settings))
    try:
        migrate(engine.start())
    finally:
        engine.stop()


def upgrade(settings: Settings, old_programs: Path) -> Path:
    """Move the embedded database to the present programs by dump and restore; answers where the old folder is kept.

    The old folder is only read, and set aside when the new one is complete. It needs free disk of about the database's size. Raises MachineProblem.
    """
    home = settings.home_path
    options = engine_options(settings)
    old = EmbeddedPostgres(home, replace(options, binaries=str(old_programs)))
    if not old.data.exists():
        raise MachineProblem("no_database", f"There is no database in {home}.", "Name the folder that holds it with --home.")
    made_by = (old.data / "PG_VERSION").read_text().strip()
    kept = home / f"postgres-{made_by}"
    if kept.exists():
        raise MachineProblem("already_kept", f"{kept} exists already.", "Move it away, or remove it if you no longer need it, then start again.")
    staging = home / ".upgrade"
    shutil.rmtree(staging, ignore_errors=True)
    new = EmbeddedPostgres(staging, options)
    try:
        old_url = old.start()
        _copy(find_binaries(options.binaries).folder, old_url, new.start())
    except OSError as error:
        raise from_os_error(error, home) from error
    finally:
        new.stop()
        old.stop()
    old.data.rename(kept)
    new.data.rename(old.data)
    shutil.rmtree(staging, ignore_errors=True)
    return kept


def _copy(programs: Path, source: str, target: str) -> None:
    """Roles, then the database, from one running engine to another, stopping at the first error."""
    dump, dump_all, load = (str(programs / name) for name in ("pg_dump", "pg_dumpall", "psql"))
    if not all(Path(program).exists() for program in (dump, dump_all, load)):
        raise MachineProblem(
            "no_dump_programs", f"{programs} lacks pg_dump, pg_dumpall or psql.", "Name a complete folder in KERERU_POSTGRES_BINARIES."
        )
    loading = [load, "-qXb", "-1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", target]
    roles = _run([dump_all, "--roles-only", f"--dbname={source}"])
    with tempfile.TemporaryFile() as wanted:
        # The target has its own superuser already; everything else must be new to it.
        wanted.write("\n".join(line for line in roles.splitlines() if line.strip() != f"CREATE ROLE {SUPERUSER};").encode())
        wanted.seek(0)
        _run(loading, wanted)
    with subprocess.Popen([dump, f"--dbname={source}"], stdout=subprocess.PIPE) as dumping:  # noqa: S603 - PostgreSQL's own program
        _run(loading, dumping.stdout)
    if dumping.returncode:
        raise _failed(f"pg_dump ended with {dumping.returncode}")


def _run(command: list[str], source: IO[bytes] | None = None) -> str:
    done = subprocess.run(command, stdin=source, capture_output=True, text=True, check=False)  # noqa: S603 - PostgreSQL's own programs
    if done.returncode:
        raise _failed(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout


def _failed(reason: str) -> MachineProblem:
    return MachineProblem("upgrade_failed", f"The database could not be moved: {reason}.", "Nothing was changed; the old one is as it was.")
