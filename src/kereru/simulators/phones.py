"""Simulated handsets: what each received and sent.

Promises: whatever a carrier really passed on is in the phone of its recipient, once per message passed on; memory is bounded over all
phones together.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from kereru.simulators.times import iso


class Picture(msgspec.Struct, frozen=True):
    """A picture, sound or film in a text: where it can be fetched, and its type."""

    url: str
    content_type: str = ""


class Held(msgspec.Struct, gc=False):
    """One text in a phone; `direction` as the phone sees it."""

    serial: int
    phone: str
    direction: str
    from_: str
    to: str
    text: str
    media: tuple[Picture, ...]
    at: float
    carrier: str
    message_id: str


class Phones:
    """All handsets. A handset exists as soon as somebody texts with it."""

    def __init__(self, ring: int) -> None:
        self._ring = ring
        self._all: deque[Held] = deque()
        self._by_phone: dict[str, deque[Held]] = {}
        self._serial = 0

    def put(
        self, phone: str, direction: str, from_: str, to: str, text: str, media: Sequence[Picture], at: float, carrier: str, message_id: str
    ) -> Held:
        """Put one text into a phone."""
        self._serial += 1
        held = Held(self._serial, phone, direction, from_, to, text, tuple(media), at, carrier, message_id)
        self.restore(held)
        return held

    def restore(self, held: Held) -> None:
        """Put a text back as it was kept."""
        self._serial = max(self._serial, held.serial)
        if len(self._all) >= self._ring:
            oldest = self._all.popleft()
            kept = self._by_phone[oldest.phone]
            kept.popleft()
            if not kept:
                del self._by_phone[oldest.phone]
        self._all.append(held)
        self._by_phone.setdefault(held.phone, deque()).append(held)

    def texts(self, phone: str, after: int = 0, limit: int | None = None) -> list[Held]:
        """A phone's texts, oldest first; with a limit, the newest so many."""
        kept = self._by_phone.get(phone, ())
        newest = list(islice((h for h in reversed(kept) if h.serial > after), limit)) if kept else []
        return newest[::-1]

    def known(self, limit: int = 50) -> list[tuple[str, Held]]:
        """Phones with their newest text, the most recent first."""
        newest = sorted(((p, kept[-1]) for p, kept in self._by_phone.items()), key=lambda pair: -pair[1].serial)
        return newest[:limit]

    def newest(self, limit: int) -> Iterable[Held]:
        """The newest texts over all phones, oldest of them first."""
        return list(islice(reversed(self._all), limit))[::-1]


def shown(held: Held) -> dict[str, object]:
    """A text as the control API shows it (design §8)."""
    return {
        "id": held.serial,
        "direction": held.direction,
        "from": held.from_,
        "to": held.to,
        "text": held.text,
        "media": [{"url": p.url, "content_type": p.content_type} for p in held.media],
        "at": iso(held.at),
        "carrier": held.carrier,
        "message_id": held.message_id,
    }
