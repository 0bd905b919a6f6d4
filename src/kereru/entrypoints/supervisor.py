"""Process supervision without a domain word: fork, watch, start again with growing pauses, replace one by one, stop in order, leave nothing behind.

The supervisor has one thread and waits in `select`; children are forked from it, so whatever it imported before is shared memory for them.
A child learns of the supervisor's death by a pipe. Companions are things with processes of their own (the embedded engine).
"""

import gc
import os
import select
import signal
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from kereru.entrypoints.lifeline import Announce, Lifeline, Readiness, become_child
from kereru.entrypoints.problems import MachineProblem, Stopped
from kereru.kernel.logging import get_logger

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A process that lived this long starts again after FIRST_PAUSE_S; one that keeps dying waits twice as long each time."""

READY_S = 60.0
"""A successor that is not ready after this long is given up; its predecessor stays."""

_IMPATIENT_S = 1.0
_log = get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process: `target` runs in a forked child, calls what it is given once it does its work, and returns after SIGTERM.

    Without `restart`, its end is only noted. `rolling` says how it is replaced at a rolling restart: `overlap`, its successor is ready before it is
    asked to end, by SIGUSR1; `in_turn`, it ends first; `never`.
    """

    name: str
    target: Callable[[Announce], None]
    restart: bool = True
    rolling: Literal["overlap", "in_turn", "never"] = "in_turn"


@dataclass(frozen=True, slots=True)
class Companion:
    """Something with processes of its own. `step` says whether it is ready and may raise MachineProblem; `stop` returns when it is gone."""

    name: str
    step: Callable[[], bool]
    stop: Callable[[], None]
    pid: Callable[[], int | None]


class StopRequest:
    """Signals as facts to look at: SIGTERM, SIGINT and SIGHUP ask for the end, SIGUSR1 for a rolling restart; every signal wakes `wait`."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.urgent = False
        self.restart_wanted = False
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # nohup has SIGHUP ignored for us and means it; a shell's "&" ignores SIGINT by habit only.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._asked)
        signal.signal(signal.SIGUSR1, self._restart_asked)
        signal.signal(signal.SIGCHLD, _only_wake)

    def __call__(self) -> bool:
        """Whether the end was asked for."""
        return self.since is not None

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.since is None:
            self.since = now
            _log.info("stopping", signal=signal.Signals(number).name)
        elif now - self.since > _IMPATIENT_S:
            self.urgent = True

    def _restart_asked(self, _number: int, _frame: FrameType | None) -> None:
        self.restart_wanted = True

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds` or until a signal comes."""
        if select.select([self._reading], [], [], max(0.0, seconds))[0]:
            os.read(self._reading, 4096)


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """A handler is needed for the wake-up to be written; there is nothing to do in it."""


class _Child:
    """One supervised process and how it has fared."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.started = 0.0
        self.deaths = 0
        self.due: float | None = 0.0
        self.readiness = Readiness()
        self.leaving = False


class Supervisor:
    """Runs processes until it is asked to stop."""

    def __init__(self, stop_request: StopRequest, *, stop_s: float = 60.0, companions: Sequence[Companion] = ()) -> None:
        self._stop_request = stop_request
        self._stop_s = stop_s
        self._companions = companions
        self._retry: dict[str, float] = {}
        self._children: list[_Child] = []
        self._lifeline = Lifeline()
        self._stopped = False
        self._replacing: Generator[None] | None = None

    def pids(self) -> dict[str, int]:
        """The process number of everything that runs now, by name."""
        own = {companion.name: companion.pid() for companion in self._companions} | {child.spec.name: child.pid for child in self._children}
        return {"supervisor": os.getpid(), **{name: pid for name, pid in own.items() if pid is not None}}

    def add(self, spec: ProcessSpec) -> None:
        """Start another process now and look after it from here on."""
        child = _Child(spec)
        self._children.append(child)
        self._fork(child)

    def run_once(self, name: str, target: Callable[[], None], *, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Run `target` in a child of its own and wait; answers its exit status (128 + n for signal n). A stop request ends it.

        `meanwhile` is what the supervisor itself does first, while the child works.
        """
        pid = self._fork(_Child(ProcessSpec(name, lambda _: target(), restart=False)))
        meanwhile()
        asked = False
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return _status(status)
            if self._stop_request() and not asked:
                os.kill(pid, signal.SIGTERM)
                asked = True
            elif self._stop_request.urgent:
                os.kill(pid, signal.SIGKILL)
            self._step_companions()
            self._stop_request.wait(0.2)

    def run_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Look after everything until `condition` holds. Raises MachineProblem when it does not within `seconds`, or a stop was asked for."""
        end = time.monotonic() + seconds
        while not condition():
            if self._stop_request():
                raise Stopped
            if time.monotonic() >= end:
                raise MachineProblem("not_ready", f"{what} did not become ready within {seconds:.0f} s.", "The log above says why.")
            self._tick()
            self._stop_request.wait(0.02)

    def run(self, on_tick: Callable[[], bool] = lambda: True) -> None:
        """Watch until a stop is asked for, then end everything. `on_tick` is called often until it says True."""
        settled = False
        try:
            while not self._stop_request():
                ready = self._tick()
                settled = settled or on_tick()
                self._stop_request.wait(self._pause() if settled and ready else 0.02)
        finally:
            self.stop()

    def _tick(self) -> bool:
        self._reap()
        ready = self._step_companions()
        self._start_due()
        self._replace_on()
        return ready

    def _replace_on(self) -> None:
        """Begin a rolling restart that was asked for, and take it a step further."""
        if self._stop_request.restart_wanted and self._replacing is None:
            self._stop_request.restart_wanted = False
            self._replacing = self._replace_all()
        if self._replacing is not None and next(self._replacing, self) is self:
            self._replacing = None

    def _replace_all(self) -> Generator[None]:
        """Every process gets a successor, one after the other; ends early, with the rest as they were, when a successor does not get ready."""
        olds = [child for child in self._children if child.spec.rolling != "never"]
        _log.info("rolling restart", processes=[child.spec.name for child in olds])
        for old in olds:
            if old.spec.rolling == "overlap":
                new = yield from self._begin(old.spec)
                if not new.readiness.there:
                    yield from self._end(new)
                    _log.error("rolling restart given up: the new process did not get ready, the old one goes on", process=old.spec.name)
                    return
                yield from self._end(old, signal.SIGUSR1)
            else:
                yield from self._end(old)
                yield from self._begin(old.spec)
            _log.info("process replaced", process=old.spec.name)
        _log.info("every process was replaced")

    def _begin(self, spec: ProcessSpec) -> Generator[None, None, _Child]:
        """Another process, which is ready at the end unless it died or took too long."""
        new = _Child(spec)
        self._children.append(new)
        self._fork(new)
        end = time.monotonic() + READY_S
        while not new.readiness.there and new.pid is not None and time.monotonic() < end:
            yield
        return new

    def _end(self, child: _Child, how: signal.Signals = signal.SIGTERM) -> Generator[None]:
        """Ask a process to end, by force when it takes too long; it is not started again."""
        child.leaving, child.due = True, None
        end = time.monotonic() + self._stop_s
        number = how
        while child.pid is not None:
            if number is how or time.monotonic() >= end:
                os.kill(child.pid, number)
                number, end = signal.SIGKILL, time.monotonic() + self._stop_s
            yield
        self._children.remove(child)

    def stop(self) -> None:
        """SIGTERM to every process, SIGKILL to those that are left after the limit, then the companions. Safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        end = time.monotonic() + self._stop_s
        self._signal_all(signal.SIGTERM)
        while self._running():
            self._reap(stopping=True)
            if not self._running():
                break
            if time.monotonic() >= end or self._stop_request.urgent:
                _log.warning("ending by force", processes=[child.spec.name for child in self._running()])
                self._signal_all(signal.SIGKILL)
                end = time.monotonic() + self._stop_s
            self._stop_request.wait(0.05)
        for companion in reversed(self._companions):
            companion.stop()
        self._children.clear()
        _log.info("everything has stopped")

    def _running(self) -> list[_Child]:
        return [child for child in self._children if child.pid is not None]

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self._running():
            if child.pid is not None:
                os.kill(child.pid, number)

    def _fork(self, child: _Child) -> int:
        gc.collect()
        # Objects made so far are never looked at again by the collector, so their memory stays shared with the children.
        gc.freeze()
        child.readiness.prepare()
        pid = os.fork()
        if pid == 0:
            become_child(self._lifeline, child.spec.name, lambda: child.spec.target(child.readiness.announce))
        child.readiness.listen()
        child.pid, child.started, child.due = pid, time.monotonic(), None
        return pid

    def _reap(self, *, stopping: bool = False) -> None:
        for child in self._children:
            if child.pid is None:
                continue
            done, status = os.waitpid(child.pid, os.WNOHANG)
            if not done:
                continue
            lived = time.monotonic() - child.started
            child.pid = None
            if stopping or child.leaving:
                continue
            child.deaths = 0 if lived >= STEADY_S else child.deaths + 1
            if child.spec.restart:
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** max(0, child.deaths - 1))
                child.due = time.monotonic() + pause
                _log.warning("a process ended; starting it again", process=child.spec.name, status=_status(status), pause_s=pause)
            elif status:
                _log.warning("a process ended", process=child.spec.name, status=_status(status))

    def _start_due(self) -> None:
        for child in self._children:
            if child.due is not None and child.due <= time.monotonic() and not self._stop_request():
                self._fork(child)

    def _step_companions(self) -> bool:
        ready = True
        for companion in self._companions:
            if self._retry.get(companion.name, 0.0) > time.monotonic():
                ready = False
                continue
            try:
                ready = companion.step() and ready
            except MachineProblem as problem:
                _log.error("cannot start again; trying on", part=companion.name, code=problem.code, reason=str(problem))
                self._retry[companion.name] = time.monotonic() + LONGEST_PAUSE_S / 2
                ready = False
        return ready

    def _pause(self) -> float:
        if self._replacing is not None:
            return 0.02
        due = [child.due for child in self._children if child.due is not None]
        return min([1.0, *(when - time.monotonic() for when in due)])


def _status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
