"""The messages a carrier holds, whichever way they went.

Owns the bounded store that the carriers' logs, look-ups and consoles read. Promises: the newest `ring` messages are there; a message that
reached a final state does not go back.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

FINAL = frozenset({"delivered", "undelivered", "failed", "received"})


class Message(msgspec.Struct, gc=False):
    """One text at a carrier. Times are Unix seconds; numbers are E.164; `serial` counts up in the order of acceptance."""

    serial: int
    id: str
    account: str
    direction: str
    from_: str
    to: str
    text: str
    media: tuple[str, ...]
    status: str
    created: float
    updated: float
    sent: float | None = None
    error: int | None = None
    callback: str | None = None
    callback_method: str = "POST"


class MessageStore:
    """The newest messages of one carrier."""

    def __init__(self, ring: int) -> None:
        self._ring = ring
        self._order: deque[Message] = deque()
        self._by_id: dict[str, Message] = {}
        self.last_serial = 0

    def add(self, message: Message) -> None:
        """Keep a message; the oldest goes when the ring is full."""
        if len(self._order) >= self._ring:
            self._by_id.pop(self._order.popleft().id, None)
        self._order.append(message)
        self._by_id[message.id] = message
        self.last_serial = max(self.last_serial, message.serial)

    def next_serial(self) -> int:
        """A number greater than every one given so far."""
        self.last_serial += 1
        return self.last_serial

    def get(self, message_id: str) -> Message | None:
        """The message of that carrier id, if it is still kept."""
        return self._by_id.get(message_id)

    def newest_first(self) -> Iterator[Message]:
        """All messages, newest first."""
        return reversed(self._order)

    def oldest_first(self) -> Iterable[Message]:
        """All messages in the order of acceptance."""
        return self._order

    def __len__(self) -> int:
        return len(self._order)


def report(message: Message, status: str, at: float, error: int | None) -> None:
    """Write a report down unless the message already came to its end."""
    if message.status in FINAL:
        return
    message.status = status
    message.updated = at
    message.error = error
    if message.sent is None and status in ("sent", "delivered"):
        message.sent = at
