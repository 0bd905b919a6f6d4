"""A real PostgreSQL for tests: one embedded engine per test process, one fresh database per test, cloned from a migrated template.

`database_url` is what nearly every test wants. The engine runs without fsync, which only tests may do.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kereru.entrypoints.postgres import EmbeddedPostgres, EngineOptions

_TEMPLATE = "kereru_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_engine() -> Iterator[EmbeddedPostgres]:
    """An engine of this test process's own, in a short temporary folder."""
    home = Path(tempfile.mkdtemp(prefix="kt-", dir="/tmp"))
    parameters = {"autovacuum": "off", "max_wal_size": "4GB", "checkpoint_timeout": "1h"}
    engine = EmbeddedPostgres(home, EngineOptions(durable=False, max_connections=200, stop_s=5, parameters=parameters))
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres_engine: EmbeddedPostgres) -> str:
    """The name of a database with every migration applied, which nobody connects to."""
    from kereru.migrations.runner import migrate

    _administer(postgres_engine, f"CREATE DATABASE {_TEMPLATE}")
    migrate(postgres_engine.url_of(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database_url(postgres_engine: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """The address, as kereru_owner, of a migrated database that only this test uses."""
    with _copy(postgres_engine, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_engine: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """The same for all tests of one module: they find what others left, and must not mind."""
    with _copy(postgres_engine, template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_engine: EmbeddedPostgres) -> Iterator[str]:
    """The address, as kereru_owner, of a database without any migration."""
    name = f"empty_{next(_numbers)}"
    _administer(postgres_engine, f"CREATE DATABASE {name}")
    try:
        yield postgres_engine.url_of(name)
    finally:
        _administer(postgres_engine, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _copy(engine: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _administer(engine, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield engine.url_of(name)
    finally:
        _administer(engine, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(engine: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(engine.url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement.encode())
