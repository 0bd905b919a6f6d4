"""The socket application (`WS /api/v1/socket`): who may open one, the few frames a client may send, and closing those who do not read.

Frames from the client: `{"type":"follow","after":CURSOR}` first, then `{"type":"ping"}` as it likes. Frames to it: `changes`, `resync`, `pong`.
Closed with 4401 (not signed in, or no longer), 4408 (does not keep up), 1012 (restart; the reason says `retry=MILLISECONDS`), 1009 (frame too
long), 1008 (anything else a client must not do; the reason is a code).
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from kereru.kernel.clock import Clock
from kereru.kernel.errors import Unavailable
from kereru.kernel.logging import get_logger
from kereru.kernel.metrics import counter
from kereru.realtime.delivery import Delivery
from kereru.realtime.errors import BadCursor, TooManyFollowers
from kereru.realtime.hub import Hub
from kereru.realtime.live import LiveSockets
from kereru.realtime.model import Position, SocketViewer
from kereru.realtime.wire import EXTENSION, POLICY, RESTART, Wire, restart_reason, text_frame

NOT_SIGNED_IN: Final = 4401
TOO_SLOW: Final = 4408
TRY_AGAIN_LATER: Final = 1013

STALLED_S: Final = 30.0
"""How long a client may take no byte at all before it is closed (G25)."""

_FRAMES_IN_A_WINDOW = 60
_WINDOW_S = 10.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Authenticate = Callable[[Scope], Awaitable[SocketViewer | None]]
"""Who asks for this socket; None: nobody who is signed in."""

FromOurPage = Callable[[Scope], bool]
"""Whether the handshake comes from our own pages, or from no page at all (bad input 96). What stands in front may have asked already."""

_log = get_logger("realtime.socket")
_slow = counter("realtime_slow_closed", "Sockets closed because their client did not read.")


class _Follow(msgspec.Struct, tag="follow", forbid_unknown_fields=True, frozen=True):
    after: str | None = None


class _Ping(msgspec.Struct, tag="ping", forbid_unknown_fields=True, frozen=True):
    pass


_decoder = msgspec.json.Decoder(_Follow | _Ping)
_PONG = text_frame(b'{"type":"pong"}')


class Socket:
    """One open socket: a Follower whose deliveries go out on its wire. Small, since there may be ten thousand."""

    __slots__ = ("_frames", "_sockets", "_window", "closed", "fresh", "position", "stalled_since", "viewer", "wire")

    def __init__(self, viewer: SocketViewer, wire: Wire, sockets: "SocketApplication") -> None:
        self.viewer = viewer
        self.wire = wire
        self.position: Position = ()
        self.fresh = True
        self.closed = False
        self.stalled_since: float | None = None
        self._sockets = sockets
        self._window = 0.0
        self._frames = 0

    @property
    def ready(self) -> bool:
        """See Follower."""
        return not self.closed and not self.wire.full

    def offer(self, delivery: Delivery) -> None:
        """See Follower."""
        self.fresh = False
        self.position = delivery.position
        self.write(delivery.frame)

    def write(self, frame: bytes) -> None:
        """Send a frame, and notice when the client stops keeping up."""
        self.wire.write(frame)
        if self.wire.full:
            self._sockets.stalled(self)

    def close(self, code: int, reason: str = "") -> None:
        """Close from our side; its application call then ends by itself."""
        self.closed = True
        self.wire.close(code, reason)

    def floods(self, now: float) -> bool:
        """Count a frame of the client's; true when there are too many (bad input 100)."""
        if now - self._window > _WINDOW_S:
            self._window = now
            self._frames = 0
        self._frames += 1
        return self._frames > _FRAMES_IN_A_WINDOW


class SocketApplication:
    """The ASGI application. Needs `SocketProtocol` underneath (uvicorn `ws=`)."""

    def __init__(
        self, hub: Hub, live: LiveSockets, clock: Clock, *, authenticate: Authenticate, from_our_page: FromOurPage, stalled_s: float = STALLED_S
    ) -> None:
        self._hub = hub
        self._live = live
        self._clock = clock
        self._authenticate = authenticate
        self._from_our_page = from_our_page
        self._stalled_s = stalled_s
        self._open: set[Socket] = set()
        self._stalled: set[Socket] = set()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it closes."""
        await receive()
        if not self._from_our_page(scope):
            await send({"type": "websocket.close", "code": POLICY})
            return
        wire: Wire | None = scope.get("extensions", {}).get(EXTENSION)
        if wire is None:
            message = "the server runs sockets without kereru.realtime.wire.SocketProtocol; give it to uvicorn as ws="
            raise RuntimeError(message)
        viewer = await self._viewer(scope, send, wire)
        if viewer is None:
            return
        # What the handshake said is not needed any more, and would cost each idle socket a few KiB.
        scope["headers"] = []
        one = Socket(viewer, wire, self)
        self._open.add(one)
        self._live.opened(viewer.provider_id, viewer.user_id)
        wire.on_drained = lambda: self._drained(one)
        try:
            await self._listen(one, receive)
        finally:
            one.closed = True
            wire.on_drained = None
            self._open.discard(one)
            self._stalled.discard(one)
            self._hub.leave(one)
            self._live.closed(viewer.provider_id, viewer.user_id)

    async def _viewer(self, scope: Scope, send: Send, wire: Wire) -> SocketViewer | None:
        """The viewer of an accepted socket; None when it was closed instead. It is accepted in any case: a browser hides why a handshake failed."""
        try:
            viewer = await self._authenticate(scope)
        except Unavailable:
            await send({"type": "websocket.accept"})
            wire.close(TRY_AGAIN_LATER, restart_reason(len(self._open)))
            return None
        await send({"type": "websocket.accept"})
        if self._draining:
            wire.close(RESTART, restart_reason(len(self._open)))
            return None
        if viewer is None:
            wire.close(NOT_SIGNED_IN, "not_signed_in")
        return viewer

    async def _listen(self, one: Socket, receive: Receive) -> None:
        while not one.closed:
            message = await receive()
            if message["type"] != "websocket.receive" or one.closed:
                return
            if one.floods(self._clock.monotonic()):
                one.close(POLICY, "too_many_frames")
                return
            text: str | None = message.get("text")
            if text is None:
                one.close(POLICY, "not_text")
                return
            await self._heed(one, text)

    async def _heed(self, one: Socket, text: str) -> None:
        try:
            frame = _decoder.decode(text)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
            one.close(POLICY, "bad_frame")
            return
        if isinstance(frame, _Ping):
            if one.ready:
                one.write(_PONG)
            return
        try:
            if frame.after is None:
                one.position = await self._hub.present_position(one.viewer)
            else:
                one.position = self._hub.start_of(one.viewer, frame.after)
            one.fresh = True
            if not one.closed:
                self._hub.follow(one)
        except (BadCursor, TooManyFollowers) as error:
            one.close(POLICY, error.code)
        except Unavailable:
            one.close(TRY_AGAIN_LATER, restart_reason(len(self._open)))

    def stalled(self, one: Socket) -> None:
        """`one`'s client does not keep up."""
        if one.stalled_since is None:
            one.stalled_since = self._clock.monotonic()
            self._stalled.add(one)

    def _drained(self, one: Socket) -> None:
        one.stalled_since = None
        self._stalled.discard(one)
        self._hub.nudge(one)

    def close_stalled(self) -> None:
        """Close whoever has not read for too long. Call it every second or so."""
        now = self._clock.monotonic()
        for one in tuple(self._stalled):
            if one.stalled_since is not None and now - one.stalled_since >= self._stalled_s:
                self._stalled.discard(one)
                _slow.inc()
                one.close(TOO_SLOW, "too_slow")

    def viewers(self) -> list[SocketViewer]:
        """Who has sockets open here, each sign-in once."""
        return list({one.viewer.session_key: one.viewer for one in self._open}.values())

    def close_signed_out(self, keys: set[bytes]) -> None:
        """Close the sockets of the sign-ins that these session keys name."""
        for one in tuple(self._open):
            if one.viewer.session_key in keys:
                one.close(NOT_SIGNED_IN, "not_signed_in")

    async def drain(self) -> None:
        """Close all sockets with a hint when to come back, a few hundred at a time so that the loop goes on turning."""
        self._draining = True
        count = len(self._open)
        for number, one in enumerate(tuple(self._open)):
            one.close(RESTART, restart_reason(count))
            if number % 200 == 199:
                await asyncio.sleep(0)
