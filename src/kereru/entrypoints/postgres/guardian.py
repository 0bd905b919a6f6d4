"""The tiny parent of PostgreSQL: it ends the engine when the pipe from our supervisor closes, however that process ended.

It runs as a program of its own (`python -I -S guardian.py LIFELINE STOP_S UID GID FOLDER SOCKETS COMMAND...`), imports next to nothing and works
wherever pipes do. A parent-death signal would not: macOS has none, and Linux sends it when the *thread* that started the child ends.
UID -1 keeps the user; SOCKETS is the runtime folder to remove at the end. The engine's process id is printed
as the first line; the exit status is the engine's (128 + n for signal n).
"""

import os
import select
import signal
import sys
import time

QUIT_S = 10.0
"""How long an immediate shutdown may take before SIGKILL; recovery at the next start makes all of these safe."""


def start(uid: int, gid: int, folder: str, command: list[str]) -> int:
    """Fork and become the engine in `folder`, as `uid`; answers its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        if uid >= 0:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.execv(command[0], command)  # noqa: S606 - PostgreSQL itself, without a shell
    except OSError as error:
        os.write(2, f"FATAL:  could not start {command[0]}: {error}\n".encode())
    os._exit(127)


def ended(pid: int) -> int | None:
    """The exit status of `pid`, or None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return None
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def stop(pid: int, stop_s: float) -> int:
    """Fast shutdown, then immediate, then by force; answers the exit status."""
    for number, patience_s in ((signal.SIGINT, stop_s), (signal.SIGQUIT, QUIT_S), (signal.SIGKILL, None)):
        os.kill(pid, number)
        until = None if patience_s is None else time.monotonic() + patience_s
        while until is None or time.monotonic() < until:
            code = ended(pid)
            if code is not None:
                return code
            time.sleep(0.01)
    return 1


def remove(sockets: str) -> None:
    """Remove the runtime folder; the engine has taken its socket out of it, unless it was ended by force."""
    try:
        os.rmdir(sockets)  # noqa: PTH106 - pathlib would double the memory of this program
    except OSError:
        os.write(2, f"LOG:  {sockets} was left in place\n".encode())


def only_wake(_number: int, _frame: object) -> None:
    """A handler is needed for the wake-up to be written; there is nothing to do in it."""


def main(arguments: list[str]) -> int:
    """Start the engine and watch both it and the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lifeline, stop_s, uid, gid = int(arguments[0]), float(arguments[1]), int(arguments[2]), int(arguments[3])
    folder, sockets = arguments[4:6]
    os.set_inheritable(lifeline, False)
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, only_wake)
    pid = start(uid, gid, folder, arguments[6:])
    os.write(1, f"{pid}\n".encode())
    os.dup2(2, 1)
    while True:
        code = ended(pid)
        if code is not None:
            return code
        ready, _, _ = select.select([lifeline, wake], [], [])
        if lifeline in ready and not os.read(lifeline, 1):
            code = stop(pid, stop_s)
            remove(sockets)
            return code
        if wake in ready:
            os.read(wake, 64)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
