"""Listening sockets, and who already holds a port."""

import contextlib
import errno
import http.client
import ipaddress
import socket
from pathlib import Path

from kereru.entrypoints.problems import MachineProblem

BACKLOG = 2048


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A listening socket for forked processes to share. Raises MachineProblem naming who holds the port, if that can be seen."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise MachineProblem("host_unknown", f"The address {host} is not known on this machine.", "Choose another with --host.") from error
    # The protocol is named: asyncio switches Nagle off only on sockets that say they are TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _cannot_bind(error, host, port, option) from error
    listening.setblocking(False)
    return listening


def _cannot_bind(error: OSError, host: str, port: int, option: str) -> MachineProblem:
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        by = f" by {holder}" if holder else " by another program"
        return MachineProblem("port_taken", f"Port {port} is already used{by}.", f"Stop that program, or choose another port with {option}.")
    if error.errno == errno.EACCES:
        return MachineProblem(
            "port_forbidden",
            f"This user may not listen on port {port}.",
            f"Choose a port above 1023 with {option}, and let a proxy listen on {port}.",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return MachineProblem("host_unknown", f"The address {host} does not belong to this machine.", "Choose another with --host.")
    return MachineProblem("port_unusable", f"Kererū cannot listen on {host} port {port}: {error.strerror}.", f"Choose another port with {option}.")


def port_of(listening: socket.socket) -> int:
    """The port a socket listens on."""
    return int(listening.getsockname()[1])


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return port_of(probe)


def holder_of(port: int) -> str | None:
    """Who listens on `port`, as "name (process 123)", where the system lets us see it (Linux: our own processes, or as root all)."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening_inodes(Path("/proc/net") / table, port)}
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for handle in (process / "fd").iterdir():
                if str(handle.readlink()).removeprefix("socket:[").removesuffix("]") in inodes:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None


def _listening_inodes(table: Path, port: int) -> list[str]:
    with contextlib.suppress(OSError):
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
    return []


def answers(host: str, port: int, path: str, *, timeout_s: float = 0.5) -> bool:
    """Whether an HTTP server there answers `path` with a success within `timeout_s`."""
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
    connection = http.client.HTTPConnection(reach, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
