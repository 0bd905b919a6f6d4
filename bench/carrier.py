"""A fake carrier: takes a text, answers after ten milliseconds as Restcomm does, and remembers how many came."""

import asyncio
import itertools
from typing import cast

DELAY_S = 0.01
_HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class FakeCarrier:
    """A server of raw protocols in this process; `url` is where it listens."""

    def __init__(self) -> None:
        self.taken = 0
        self.port = 0
        self._sids = itertools.count(1)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address for the platform."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Taking(self), "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()

    def answer(self) -> bytes:
        """What the next text is answered with."""
        self.taken += 1
        body = b'{"sid":"SM%032x","status":"queued","direction":"outbound-api"}' % next(self._sids)
        return _HEAD % (len(body), body)


class _Taking(asyncio.Protocol):
    def __init__(self, carrier: FakeCarrier) -> None:
        self._carrier = carrier
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            asyncio.get_running_loop().call_later(DELAY_S, self._reply)

    def _reply(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._carrier.answer())
