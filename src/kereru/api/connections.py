"""The server side of one HTTP connection: uvicorn's protocol with the limits that it does not hold, and an end that loses no request.

Promises (bad inputs 56, 57, 60; reliability.md §6 "Stop"): a request's head comes within HEAD_S and HEAD_BYTES; who takes nothing of an answer for
STALLED_S is cut off; a connection whose request was answered before it was whole is closed, since its end cannot be told any more; at a stop a
connection that is just being used still gets its answer, and hears that it was the last.
"""

import asyncio
import logging
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kereru.kernel.limits import HEADER_BYTES

HEAD_S: Final = 10.0
"""How long a request's head may take, and a new connection until its first one."""

HEAD_BYTES: Final = 2 * HEADER_BYTES
"""What an unfinished head may have altogether; names and values of a finished one's headers may be HEADER_BYTES."""

KEEP_ALIVE_S: Final = 75
"""How long a connection may wait for its next request. Longer than proxies keep theirs: whoever closes first can lose no request by it."""

STALLED_S: Final = 15.0
LINGER_S: Final = 1.0
"""How long what still comes is read and thrown away after an answer that closes, so that the answer is not lost on the way."""

LEAVE_S: Final = 1.0
"""How long an unused connection may still begin a request once the server stops: it may be on its way already."""

# uvicorn would write a line for every request that is no HTTP.
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class HttpConnection(HttpToolsProtocol):
    """Give it to uvicorn as `http=`."""

    cycle: RequestResponseCycle | None  # pyright: ignore[reportIncompatibleVariableOverride] - None before the first request, as uvicorn has it

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._begun = False  # a head has begun and is not whole
        self._begun_now = False  # it began with the bytes that just came
        self._head_size = 0
        self._whole = True
        self._unsent = 0
        self._deaf = False  # whatever comes now is thrown away
        self._leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection that says nothing is not kept."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of it is left behind."""
        self._end_timers()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """From now on the connection is the socket's: none of our deadlines may end it."""
        super().handle_websocket_upgrade()
        self._end_timers()
        self._deaf = True

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        if self._deaf:
            return
        self._begun_now = False
        super().data_received(data)
        if self._deaf or not (self._begun or self._idle()):
            return
        # Blank lines before a request are no head yet, but time and bytes count.
        self._await_head()
        if not self._begun_now:
            self._head_size += len(data)
        if self._head_size > HEAD_BYTES:
            self._refuse(431, "The head of the request is too large.")

    def on_message_begin(self) -> None:
        """The next request begins."""
        super().on_message_begin()
        self._begun = self._begun_now = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._begun = self._whole = False
        self._head_size = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        if self._leaving and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer given before its request was whole leaves a rest that nobody reads."""
        if self.transport.is_closing():
            self._watch_stall()
        elif not self._whole and self._idle():
            self._deaf = True
            self.flow.resume_reading()
            self._close_after(LINGER_S)
            return
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked."""
        self._close()

    def pause_writing(self) -> None:
        """The client does not take what it asked for."""
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._stall_timer is not None and not self.transport.is_closing():
            self._stall_timer.cancel()
            self._stall_timer = None

    def shutdown(self) -> None:
        """The server stops: what is asked is answered, also what is on its way, and then the connection ends."""
        self._leaving = True
        if self._idle():
            self._close_after(LEAVE_S)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP, or could be read in two ways (bad input 56)."""
        self._refuse(400, msg)

    def _end_timers(self) -> None:
        for timer in (self._head_timer, self._stall_timer, self._close_timer):
            if timer is not None:
                timer.cancel()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._head_too_slow)

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if not self._idle():
            # We did not read on while we answered what came before it.
            self._await_head()
        elif self._begun:
            self._refuse(408, "The request took too long.")
        else:
            self._close()

    def _refuse(self, status: int, words: str) -> None:
        """Say why, unless an answer is under way, and close."""
        self._deaf = True
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            head = STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(words)
            self.transport.write(head + words.encode("ascii"))
        if self.cycle is not None and not self.cycle.response_complete:
            # Its application must not go on writing behind this answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._close_after(LINGER_S)

    def _close_after(self, seconds: float) -> None:
        if self._close_timer is None:
            self._close_timer = self.loop.call_later(seconds, self._close_now)

    def _close_now(self) -> None:
        self._close_timer = None
        if self._deaf or (self._idle() and not self._begun):
            self._close()

    def _close(self) -> None:
        self.transport.close()
        self._watch_stall()

    def _watch_stall(self) -> None:
        """Look again in STALLED_S whether the client took anything of what is written."""
        if self._stall_timer is None:
            self._unsent = self.transport.get_write_buffer_size()
            self._stall_timer = self.loop.call_later(STALLED_S, self._look_at_stall)

    def _look_at_stall(self) -> None:
        self._stall_timer = None
        if self.transport.get_write_buffer_size() >= self._unsent:
            self.transport.abort()
        else:
            self._watch_stall()
