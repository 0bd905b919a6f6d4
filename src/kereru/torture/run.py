"""One run: the product as processes behind proxies, phones and clients at work, misfortunes by schedule, rest, evidence, verdict."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import msgspec
import psycopg

from kereru.simulators.testing import Control
from kereru.torture.checker import figures, judge
from kereru.torture.clients import Client, NotAnswered, Person
from kereru.torture.evidence import Evidence, Webhook, hand_over, read_database, webhook
from kereru.torture.folding import State, differences
from kereru.torture.history import History
from kereru.torture.misfortunes import HOPS, Fate, schedule
from kereru.torture.proxy import Bite, FaultProxy, Place

LEASE_S = 3.0
CARRIER_TIMEOUT_S = 3.0
QUEUE_DEADLINE_S = 25
REST_S = 90.0
START_S = 120.0
PHONES = tuple(f"+1202555{number:04d}" for number in range(110, 122))
SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Wish:
    """One run as asked for."""

    seconds: float
    seed: int
    folder: Path
    texts_per_s: float = 4.0


@dataclass(frozen=True, slots=True)
class Ways:
    """Where the product is to listen and through which proxies it is to go; what `command` turns into a process."""

    home: Path
    port: int
    simulator_port: int
    runtime: Path
    hooks: int
    carriers: int
    database: Path
    pids: Path


Command = Callable[[Ways], tuple[list[str], bytes]]
"""The words that start the product with these ways, and what it reads on standard input. It prints one JSON line when ready."""


@dataclass(slots=True)
class Stage:
    """What runs."""

    ways: Ways
    info: dict[str, Any]
    hops: dict[str, FaultProxy]
    carriers: Control
    session: aiohttp.ClientSession
    history: History
    webhooks: list[Webhook]
    seen_webhooks: int = 0

    @property
    def database_url(self) -> str:
        """Past the proxy, as the owner."""
        return f"postgresql://kereru_owner@/kereru?host={quote(str(self.socket().parent), safe='')}&port=5432"

    def socket(self) -> Path:
        """PostgreSQL's own socket. Raises OSError while there is none."""
        found = next(iter(self.ways.runtime.rglob(SOCKET)), None)
        if found is None:
            raise FileNotFoundError(SOCKET)
        return found

    def pids(self) -> Mapping[str, int]:
        """The processes as they are now."""
        return msgspec.json.decode(self.ways.pids.read_bytes(), type=dict[str, int])


async def torture(wish: Wish, command: Command, say: Callable[[str], None]) -> bool:
    """Run and judge; the last line said is the verdict. True when clean."""
    say(f"seed {wish.seed}, {wish.seconds:.0f} s; history in {wish.folder}")
    wish.folder.mkdir(parents=True, exist_ok=True)
    history = History(wish.folder / "history.jsonl")
    try:
        async with _stage(wish, command, history) as stage:
            evidence = await _perform(wish, stage, say)
    finally:
        history.close()
    problems = judge(evidence)
    for problem in problems[:50]:
        say(problem)
    say(" ".join(f"{name}={count}" for name, count in figures(evidence).items()))
    say(f"verdict: clean (seed {wish.seed})" if not problems else f"verdict: {len(problems)} promises broken (seed {wish.seed})")
    return not problems


@contextlib.asynccontextmanager
async def _stage(wish: Wish, command: Command, history: History) -> AsyncGenerator[Stage]:
    short = _short_folder()
    ports = _free_port(), _free_port()

    def bitten(bite: Bite) -> None:
        history.write("proxy", bite.rule.kind, "note", hop=bite.proxy, connection=bite.connection, way=bite.rule.way, passed=bite.passed)

    ways = Ways(short / "home", ports[0], ports[1], short / "run", 0, 0, short / "db", short / "pids.json")
    async with contextlib.AsyncExitStack() as ending:
        ending.callback(shutil.rmtree, short, ignore_errors=True)
        hops: dict[str, FaultProxy] = {}
        for name in HOPS:
            target = _LateSocket(path=ways.runtime) if name == "database" else Place(ports[1] if name == "carriers" else ports[0])
            listen = Place(path=ways.database / SOCKET) if name == "database" else None
            hops[name] = await ending.enter_async_context(FaultProxy(name, target, wish.seed, listen=listen, on_bite=bitten))
        ways = Ways(ways.home, *ports, ways.runtime, hops["hooks"].place.port, hops["carriers"].place.port, ways.database, ways.pids)
        info = await ending.enter_async_context(_product(wish, command(ways)))
        session = await ending.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)))
        yield Stage(ways, info, hops, Control(f"http://127.0.0.1:{ports[1]}", session), session, history, [])


def _short_folder() -> Path:
    """Sockets' paths must be short, whatever the folder of the run."""
    short = Path(tempfile.mkdtemp(prefix="kx-", dir="/tmp"))
    short.chmod(0o711)
    for name in ("home", "run", "db"):
        (short / name).mkdir(mode=0o711)
    return short


class _LateSocket(Place):
    """PostgreSQL's socket somewhere below a folder; it comes and goes with the engine."""

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As Place does."""
        found = next(iter(self.path.rglob(SOCKET)), None) if self.path else None
        return await Place(path=found or Path("/nowhere")).connect()


@contextlib.asynccontextmanager
async def _product(wish: Wish, command: tuple[list[str], bytes]) -> AsyncGenerator[dict[str, Any]]:
    """The product as a process of its own, ended in order."""
    with (wish.folder / "product.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command[0], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True, limit=2**20
        )
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes were asked for
            process.stdin.write(command[1])
            process.stdin.close()
            async with asyncio.timeout(START_S):
                line = await process.stdout.readline()
            if not line:
                message = f"the product did not start; {log.name} says why"
                raise RuntimeError(message)
            yield msgspec.json.decode(line, type=dict[str, Any])
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), 30)
                except TimeoutError:
                    os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()


async def _perform(wish: Wish, stage: Stage, say: Callable[[str], None]) -> Evidence:
    await _to_database(stage, f"UPDATE platform SET queue_deadline_s = {QUEUE_DEADLINE_S}")
    clients = _clients(wish, stage)
    try:
        await asyncio.gather(*(client.start() for client in clients))
        stop = asyncio.Event()
        phones = asyncio.create_task(_phones(wish, stage, stop))
        watching = asyncio.create_task(_watch_webhooks(stage))
        offset = stage.history.now
        fate = Fate(stage.hops, stage.carriers, stage.pids, stage.history, offset)
        stage.history.write("run", "begin", "note")
        say(f"ready; {len(clients)} clients, misfortunes begin")
        await fate.run(schedule(wish.seed, wish.seconds, lease_s=LEASE_S))
        await asyncio.sleep(max(0.0, wish.seconds - (stage.history.now - offset)))
        await fate.mend()
        stage.history.write("run", "mended", "note")
        say("mended; waiting for rest")
        stop.set()
        await phones
        told = await _rest(stage, clients)
        watching.cancel()
        stage.history.write("run", "at_rest", "note")
        await _read_webhooks(stage)
        return await _gather(stage, clients, told)
    finally:
        await asyncio.gather(*(client.stop() for client in clients))


def _clients(wish: Wish, stage: Stage) -> list[Client]:
    base, straight = f"http://localhost:{stage.hops['clients'].place.port}", f"http://localhost:{stage.ways.port}"
    found: list[Client] = []
    for index, account in enumerate(cast("list[dict[str, Any]]", stage.info["accounts"])):
        numbers = [(number["id"], number["number"]) for number in account.get("numbers", ())]
        if account["role"] != "user" or not numbers or account["email"].startswith("dev@"):
            continue  # Dev is still to be asked; portal accounts have no texting.
        dice = random.Random(f"client {wish.seed} {index}")  # noqa: S311 - a schedule, not a secret
        person = Person(account["email"], account["password"], numbers)
        way = "poll" if index % 3 == 1 else "socket"
        found.append(Client(account["email"].split("@")[0], base, straight, person, PHONES, stage.history, dice, way))
    return found


async def _phones(wish: Wish, stage: Stage, stop: asyncio.Event) -> None:
    """Numbered texts from phones to every number, at a steady rate."""
    dice = random.Random(f"phones {wish.seed}")  # noqa: S311 - a schedule, not a secret
    numbers = [number["number"] for account in stage.info["accounts"] for number in account.get("numbers", ())]
    count = 0
    while not stop.is_set():
        count += 1
        phone, to = dice.choice(PHONES), dice.choice(numbers)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, RuntimeError):
            await stage.carriers.phone_sends(phone, to, f"in {count} from {phone} to {to}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), dice.expovariate(wish.texts_per_s))


async def _watch_webhooks(stage: Stage) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            await _read_webhooks(stage)
        await asyncio.sleep(1)


async def _read_webhooks(stage: Stage) -> None:
    async with stage.session.get(f"{stage.carriers.url}/deliveries?after={stage.seen_webhooks}&limit=5000") as answer:
        items: list[dict[str, Any]] = (await answer.json())["items"]
    for item in reversed(items):
        stage.seen_webhooks = item["id"]
        read = webhook(item)
        if read is not None:
            stage.webhooks.append(read)


async def _rest(stage: Stage, clients: list[Client]) -> list[str]:
    """Wait until nothing is under way any more; answers what never came to rest."""
    loop = asyncio.get_running_loop()
    end = loop.time() + REST_S
    told: list[str] = []
    try:
        async with asyncio.timeout(REST_S):
            await asyncio.gather(*(client.quiet() for client in clients))
    except TimeoutError:
        told.append("G39: a client's request was not answered after everything was mended")
    calm = 0
    while loop.time() < end and calm < 4:
        before = stage.seen_webhooks
        await asyncio.sleep(0.7)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, psycopg.Error):
            await _read_webhooks(stage)
            busy = await _to_database(stage, "SELECT count(*) FROM message WHERE outbound AND status IN (1, 2)")
            calm = calm + 1 if stage.seen_webhooks == before and not busy else 0
            continue
        calm = 0
    if not await _ready(stage):
        told.append("G39: not ready after everything was mended")
    return told


async def _ready(stage: Stage) -> bool:
    try:
        async with stage.session.get(f"http://localhost:{stage.ways.port}/health/ready") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _gather(stage: Stage, clients: list[Client], told: list[str]) -> Evidence:
    held = {client.name: (client.state, await _caught_up(client)) for client in clients}
    ledger = [one for item in await stage.carriers.ledger() if (one := hand_over(msgspec.to_builtins(item))) is not None]
    rows = await asyncio.to_thread(read_database, stage.database_url)
    return Evidence(
        history=stage.history.entries,
        webhooks=stage.webhooks,
        hand_overs=ledger,
        held=held,
        numbers={client.name: frozenset(e164 for _, e164 in client.person.numbers) for client in clients},
        told=[*told, *(problem for client in clients for problem in client.problems)],
        **rows,
    )


async def _caught_up(client: Client) -> State:
    """What the client can fetch, once its folded state had a fair chance to be the same."""
    fetched = State()
    for _ in range(30):
        with contextlib.suppress(NotAnswered):
            fetched = await client.fetched()
            if not differences(client.state, fetched):
                break
        await asyncio.sleep(0.5)
    return fetched


async def _to_database(stage: Stage, sql: str) -> int:
    """Run a statement as the owner; answers the first number of its answer, if any."""

    def run() -> int:
        with psycopg.connect(stage.database_url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql.encode())
            row = cursor.fetchone() if cursor.description else None
            return int(row[0]) if row else 0

    return await asyncio.to_thread(run)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
