"""`kereru serve`: the engine (or a given database), the web processes on one inherited socket, the sender and the scheduler.

The parent imports the code once, forks, watches and stops; it serves nothing itself. What runs in the children is given by the modules
`web`, `sender` and `scheduler`, each with a `main`.
"""

import contextlib
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from kereru.entrypoints import ports
from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.postgres import EmbeddedPostgres, EngineOptions, State
from kereru.entrypoints.postgres.places import prepare_home
from kereru.entrypoints.problems import MachineProblem, Stopped
from kereru.entrypoints.supervisor import Companion, ProcessSpec, StopRequest, Supervisor
from kereru.kernel import metrics
from kereru.kernel.logging import configure, get_logger
from kereru.kernel.settings import Settings

READY_PATH = "/health/ready"
_log = get_logger("serve")


@dataclass(frozen=True, slots=True)
class Installation:
    """What is running: its settings as the processes see them, and its supervisor."""

    settings: Settings
    supervisor: Supervisor
    stop_request: StopRequest


def check_address(settings: Settings) -> str | None:
    """What people must know about plain http on this address, or None. Raises MachineProblem where it is refused (design §9)."""
    if ports.is_loopback(settings.host) or settings.secure:
        return None
    if not settings.insecure_http:
        raise MachineProblem(
            "insecure_http",
            f"Kererū would answer plain http on {settings.host}, where others can read along.",
            "Put a proxy with https in front and set KERERU_PUBLIC_URL to its https address, or accept it with --insecure-http.",
        )
    return "Plain http: others on the network can read along, and browsers allow neither push notifications nor offline use."


@contextlib.contextmanager
def installation(settings: Settings, meanwhile: Callable[[Installation], None]) -> Generator[Installation]:
    """The database, migrated, with a supervisor beside it; everything is stopped at the end. Raises MachineProblem.

    `meanwhile` is done while a child looks after the database: imports, which take a second, and whatever needs no database.
    """
    stop_request = StopRequest()
    home = settings.home_path
    prepare_home(home)
    settings = msgspec.structs.replace(settings, home=str(home))
    with contextlib.ExitStack() as ending:
        companions: list[Companion] = []
        if settings.database_url:
            settings = _with_database(settings, settings.database_url)
        else:
            engine = EmbeddedPostgres(home, engine_options(settings))
            ending.callback(engine.stop)
            settings = _with_database(settings, engine.start(stop_request))
            companions.append(Companion("postgres", lambda: engine.step() is State.READY, engine.stop, lambda: engine.pid))
        supervisor = Supervisor(stop_request, stop_s=settings.stop_s, companions=companions)
        ending.callback(supervisor.stop)
        running = Installation(settings, supervisor, stop_request)
        _bring_up_to_date(running, lambda: meanwhile(running), embedded=bool(companions))
        yield running


def engine_options(settings: Settings) -> EngineOptions:
    """How the embedded engine is run under these settings: room for every process's connections and a few for people."""
    connections = (settings.web_processes * 2 + 2) * settings.pool_size + 30
    return EngineOptions(
        binaries=settings.postgres_binaries,
        user=settings.postgres_user,
        runtime_folder=settings.runtime_folder,
        max_connections=max(100, connections),
        stop_s=min(20.0, settings.stop_s),
    )


def _with_database(settings: Settings, url: str) -> Settings:
    return msgspec.structs.replace(settings, database_url=url, direct_database_url=settings.direct_database_url or url)


def _bring_up_to_date(running: Installation, meanwhile: Callable[[], None], *, embedded: bool) -> None:
    """The embedded database is migrated here; a given one is only looked at, because several machines may share it."""
    if embedded and _is_up_to_date(running.settings.server_url):
        meanwhile()
        return
    work = _migrate if embedded else _check_database
    status = running.supervisor.run_once("migrate", lambda: work(running.settings), meanwhile=meanwhile)
    if running.stop_request():
        raise Stopped
    if status:
        raise MachineProblem(*_REASONS.get(status, _REASONS[0]))


_NOT_REACHED, _TOO_OLD, _OTHER_SHAPE = 81, 82, 83
_REASONS = {
    _NOT_REACHED: ("database_unreachable", "The database in KERERU_DATABASE_URL does not answer.", "Check the address, and that it is running."),
    _TOO_OLD: ("postgres_too_old", "The database server is older than PostgreSQL 17.", "Use a newer server."),
    _OTHER_SHAPE: ("not_migrated", "The database does not have the shape this version needs.", "Run kereru migrate once, then start again."),
    0: ("migration_failed", "The database could not be brought to this version's shape.", "The log above says why; nothing was half changed."),
}


def _is_up_to_date(url: str) -> bool:
    from kereru.migrations.runner import versions

    present, wanted = versions(url)
    return present == wanted


def _migrate(settings: Settings) -> None:
    from kereru.migrations.runner import migrate

    migrate(settings.server_url)


def _check_database(settings: Settings) -> None:
    import psycopg

    from kereru.migrations.runner import versions

    try:
        with psycopg.connect(settings.server_url, connect_timeout=10) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        _log.error("the database does not answer", reason=str(error).strip())
        raise SystemExit(_NOT_REACHED) from error
    if version < 170000:
        raise SystemExit(_TOO_OLD)
    present, wanted = versions(settings.server_url)
    if present != wanted:
        raise SystemExit(_OTHER_SHAPE)


@dataclass(frozen=True, slots=True)
class Mains:
    """What runs in the children. Each announces that it does its work, and returns after SIGTERM, once that is in order."""

    web: Callable[[Settings, Sequence[socket.socket], Announce], None]
    sender: Callable[[Settings, Announce], None]
    scheduler: Callable[[Settings, Announce], None]


def load_mains() -> Mains:
    """The product's own processes. Imported in the parent before the first fork, so that children share the memory."""
    from kereru.entrypoints import scheduler, sender, web

    return Mains(web.main, sender.main, scheduler.main)


def load(code: Callable[[], object]) -> None:
    """Import a process's code early; the interpreter keeps it."""
    code()


def add_processes(running: Installation, listening: socket.socket, mains: Mains) -> None:
    """Start the web processes, the sender and the scheduler."""
    settings = running.settings

    def add(name: str, target: Callable[[Announce], None], rolling: Literal["overlap", "in_turn"], *, listens: bool = False) -> None:
        def process(announce: Announce) -> None:
            if not listens:
                # It may outlive a killed supervisor for a while, and must not keep the address from the next.
                listening.close()
            configure(settings.log_level, process=name)
            metrics.share(settings.metrics_path, name)
            target(announce)

        running.supervisor.add(ProcessSpec(name, process, rolling=rolling))

    for number in range(1, settings.web_processes + 1):
        add("web" if number == 1 else f"web-{number}", lambda announce: mains.web(settings, [listening], announce), "overlap", listens=True)
    # One sender and one scheduler at a time: what waits for them meanwhile lies in the database.
    add("sender", lambda announce: mains.sender(settings, announce), "in_turn")
    add("scheduler", lambda announce: mains.scheduler(settings, announce), "in_turn")


def once_ready(settings: Settings, announce: Callable[[], None]) -> Callable[[], bool]:
    """For Supervisor.run: looks whether the web processes are ready and announces it, once."""

    def look() -> bool:
        if not ports.answers(settings.host, settings.port, READY_PATH):
            return False
        announce()
        return True

    return look


def serve(settings: Settings, say: Callable[[str], None] = print, mains: Callable[[], Mains] = load_mains) -> None:
    """Run until SIGTERM or SIGINT. `say` gets the few lines that are for people. Raises MachineProblem when it cannot start."""
    configure(settings.log_level, process="supervisor")
    warning = check_address(settings)
    with contextlib.closing(ports.bind(settings.host, settings.port)) as listening:
        settings = msgspec.structs.replace(settings, port=ports.port_of(listening))
        try:
            with installation(settings, lambda _: load(mains)) as running:
                add_processes(running, listening, mains())

                def announce() -> None:
                    say(f"Kererū is ready at {running.settings.base_url}  (Ctrl-C stops it)")
                    if warning:
                        say(warning)

                running.supervisor.run(once_ready(running.settings, announce))
        except Stopped:
            return
