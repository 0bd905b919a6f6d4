"""A pipe that tells forked children that their parent is gone, whatever ended it; works wherever pipes do."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from kereru.kernel.logging import get_logger

GRACE_S = 15.0
"""How long a child may take over its orderly end after its parent died."""


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
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which then ends everything in order.
        os.setsid()
        _show_name(name)
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
