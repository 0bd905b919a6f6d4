"""The number that names our part to a carrier."""

from hypothesis import given
from hypothesis import strategies as st

from kereru.messaging.delivery.part_reference import PartName, put_together, take_apart


@given(st.integers(1, 2**63 - 1), st.integers(1, 50), st.integers(1, 99))
def test_a_reference_comes_apart_again(message: int, attempt: int, part: int) -> None:
    """Both ways."""
    name = PartName(message, attempt, part)
    assert take_apart(put_together(name)) == name


@given(st.integers())
def test_foreign_numbers_name_no_impossible_part(reference: int) -> None:
    """Whatever stands in the path."""
    name = take_apart(reference)
    assert name is None or (0 < name.message_id < 2**63 and name.attempt > 0 and name.part > 0)
