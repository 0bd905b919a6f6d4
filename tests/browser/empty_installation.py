"""A machine on which `kereru serve` was just started: no company, no person. Carriers, phones and a mailbox are simulated beside it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo_fixture import Demo, Http, eventually
from kereru.entrypoints.ports import free_port
from kereru.simulators.config import example_config


class Installation(Demo):
    """What is running, told as a demo's is, with nobody in it; `platforms` are the accounts that the carriers hold for whoever comes."""

    def __init__(self, process: subprocess.Popen[str], simulators: dict[str, str], home: Path, environment: dict[str, str]) -> None:
        inventory = example_config()
        credentials = {
            "restcomm": {"account_key": inventory.restcomm[0].account_sid, "token_secret": inventory.restcomm[0].auth_token},
            "inteliquent": {
                "account_key": inventory.inteliquent[0].key,
                "token_secret": inventory.inteliquent[0].secret,
                "outbound_api_key": inventory.inteliquent[0].outbound_key,
            },
        }
        platforms = [{"carrier": carrier, "credentials": keys} for carrier, keys in credentials.items()]
        info: dict[str, Any] = {"client": environment["KERERU_PUBLIC_URL"], "simulator": simulators["url"], "accounts": [], "platforms": platforms}
        super().__init__(process, info, home)
        self._environment = environment

    def admin(self, *words: str) -> str:
        """What one of the operator's commands prints."""
        done = subprocess.run([_kereru(), "admin", *words], capture_output=True, text=True, check=False, env=self._environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _kereru() -> str:
    return str(Path(sys.executable).with_name("kereru"))


@contextlib.contextmanager
def empty_installation() -> Iterator[Installation]:
    """Simulators and `kereru serve` on free ports with a new home; both are ended, and the home removed."""
    home = Path(tempfile.mkdtemp(prefix="ke-", dir="/tmp"))
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, home, ignore_errors=True)
        simulators = _started(ending, [sys.executable, "-m", "kereru.simulators"], os.environ.copy(), home.with_suffix(".simulators.log"))
        assert simulators.stdout is not None
        where: dict[str, str] = json.loads(simulators.stdout.readline())
        port, simulator_port = free_port(), where["url"].rsplit(":", 1)[1]
        environment = {
            **os.environ,
            "KERERU_HOME": str(home),
            "KERERU_PORT": str(port),
            "KERERU_PUBLIC_URL": f"http://localhost:{port}",
            "KERERU_SMTP_PORT": where["smtp"].rsplit(":", 1)[1],
            "KERERU_ALLOW_PRIVATE_HOSTS": ",".join(f"{host}:{number}" for host in ("localhost", "127.0.0.1") for number in (simulator_port, port)),
            "KERERU_STOP_S": "7",
        }
        served = _started(ending, [_kereru(), "serve"], environment, home.with_suffix(".log"))
        running = Installation(served, where, home, environment)
        eventually(lambda: _ready(running), 60, 0.2)
        yield running


def _started(ending: contextlib.ExitStack, command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[str]:
    ending.callback(log.unlink, missing_ok=True)
    written = ending.enter_context(log.open("w"))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=written, text=True, env=environment)

    def end() -> None:
        process.terminate()
        process.wait(20)

    ending.callback(end)
    return process


def _ready(running: Installation) -> bool:
    assert running.process.poll() is None, "it ended before it was ready"
    try:
        return Http(running.client).call("GET", "/health/ready")[0] == 200
    except OSError:
        return False
