"""The command line. Each command imports what it needs when it runs, so that `kereru --help` answers at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from kereru import __version__

if TYPE_CHECKING:
    from kereru.kernel.settings import Settings

app = App(name="kereru", help="Kererū: self-hosted business texting.", version=__version__, result_action="return_value")

_Home = Annotated[Path | None, Parameter(help="Folder for the database, keys and files. [env: KERERU_HOME]")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs instead of words for people.")]


def _settings(**overrides: object) -> "Settings":
    from kereru.kernel.settings import Settings

    chosen = {name: str(value) if isinstance(value, Path) else value for name, value in overrides.items()}
    return Settings.load(None, **chosen)


@app.command
def serve(
    *,
    home: _Home = None,
    host: Annotated[str | None, Parameter(help="Address to listen on. [env: KERERU_HOST]")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; 0 takes a free one. [env: KERERU_PORT]")] = None,
    web_processes: Annotated[int | None, Parameter(help="How many web processes. [env: KERERU_WEB_PROCESSES]")] = None,
    insecure_http: Annotated[bool, Parameter(negative="", help="Accept plain http on an address others can reach.")] = False,
) -> int:
    """Run Kererū: database, web, sender and scheduler, until Ctrl-C or SIGTERM."""
    from kereru.entrypoints.serve import serve as run

    run(_settings(home=home, host=host, port=port, web_processes=web_processes, insecure_http=insecure_http or None))
    return 0


@app.command
def migrate(*, home: _Home = None) -> int:
    """Bring the database to this version's shape. Run it once after an upgrade, before `serve`, when the database is a server of its own."""
    from kereru.entrypoints.upgrade import migrate_database

    migrate_database(_settings(home=home))
    print("The database has this version's shape.")
    return 0


@app.command
def upgrade_database(
    *,
    home: _Home = None,
    from_binaries: Annotated[Path, Parameter(help="Folder with the programs of the PostgreSQL version that made the database.")],
) -> int:
    """Move the embedded database to this version's PostgreSQL. The old folder is kept beside the new one."""
    from kereru.entrypoints.upgrade import upgrade

    kept = upgrade(_settings(home=home), from_binaries)
    print(f"The database was moved. The old one is kept in {kept}; remove it when you are content.")
    return 0


@app.command
def doctor(
    *,
    home: _Home = None,
    host: Annotated[str | None, Parameter(help="Address that `serve` would listen on. [env: KERERU_HOST]")] = None,
    port: Annotated[int | None, Parameter(help="Port that `serve` would listen on. [env: KERERU_PORT]")] = None,
    as_json: _Json = False,
) -> int:
    """Say in words what is wrong with this machine, and what to do about it. Exit code 1 when something is."""
    from kereru.entrypoints.doctor import examine, report

    findings = examine(_settings(home=home, host=host, port=port))
    print(report(findings, as_json=as_json))
    return int(any(finding.wrong for finding in findings))


@app.command
def demo(
    *,
    port: Annotated[int, Parameter(help="Port of the client and the portal; 0 takes a free one.")] = 8080,
    simulator_port: Annotated[int, Parameter(help="Port of the simulated carriers and phones; 0 takes a free one.")] = 8090,
    home: Annotated[Path, Parameter(help="Folder that keeps the demo's data.")] = Path(".demo"),
    as_json: _Json = False,
) -> int:
    """Run everything with an invented phone company, simulated carriers and phones. Ctrl-C stops all of it."""
    from kereru.entrypoints.demo import demo as run

    run(port=port, simulator_port=simulator_port, home=home, as_json=as_json)
    return 0


@app.command
def torture(
    *,
    minutes: Annotated[float, Parameter(help="How long misfortunes go on; start and judgement come on top.")] = 1.0,
    seed: Annotated[int | None, Parameter(help="Repeat the schedule of an earlier run. Without it, a new one.")] = None,
    folder: Annotated[Path | None, Parameter(help="Where history and log are kept; without it, a new temporary folder.")] = None,
) -> int:
    """Run everything behind fault proxies, kill and freeze its processes, and judge what became of every text. Exit code 1 when a promise broke."""
    from kereru.entrypoints.torture import torture as run

    return run(minutes, seed, folder)


@app.command
def bench(
    name: Annotated[str, Parameter(help="Which one; `all` runs every one of them.")] = "all",
    *,
    as_json: _Json = False,
    seconds: Annotated[float, Parameter(help="How long each side of a round takes.")] = 4.0,
    rounds: Annotated[int, Parameter(help="How many rounds at least.")] = 5,
    scale: Annotated[float, Parameter(help="Size of the big data sets; 1 is what the goals are about.")] = 1.0,
    write: Annotated[bool, Parameter(help="Keep the results in bench/results.json and make docs/reference/performance.md again.")] = False,
) -> int:
    """Measure this machine: each benchmark beside its ruler, in turns. Exit code 1 when a goal is missed."""
    from kereru.entrypoints.benchmarks import measure

    return measure(name, as_json=as_json, seconds=seconds, rounds=rounds, scale=scale, write=write)


app.command(
    "kereru.entrypoints.admin_provisioning:app",
    name="admin",
    help="Act as the operator above all providers: organisations, people, API keys, numbers.",
)

app.command(
    "kereru.entrypoints.evidence:app",
    name="evidence",
    help="Who agreed to what: write it out, and check that nobody changed it.",
)

app.command(
    "kereru.entrypoints.quarantine:app",
    name="quarantine",
    help="What carriers sent and we could not read or store: look at it, and take it in after a repair.",
)

app.command(
    "kereru.entrypoints.message:message",
    name="message",
    help="Print the life of a message from all sources; it shows the text.",
)


def main() -> None:
    """Run the command line and end the process: 0 when it went well, 1 with one plain sentence when not."""
    from kereru.entrypoints.problems import MachineProblem
    from kereru.kernel.errors import KereruError
    from kereru.kernel.settings import SettingsProblem

    try:
        outcome = app()
    except (MachineProblem, KereruError, SettingsProblem) as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(outcome if isinstance(outcome, int) else 0)


if __name__ == "__main__":
    main()
