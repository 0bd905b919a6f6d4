"""Consent words: exact ones act in any dress, sentences do not (G35, P30 to P33, input 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.messaging.consent import HELP_WORDS, START_WORDS, STOP_WORDS, Mark, consent_word, mark_of, wishes_silence

DRESSES = ("{}", " {} ", "{}.", "{}\n", '"{}"', "{}!!", "Please {}", "{}, thank you", "\u200b{}\ufeff")


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize(("words", "meaning"), [(STOP_WORDS, "stop"), (START_WORDS, "start"), (HELP_WORDS, "help")])
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
    [
        "STOP STOP STOP", "stop!stop!", "S T O P", "s.t.o.p.", "S-T-O-P", "S\u3164TOP", "st\u2800op", "Arrêt",
        "STOP please, thanks", "Thanks. Please stop. Thank you!",
        "thx pls stop thx", "STOP" + " " * 400, "\n" * 100 + "stop", "\u200b" * 200 + "STOP",
    ],
)  # fmt: skip
def test_a_stop_said_otherwise_is_a_stop(text: str) -> None:
    """G35, P32: repeated, spaced, with fillers, with several courtesies in any order (in every process alike), with much empty space."""
    assert consent_word(text) == "stop"


LOOK_ALIKES = {
    "a": "АаΑα", "b": "ВвΒЬ", "c": "Сс", "d": "ԁ", "e": "ЕеΕҽ", "i": "ІіΙι", "k": "КкΚκ", "l": "Ӏӏ", "m": "МмΜϺ", "n": "Ν", "o": "ОоΟοσ",
    "p": "РрΡρ", "q": "ԛ", "r": "г", "s": "Ѕѕ", "t": "ТтΤτ", "u": "υ", "v": "Ѵѵν",
}  # fmt: skip
"""Cyrillic and Greek letters that look like ours, as the test's author sees them on a screen."""


@pytest.mark.parametrize("word", sorted(STOP_WORDS))
def test_a_stop_written_with_look_alikes_is_a_stop(word: str) -> None:
    """Input 14, UTS 39: each letter by each of its look-alikes, and all of them at once; in the same dresses."""
    for place, letter in enumerate(word):
        for alike in LOOK_ALIKES.get(letter, ""):
            for cased in (word, word.upper()):
                assert consent_word(cased[:place] + alike + cased[place + 1 :]) == "stop", (word, alike)
    whole = "".join(LOOK_ALIKES.get(letter, letter)[0] for letter in word)
    for dress in DRESSES:
        assert consent_word(dress.format(whole)) == "stop", (word, dress)


@pytest.mark.parametrize("text", ["SТОР", "ЅТОР", "sтop", "STОP STОP", "S Т O P", "SТО\u0301Р 🙂", "SТОР, thx", "ΟΡT OUT"])
def test_look_alikes_in_every_way_to_say_stop(text: str) -> None:
    """Input 14."""
    assert mark_of(text) is Mark.STOP
    assert mark_of(f"{text}\nMia") is Mark.REVIEW


@given(st.sampled_from(sorted(START_WORDS | HELP_WORDS)), st.data())
def test_nobody_comes_back_by_a_look_alike(word: str, data: st.DataObject) -> None:
    """G17: START and HELP are read as they are written; what is left of UNSTOP may still be a STOP."""
    which = data.draw(st.sets(st.sampled_from([place for place, letter in enumerate(word) if letter in LOOK_ALIKES]), min_size=1))
    disguised = "".join(data.draw(st.sampled_from(LOOK_ALIKES[letter])) if place in which else letter for place, letter in enumerate(word))
    assert consent_word(disguised) in (None, "stop")
    assert consent_word(disguised.upper()) in (None, "stop")


@pytest.mark.parametrize("text", ["не START", "START 不要", "Яstart", "μην START", "start не надо"])
def test_a_start_beside_words_of_another_script_brings_nobody_back(text: str) -> None:
    """G17: what stands beside it may say the opposite."""
    assert consent_word(text) is None


_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
ALPHABETS = {
    "Russian": _CYRILLIC + "ё",
    "Ukrainian": _CYRILLIC.translate(dict.fromkeys(map(ord, "ъыэ"))) + "ґєії",
    "Bulgarian": _CYRILLIC.translate(dict.fromkeys(map(ord, "ыэ"))),
    "Macedonian": "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
    "Serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
}


@pytest.mark.parametrize(("language", "spelled"), [
    ("Russian", {"arret"}), ("Ukrainian", {"arret"}), ("Bulgarian", {"arret"}), ("Serbian", {"arret"}), ("Macedonian", {"arret", "stop"}),
    ("Greek", {"optout", "opt out"}),
])  # fmt: skip
def test_which_stop_words_a_language_can_spell(language: str, spelled: set[str]) -> None:
    """That none of them is a word there ("аггет", "ѕтор", "ορτουτ") is why no text in these languages is taken for a STOP."""
    letters = {*ALPHABETS[language], *ALPHABETS[language].upper(), " "}

    def can_spell(word: str) -> bool:
        return all(any(consent_word(word[:place] + each + word[place + 1 :]) == "stop" for each in letters) for place in range(len(word)))

    found = {word for word in STOP_WORDS if can_spell(word)}
    assert found == spelled


@pytest.mark.parametrize("language", sorted(ALPHABETS))
@given(data=st.data())
def test_words_of_other_languages_are_left_alone(language: str, data: st.DataObject) -> None:
    """Whoever writes in another script asked for nothing by letters that happen to look like ours."""
    alphabet = ALPHABETS[language] + ALPHABETS[language].upper()
    text = " ".join(data.draw(st.lists(st.text(alphabet, min_size=1, max_size=12), max_size=6)))
    assert consent_word(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "сто", "СТОП", "стоп", "стор", "СТОР", "топ", "торт", "отпор", "пост", "сорт", "енд", "кот", "рот", "ответ", "парет", "тест", "привет",
        "да", "ок", "ТОР", "Стоп!", "стоп 5", "с т о п", "С Т О П", "отмена", "квит", "конец",
        "τόπος", "στοπ", "ΣΤΟΠ", "τέλος", "ναι", "όχι", "ΕΝΑ", "οκτώ", "ΣΤΟΡ", "πόρτα", "ουτ", "стопа", "шторм", "стіл", "скасувати", "стій",
        "так", "СТІЙ", "Стіп", "ремонт", "ремове", "аррет", "ѕвезда", "ѕид", "stoп", "SТОП",
    ],
)  # fmt: skip
def test_ordinary_words_of_other_scripts_are_left_alone(text: str) -> None:
    """Their own words for stopping are no words of the list: a person reads them."""
    assert consent_word(text) is None


@pytest.mark.parametrize("text", ["Résumé", "RÉSUMÉ", "re\u0301sume\u0301"])
def test_a_word_with_accents_brings_nobody_back(text: str) -> None:
    """G17: whoever sends a curriculum vitae after a STOP did not say START."""
    assert consent_word(text) is None


@pytest.mark.parametrize("text", ["STOP\n\nSent from my phone", "Stop.\n-- \nMia Ruiz, Lantern Ltd"])
def test_a_stop_above_a_signature_is_looked_at(text: str) -> None:
    """G35: neither lost nor taken for certain."""
    assert mark_of(text) is Mark.REVIEW


@pytest.mark.parametrize(
    "text",
    [
        "please stop texting me",
        "Don't stop",
        "the bus stop is closed",
        "stopp",
        "yes",
        "can you help me",
        "",
        "🛑",
        "end of the day works",
        "x" * 10_000,
    ],
)
def test_a_sentence_is_for_a_person_to_judge(text: str) -> None:
    """Only whole words act; softer wishes are offered for review."""
    assert consent_word(text) is None


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever arrives is answered."""
    assert consent_word(text) in ("stop", "start", "help", None)
    assert wishes_silence(text) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "please stop texting me", "Stop sending me these messages!!", "Dont text me again", "do not contact me", "Don\u2019t message us anymore",
        "no more texts please", "No more of these messages", "remove me from your list", "Take me off this", "lose my number",
        "Leave me alone", "I want to opt out of this", "how do I unsubscribe?", "PLEASE STOP, I am at work", "s\u200btop texting me",
        "can you quit texting this number", "STOP IT", "delete my number",
    ],
)  # fmt: skip
def test_a_wish_for_silence_is_offered_for_review(text: str) -> None:
    """G35, P32, FCC 2025: any reasonable way counts, so a person is asked."""
    assert mark_of(text) is Mark.REVIEW


@pytest.mark.parametrize(
    "text",
    [
        "Can you stop by at five?", "the bus stop is closed", "Don't stop believing", "Send me a text when it is ready", "I will text you later",
        "what are my options", "Please remove the old sofa as well", "the shop next to the stop sign", "no more milk", "I cannot stop laughing",
        "Do not send the blue one, send the red one", "quit my job!", "Did you text my brother?", "contact lens", "",
    ],
)  # fmt: skip
def test_ordinary_talk_is_left_alone(text: str) -> None:
    """A banner that cries wolf would be clicked away unread."""
    assert mark_of(text) is None


def test_the_whole_word_wins_over_the_wish() -> None:
    """P30: reserved words come before anything else."""
    assert [mark_of(text) for text in ("STOP", "please stop", "unsubscribe", "START", "info")] == [
        Mark.STOP,
        Mark.STOP,
        Mark.STOP,
        Mark.START,
        Mark.HELP,
    ]


def test_a_long_text_is_about_something_else() -> None:
    """And a hostile one costs nothing."""
    assert mark_of("stop texting me " * 100) is None
