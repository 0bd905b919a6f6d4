"""Who waits for changes: what the hub needs of a follower, and the follower that is a long-poll."""

import asyncio
import contextlib
from typing import Protocol

from kereru.realtime.delivery import Delivery
from kereru.realtime.model import Position, SocketViewer


class Follower(Protocol):
    """A reader of some feeds, at a position. The hub moves it on by offering deliveries, one after the other, never two at once."""

    viewer: SocketViewer
    position: Position
    fresh: bool
    """No delivery was offered yet: the first one is offered even when it is empty, so that the follower knows that it is in step."""

    @property
    def ready(self) -> bool:
        """Whether a delivery can be taken now. One that was not ready calls `Hub.nudge` when it is again; until then nothing is kept for it."""
        ...

    def offer(self, delivery: Delivery) -> None:
        """Take a delivery, and its position with it."""
        ...


class LongPoll:
    """A request that waits for one delivery (the fallback where sockets do not get through)."""

    def __init__(self, viewer: SocketViewer, position: Position, wait_s: float) -> None:
        self.viewer = viewer
        self.position = position
        self.fresh = True
        self.asked = False
        """The database was asked at least once."""
        self._patient = wait_s > 0
        self._answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

    @property
    def ready(self) -> bool:
        """See Follower."""
        return not self._answer.done()

    def offer(self, delivery: Delivery) -> None:
        """See Follower. An empty delivery ends only a poll that does not want to wait."""
        self.fresh = False
        self.asked = True
        self.position = delivery.position
        if (delivery.items or delivery.resync or not self._patient) and not self._answer.done():
            self._answer.set_result(delivery)

    def give_up(self, delivery: Delivery) -> None:
        """Answer now with `delivery`: the process is about to stop."""
        if not self._answer.done():
            self._answer.set_result(delivery)

    async def answer(self, timeout_s: float) -> Delivery | None:
        """The delivery, or None when none came in time."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._answer, timeout_s)
        return None
