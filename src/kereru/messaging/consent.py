"""Consent words of remote parties: STOP and its kin act at once, whatever case, spacing, punctuation or invisible characters surround them (G35).

The list is data with a source and a date: the words of the US rule of April 2025 (FCC), CTIA's, and the carriers' common extra ones, as of 2026-11
(product.md 5.7). HELP only asks for information and changes nothing here. Softer wishes ("please stop texting me") are for a person to judge.
"""

import re
import unicodedata
from typing import Literal

ConsentWord = Literal["stop", "start"]

STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "stop all", "remove"})
START_WORDS = frozenset({"start", "unstop", "resume", "optin", "opt in"})
_COURTESY = frozenset({"please", "pls", "thanks", "thank you", "thx"})

_NOT_WORDS = re.compile(r"[^a-z0-9]+", re.ASCII)
_LONGEST = 40


def consent_word(text: str) -> ConsentWord | None:
    """What the whole text asks for, or None. "Stop. Thank you" is a STOP (P32); a sentence with "stop" in it is not."""
    if len(text) > _LONGEST * 4:
        return None
    words = _NOT_WORDS.sub(" ", (text if text.isascii() else _visible(text)).lower()).strip()
    if len(words) > _LONGEST:
        return None
    for courtesy in _COURTESY:
        words = words.removeprefix(courtesy + " ").removesuffix(" " + courtesy)
    if words in STOP_WORDS:
        return "stop"
    return "start" if words in START_WORDS else None


def _visible(text: str) -> str:
    """Without marks and invisible characters; ASCII holds neither."""
    return "".join(character for character in unicodedata.normalize("NFKD", text) if unicodedata.category(character) not in ("Cf", "Mn", "Me"))
