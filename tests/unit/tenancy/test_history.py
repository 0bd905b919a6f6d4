"""What a row of the history log holds, and how it leaves as CSV (R191, G34)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.kernel.paging import BadCursor, CursorCodec
from kereru.kernel.secrets import MASK, Secret
from kereru.tenancy.history.model import Change, Entry, cells, difference


def test_only_what_differs_is_kept() -> None:
    """R191: before and after, of changed fields only."""
    before = {"name": "Blue", "language": "en", "gone": 1}
    assert difference(before, {"name": "Green", "language": "en", "new": True}) == ({"name": "Blue", "gone": 1}, {"name": "Green", "new": True})
    assert difference(before, before) == ({}, {})


def test_no_secret_gets_in_whoever_forgot_that_it_is_one() -> None:
    """R191: by type and by name."""
    was, became = difference({"auth_token": "old", "key": Secret("a")}, {"auth_token": "new", "key": Secret("b"), "raw": b"x"})
    assert was == {"auth_token": MASK, "key": MASK}
    assert became == {"auth_token": MASK, "key": MASK, "raw": MASK}


def test_the_csv_has_one_line_for_each_field() -> None:
    """R191: export."""
    entry = Entry(7, datetime(2026, 5, 1, 12, tzinfo=UTC), 9, "ana@x.example", "192.0.2.1", "session", "user.changed", "user", 5, "=Ana",
                  [Change("name", "A", '"quoted", and more'), Change("send_alerts", False, True)])  # fmt: skip
    lines = cells(entry)
    assert [line[8:] for line in lines] == [("name", "A", '"quoted", and more'), ("send_alerts", "false", "true")]
    assert lines[0][:8] == ("2026-05-01 12:00:00", "ana@x.example", "192.0.2.1", "session", "user.changed", "user", "5", "=Ana")


@given(order=st.sampled_from(["name", "-name"]), key=st.text(max_size=80), value=st.integers(1, 2**63 - 1))
def test_a_place_in_a_list_survives_its_cursor(order: str, key: str, value: int) -> None:
    """Bad input 48: signed, for one order of one list only."""
    key = key.encode("utf-8", "ignore").decode()
    codec = CursorCodec(b"k" * 32).bound_to("ana /users")
    cursor = codec.encode_place(order, key, value)
    assert codec.decode_place(cursor, order) == (key, value)
    for other, its_order in ((codec, "email"), (CursorCodec(b"k" * 32).bound_to("ben /users"), order), (CursorCodec(b"x" * 32), order)):
        with pytest.raises(BadCursor):
            other.decode_place(cursor, its_order)


@pytest.mark.parametrize("cursor", ["", "A", "A" * 24, "é", "A" * 3000, "!!!!"])
def test_a_made_up_place_is_refused(cursor: str) -> None:
    """Bad input 48."""
    with pytest.raises(BadCursor):
        CursorCodec(b"k" * 32).decode_place(cursor, "name")
