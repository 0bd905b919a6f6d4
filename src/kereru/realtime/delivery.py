"""From presented changes to bytes: each change is encoded once, each frame once for all who stand at the same position."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from kereru.kernel import ids
from kereru.kernel.db import Row
from kereru.realtime.model import ChangeRow, Position, PresentedChange, position_of
from kereru.realtime.wire import text_frame

FRAME_BYTES = 256 * 1024
"""A frame is closed once it holds this much, so that a client that stops reading never costs more than a few of them (G25)."""

FURTHEST = 2_000
"""Who is further behind loads everything anew, which is cheaper for both sides."""

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Delivery:
    """What brings a follower from one position to the next: encoded changes, or word that it must load everything again."""

    position: Position
    cursor: str
    items: tuple[bytes, ...] = ()
    resync: bool = False

    @cached_property
    def frame(self) -> bytes:
        """As a WebSocket frame, made once."""
        cursor = self.cursor.encode()
        if self.resync:
            return text_frame(b'{"type":"resync","cursor":"%b"}' % cursor)
        return text_frame(b'{"type":"changes","items":[%b],"cursor":"%b"}' % (b",".join(self.items), cursor))

    @property
    def body(self) -> bytes:
        """As the answer of a long-poll."""
        resync = b"true" if self.resync else b"false"
        return b'{"items":[%b],"cursor":"%b","resync":%b}' % (b",".join(self.items), self.cursor.encode(), resync)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one read found past one position of one feed."""

    head: int
    rows: tuple[ChangeRow, ...]

    def explains(self, after: int) -> bool:
        """Whether reading on from `after` leads to the head: not over a gap where changes were dropped, not from a place the feed has not reached
        (a restore), and not over more than FURTHEST.
        """
        if self.head - after > FURTHEST:
            return False
        if self.rows:
            return self.rows[0].number == after + 1 and self.rows[-1].number == after + len(self.rows)
        return self.head == after


def stretches(rows: Iterable[Row]) -> dict[tuple[int, int], Stretch]:
    """What `store.read_changes` answered, by (feed, after)."""
    heads: dict[tuple[int, int], int] = {}
    changes: dict[tuple[int, int], list[ChangeRow]] = {}
    for row in rows:
        key = (row.read_feed, row.after)
        heads[key] = row.head
        found = changes.setdefault(key, [])
        if row.number is not None:
            found.append(ChangeRow(row.feed_id, row.number, row.id, row.kind, row.conversation_id, row.message_id, row.subject_id, row.version))
    return {key: Stretch(head, tuple(changes[key])) for key, head in heads.items()}


def encode(presented: Iterable[PresentedChange]) -> dict[tuple[int, int], bytes]:
    """Each change's JSON, by (feed, number)."""
    return {(ids.decode(change.feed), change.position): _encoder.encode(change) for change in presented}


def plan(position: Position, found: Mapping[tuple[int, int], Stretch]) -> tuple[Position, Sequence[ChangeRow]] | None:
    """(where a follower at `position` gets to, through which rows); None when it must resync."""
    reached = dict(position)
    rows: list[ChangeRow] = []
    for feed, after in position:
        stretch = found.get((feed, after))
        if stretch is None or not stretch.explains(after):
            return None
        rows.extend(stretch.rows)
        reached[feed] = after + len(stretch.rows)
    return position_of(reached), rows


def cut(position: Position, rows: Sequence[ChangeRow], encoded: Mapping[tuple[int, int], bytes]) -> list[tuple[Position, tuple[bytes, ...]]]:
    """`rows` from `position` on as frames' contents: (position after it, its changes), each closed once it holds FRAME_BYTES."""
    frames: list[tuple[Position, tuple[bytes, ...]]] = []
    reached = dict(position)
    items: list[bytes] = []
    size = 0
    for row in rows:
        reached[row.feed_id] = row.number
        item = encoded.get((row.feed_id, row.number))
        if item is None:
            continue
        items.append(item)
        size += len(item)
        if size >= FRAME_BYTES:
            frames.append((position_of(reached), tuple(items)))
            items, size = [], 0
    final = position_of(reached)
    if not frames or frames[-1][0] != final:
        frames.append((final, tuple(items)))
    return frames
