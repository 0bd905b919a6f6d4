"""Cursors are opaque and signed (bad input 48)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.kernel.ids import MAX_ID
from kereru.kernel.paging import BadCursor, CursorCodec, cursor_key

CODEC = CursorCodec(cursor_key(b"k" * 32)).bound_to("7:8 /api/v1/conversations")


@given(st.integers(0, MAX_ID))
def test_a_cursor_comes_back(value: int) -> None:
    assert CODEC.decode(CODEC.encode(value)) == value


@given(st.integers(0, MAX_ID), st.integers(0, 31), st.sampled_from("ABCDEFGHabcdefgh0123-_"))
def test_a_changed_cursor_is_refused(value: int, at: int, character: str) -> None:
    cursor = CODEC.encode(value)
    changed = cursor[:at] + character + cursor[at + 1 :]
    if changed != cursor:
        with pytest.raises(BadCursor):
            CODEC.decode(changed)


@pytest.mark.parametrize("cursor", ["", "x", "é" * 32, "=" * 32, "A" * 32, "A" * 10_000_000, " " * 32])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    """Bad input 48: forged, or ten megabytes long → 400."""
    with pytest.raises(BadCursor):
        CODEC.decode(cursor)


def test_a_cursor_of_somebody_else_another_list_or_another_installation_is_refused() -> None:
    """Bad input 48: foreign → 400."""
    for other in (
        CODEC.bound_to("7:9 /api/v1/conversations"),
        CODEC.bound_to("7:8 /api/v1/messages"),
        CursorCodec(b"x", "7:8 /api/v1/conversations"),
    ):
        with pytest.raises(BadCursor):
            CODEC.decode(other.encode(5))
