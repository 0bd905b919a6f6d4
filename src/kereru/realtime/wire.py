"""The server side of one WebSocket: uvicorn's protocol, with what a push to thousands of sockets needs and ASGI cannot say.

ASGI's `send` waits while a client does not read, so a stalled client could be neither noticed nor closed without a task for each socket, and every
push would encode its frame again. `SocketProtocol` (give it to uvicorn as `ws=`) therefore puts itself into the scope as the extension
`kereru.wire`: frames are written as they are, shared by all sockets, and whether the client keeps up can be asked (docs/decisions/0010).
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from kereru.kernel.limits import SOCKET_FRAME_BYTES

EXTENSION: Final = "kereru.wire"
RESTART: Final = 1012
POLICY: Final = 1008

SEND_BUFFER_BYTES: Final = 128 * 1024
"""What the operating system keeps for a client that does not read; left alone it would grow to megabytes (G25)."""

GRACE_S: Final = 5.0
"""How long a closed client may take to read what it still has coming, close code included, before the connection is cut."""

_LINGER_S = 1.0
_CONTROLS_IN_A_ROW = 200
_FRAGMENTS = 256


def text_frame(payload: bytes) -> bytes:
    """One unmasked, final text frame (RFC 6455 §5.2): the same bytes for every socket."""
    size = len(payload)
    if size < 126:
        return struct.pack(">BB", 0x81, size) + payload
    if size < 1 << 16:
        return struct.pack(">BBH", 0x81, 126, size) + payload
    return struct.pack(">BBQ", 0x81, 127, size) + payload


def restart_reason(sockets: int) -> str:
    """The hint beside close code 1012: `retry=MILLISECONDS`, spread so that a thousand clients a second come back (G28)."""
    return f"retry={random.randrange(200, 1000 + sockets)}"  # noqa: S311 - spreads load, guards nothing


class Wire(Protocol):
    """What the socket application may do with a connection beside ASGI."""

    on_drained: Callable[[], None] | None

    @property
    def full(self) -> bool:
        """The client does not keep up: nothing more may be written for now. `on_drained` is called when that ends."""
        ...

    def write(self, frame: bytes) -> None:
        """Write a ready frame; never waits."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close now, even if the client does not read: it may still take its code for GRACE_S."""
        ...


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol as a `Wire`. It never compresses, and refuses frames over SOCKET_FRAME_BYTES whatever uvicorn was told."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.on_drained: Callable[[], None] | None = None
        # One compressor costs more memory than the rest of an idle socket.
        self.conn.available_extensions = []
        self.conn.max_message_size = SOCKET_FRAME_BYTES
        self._controls = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over and bound what the operating system buffers for it."""
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def run_asgi(self) -> None:
        """Run the application with this wire in its scope."""
        scope = cast("MutableMapping[str, Any]", self.scope)
        scope.setdefault("extensions", {})[EXTENSION] = self
        await super().run_asgi()

    @property
    def full(self) -> bool:
        """See Wire."""
        return not self.writable.is_set()

    def write(self, frame: bytes) -> None:
        """See Wire."""
        if self.conn.state is State.OPEN and not self.close_sent and not self.transport.is_closing():
            self.transport.write(frame)

    def close(self, code: int, reason: str = "") -> None:
        """See Wire."""
        self.stop_keepalive()
        if not self.close_sent and not self.disconnected and self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            # Only a client that reads again can answer the close; until then reading goes on.
            if self.read_paused:
                self.read_paused = False
                self.transport.resume_reading()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._cut_after(GRACE_S)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self.on_drained is not None:
            self.on_drained()

    def handle_text(self, event: Frame) -> None:
        """A client's message ends its row of control frames."""
        self._controls = 0
        super().handle_text(event)

    def handle_ping(self) -> None:
        """Answer a ping, but neither into a full buffer nor for ever (bad input 100)."""
        self._count_control()
        if self.full or self.close_sent:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """The answer to our own ping begins the row of control frames anew; nobody asked for any other (bad input 100)."""
        if self.pending_ping_payload is not None and bytes(event.data) == self.pending_ping_payload:
            self._controls = 0
            super().handle_pong(event)
        else:
            self._count_control()

    def _count_control(self) -> None:
        self._controls += 1
        if self._controls > _CONTROLS_IN_A_ROW:
            self.conn.data_to_send()
            self.close(POLICY, "too_many_pings")

    def handle_cont(self, event: Frame) -> None:
        """A message in fragments; in very many it is refused (bad input 100)."""
        if len(self.frames) >= _FRAGMENTS:
            self.frames = []
            self.close(POLICY, "too_many_fragments")
        else:
            super().handle_cont(event)

    def handle_close(self, event: Frame) -> None:
        """The client goes, or answers our close."""
        super().handle_close(event)
        self._cut_after(GRACE_S)

    def handle_parser_exception(self) -> None:
        """What came is no WebSocket, or too long: say which (1002, 1007, 1009). Reading goes on for a moment: cutting at once would lose the code."""
        output = b"".join(self.conn.data_to_send())
        if self.close_sent:
            return
        close = self.conn.close_sent
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code if close else 1006, "reason": close.reason if close else ""})
        self.transport.write(output)
        self.close_sent = True
        self._cut_after(_LINGER_S)

    def _cut_after(self, seconds: float) -> None:
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(seconds, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """The client is gone: cut, since a graceful close would wait for it for ever."""
        super().keepalive_timeout()
        self._cut_after(GRACE_S)

    def shutdown(self) -> None:
        """The server stops: say so, and when to come back."""
        if self.handshake_complete and not self.close_sent:
            self.close(RESTART, restart_reason(len(self.connections)))
        else:
            super().shutdown()
