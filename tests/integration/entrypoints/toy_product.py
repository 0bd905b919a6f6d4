"""`kereru serve` and `kereru demo` with toy processes in place of the product's: run by their tests as a program.

Arguments: `serve` or `demo`, then settings as name=value.
"""

import http.server
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from kereru.entrypoints.demo import DemoAccount, DemoNumber, DemoPlatform, Seeded, demo
from kereru.entrypoints.lifeline import Announce
from kereru.entrypoints.problems import MachineProblem
from kereru.entrypoints.serve import Mains, serve
from kereru.kernel.settings import Settings


class Answer(http.server.BaseHTTPRequestHandler):
    """Ready when the database answers; tells its process number and how many providers there are."""

    url = ""

    def do_GET(self) -> None:
        """Answer any path."""
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT count(*) FROM provider").fetchone()
            status = 200
        except psycopg.Error:
            status = 503
        self.send_response(status)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def web(settings: Settings, sockets: Sequence[socket.socket], announce: Announce) -> None:
    """A web process: answers on the inherited socket until SIGTERM."""
    Answer.url = settings.database_url
    server = http.server.HTTPServer(sockets[0].getsockname(), Answer, bind_and_activate=False)
    server.socket = sockets[0]
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    server.timeout = 0.05
    server.socket.settimeout(0.05)
    announce()
    while not ended:
        server.handle_request()


def idle(_settings: Settings, announce: Announce) -> None:
    """A process that only waits."""
    announce()
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    while not ended:
        time.sleep(0.05)


def seed(_settings: Settings, simulator: str) -> Seeded:
    """A tenant that is only words."""
    account = DemoAccount("user", "ana@bluedoor.example", "secret", (DemoNumber("1", "+12015550110", "restcomm"),))
    return Seeded((account,), (DemoPlatform("restcomm", simulator + "/restcomm", {"account_sid": "AC1"}),))


def main() -> None:
    """Run one of the two commands."""
    values = dict(word.split("=", 1) for word in sys.argv[2:])
    mains = Mains(web, idle, idle)
    try:
        if sys.argv[1] == "serve":
            serve(Settings.load({}, **values), lambda words: print(words, flush=True), lambda: mains)
        else:
            demo(
                port=int(values["port"]),
                simulator_port=int(values["simulator_port"]),
                home=Path(values["home"]),
                as_json=values.get("as_json") == "yes",
                mains=lambda: mains,
                seeding=lambda: seed,
            )
    except MachineProblem as problem:
        print(f"{problem.code}: {problem}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
