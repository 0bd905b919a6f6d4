"""`kereru demo`: the whole product with an invented phone company, simulated carriers and phones, on one machine and with no account anywhere.

It provisions itself through the product's own commands (`demo_seed`), and ends with nothing left running.
"""

import contextlib
import dataclasses
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

import msgspec
from psycopg import conninfo

from kereru.entrypoints import ports
from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.postgres.places import prepare_home
from kereru.entrypoints.problems import MachineProblem, Stopped, from_os_error
from kereru.entrypoints.serve import Installation, Mains, add_processes, installation, load, load_mains, once_ready
from kereru.entrypoints.supervisor import ProcessSpec
from kereru.kernel.logging import configure
from kereru.kernel.settings import Settings
from kereru.simulators.config import Config, example_config

STOP_S = 7.0
"""The demo ends within 10 s: its processes take at most this long, the engine then a moment."""

_TAKEN_FROM_ENVIRONMENT = ("KERERU_POSTGRES_BINARIES", "KERERU_POSTGRES_USER", "KERERU_RUNTIME_FOLDER", "KERERU_LOG_LEVEL")
_HOST = "127.0.0.1"


class DemoNumber(msgspec.Struct, frozen=True):
    """A number somebody can text from."""

    id: str
    number: str
    carrier: str


class DemoAccount(msgspec.Struct, frozen=True):
    """Somebody who can sign in: `role` is user, provider, reseller or group."""

    role: str
    email: str
    password: str
    numbers: tuple[DemoNumber, ...] = ()


class DemoPlatform(msgspec.Struct, frozen=True):
    """A simulated carrier account that the demo provider uses."""

    carrier: str
    api: str
    credentials: dict[str, str]


class Seeded(msgspec.Struct, frozen=True):
    """What the seeding made, or found from an earlier run."""

    accounts: tuple[DemoAccount, ...]
    platforms: tuple[DemoPlatform, ...]


class DemoLine(msgspec.Struct, frozen=True):
    """The line for programs (design §10)."""

    client: str
    portal: str
    simulator: str
    mail: str
    accounts: tuple[DemoAccount, ...]
    platforms: tuple[DemoPlatform, ...]
    pids: dict[str, int]


class Detours(msgspec.Struct, frozen=True):
    """Other ways than the straight ones, for the torture: addresses of proxies in front of each process, and settings beside the demo's.

    `public_url`: where carriers reach the web processes. `carriers_url`: where carriers are called. `database_folder`: the folder of a socket in
    front of PostgreSQL's. `allow`: host:port pairs that may be called as well. `pids_file`: kept up to date with the number of each process.
    """

    public_url: str = ""
    carriers_url: str = ""
    database_folder: str = ""
    pids_file: str = ""
    allow: tuple[str, ...] = ()
    settings: dict[str, float | int | str] = {}


STRAIGHT = Detours()

Seeding = Callable[[Settings, str], Seeded]
"""Makes the demo tenant; is given the settings and the address of the simulators. Must be safe to repeat on a used home."""


def load_seeding() -> Seeding:
    """The product's own demo tenant."""
    from kereru.entrypoints.demo_seed import seed

    return seed


def demo(
    *,
    port: int,
    simulator_port: int,
    home: Path,
    as_json: bool,
    mains: Callable[[], Mains] = load_mains,
    seeding: Callable[[], Seeding] = load_seeding,
    out: IO[str] | None = None,
    detours: Detours = STRAIGHT,
) -> None:
    """Run until SIGINT or SIGTERM. Raises MachineProblem when it cannot start; then nothing is left running and nothing lost."""
    home = home.expanduser().absolute()
    prepare_home(home)
    with contextlib.closing(ports.bind(_HOST, port)) as listening, _logs(home, as_json=as_json):
        with contextlib.closing(ports.bind(_HOST, simulator_port, option="--simulator-port")) as probe:
            simulator_port = ports.port_of(probe)
        smtp_port = ports.free_port()
        settings = _settings(home, ports.port_of(listening), simulator_port, smtp_port, detours)
        simulator = f"http://localhost:{simulator_port}"
        try:

            def meanwhile(running: Installation) -> None:
                _start_simulators(running, simulator_port, smtp_port)
                load(mains)
                load(seeding)

            with installation(settings, meanwhile) as running:
                running.supervisor.run_until(lambda: ports.answers(_HOST, simulator_port, "/"), 60.0, "The simulators")
                seeded = _seed(running, detours.carriers_url or simulator, seeding())
                add_processes(_detoured(running, detours), listening, mains())

                def announce() -> None:
                    base = running.settings.base_url
                    line = DemoLine(
                        base, base + "/portal", simulator, simulator + "/mail", seeded.accounts, seeded.platforms, running.supervisor.pids()
                    )
                    _show(line, home, out or sys.stdout, as_json=as_json)

                running.supervisor.run(_writing_pids(running, once_ready(running.settings, announce), detours.pids_file))
        except Stopped:
            return


def _detoured(running: Installation, detours: Detours) -> Installation:
    if not detours.database_folder:
        return running
    url = conninfo.make_conninfo(running.settings.database_url, host=detours.database_folder)
    settings = msgspec.structs.replace(running.settings, database_url=url, direct_database_url=url)
    return dataclasses.replace(running, settings=settings)


def _writing_pids(running: Installation, look: Callable[[], bool], file: str) -> Callable[[], bool]:
    """`look`, and from then on the process numbers in `file` whenever one changes; without a file, just `look`."""
    if not file:
        return look
    announced, written = False, dict[str, int]()

    def tick() -> bool:
        nonlocal announced, written
        announced = announced or look()
        pids = running.supervisor.pids()
        if pids != written:
            written = pids
            fresh = Path(file + ".new")
            fresh.write_bytes(msgspec.json.encode(pids))
            fresh.replace(file)
        return False

    return tick


def _settings(home: Path, port: int, simulator_port: int, smtp_port: int, detours: Detours) -> Settings:
    environment = {name: os.environ[name] for name in _TAKEN_FROM_ENVIRONMENT if name in os.environ}
    own = {"public_url": detours.public_url or f"http://localhost:{port}", "stop_s": STOP_S}
    allowed = tuple(f"{host}:{number}" for host in ("localhost", _HOST) for number in (simulator_port, port))
    return Settings.load(
        environment,
        home=str(home),
        host=_HOST,
        port=port,
        smtp_host="localhost",
        smtp_port=smtp_port,
        allow_private_hosts=(*allowed, *detours.allow),
        **{**own, **detours.settings},
    )


@contextlib.contextmanager
def _logs(home: Path, *, as_json: bool) -> Generator[None]:
    """For programs the logs go to standard error; people get them in a file, so that they can read the table."""
    if as_json:
        configure("info", process="supervisor")
        yield
        return
    folder = home / "logs"
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        file = (folder / "kereru.log").open("a", encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, folder) from error
    screen = os.dup(2)
    os.dup2(file.fileno(), 2)
    configure("info", process="supervisor")
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)
        file.close()


def _start_simulators(running: Installation, port: int, smtp_port: int) -> None:
    home = running.settings.home_path
    inventory = home / "inventory.json"
    try:
        if not inventory.exists():
            inventory.touch(mode=0o600)
            inventory.write_bytes(msgspec.json.format(msgspec.json.encode(_inventory())))
    except OSError as error:
        raise from_os_error(error, home) from error
    words = ["--port", str(port), "--smtp-port", str(smtp_port), "--state", str(home / "simulators.json"), "--inventory", str(inventory)]

    def simulators(_announce: Announce) -> None:
        os.dup2(2, 1)
        sys.argv = ["kereru.simulators", *words]
        runpy.run_module("kereru.simulators", run_name="__main__", alter_sys=True)

    running.supervisor.add(ProcessSpec("simulator", simulators, rolling="never"))


def _inventory() -> Config:
    """The example, with what Restcomm switches on for an account when it is asked to: MMS."""
    example = example_config()
    return msgspec.structs.replace(example, restcomm=tuple(msgspec.structs.replace(account, mms=True) for account in example.restcomm))


def _seed(running: Installation, simulator: str, seeding: Seeding) -> Seeded:
    with tempfile.TemporaryFile() as result:

        def work() -> None:
            result.write(msgspec.json.encode(seeding(running.settings, simulator)))
            result.flush()

        status = running.supervisor.run_once("seeding", work)
        if running.stop_request():
            raise Stopped
        if status:
            raise MachineProblem(
                "demo_not_seeded",
                "The demo tenant could not be made.",
                f"Remove {running.settings.home_path} to begin afresh; the log says what went wrong.",
            )
        result.seek(0)
        return msgspec.json.decode(result.read(), type=Seeded)


def _show(line: DemoLine, home: Path, out: IO[str], *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(line).decode(), file=out, flush=True)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(file=out, highlight=False)
    places = Table(title="Kererū is running", title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, address in (("Texting", line.client), ("Phones and carriers", line.simulator), ("E-mail that was sent", line.mail)):
        places.add_row(name, address)
    people = Table(title="Sign-ins", title_justify="left", box=None, pad_edge=False)
    for title in ("E-mail", "Password", "Role"):
        people.add_column(title, no_wrap=True)
    people.add_column("Numbers")
    for account in line.accounts:
        numbers = "\n".join(f"{number.number} ({number.carrier})" for number in account.numbers)
        people.add_row(account.email, account.password, account.role, numbers)
    console.print(places, "", people, "", f"Logs: {home / 'logs' / 'kereru.log'}", "Ctrl-C stops all of it.", sep="\n", soft_wrap=True)
    out.flush()
