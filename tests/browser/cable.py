"""The cable between a browser and the server: a SOCKS5 proxy that tests can pull, mend, watch, or make as narrow-minded as an office's proxy.

A browser's own offline switch does not reach shared workers, which hold our socket; a pulled cable does.
"""

import contextlib
import select
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class Tunnel:
    """One connection; `asked` is the first line the browser sent through it."""

    browser: socket.socket
    server: socket.socket
    asked: bytes = b""
    closed: bool = False

    def close(self) -> None:
        """Both ends, at once."""
        self.closed = True
        for end in (self.browser, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class Cable:
    """Everything a browser context says to the server goes through here."""

    pulled: bool = False
    """No connection lives, and none comes into being."""
    no_sockets: bool = False
    """WebSockets are cut off as soon as they are asked for."""
    tunnels: list[Tunnel] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # A thread that waits in accept() is woken by shutdown, not by close.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.pull()

    @property
    def address(self) -> str:
        """For the browser's proxy setting."""
        return f"socks5://127.0.0.1:{self._listening.getsockname()[1]}"

    def pull(self) -> None:
        """Cut everything."""
        self.pulled = True
        for tunnel in list(self.tunnels):
            tunnel.close()

    def mend(self) -> None:
        """Let connections through again."""
        self.pulled = False

    def open_sockets(self) -> int:
        """How many WebSockets are open."""
        return sum(not tunnel.closed and b"/api/v1/socket" in tunnel.asked for tunnel in list(self.tunnels))

    def asked_for(self, path: str) -> int:
        """How many connections began with this path."""
        return sum(path.encode() in tunnel.asked for tunnel in list(self.tunnels))

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(browser,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with browser, contextlib.suppress(OSError, EOFError):
            if self.pulled:
                return
            port = _greet(browser)
            with socket.create_connection(("127.0.0.1", port), 5) as server:
                browser.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
                tunnel = Tunnel(browser, server)
                self.tunnels.append(tunnel)
                try:
                    self._carry(tunnel)
                finally:
                    tunnel.closed = True

    def _carry(self, tunnel: Tunnel) -> None:
        other = {tunnel.browser: tunnel.server, tunnel.server: tunnel.browser}
        while not tunnel.closed:
            for end in select.select(list(other), [], [], 1)[0]:
                data = end.recv(65536)
                if not data:
                    return
                if end is tunnel.browser and not tunnel.asked:
                    tunnel.asked = data.split(b"\r\n", 1)[0]
                    if self.no_sockets and b"/api/v1/socket" in tunnel.asked:
                        return
                if self.pulled:
                    return
                other[end].sendall(data)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = end.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _greet(browser: socket.socket) -> int:
    """The SOCKS5 handshake (RFC 1928) as far as a browser needs it; answers the port asked for: every host is this machine."""
    _exactly(browser, _exactly(browser, 2)[1])
    browser.sendall(b"\x05\x00")
    kind = _exactly(browser, 4)[3]
    _exactly(browser, {1: 4, 4: 16}.get(kind) or _exactly(browser, 1)[0])
    return int.from_bytes(_exactly(browser, 2), "big")
