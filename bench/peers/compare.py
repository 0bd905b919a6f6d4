"""mo_vs_kannel, mo_vs_jasmin, mt_vs_kannel, mt_vs_jasmin: the loads of mo_ingest and mt_path, and beside each the same texts through a peer.

Not like for like, and in the peers' favour: Kererū commits every text durably before it answers, knows doubles, keeps conversations and pushes
to sockets; a peer passes texts on. A peer's SMSC speaks SMPP, ours HTTP, since that is what each is made for.
  mo: the SMSC brings a text → the peer's HTTP request with it has arrived; 64 under way, beside mo_ingest's webhook → owner's socket.
  mt: an HTTP request, 64 connections → the SMSC has the text; beside mt_path's request → carrier has it → state on the sender's socket.
"""

import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.load import Connection, connect, request
from bench.machine import Meter
from bench.mo_ingest import CONNECTIONS, ingesting
from bench.mt_path import AREAS, texting
from bench.options import Options
from bench.peers import jasmin, kannel
from bench.peers.install import PeerMissing, Places, install_jasmin, install_kannel
from bench.peers.processes import Peer
from bench.peers.smsc import BACKLOG, Sink, Smsc, deliver
from bench.rounds import Figures, Result, Side, in_turns, say
from bench.texts import Texts
from bench.world import Company

FOLDER = Path(__file__).parents[2] / ".peers"
DRAINED_WITHIN_S = 60.0
MIN_TAKEN = 0.99
"""A round that lost more than this of its texts is no measurement."""

Running = Callable[[Places, Path, Smsc, Sink], AbstractAsyncContextManager[Peer]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A peer as it takes part: how it is installed and started, what must be reached beside it, and what it promises of a text it took."""

    name: str
    install: Callable[[Places], None]
    running: Running
    mo_goal: float
    mt_goal: float
    durability: str


ENTRIES = (
    Entry("kannel", install_kannel, kannel.running, 3.5, 0.8, kannel.DURABILITY),
    Entry("jasmin", install_jasmin, jasmin.running, 25.0, 13.0, jasmin.DURABILITY),
)


class Beside:
    """The peer's rounds."""

    def __init__(self, peer: Peer, smsc: Smsc, sink: Sink, company: Company, seconds: float) -> None:
        self._peer, self._smsc, self._sink, self._seconds = peer, smsc, sink, seconds
        self._texts = Texts(company, 5, doubles=0.0)
        self._dice = random.Random(12)  # noqa: S311 - repeatable, guards nothing
        self._now = asyncio.get_running_loop().time
        self._until = 0.0
        self._given = 0
        self._refused = 0

    def _meter(self) -> Meter:
        return Meter(server=self._peer.pids, load=[os.getpid()])

    async def mo(self) -> Figures:
        """Texts from the SMSC to the HTTP address."""
        smsc, sink, self._given = self._smsc, self._sink, 0
        before = sink.received
        start = self._now()
        end = start + self._seconds

        def more() -> bytes | None:
            if self._now() > end or self._given - (sink.received - before) >= BACKLOG:
                return None
            self._given += 1
            return deliver(self._texts.next())

        meter = self._meter()
        meter.start()
        smsc.more = more
        while self._now() < end:
            smsc.bring()
            await asyncio.sleep(0.005)
        await self._drained(lambda: sink.received - before >= self._given)
        return self._figures(sink.received - before, sink.last_at - start, meter)

    async def mt(self) -> Figures:
        """Texts by HTTP to the SMSC."""
        smsc, self._given, self._refused = self._smsc, 0, 0
        before = smsc.taken
        connections = [await connect(self._peer.port, self._answered) for _ in range(CONNECTIONS)]
        resting = [connection for connection in connections if not connection.lost]
        meter = self._meter()
        meter.start()
        start = self._now()
        self._until = start + self._seconds
        for connection in resting:
            self._send(connection)
        while self._now() < self._until:
            # Those that found the peer's backlog full, or whose connection the peer closed after its answer.
            for at, connection in enumerate(connections):
                if connection.lost:
                    connections[at] = await connect(self._peer.port, self._answered)
                if not connections[at].busy and self._given - self._refused - (smsc.taken - before) < BACKLOG:
                    self._send(connections[at])
            await asyncio.sleep(0.005)
        await self._drained(lambda: smsc.taken - before >= self._given - self._refused)
        for connection in connections:
            connection.close()
        return self._figures(smsc.taken - before, smsc.last_taken_at - start, meter)

    def _send(self, connection: Connection) -> None:
        self._given += 1
        remote = f"+1{self._dice.choice(AREAS)}55501{self._dice.randrange(100):02}"
        path = self._peer.sending(remote, "+12015550100", f"Your order {self._given} is ready.")
        connection.send(request("GET", path, self._peer.port))

    def _answered(self, connection: Connection, status: int, _: bytes) -> None:
        self._refused += status not in (200, 202)
        if self._now() < self._until and self._given - self._smsc.taken < BACKLOG:
            self._send(connection)

    async def _drained(self, done: Callable[[], bool]) -> None:
        end = self._now() + DRAINED_WITHIN_S
        while not done() and self._now() < end:
            await asyncio.sleep(0.005)

    def _figures(self, count: int, spent: float, meter: Meter) -> Figures:
        wanted = self._given - self._refused
        if not count or count < wanted * MIN_TAKEN:
            message = f"{self._peer.name} passed on {count} of {wanted} texts and refused {self._refused}"
            raise PeerMissing(message)
        return Figures(count / spent, count, meter.stop())


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kb-peer-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "run"


@contextlib.asynccontextmanager
async def _peer(entry: Entry, company: Company, seconds: float) -> AsyncGenerator[Beside]:
    smsc, sink = Smsc(), Sink()
    await smsc.start()
    await sink.start()
    try:
        with _scratch() as folder:
            async with entry.running(Places(FOLDER), folder, smsc, sink) as peer:
                yield Beside(peer, smsc, sink, company, seconds)
    finally:
        smsc.stop()
        sink.stop()


async def run(options: Options) -> list[Result]:
    """Both directions beside every peer that can be had here; a peer that cannot is said so, and is not in the results."""
    there = [entry for entry in ENTRIES if _installed(entry)]
    results: list[Result] = []
    if there:
        async with ingesting(options) as (ingest, world, _, __):
            for entry in there:
                results += await _in_turns("mo", entry, world.company, ingest.subject, options)
        async with texting(options) as (ours, world, __):
            for entry in there:
                results += await _in_turns("mt", entry, world.company, ours.subject, options)
    return results


async def _in_turns(way: str, entry: Entry, company: Company, subject: Side, options: Options) -> list[Result]:
    name = f"{way}_vs_{entry.name}"
    try:
        async with _peer(entry, company, options.seconds) as beside:
            ruler = beside.mo if way == "mo" else beside.mt
            await ruler()
            result = await in_turns(name, subject, ruler, goal=entry.mo_goal if way == "mo" else entry.mt_goal, rounds=options.rounds, extra_rounds=1)
    except PeerMissing as problem:
        say(f"{name}: not measured: {problem}")
        return []
    result.note = f"the peer's promise: {entry.durability}; ours: committed and fsynced before the answer"
    return [result]


def _installed(entry: Entry) -> bool:
    begun = time.monotonic()
    try:
        entry.install(Places(FOLDER))
    except PeerMissing as problem:
        say(f"{entry.name} cannot be installed here: {problem}")
        return False
    say(f"{entry.name} is installed ({time.monotonic() - begun:.0f} s)")
    return True
