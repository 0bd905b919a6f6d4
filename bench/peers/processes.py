"""A peer's processes: started on loopback, their words kept in files, ended for certain."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers.install import PeerMissing
from bench.peers.smsc import Smsc


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer: its processes, where it takes texts by HTTP, and the path of such a request (remote, our number, text)."""

    name: str
    pids: tuple[int, ...]
    port: int
    sending: Callable[[str, str, str], str]


class Processes:
    """Processes in a session of their own each, so that the whole of it can be ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for sign, within_s in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)):
            for process in reversed(self._running.values()):
                if process.poll() is None or sign == signal.SIGKILL:
                    _end(process, sign)
            end = time.monotonic() + within_s
            for process in self._running.values():
                try:
                    process.wait(max(0.1, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue

    @property
    def pids(self) -> tuple[int, ...]:
        """The roots of all."""
        return tuple(process.pid for process in self._running.values())

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start one in the folder; what it says goes to NAME.out."""
        with (self._folder / f"{name}.out").open("wb") as out:
            self._running[name] = subprocess.Popen(  # noqa: S603 - programs we installed
                list(command), env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self._folder, start_new_session=True
            )

    def check(self) -> None:
        """Raises PeerMissing for a process that ended, with its last words."""
        for name, process in self._running.items():
            if process.poll() is not None:
                said = (self._folder / f"{name}.out").read_text(errors="replace").strip().splitlines()
                message = f"{name} ended with {process.returncode}: {said[-1] if said else 'it said nothing'}"
                raise PeerMissing(message)


def _end(process: "subprocess.Popen[bytes]", sign: signal.Signals) -> None:
    try:
        os.killpg(process.pid, sign)
    except ProcessLookupError:
        return


async def listening(port: int, processes: Processes, within_s: float = 60.0) -> None:
    """Wait until something listens there. Raises PeerMissing."""
    end = time.monotonic() + within_s
    while True:
        processes.check()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
        if time.monotonic() > end:
            message = f"nothing listened on its port within {within_s:g} s"
            raise PeerMissing(message)


async def bound(smsc: Smsc, processes: Processes, within_s: float = 60.0) -> None:
    """Wait until the peer has bound to the SMSC. Raises PeerMissing."""
    end = time.monotonic() + within_s
    while not smsc.bound:
        processes.check()
        if time.monotonic() > end:
            message = f"it did not bind to the SMSC within {within_s:g} s"
            raise PeerMissing(message)
        await asyncio.sleep(0.1)
