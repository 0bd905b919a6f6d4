"""What is measured on: a durable engine of its own, a phone company made by plain SQL, and `kereru serve` as its own process beside it."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from bench.load import Connection, answers
from kereru.entrypoints import ports
from kereru.entrypoints.postgres import EmbeddedPostgres
from kereru.entrypoints.postgres.places import prepare_home
from kereru.entrypoints.serve import engine_options
from kereru.kernel.secrets import Sealer, Secret, load_or_make_key
from kereru.kernel.settings import Settings
from kereru.migrations.runner import migrate
from kereru.provisioning.platforms.model import seal_credentials, seal_token

ACCOUNT = "AC" + "0f" * 16
AUTH_TOKEN = "0d" * 16
DATABASE, RULER = "kereru", "ruler"


@dataclass(frozen=True, slots=True)
class Person:
    """A user with one number and one signed-in session."""

    user_id: int
    feed_id: int
    number_id: int
    e164: str
    session: str


@dataclass(frozen=True, slots=True)
class Company:
    """The phone company that texts are sent to: one provider, one Restcomm platform, many people."""

    provider_id: int
    platform_id: int
    token: str
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class World:
    """A running engine with that company, and a copy of it for the ruler."""

    home: Path
    engine: EmbeddedPostgres
    company: Company

    @property
    def url(self) -> str:
        """The subject's database, as the owner."""
        return self.engine.url_of(DATABASE)

    @property
    def ruler_url(self) -> str:
        """The ruler's database, as the owner."""
        return self.engine.url_of(RULER)

    @property
    def engine_pid(self) -> int:
        """The postmaster."""
        assert self.engine.pid is not None
        return self.engine.pid

    def query(self, statement: str, url: str = "", **params: object) -> list[tuple[object, ...]]:
        """Rows of a statement as the owner."""
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True, slots=True)
class Server:
    """`kereru serve` as it runs."""

    process: subprocess.Popen[bytes]
    port: int


@contextlib.contextmanager
def temporary_home() -> Generator[Path]:
    """A folder on the disk that holds /var/tmp (not a memory disk), gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="kb-", dir=os.environ.get("BENCH_FOLDER", "/var/tmp")))  # noqa: S108 - a real disk is what is measured
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def running_world(*, people: int = 2000, carrier: str = "http://127.0.0.1:9", environment: dict[str, str] | None = None) -> Generator[World]:
    """Engine, migrations, company, copy. `environment` is for the engine (a slow disk)."""
    with temporary_home() as home:
        prepare_home(home / "kereru")
        options = engine_options(Settings.load({}, home=str(home)))
        if environment:
            options = type(options)(max_connections=options.max_connections, stop_s=options.stop_s, environment=environment)
        engine = EmbeddedPostgres(home / "kereru", options)
        try:
            engine.start()
            migrate(engine.url)
            company = found_company(engine.url, home / "kereru", people=people, carrier=carrier)
            with psycopg.connect(engine.url_of("postgres"), autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(RULER), sql.Identifier(DATABASE)))
            yield World(home, engine, company)
        finally:
            engine.stop()


def found_company(url: str, home: Path, *, people: int, carrier: str) -> Company:
    """Make the company in a migrated database; secrets are sealed under the key of `home`."""
    sealer = Sealer({1: load_or_make_key(home / "master.key")}, 1)
    token = secrets.token_urlsafe(24)
    with psycopg.connect(url) as connection:

        def made(statement: str, **params: object) -> int:
            row = connection.execute(statement.encode(), params).fetchone()
            assert row is not None
            return int(row[0])

        provider = made("INSERT INTO provider (provider_id, name) VALUES (new_id(), 'Southern Phone Co.') RETURNING provider_id")
        reseller = made("INSERT INTO reseller VALUES (%(p)s, new_id(), 'Direct') RETURNING id", p=provider)
        group = made("INSERT INTO user_group VALUES (%(p)s, new_id(), %(r)s, 'Blue Door Ltd') RETURNING id", p=provider, r=reseller)
        platform = made("SELECT new_id()")
        credentials = seal_credentials(sealer, provider, platform, {"account_key": ACCOUNT, "token_secret": Secret(AUTH_TOKEN)})
        connection.execute(
            "INSERT INTO platform (provider_id, id, carrier, name, carrier_account, credentials_sealed, endpoints, sends_per_second)"
            " VALUES (%s, %s, 'restcomm', 'Restcomm', %s, %s, jsonb_build_object('api', %s::text, 'messages', %s::text), 100000)",
            (provider, platform, ACCOUNT, credentials, carrier, carrier),
        )
        connection.execute(
            "INSERT INTO ingress_token VALUES (%s, %s, %s, %s)",
            (hashlib.sha256(token.encode()).digest(), provider, platform, seal_token(sealer, provider, platform, token)),
        )
        for statement in _PEOPLE.split(";"):
            connection.execute(statement.encode(), {"p": provider, "g": group, "platform": platform, "count": people})
        rows = connection.execute("SELECT sign_in_id, user_id, feed_id, number_id, e164 FROM seeded ORDER BY i").fetchall()
        staff: list[Person] = []
        with connection.cursor().copy("COPY session (provider_id, token_hash, sign_in_id) FROM STDIN") as copy:
            for sign_in, user, feed, number, e164 in rows:
                session = f"{provider}.{secrets.token_urlsafe(32)}"
                copy.write_row((provider, hashlib.sha256(session.encode()).digest(), sign_in))
                staff.append(Person(user, feed, number, e164, session))
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE number, assignment, end_user, licence, opt_in, feed, sign_in, session, platform")
    return Company(provider, platform, token, tuple(staff))


# Fictional numbers only: +1, an area code, 555-01xx.
_PEOPLE = """
CREATE TEMP TABLE seeded AS
  SELECT i, new_id() AS sign_in_id, new_id() AS user_id, new_id() AS feed_id, new_id() AS number_id, new_id() AS assignment_id,
    '+1' || (201 + i / 100) || '55501' || lpad((i %% 100)::text, 2, '0') AS e164 FROM generate_series(0, %(count)s - 1) AS i;
INSERT INTO sign_in (provider_id, id, email, password_hash) SELECT %(p)s, sign_in_id, 'user' || i || '@bluedoor.example', '-' FROM seeded;
INSERT INTO sign_in_email SELECT 'user' || i || '@bluedoor.example', %(p)s, sign_in_id FROM seeded;
INSERT INTO feed (provider_id, id, kind) SELECT %(p)s, feed_id, 1 FROM seeded;
INSERT INTO end_user (provider_id, id, group_id, sign_in_id, feed_id, name)
  SELECT %(p)s, user_id, %(g)s, sign_in_id, feed_id, 'Person ' || i FROM seeded;
INSERT INTO licence (provider_id, user_id, product) SELECT %(p)s, user_id, 1 FROM seeded;
INSERT INTO number (provider_id, id, platform_id, e164) SELECT %(p)s, number_id, %(platform)s, e164 FROM seeded;
INSERT INTO assignment (provider_id, id, number_id, user_id, friendly_name, state)
  SELECT %(p)s, assignment_id, number_id, user_id, 'Front desk', 4 FROM seeded;
INSERT INTO opt_in (provider_id, assignment_id, state) SELECT %(p)s, assignment_id, 2 FROM seeded
"""


def server_environment(**settings: str) -> dict[str, str]:
    """The environment of a server under test: nothing of ours but these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERERU_")}
    return {**kept, **{f"KERERU_{name.upper()}": value for name, value in settings.items()}}


@contextlib.asynccontextmanager
async def serving(world: World, program: str = "", **settings: str) -> AsyncGenerator[Server]:
    """`kereru serve` on the world's database, ready; `program` is Python that runs it in another way."""
    port = ports.free_port()
    server = launch(port, program, home=str(world.home / "kereru"), database_url=world.url, log_level="warning", **settings)
    try:
        await ready(server)
        yield server
    finally:
        stop(server)


def launch(port: int, program: str = "", **settings: str) -> Server:
    """Start `kereru serve` without waiting for it."""
    environment = server_environment(port=str(port), host="127.0.0.1", **settings)
    command = [sys.executable, *(["-c", program] if program else ["-m", "kereru.entrypoints.cli"]), "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own program
    return Server(process, port)


async def ready(server: Server, within_s: float = 60.0) -> None:
    """Wait until it says that it is ready."""
    end = time.monotonic() + within_s
    while not await answers(server.port, "/health/ready"):
        if server.process.poll() is not None:
            message = f"kereru serve ended with {server.process.returncode}"
            raise RuntimeError(message)
        if time.monotonic() > end:
            message = "kereru serve was not ready in time"
            raise TimeoutError(message)
        await asyncio.sleep(0.02)


def stop(server: Server) -> None:
    """An orderly stop; harmless for one that ended."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


__all__ = ["Company", "Connection", "Person", "Server", "World", "running_world", "serving"]
