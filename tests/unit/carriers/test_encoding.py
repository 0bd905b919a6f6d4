"""Segment arithmetic of carriers.md appendix A; bad inputs 5, 6, 7, 8, 9."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kereru.carriers.encoding import (
    BASIC,
    ESCAPED,
    GSM7,
    culprits,
    encoding_of,
    has_lone_surrogate,
    measure,
    plain_for,
    split,
    split_by_bytes,
)
from kereru.kernel.names import clusters

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
TEXTS = st.text(st.one_of(st.sampled_from("ab€^{}\n\f'"), st.sampled_from("é’😀\u200d\u0301\U0001f1f3\U0001f1ff"), st.characters(codec="utf-8")))
GSM_TEXTS = st.text(st.sampled_from(sorted(GSM7)), max_size=700)


def test_the_basic_set_has_127_characters_and_the_escaped_one_ten():
    """GSM 03.38 has 128 places, one of which is the escape itself; `ç` and the back-tick are not among them."""
    assert len(BASIC) == 127
    assert len(ESCAPED) == 10
    assert not {"ç", "`", "\u2019", "\u00a0"} & GSM7


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "left"),
    [
        ("", "gsm7", 0, 160),
        ("1" * 160, "gsm7", 1, 0),
        ("1" * 161, "gsm7", 2, 145),
        ("1" * 306, "gsm7", 2, 0),
        ("1" * 307, "gsm7", 3, 152),
        ("€" + "1" * 158, "gsm7", 1, 0),
        ("€" + "1" * 159, "gsm7", 2, 145),
        ("\U0001f600" + "1" * 68, "ucs2", 1, 0),
        ("\U0001f600" + "1" * 69, "ucs2", 2, 63),
        ("ж" * 70, "ucs2", 1, 0),
        ("ж" * 71, "ucs2", 2, 63),
        ("ж" * 134, "ucs2", 2, 0),
        ("ж" * 135, "ucs2", 3, 66),
        ("1" * 152 + "€" + "1" * 150, "gsm7", 2, 1),
        ("1" * 152 + "€" + "1" * 152, "gsm7", 3, 152),
        ("ж" * 66 + "\U0001f600" + "ж" * 66, "ucs2", 3, 66),
    ],
)
def test_segments_and_what_is_left(text: str, encoding: str, segments: int, left: int):
    """Bad inputs 5 to 7: the boundaries of appendix A; a pair that does not fit moves to the next part and leaves a unit unused."""
    found = measure(text)
    assert (found.encoding, found.segments, found.left) == (encoding, segments, left)


@pytest.mark.parametrize("pair", sorted(ESCAPED))
def test_each_escaped_character_counts_twice_and_is_never_torn(pair: str):
    """Bad input 6."""
    text = "a" * 152 + pair + "b" * 20
    assert measure(pair).units == 2
    assert [len(part) for part in split(text)] == [152, 21]


def test_a_family_of_joined_emoji_moves_whole_to_the_next_part():
    """Bad input 7: neither a surrogate pair nor a joined sequence is torn when it fits one part."""
    text = "ж" * 63 + FAMILY + "ж" * 10
    assert split(text) == ("ж" * 63, FAMILY + "ж" * 10)


def test_a_pile_of_marks_larger_than_a_part_is_cut_between_code_points():
    """Bad input 15: 10,000 combining marks are one character to see, but no part holds them."""
    text = "a" + "\u0301" * 500
    parts = split(text)
    assert "".join(parts) == text
    assert max(len(part) for part in parts) == 67


@given(TEXTS)
@example(FAMILY * 12)
@example("\U0001f1f3\U0001f1ff" * 40)
def test_parts_joined_again_are_the_text_and_each_fits(text: str):
    """Whatever the text: nothing is lost, nothing is added, and every part fits its encoding."""
    encoding = encoding_of(text)
    parts = split(text)
    assert "".join(parts) == text
    capacity = (160 if encoding == "gsm7" else 70) if len(parts) <= 1 else (153 if encoding == "gsm7" else 67)
    assert all(measure(part, encoding).units <= capacity for part in parts)
    assert all(parts)
    assert len(parts) >= measure(text).segments


@given(GSM_TEXTS)
def test_counting_and_cutting_agree_where_no_character_is_joined(text: str):
    """`measure` counts as networks do; without joined characters `split` makes exactly that many parts."""
    if "\r\n" not in text:
        assert len(split(text)) == measure(text).segments


@given(TEXTS, st.integers(min_value=4, max_value=200))
def test_pieces_by_bytes_fit_and_join_again(text: str, most: int):
    """carriers.md §1.7: a carrier that cuts longer bodies counts bytes of UTF-8."""
    parts = split_by_bytes(text, most)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= most for part in parts)


@given(TEXTS)
def test_clusters_joined_again_are_the_text(text: str):
    """Grouping loses nothing."""
    assert "".join(clusters(text)) == text


def test_culprits_name_the_first_position_in_code_points_and_a_plain_form():
    """Bad input 8: curly quotes are offered in plain form, never changed silently; positions count code points."""
    found = culprits("\U0001f600 It\u2019s here \u2014 it\u2019s \u201cnice\u201d")
    assert [(c.character, c.position, c.plain) for c in found] == [
        ("\U0001f600", 0, None),
        ("\u2019", 4, "'"),
        ("\u2014", 12, "-"),
        ("\u201c", 19, '"'),
        ("\u201d", 24, '"'),
    ]


@pytest.mark.parametrize(
    ("character", "plain"),
    [("ç", "c"), ("á", "a"), ("ñ", "n"), ("…", "..."), ("\u00a0", " "), ("\u200b", ""), ("ł", "l"), ("ж", None), ("日", None), ("½", None)],
)
def test_plain_forms_are_gsm7_or_none(character: str, plain: str | None):
    """A stand-in is only offered where it is itself GSM-7."""
    found = plain_for(character) if character not in GSM7 else plain
    assert found == plain
    assert found is None or GSM7.issuperset(found)


def test_a_text_of_100_000_characters_is_measured_quickly():
    """Bad input 4: refused in under 50 ms elsewhere, so counting must be cheap; 20 culprits at most."""
    assert measure("€" * 100_000).segments == 1316
    assert len(culprits("".join(chr(0x4E00 + n) for n in range(100)))) == 20


def test_half_a_surrogate_pair_is_seen():
    """Bad input 9."""
    assert has_lone_surrogate("a\ud800b")
    assert not has_lone_surrogate("a\U0001f600b")
