"""footprint and crash: how soon an installation answers and what it weighs, and what a kill -9 at random moments costs."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import psycopg

from bench.load import Connection, answers, connect, request
from bench.machine import Meter, cpu_seconds, pss_bytes, tree_of
from bench.mo_ingest import Flood
from bench.options import Options
from bench.rounds import Figures, Result, by_difference, percentile, say, summed_up
from bench.texts import Texts
from bench.world import Company, found_company, launch, ready, stop, temporary_home
from kereru.entrypoints import ports
from kereru.entrypoints.postgres import EmbeddedPostgres
from kereru.migrations.runner import migrate

FIRST_S, LATER_S, MEMORY_MB, IDLE_S = 3.0, 1.5, 250.0, 60.0
READY_S, KILLS = 10.0, 20


async def footprint(options: Options) -> list[Result]:
    """A fresh start until ready and answering a webhook, later starts, and the memory of all processes after a minute of rest."""
    first: list[tuple[Figures, Figures]] = []
    later: list[tuple[Figures, Figures]] = []
    memory: list[tuple[Figures, Figures]] = []
    with Meter_of_nothing() as nothing:
        for number in range(options.rounds):
            with temporary_home() as home:
                first.append((await _start(home, nothing), nothing))
                _seed(home / "kereru")
                rest_s = IDLE_S if number == 0 else 0.0
                later.append((await _start(home, nothing, rest_s=rest_s, weigh=memory if number == 0 else None), nothing))
    plain = {"compare": by_difference, "sense": "at most"}
    results = [
        summed_up("footprint_first", first, goal=FIRST_S, unit="s", **plain),  # pyright: ignore[reportArgumentType]
        summed_up("footprint_later", later, goal=LATER_S, unit="s", **plain),  # pyright: ignore[reportArgumentType]
        summed_up("footprint_memory", memory, goal=MEMORY_MB, unit="MB", **plain),  # pyright: ignore[reportArgumentType]
    ]
    results[2].note = f"sum of Pss of all processes, {IDLE_S:g} s after ready"
    return results


class Meter_of_nothing:  # noqa: N801 - reads as what it is
    """A ruler of zero: the goal is absolute."""

    def __enter__(self) -> Figures:
        meter = Meter()
        meter.start()
        return Figures(0.0, 0, meter.stop())

    def __exit__(self, *_: object) -> None:
        pass


async def _start(home: Path, nothing: Figures, *, rest_s: float = 0.0, weigh: list[tuple[Figures, Figures]] | None = None) -> Figures:
    port = ports.free_port()
    meter = Meter(load=[os.getpid()])
    meter.start()
    begun = time.monotonic()
    server = launch(port, home=str(home / "kereru"), log_level="error")
    try:
        while not await _answered(port):
            await asyncio.sleep(0.01)
        answered = time.monotonic() - begun
        await ready(server)
        took = max(answered, time.monotonic() - begun)
        usage = meter.stop()
        cpu = cpu_seconds(server.process.pid)
        if weigh is not None:
            await asyncio.sleep(rest_s)
            heavy = pss_bytes([server.process.pid]) / 1e6
            parts = {str(pid): pss_bytes([pid]) / 1e6 for pid in tree_of(server.process.pid)}
            weigh.append((Figures(heavy, 0, usage, {"processes": float(len(parts))}), nothing))
        return Figures(took, 0, usage, {"first_answer_s": answered, "cpu_s": cpu})
    finally:
        stop(server)


async def _answered(port: int) -> bool:
    """Whether a webhook gets any answer of the ingress (a new installation knows no platform, and says 404)."""
    got: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def note(_: Connection, status: int, __: bytes) -> None:
        if not got.done():
            got.set_result(status)

    try:
        connection = await connect(port, note)
        connection.send(request("POST", "/ingress/restcomm/nobody/in", port, b"Body=x"))
        await asyncio.wait_for(got, 5.0)
        connection.close()
    except (OSError, TimeoutError):
        return False
    return True


def _seed(home: Path, people: int = 200) -> Company:
    engine = EmbeddedPostgres(home)
    engine.start()
    try:
        migrate(engine.url)
        return found_company(engine.url, home, people=people, carrier="http://127.0.0.1:9")
    finally:
        engine.stop()


async def crash(options: Options) -> list[Result]:
    """Kill something at random, start again what does not start by itself, and look for what was answered and is not there."""
    dice = random.Random(17)  # noqa: S311 - repeatable, guards nothing
    times: list[float] = []
    answered: set[str] = set()
    kills = max(3, round(KILLS * options.scale))
    meter = Meter(load=[os.getpid()])
    meter.start()
    with temporary_home() as home:
        company = _seed(home / "kereru", people=2000)
        port = ports.free_port()
        server = launch(port, home=str(home / "kereru"), log_level="error")
        try:
            await ready(server)
            for number in range(kills):
                texts = Texts(company, number + 1)
                flood = _Noting(texts, port, answered)
                run = asyncio.create_task(flood.run(dice.uniform(0.3, 1.5)))
                await asyncio.sleep(dice.uniform(0.2, 1.2))
                victim = dice.choice(["supervisor", "child"])
                pids = tree_of(server.process.pid)
                os.kill(pids[0] if victim == "supervisor" or len(pids) < 2 else dice.choice(pids[1:]), signal.SIGKILL)
                killed = time.monotonic()
                await run
                flood.close()
                if server.process.poll() is not None or victim == "supervisor":
                    server.process.wait()
                    server = launch(port, home=str(home / "kereru"), log_level="error")
                while not await answers(port, "/health/ready"):
                    await asyncio.sleep(0.05)
                    if server.process.poll() is not None:
                        # As a service manager does: what the dead one held may not be free yet.
                        server = launch(port, home=str(home / "kereru"), log_level="error")
                    if time.monotonic() - killed > 120:
                        message = f"not ready after the {victim} was killed"
                        raise TimeoutError(message)
                times.append(time.monotonic() - killed)
                say(f"crash {number + 1}: {victim} killed, ready after {times[-1]:.1f} s, {len(answered)} answered so far")
            emptied_s = await _intake_emptied(port)
        finally:
            stop(server)
        lost, doubled, gaps = _examine(home / "kereru", answered)
    usage = meter.stop()
    pair = (Figures(percentile(times, 1.0), 0, usage), Figures(0.0, 0, usage))
    result = summed_up("crash", [pair], goal=READY_S, sense="at most", compare=by_difference, unit="s")
    result.rounds = kills
    result.extra = {"answered": len(answered), "lost": lost, "doubled": doubled, "feeds_with_gaps": gaps}
    result.extra |= {"median_s": round(percentile(times, 0.5), 2), "intake_emptied_s": round(emptied_s, 1)}
    result.note = "seconds from the kill until ready, the longest; and nothing answered may be missing or double"
    result.holds = result.holds and not (lost or doubled or gaps)
    return [result]


async def _intake_emptied(port: int, within_s: float = 120.0) -> float:
    """Seconds until the intake log has been replayed: what lies in it was answered for and is not in the database yet."""
    begun = time.monotonic()
    while time.monotonic() - begun < within_s:
        got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        connection = await connect(port, lambda _, __, body, got=got: got.done() or got.set_result(body))
        connection.send(request("GET", "/metrics", port))
        figures = await asyncio.wait_for(got, 10.0)
        connection.close()
        entries = [float(line.split()[1]) for line in figures.decode().splitlines() if line.startswith("kereru_intake_entries ")]
        if entries and not sum(entries):
            break
        await asyncio.sleep(0.2)
    return time.monotonic() - begun


class _Noting(Flood):
    """A flood that remembers which texts were answered 200."""

    def __init__(self, texts: Texts, port: int, answered: set[str]) -> None:
        super().__init__(texts, port)
        self._texts_of: dict[Connection, str] = {}
        self._noted = answered

    def next_for(self, connection: Connection) -> bytes:
        """The next webhook, remembered by its connection."""
        made = self._texts.next()
        self._texts_of[connection] = made[0]
        return self._made(made)

    def note(self, connection: Connection, status: int) -> None:
        """An answer."""
        if status == 200:
            self._noted.add(self._texts_of[connection])


def _examine(home: Path, answered: set[str]) -> tuple[int, int, int]:
    """(lost, doubled, feeds with gaps) by the database."""
    engine = EmbeddedPostgres(home)
    engine.start()
    try:
        with psycopg.connect(engine.url) as connection:
            rows = connection.execute("SELECT carrier_id, count(*) FROM message WHERE NOT outbound GROUP BY 1").fetchall()
            stored = {str(cid): int(count) for cid, count in rows}
            gaps = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM change c JOIN feed f ON f.provider_id = c.provider_id AND f.id = c.feed_id"
                " GROUP BY c.feed_id, f.head HAVING count(*) <> f.head OR max(c.number) <> f.head) g"
            ).fetchone()
            return sum(cid not in stored for cid in answered), sum(count > 1 for count in stored.values()), int(gaps[0]) if gaps else 0
    finally:
        engine.stop()
