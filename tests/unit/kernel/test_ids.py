"""Ids as ranges of time."""

from datetime import UTC, datetime, timedelta

import pytest

from kereru.kernel.ids import EPOCH, MAX_ID, lowest_at, made_at


def test_an_id_says_when_it_was_made() -> None:
    """To the millisecond; the lowest of an instant is the first one that could have been made then."""
    at = datetime(2026, 11, 22, 9, 30, 0, 123000, UTC)
    assert made_at(lowest_at(at)) == at
    assert made_at(lowest_at(at) - 1) == at - timedelta(milliseconds=1)


@pytest.mark.parametrize(("at", "lowest"), [
    (EPOCH, 0), (datetime(1, 1, 1, tzinfo=UTC), 0), (EPOCH - timedelta(seconds=1), 0), (datetime(9999, 12, 31, tzinfo=UTC), MAX_ID),
])  # fmt: skip
def test_instants_beyond_all_ids(at: datetime, lowest: int) -> None:
    """Bad input 49: what people type as a time stays an id, which the database compares by its index."""
    assert lowest_at(at) == lowest
