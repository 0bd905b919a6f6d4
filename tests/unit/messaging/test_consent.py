"""Consent words: exact ones act in any dress, sentences do not (G35, P30 to P33, input 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.messaging.consent import START_WORDS, STOP_WORDS, consent_word

DRESSES = ("{}", " {} ", "{}.", "{}\n", '"{}"', "{}!!", "Please {}", "{}, thank you", "\u200b{}\ufeff")


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize(("words", "meaning"), [(STOP_WORDS, "stop"), (START_WORDS, "start")])
def test_every_word_acts_in_every_dress(words: frozenset[str], meaning: str, dress: str) -> None:
    """G35: case, spacing, punctuation, courtesy and invisible characters are ignored."""
    for word in words:
        for cased in (word, word.upper(), word.title()):
            assert consent_word(dress.format(cased)) == meaning, (word, dress)


@pytest.mark.parametrize(
    "text",
    ["S\u200bTOP", "st\u00adop", "ＳＴＯＰ", "stop\u0301", "STOP 🙂"],
    ids=["zero-width inside (input 14)", "soft hyphen", "full width", "combining mark", "emoji behind"],
)
def test_a_disguised_stop_is_a_stop(text: str) -> None:
    """Input 14."""
    assert consent_word(text) == "stop"


@pytest.mark.parametrize(
    "text",
    ["please stop texting me", "Don't stop", "the bus stop is closed", "stopp", "yes", "HELP", "", "🛑", "end of the day works", "x" * 10_000],
)
def test_a_sentence_is_for_a_person_to_judge(text: str) -> None:
    """Only whole words act; softer wishes are offered for review later."""
    assert consent_word(text) is None


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever arrives is answered."""
    assert consent_word(text) in ("stop", "start", None)
