"""Pure rules of deliveries: gaps, frames, and what a follower must do (G22, G25)."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kereru.realtime.backbone import parse_pairs
from kereru.realtime.delivery import FRAME_BYTES, FURTHEST, Delivery, Stretch, cut, plan
from kereru.realtime.model import ChangeRow


def rows(feed: int, first: int, count: int) -> tuple[ChangeRow, ...]:
    return tuple(ChangeRow(feed, number, number, 3, None, None, None, 1) for number in range(first, first + count))


def test_what_explains_a_position() -> None:
    assert Stretch(5, ()).explains(5)
    assert Stretch(7, rows(1, 6, 2)).explains(5)
    assert Stretch(5 + FURTHEST, rows(1, 6, 2)).explains(5)
    assert not Stretch(6 + FURTHEST, rows(1, 6, 2)).explains(5)
    assert not Stretch(7, rows(1, 7, 1)).explains(5)
    assert not Stretch(7, (*rows(1, 6, 1), *rows(1, 8, 1))).explains(5)
    assert not Stretch(7, ()).explains(5)
    assert not Stretch(4, ()).explains(5)
    assert not Stretch(0, ()).explains(-1)


def test_one_feed_s_gap_makes_the_whole_position_stale() -> None:
    found = {(1, 5): Stretch(6, rows(1, 6, 1)), (2, 9): Stretch(11, rows(2, 11, 1))}
    assert plan(((1, 5), (2, 9)), found) is None
    assert plan(((1, 5), (3, 0)), found) is None
    assert plan(((1, 5),), found) == (((1, 6),), list(rows(1, 6, 1)))


@given(st.lists(st.integers(1, 2 * FRAME_BYTES), min_size=1, max_size=30), st.sets(st.integers(1, 30)))
def test_frames_hold_every_item_once_in_order_and_end_where_the_rows_end(sizes: list[int], missing: set[int]) -> None:
    changes = rows(1, 1, len(sizes))
    encoded = {(1, row.number): bytes(size) for row, size in zip(changes, sizes, strict=True) if row.number not in missing}
    frames = cut(((1, 0), (2, 7)), changes, encoded)
    assert [item for _, items in frames for item in items] == [encoded[1, row.number] for row in changes if row.number not in missing]
    assert frames[-1][0] == ((1, len(sizes)), (2, 7))
    assert all(sum(map(len, items[:-1])) < FRAME_BYTES for _, items in frames)
    assert [position for position, _ in frames] == sorted({position for position, _ in frames})


def test_the_same_delivery_on_both_ways() -> None:
    delivery = Delivery(((1, 2),), "CURSOR", (b'{"a":1}', b'{"b":2}'))
    items = [{"a": 1}, {"b": 2}]
    assert msgspec.json.decode(delivery.frame[2:]) == {"type": "changes", "items": items, "cursor": "CURSOR"}
    assert msgspec.json.decode(delivery.body) == {"items": items, "cursor": "CURSOR", "resync": False}
    resync = Delivery(((1, 2),), "CURSOR", resync=True)
    assert msgspec.json.decode(resync.frame[2:]) == {"type": "resync", "cursor": "CURSOR"}
    assert msgspec.json.decode(resync.body) == {"items": [], "cursor": "CURSOR", "resync": True}


@given(st.lists(st.tuples(st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1)), max_size=20))
def test_notes_are_read_as_they_were_written(pairs: list[tuple[int, int]]) -> None:
    assert parse_pairs(",".join(f"{feed}:{number}" for feed, number in pairs)) == pairs
