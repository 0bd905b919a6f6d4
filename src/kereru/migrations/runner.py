"""Brings a database to this version's shape, and tells whether it is there.

Only `migrate` needs Alembic. It is imported there, so that processes which merely ask for a version neither wait for it nor carry it in memory.
"""

import re
from pathlib import Path

import psycopg
from psycopg import conninfo

OWNER = "kereru_owner"
_HERE = Path(__file__).parent
_NAMES = re.compile(r"^(revision|down_revision) = (?:\"(\w+)\"|None)$", re.MULTILINE)


def _address(url: str) -> str:
    return url if conninfo.conninfo_to_dict(url).get("user") else conninfo.make_conninfo(url, user=OWNER)


def migrate(url: str, version: str = "head") -> None:
    """Bring the database at `url` to the newest shape, or that of `version`, as the owner. Safe to call from several processes at once."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    address = _address(url)
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(address), poolclass=NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        connection.commit()


def head() -> str:
    """This program's version of the database's shape: the one migration that no other follows."""
    files = [dict(_NAMES.findall(file.read_text(encoding="utf-8"))) for file in (_HERE / "versions").glob("v*.py")]
    newest = {names["revision"] for names in files} - {names["down_revision"] for names in files}
    if len(newest) != 1:
        message = f"the migrations have {len(newest)} ends instead of one"
        raise RuntimeError(message)
    return newest.pop()


def versions(url: str) -> tuple[str | None, str | None]:
    """(the database's version, or None without one; this program's version)."""
    with psycopg.connect(_address(url)) as connection:
        there = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if there and there[0] else None
    return (str(row[0]) if row else None), head()
