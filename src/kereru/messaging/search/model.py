"""What a search answers, and which words of a text it found; pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from kereru.messaging.model import Conversation, Message

_ACCENTS = frozenset(map(chr, range(0x300, 0x370)))
_ALONE = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))
"""Letters of scripts that put no spaces between words, as in `search_letters` (0018_search.sql)."""


class Mark(msgspec.Struct, frozen=True):
    """A stretch of a text that was looked for; positions in code points from 0."""

    start: int
    length: int


class Hit(msgspec.Struct, frozen=True):
    """A text with what was looked for, and where in it that stands."""

    message: Message
    marks: tuple[Mark, ...]


class SearchPage(msgspec.Struct, frozen=True):
    """Texts, newest first. `conversations`: those they stand in. `people`: on the first page, conversations whose number or name was meant."""

    items: list[Hit]
    next: str | None
    conversations: tuple[Conversation, ...]
    people: tuple[Conversation, ...]


def marks(text: str, words: Sequence[str]) -> tuple[Mark, ...]:
    """Where `words` stand in `text`, whole words each; the last of them may be the beginning of one. Neighbours are one stretch."""
    if not words:
        return ()
    *whole, begun = words
    found: list[Mark] = []
    for form, start, end in _words(text):
        if form not in whole and not form.startswith(begun):
            continue
        neighbour = found and found[-1].start + found[-1].length == start
        first = found.pop().start if neighbour else start
        found.append(Mark(first, end - first))
    return tuple(found)


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text in the form in which they are searched, with where each begins and ends (the same rules as `search_letters`)."""
    form, begun = "", 0
    for place, character in enumerate(chain(text, " ")):
        letters = unicodedata.normalize("NFKD", character).lower()
        kept = "".join(letter for letter in letters if letter not in _ACCENTS)
        if not kept and letters:
            continue  # an accent of its own belongs to the letter before it
        alone = any(first <= ord(character) <= last for first, last in _ALONE)
        joins = not alone and all(_in_words(letter) for letter in kept)
        if form and not joins:
            yield form, begun, place
            form = ""
        if alone:
            yield kept, place, place + 1
        elif joins:
            begun = begun if form else place
            form += kept


def _in_words(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc")
