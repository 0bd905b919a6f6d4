"""G1, G2, G39: the database goes, then a web process; the one that takes its place answers webhooks, and every text is there once afterwards."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from integration.entrypoints.test_serve_and_demo import left_behind, until
from kereru.entrypoints.wiring import sealer_of
from kereru.kernel.secrets import load_or_make_key
from kereru.provisioning.platforms.model import seal_token
from kereru.torture.misfortunes import children_of
from world import ANA, PHONE, World, make_world

TOKEN, ACCOUNT = "a-token-nobody-guesses", "AC00000000000000000000000000000001"


@dataclass
class Away:
    """A PostgreSQL that can be reached by a name, or not."""

    folder: Path
    world: World

    @property
    def url(self) -> str:
        """Through the name."""
        return f"postgresql://kereru_owner@/{conninfo_to_dict(self.world.url)['dbname']}?host={self.folder}&port=5432"

    def come(self) -> None:
        """It can be reached."""
        parts = conninfo_to_dict(self.world.url)
        (self.folder / ".s.PGSQL.5432").symlink_to(Path(str(parts["host"])) / f".s.PGSQL.{parts['port']}")

    def go(self) -> None:
        """Nobody reaches it any more, and whoever did is cut off."""
        (self.folder / ".s.PGSQL.5432").unlink()
        self.world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


@dataclass(frozen=True)
class Running:
    """`kereru serve`, ready."""

    process: "subprocess.Popen[str]"
    address: str

    def web(self) -> int | None:
        """The web process's number."""
        names = {pid: Path(f"/proc/{pid}/comm") for pid in children_of(self.process.pid)}
        return next((pid for pid, path in names.items() if path.exists() and path.read_text().strip() == "kereru-web"), None)

    def ask(self, path: str, body: dict[str, str] | bytes | None = None, **headers: str) -> int:
        """The status of an answer; 0 for none."""
        data = urllib.parse.urlencode(body).encode() if isinstance(body, dict) else body
        try:
            with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers), timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except (urllib.error.URLError, OSError):
            return 0

    def text(self, words: str, *, token: str = TOKEN) -> int:
        """The carrier's webhook with a text to Ana."""
        form = {"SmsSid": f"SM{sha256(words.encode()).hexdigest()[:32]}", "AccountSid": ACCOUNT, "From": PHONE, "To": ANA, "Body": words}
        return self.ask(f"/ingress/restcomm/{token}/in", form)


@contextmanager
def serving(home: Path, url: str) -> Iterator[Running]:
    """The program as an operator starts it, until the end of the test."""
    words = [sys.executable, "-m", "kereru.entrypoints.cli", "serve", "--home", str(home), "--port", "0"]
    environment = {**os.environ, "KERERU_DATABASE_URL": url, "KERERU_STOP_S": "5"}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = next((line for line in process.stdout if "is ready at" in line), "")
        address = re.search(r"http://\S+", line)
        assert address is not None, (home / "log").read_text()[-2000:]
        yield Running(process, address[0].replace("localhost", "127.0.0.1"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
        until(lambda: not left_behind(home))


@pytest.fixture
def away(short_folder: Path, database_url: str) -> Away:
    """A tenant whose platform's webhooks are known by a token."""
    world = make_world(database_url)
    home = short_folder / "home"
    home.mkdir()
    sealer = sealer_of(load_or_make_key(home / "master.key"))
    ana = world.ana
    world.sql("UPDATE platform SET carrier_account = %(account)s WHERE id = %(id)s", account=ACCOUNT, id=ana.platform_id)
    world.sql("INSERT INTO ingress_token VALUES (%(hash)s, %(provider)s, %(platform)s, %(sealed)s)",
              hash=sha256(TOKEN.encode()).digest(), provider=ana.provider_id, platform=ana.platform_id,
              sealed=seal_token(sealer, ana.provider_id, ana.platform_id, TOKEN))  # fmt: skip
    socket = short_folder / "pg"
    socket.mkdir()
    found = Away(socket, world)
    found.come()
    return found


def shown(world: World) -> list[str]:
    """What Ana's program is told of, in order."""
    return [row.text for row in world.sql("SELECT m.text FROM change c JOIN message m ON m.id = c.message_id WHERE c.kind = 1 ORDER BY c.number")]


@pytest.mark.timeout(180)
def test_a_web_process_that_starts_while_the_database_is_away_takes_webhooks(away: Away, short_folder: Path) -> None:
    """Decision 0013: webhooks are answered 2xx, people hear 503, nobody is sent here; afterwards all is shown, once."""
    home = short_folder / "home"
    with serving(home, away.url) as running:
        assert running.text("before") == 200
        until((home / "intake" / "platforms.json").exists)
        first = running.web()
        assert first is not None
        away.go()
        os.kill(first, signal.SIGKILL)
        until(lambda: running.web() not in (None, first))
        assert [running.text(words) for words in ("one", "two", "one", "two")] == [200] * 4
        assert running.text("a stranger's", token="guessed") == 503
        assert running.ask("/health/ready") == 503
        assert running.ask("/health/live") == 200
        assert running.ask("/api/v1/session", b'{"email": "ana@bluedoor.example", "password": "x"}', **{"content-type": "application/json"}) == 503
        second = running.web()
        assert second is not None
        os.kill(second, signal.SIGKILL)
        until(lambda: running.web() not in (None, second))
        assert running.text("three") == 200
        assert not world_knows(away.world, "one")
        away.come()
        until(lambda: sorted(shown(away.world)) == ["before", "one", "three", "two"], 60)
        until(lambda: running.ask("/health/ready") == 200, 60)
        assert running.text("after") == 200
        until(lambda: shown(away.world)[-1] == "after")
        until(lambda: not list((home / "intake").glob("*/*.log")))
        assert [row.n for row in away.world.sql("SELECT count(*) AS n FROM message GROUP BY text")] == [1] * 5
        assert away.world.sql("SELECT sending_allowed(clock_timestamp() - interval '1 minute') AS allowed")[0].allowed


def world_knows(world: World, words: str) -> bool:
    """Whether a text has reached the database."""
    return bool(world.sql("SELECT 1 FROM message WHERE text = %(words)s", words=words))
