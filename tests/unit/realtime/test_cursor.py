"""Cursors: what one wrote the other reads, and nothing else (inputs 46 to 50, 100)."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.realtime.cursor import FEEDS_PER_CURSOR, CursorCodec
from kereru.realtime.errors import BadCursor
from kereru.realtime.model import position_of

CODEC = CursorCodec(b"a" * 32)
POSITIONS = st.dictionaries(st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1), max_size=FEEDS_PER_CURSOR).map(position_of)


@given(POSITIONS, st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_a_cursor_comes_back(position: tuple[tuple[int, int], ...], provider: int, user: int) -> None:
    assert CODEC.decode(provider, user, CODEC.encode(provider, user, position)) == position


@given(st.text(max_size=200))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        CODEC.decode(1, 1, text)


@given(st.integers(0, 32), st.integers(1, 255))
def test_each_changed_byte_is_noticed(at: int, by: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(CODEC.encode(1, 1, ((5, 6),)) + "=="))
    raw[at] ^= by
    with pytest.raises(BadCursor):
        CODEC.decode(1, 1, base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


def test_it_is_good_for_one_user_and_one_key_only() -> None:
    """G29, G32: a cursor of somebody else, of another provider, of another installation."""
    cursor = CODEC.encode(1, 1, ((5, 6),))
    for provider, user, codec in ((1, 2, CODEC), (2, 1, CODEC), (1, 1, CursorCodec(b"b" * 32))):
        with pytest.raises(BadCursor):
            codec.decode(provider, user, cursor)


def test_ten_megabytes_are_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(BadCursor):
        CODEC.decode(1, 1, "A" * 10_000_000)
    assert time.monotonic() - began < 0.05
