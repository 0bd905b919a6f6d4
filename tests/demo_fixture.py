"""The whole product as a person starts it: `kereru demo` on free ports with a home of its own, one per test process, stopped in order at the end."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

T = TypeVar("T")


class Http:
    """One caller with a cookie jar of his own; answers (status, decoded JSON or text)."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.jar = CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar)).open

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """One request."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}, method=method
        )
        try:
            with self._open(request, timeout=60) as answer:
                status, raw = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        try:
            return status, json.loads(raw) if raw else None
        except ValueError:
            return status, raw.decode(errors="replace")

    def get(self, path: str) -> Any:
        """The decoded body of a GET that must work."""
        return self._ok("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        """The decoded body of a POST that must work."""
        return self._ok("POST", path, body or {})

    def put(self, path: str, body: object) -> Any:
        """The decoded body of a PUT that must work."""
        return self._ok("PUT", path, body)

    def delete(self, path: str) -> Any:
        """The decoded body of a DELETE that must work."""
        return self._ok("DELETE", path)

    def _ok(self, method: str, path: str, body: object = None) -> Any:
        status, answer = self.call(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer


@dataclass(frozen=True)
class Number:
    """A number somebody texts from."""

    id: str
    number: str
    carrier: str


@dataclass(frozen=True)
class Account:
    """Somebody who signs in."""

    role: str
    email: str
    password: str
    numbers: tuple[Number, ...]


class Demo:
    """A running demo."""

    def __init__(self, process: subprocess.Popen[str], info: dict[str, Any], home: Path) -> None:
        self.process, self.info, self.home = process, info, home
        self.client: str = info["client"]
        self.simulator = Http(info["simulator"])
        self.accounts = [
            Account(a["role"], a["email"], a["password"], tuple(Number(**number) for number in a.get("numbers", ()))) for a in info["accounts"]
        ]

    def user(self, letter: str) -> Account:
        """User A, B, C or D of design §10."""
        return [account for account in self.accounts if account.role == "user"]["ABCD".index(letter)]

    def signed_in(self, account: Account) -> Http:
        """A scripted client of this account."""
        http = Http(self.client)
        http.post("/api/v1/session", {"email": account.email, "password": account.password})
        return http

    def phone_sends(self, phone: str, to: str, text: str, media: Sequence[Mapping[str, str]] = ()) -> Any:
        """A phone texts, perhaps with files (base64 `data`, `content_type`)."""
        return self.simulator.post(f"/phones/{quote(phone, safe='')}/messages", {"to": to, "text": text, "media": list(media)})

    def phone_has(self, phone: str) -> list[dict[str, Any]]:
        """All texts of a phone."""
        return self.simulator.get(f"/phones/{quote(phone, safe='')}/messages")["items"]

    def web_process(self) -> int:
        """The web process of just now: the supervisor starts another when one dies."""
        return eventually(lambda: next((one for one in children(self.info["pids"]["supervisor"]) if name_of(one) == "kereru-web"), None))

    def fault(self, carrier: str, kind: str, **options: object) -> None:
        """Put a fault in force."""
        self.simulator.post("/faults", {"carrier": carrier, "kind": kind, **options})


def start_demo(home: Path, *, seconds: float = 120) -> Demo:
    """Start a demo; fails with its log when it does not get ready."""
    log = (home.parent / (home.name + ".log")).open("w")
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("kereru")), "demo", "--port", "0", "--simulator-port", "0", "--home", str(home), "--json"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if select.select([process.stdout], [], [], 0.5)[0]:
            line = process.stdout.readline()
            if line.startswith("{"):
                return Demo(process, json.loads(line), home)
    process.kill()
    tail = Path(log.name).read_text()[-4000:]
    raise AssertionError(f"the demo did not get ready\n{tail}")


def log_of(demo: Demo) -> Path:
    """What it wrote to standard error."""
    return demo.home.parent / (demo.home.name + ".log")


def stop_demo(demo: Demo, *, seconds: float = 10) -> list[str]:
    """Stop it as Ctrl-C does, within `seconds`; answers the command lines of processes that stayed behind."""
    if demo.process.poll() is None:
        demo.process.send_signal(signal.SIGINT)
        demo.process.wait(seconds)
    return processes_of(demo.home)


def processes_of(home: Path) -> list[str]:
    """Processes whose command line names this home."""
    left: list[str] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(home) in line:
                left.append(line)
    return left


def children(parent: int) -> list[int]:
    """The processes that this one started."""
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def name_of(process: int) -> str:
    """What it calls itself, or nothing when it is gone."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def eventually(look: Callable[[], T | None], seconds: float = 10, every: float = 0.05) -> T:
    """Poll until `look` answers something true."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(every)


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """One demo for all tests of this process."""
    home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))
    running = start_demo(home)
    try:
        yield running
    finally:
        left = stop_demo(running)
        shutil.rmtree(home, ignore_errors=True)
        log_of(running).unlink(missing_ok=True)
        assert not left, left
