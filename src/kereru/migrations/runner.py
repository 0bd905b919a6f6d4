"""Brings a database to this version's shape, and tells whether it is there."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import conninfo
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

OWNER = "kereru_owner"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def _engine(url: str) -> Engine:
    address = url if conninfo.conninfo_to_dict(url).get("user") else conninfo.make_conninfo(url, user=OWNER)
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(address), poolclass=NullPool)


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest shape, as the owner. Safe to call from several processes at once."""
    config = _config()
    with _engine(url).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def head() -> str:
    """This program's version of the database's shape."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def versions(url: str) -> tuple[str | None, str | None]:
    """(the database's version, this program's version)."""
    with _engine(url).connect() as connection:
        return _current(connection), head()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
