"""`python -m kereru.simulators`: the simulators as a process. On ready it prints one JSON line with their addresses."""

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path

from kereru.simulators.config import Config, example_config, load_config
from kereru.simulators.server import Running, run


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run. Returns 2 for an inventory or port that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m kereru.simulators", description="Carriers, phones and a mailbox to rehearse with.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port of the carriers and the page (0: a free one)")
    parser.add_argument("--smtp-port", type=int, default=0, help="port of the mail server (0: a free one)")
    parser.add_argument("--state", type=Path, help="file that keeps webhooks, settings and messages over restarts")
    parser.add_argument("--inventory", type=Path, help="JSON with accounts and numbers (without: two example accounts)")
    chosen = parser.parse_args(arguments)
    try:
        config: Config = load_config(chosen.inventory.read_bytes()) if chosen.inventory else example_config()
        _run(run(config, host=chosen.host, port=chosen.port, smtp_port=chosen.smtp_port, state=chosen.state, ready=_ready))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The simulators cannot start: {error}\n")
        return 2
    return 0


def _ready(running: Running) -> None:
    addresses = {"url": running.url, "smtp": f"{running.smtp_host}:{running.smtp_port}", "mail": running.url + "/mail"}
    sys.stdout.write(json.dumps(addresses) + "\n")
    sys.stdout.flush()


def _run(work: Coroutine[object, object, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)


if __name__ == "__main__":
    sys.exit(main())
