"""Which words of a text a search found (issue 5, point 9): whole words, whatever the script, in code points."""

import pytest

from kereru.messaging.search.model import Mark, marks

CASES = [
    pytest.param("The order is ready", ["order"], ["order"], id="a word"),
    pytest.param("Orders: two orders, one ORDER.", ["orde"], ["Orders", "orders", "ORDER"], id="the last may be begun; capitals do not matter"),
    pytest.param("An order in order", ["order", "an"], ["An", "order", "order"], id="all but the last are whole words"),
    pytest.param("Disorder", ["order"], [], id="not inside a word"),
    pytest.param("Café cafe\u0301 CAFE", ["cafe"], ["Café", "cafe\u0301", "CAFE"], id="accents do not matter, however they are written"),
    pytest.param("👍🏽 ok “ok” 👍", ["ok"], ["ok", "ok"], id="after emoji, which are two units elsewhere"),
    pytest.param("您的订单已发货", ["订", "单"], ["订单"], id="a script without spaces: neighbours are one stretch"),
    pytest.param("it’s it's", ["it", "s"], ["it", "s", "it", "s"], id="both apostrophes part words"),
    pytest.param("ﬁne", ["fi"], ["ﬁne"], id="a ligature is its letters"),
    pytest.param("anything", [], [], id="nothing was asked for"),
    pytest.param("", ["x"], [], id="nothing to look in"),
]


@pytest.mark.parametrize(("text", "words", "stretches"), CASES)
def test_marks_are_what_was_looked_for(text: str, words: list[str], stretches: list[str]) -> None:
    found = marks(text, words)
    assert [text[mark.start : mark.start + mark.length] for mark in found] == stretches


def test_positions_are_code_points_from_0() -> None:
    """Design §7."""
    assert marks("👍 order", ["order"]) == (Mark(2, 5),)
