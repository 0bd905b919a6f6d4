"""What goes wrong and when: drawn whole from a seed before the run, so that the same seed repeats the schedule; then done to processes and hops."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path

import msgspec

from kereru.simulators.faults import KINDS, Kind
from kereru.simulators.testing import Control
from kereru.torture.history import History
from kereru.torture.proxy import FaultProxy, Rule

PROCESSES = ("web", "web-2", "sender", "scheduler", "postgres", "backend")
HOPS = ("hooks", "carriers", "clients", "database")


class Misfortune(msgspec.Struct, frozen=True, tag=True):
    """Something at `at` seconds."""

    at: float


class Kill(Misfortune, frozen=True, tag="kill"):
    """kill -9 of a process; `backend` is one of PostgreSQL's, which makes all of it recover."""

    process: str


class Freeze(Misfortune, frozen=True, tag="freeze"):
    """SIGSTOP, and SIGCONT `seconds` later; PostgreSQL with all its backends."""

    process: str
    seconds: float


class CarrierFault(Misfortune, frozen=True, tag="carrier"):
    """A simulated carrier's own fault."""

    carrier: str
    kind: Kind
    count: int


class Spoil(Misfortune, frozen=True, tag="spoil"):
    """Rules on a hop for `seconds`."""

    hop: str
    rules: tuple[Rule, ...]
    seconds: float


class Cut(Misfortune, frozen=True, tag="cut"):
    """Every connection of a hop is reset; with `seconds`, new ones are refused for so long."""

    hop: str
    seconds: float


Any = Kill | Freeze | CarrierFault | Spoil | Cut


def schedule(seed: int, seconds: float, *, lease_s: float, every_s: float = 1.5) -> list[Any]:
    """All misfortunes of a run, in order."""
    dice = random.Random(f"misfortunes {seed}")  # noqa: S311 - a schedule, not a secret
    found: list[Any] = []
    at = 1.0
    while (at := at + dice.uniform(0.3, 1.7) * every_s) < seconds:
        found.append(_one(dice, round(at, 3), lease_s))
    return found


def _one(dice: random.Random, at: float, lease_s: float) -> Any:
    roll = dice.random()
    if roll < 0.2:
        return Kill(at, dice.choices(PROCESSES, (3, 3, 4, 1, 1, 1))[0])
    if roll < 0.32:
        process = dice.choice(("sender", "postgres", "web"))
        return Freeze(at, process, dice.uniform(lease_s, lease_s * 2) if process == "sender" else dice.uniform(0.5, 8.0))
    if roll < 0.65:
        return CarrierFault(at, dice.choice(("restcomm", "inteliquent")), dice.choice(KINDS), dice.randint(1, 4))
    if roll < 0.9:
        return Spoil(at, *_spoilt(dice), dice.uniform(0.5, 3.0))
    return Cut(at, dice.choice(HOPS), dice.choice((0.0, dice.uniform(0.3, 2.0))))


def _spoilt(dice: random.Random) -> tuple[str, tuple[Rule, ...]]:
    hop = dice.choice(HOPS)
    way = dice.choice(("up", "down"))
    chance = dice.uniform(0.2, 0.9)
    kind = dice.choice(("delay", "drop", "cut", "half_close", "throttle", "duplicate"))
    if kind == "duplicate" and hop in ("carriers", "database"):
        # A request doubled on its way to the carrier is out of anybody's hands, and a database session is no request.
        kind = "cut"
    rule = Rule(
        kind=kind,
        way=way,
        chance=chance,
        seconds=dice.choice((0.05, 0.5, 2.5)),
        after_bytes=dice.choice((0, 1, 40, 200, 600, 2000)),
        bytes_per_s=dice.choice((500, 5_000, 50_000)),
    )
    return hop, (rule,)


class Fate:
    """Does what the schedule says, and mends it all at the end."""

    def __init__(
        self, hops: Mapping[str, FaultProxy], carriers: Control, pids: Callable[[], Mapping[str, int]], history: History, offset: float
    ) -> None:
        self._hops, self._carriers, self._pids, self._history = hops, carriers, pids, history
        self._offset = offset
        self._frozen: list[int] = []
        self._later: set[asyncio.Task[None]] = set()

    async def run(self, misfortunes: Sequence[Any]) -> None:
        """One after the other at their times; each is mended at its own time while the next may have come."""
        for one in misfortunes:
            await asyncio.sleep(max(0.0, self._offset + one.at - self._history.now))
            self._history.write("fate", type(one).__name__.lower(), "note", **msgspec.to_builtins(one))
            try:
                await self._do(one)
            except (OSError, RuntimeError) as error:
                self._history.write("fate", "could_not", "note", error=repr(error)[:200])

    async def mend(self) -> None:
        """Everything as it should be again; processes that were killed are the supervisor's affair."""
        for task in list(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        self._thaw(list(self._frozen))
        for hop in self._hops.values():
            hop.set_rules()
            await hop.refuse()
            await hop.listen()
        await self._carriers.clear_faults()

    async def _do(self, one: Any) -> None:
        match one:
            case Kill():
                for pid in self._victims(one.process)[:1]:
                    _signal(pid, signal.SIGKILL)
            case Freeze():
                pids = self._victims(one.process)
                self._frozen.extend(pids)
                for pid in pids:
                    _signal(pid, signal.SIGSTOP)
                self._after(one.seconds, lambda: self._thaw(pids))
            case CarrierFault():
                await self._carriers.add_fault(one.carrier, one.kind, count=one.count, delay_ms=1500)
            case Spoil():
                hop = self._hops[one.hop]
                hop.set_rules(*one.rules)
                self._after(one.seconds, hop.set_rules)
            case Cut():
                hop = self._hops[one.hop]
                hop.cut_all()
                if one.seconds:
                    await hop.refuse()
                    self._after(one.seconds, lambda: self._task(hop.listen()))

    def _victims(self, process: str) -> list[int]:
        pids = self._pids()
        if process not in ("postgres", "backend"):
            return [pids[process]] if process in pids else []
        if "postgres" not in pids:
            return []
        backends = children_of(pids["postgres"])
        return backends[-1:] if process == "backend" else [pids["postgres"], *backends]

    def _thaw(self, pids: Sequence[int]) -> None:
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        self._frozen = [pid for pid in self._frozen if pid not in pids]

    def _after(self, seconds: float, act: Callable[[], object]) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            act()

        self._task(later())

    def _task(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def children_of(pid: int) -> list[int]:
    """The processes that `pid` started and that still run (Linux)."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in brackets may hold anything; the parent is the second field after it.
            if int(entry.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.parent.name))
    return sorted(found)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
