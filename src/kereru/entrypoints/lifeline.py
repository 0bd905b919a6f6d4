"""Two pipes: one tells forked children that their parent is gone, whatever ended it; the other tells the parent that a child does its work."""

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from kereru.kernel.logging import get_logger

GRACE_S = 15.0
"""How long a child may take over its orderly end after its parent died."""

COLLECT_ALL_AFTER = 1_000
"""A collection of everything comes after so many of the young objects, not after ten: it stops the process while it looks at each object that lives,
150 ms with 2,000 sockets open, every few seconds under load, and finds next to nothing (docs/reference/performance.md)."""

Announce = Callable[[], None]
"""Called by a process once it does its work."""


class Readiness:
    """Whether a child has announced that it does its work. `prepare` before the fork, `listen` after it in the parent, `announce` in the child."""

    def __init__(self) -> None:
        self._reading = self._writing = -1
        self._there = False

    def prepare(self) -> None:
        """A new pipe, for a new life."""
        self._forget()
        self._there = False
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)

    def listen(self) -> None:
        """In the parent: only the child may write."""
        os.close(self._writing)
        self._writing = -1

    def announce(self) -> None:
        """In the child."""
        with contextlib.suppress(OSError):
            os.write(self._writing, b".")

    @property
    def there(self) -> bool:
        """Whether it was announced."""
        if not self._there and self._reading >= 0:
            with contextlib.suppress(BlockingIOError):
                self._there = os.read(self._reading, 1) == b"."
                self._forget()
        return self._there

    def _forget(self) -> None:
        for end in (self._reading, self._writing):
            if end >= 0:
                os.close(end)
        self._reading = self._writing = -1


class Lifeline:
    """The parent holds the writing end for as long as it lives; each child watches the reading end."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def watch(self) -> None:
        """In a forked child: ask this process to end (SIGTERM) when the parent is gone, and end it by force GRACE_S later."""
        os.close(self._writing)
        reading = self._reading

        def wait() -> None:
            while os.read(reading, 1):
                pass
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(GRACE_S)
            os._exit(1)

        threading.Thread(target=wait, name="lifeline", daemon=True).start()

    def close(self) -> None:
        """In the parent, when all children are gone."""
        os.close(self._reading)
        os.close(self._writing)


def become_child(lifeline: Lifeline, name: str, target: Callable[[], None]) -> None:
    """In a forked child: run `target` and end the process with its outcome; never returns."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which then ends everything in order.
        os.setsid()
        _show_name(name)
        gc.set_threshold(*gc.get_threshold()[:2], COLLECT_ALL_AFTER)
        lifeline.watch()
        target()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException as error:  # noqa: BLE001 - whatever it was is reported and becomes the exit status
        _report(name, error)
    finally:
        _leave(status)


def _report(name: str, error: BaseException) -> None:
    get_logger("supervisor").error("a process failed", process=name, error=f"{type(error).__name__}: {error}", exc_info=error)


def _leave(status: int) -> None:
    """End without running what the parent registered for its own end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)


def _show_name(name: str) -> None:
    """Show `name` in ps -o comm on Linux; elsewhere the name stays."""
    try:
        Path("/proc/self/comm").write_text(f"kereru-{name}"[:15], encoding="utf-8")
    except OSError:
        return
