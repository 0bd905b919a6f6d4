"""Consent words of remote parties: STOP and its kin act at once, whatever case, spacing, punctuation or invisible characters surround them (G35).

The lists are data with a source and a date: the words of the US rule of April 2025 (FCC), CTIA's, the carriers' common extra ones, and Canada's in
French, as of 2026-11 (product.md 5.7). HELP asks for information and changes nothing. Softer wishes ("please stop texting me") are found too, for a
person to judge (P32).
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from typing import Literal

from kereru.kernel.metrics import counter
from kereru.messaging.model import ConsentMark

ConsentWord = Literal["stop", "start", "help"]

CONSENT_WORDS = counter("consent_words_total", "Texts that were a word like STOP, START or HELP, or seem to wish for no more (`review`).", ("word",))
"""Counted by whoever stored one, by its mark's name in the API."""

STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "stop all", "remove", "arret"})
START_WORDS = frozenset({"start", "unstop", "resume", "optin", "opt in"})
HELP_WORDS = frozenset({"help", "info", "aide"})
_COURTESY = re.compile(r"^(?:please|pls|thanks|thank you|thx) | (?:please|pls|thanks|thank you|thx)$", re.ASCII)

_NOT_WORDS = re.compile(r"[^a-z0-9]+", re.ASCII)
_ACCENT = re.compile("[a-zA-Z][\u0300-\u0345]")
# Letters that show nothing, beside the characters of category Cf: fillers and an empty Braille cell.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Cyrillic and Greek letters that look like one of the STOP words', of the pairs that Unicode lists as confusable (UTS 39, confusables.txt 17.0.0), in
# NFKD. Capital І and Ι stand for i, as their small forms do; в к м т κ τ look like small capitals of ours.
_LOOK_ALIKES = str.maketrans(
    "АаΑα" "ВвΒЬ" "Сс" "ԁ" "ЕеΕҽ" "ІіΙι" "КкΚκ" "Ӏӏ" "МмΜϺ" "Ν" "ОоΟοσ" "РрΡρ" "ԛ" "г" "Ѕѕ" "ТтΤτ" "υ" "Ѵѵν",
    "aaaa" "bbbb" "cc" "d" "eeee" "iiii" "kkkk" "ll" "mmmm" "n" "ooooo" "pppp" "q" "r" "ss" "tttt" "u" "vvv",
)  # fmt: skip
_LONGEST = 40
_READ_MOST = 500
_LONGEST_WISH = 1000
"""A wish stands in a short text; in a long one such words are about something else."""

_MAYBE = re.compile("stop|text|messag|contact|alone|lose|forget|remov|delet|eras|take|subscri|opt|quit|cease|spam|send", re.IGNORECASE)
_TEXTING = "(?:text|texts|texting|txt|txting|messag(?:e|es|ing)|msg|msgs|sms|contact|contacting|writing|sending|bothering|harassing|spamming)"
_WISH = re.compile(
    r"\b(?:"
    rf"(?:stop|quit|cease|end) (?:\w+ ){{0,2}}{_TEXTING}"
    rf"|(?:do not|don t|dont|never) (?:ever )?(?:{_TEXTING}|send) (?:to )?(?:me|us|this|here|again|anymore)"
    rf"|no more (?:of )?(?:\w+ ){{0,2}}{_TEXTING}"
    r"|(?:remove|delete|erase) (?:me|us|my (?:number|phone|name|info)|this number)"
    r"|take (?:me|us|my number|this number) off"
    r"|(?:lose|forget) (?:my|this) (?:number|phone)"
    r"|leave me alone"
    r"|(?:opt|opting) (?:me |us )?out"
    r"|unsubscribe|stop it|stop this|stop please|please stop"
    r")\b",
    re.ASCII,
)


class Mark(IntEnum):
    """What an inbound text is to consent; the value is what the database stores in `message.consent`."""

    STOP = 1
    START = 2
    HELP = 3
    REVIEW = 4
    DISMISSED = 5
    AGREED = 6

    @property
    def wire(self) -> ConsentMark:
        """The name in the API."""
        return _WIRE[self]


_WIRE: dict[Mark, ConsentMark] = {
    Mark.STOP: "stop", Mark.START: "start", Mark.HELP: "help", Mark.REVIEW: "review", Mark.DISMISSED: "dismissed", Mark.AGREED: "agreed",
}  # fmt: skip


def consent_word(text: str) -> ConsentWord | None:
    """What the whole text asks for, or None. "Stop. Thank you" is a STOP (P32), and so are "stop stop stop", "S T O P" and, with letters of another
    script that look like ours, "SТОР"; a sentence with "stop" in it is not. Nobody comes back by a word that only looks like START, without its
    accents ("Résumé") or beside letters of another script, which may say the opposite.
    """
    if len(text) > _READ_MOST and text[_READ_MOST:].strip():
        return None
    if text.isascii():
        return _asked_for(text[:_READ_MOST])
    seen = _visible(text[:_READ_MOST])
    found = _asked_for(seen)
    if found == "start" and (_foreign(seen) or _ACCENT.search(unicodedata.normalize("NFD", text))):
        return None
    if found != "stop":
        alike = seen.translate(_LOOK_ALIKES)
        if not _foreign(alike) and _asked_for(alike) == "stop":
            return "stop"
    return found


def _asked_for(seen: str) -> ConsentWord | None:
    words = _spaced(seen)
    if not words or len(words) > _LONGEST:
        return None
    for reading in _readings(words):
        if reading in STOP_WORDS:
            return "stop"
        if reading in START_WORDS:
            return "start"
        if reading in HELP_WORDS:
            return "help"
    return None


def _foreign(seen: str) -> bool:
    """Whether it holds letters of another script."""
    return any(character.isalpha() and not character.isascii() for character in seen)


def _readings(words: str) -> Iterator[str]:
    """Ways to read a few words as one: without courtesy, one word said again and again, letters set apart."""
    said = words
    while (bare := _COURTESY.sub("", said)) != said and bare:
        said = bare
    yield said
    each = said.split(" ")
    yield each[0] if len(set(each)) == 1 else said
    yield "".join(each) if max(map(len, each)) == 1 else said


def wishes_silence(text: str) -> bool:
    """Whether a sentence looks as if its writer wants no more texts: a person is asked, nothing is done by itself."""
    return len(text) <= _LONGEST_WISH and _MAYBE.search(text) is not None and _WISH.search(_words(text)) is not None


def mark_of(text: str) -> Mark | None:
    """How an inbound text is marked when it is stored, or None."""
    word = consent_word(text)
    if word is not None:
        return Mark[word.upper()]
    return Mark.REVIEW if wishes_silence(text) or _begins_with_stop(text) else None


def _begins_with_stop(text: str) -> bool:
    """Whether a line of its own says STOP and something else stands below it, such as a signature: a person looks."""
    first, _, rest = text.strip().partition("\n")
    return bool(rest) and consent_word(first) == "stop"


def _words(text: str) -> str:
    return _spaced(text if text.isascii() else _visible(text))


def _spaced(seen: str) -> str:
    return _NOT_WORDS.sub(" ", seen.lower()).strip()


def _visible(text: str) -> str:
    """Without marks and invisible characters; ASCII holds neither."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", text)
        if character not in _UNSEEN and unicodedata.category(character) not in ("Cf", "Mn", "Me")
    )
