"""Segment arithmetic: how a text is encoded on the air, how many parts it takes, where it may be cut.

Source: carriers.md appendix A, 3GPP TS 23.038.

Promises: a pair (escape and character, or surrogates) is never torn; `split` keeps what a person sees as one character together wherever
that fits one part; nothing is ever replaced, only proposed (bad input 8). Positions are code points from 0.
"""

import unicodedata
from dataclasses import dataclass
from typing import Literal

from kereru.kernel.names import clusters

Encoding = Literal["gsm7", "ucs2"]

GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67

_BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
_ESCAPED = "\f^{}\\[~]|€"

BASIC = frozenset(_BASIC)
ESCAPED = frozenset(_ESCAPED)
GSM7 = BASIC | ESCAPED

_PLAIN = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'", "`": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"', "\u2039": "'", "\u203a": "'",
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
    "\u2026": "...", "\u2022": "*", "\u00b7": ".", "\u00d7": "x", "\u00f7": "/", "\u2044": "/", "\t": " ",
    "\u00a0": " ", "\u2002": " ", "\u2003": " ", "\u2007": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ", "\u3000": " ",
    "\u2028": "\n", "\u2029": "\n", "\u0085": "\n",
    "\u200b": "", "\u2060": "", "\ufeff": "", "\u00ad": "",
    "\u00e7": "c", "\u0131": "i", "\u0142": "l", "\u0141": "L", "\u0153": "oe", "\u0152": "OE", "\u00f0": "d", "\u00d0": "D",
    "\u00fe": "th", "\u00de": "Th", "\u1e9e": "SS", "\u2122": "TM", "\u00ae": "(R)", "\u00a9": "(C)", "\u00b0": "o", "\u2116": "No",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Culprit:
    """A character outside GSM-7, where it stands first, and what could stand there instead; `plain` is None where nothing is like it."""

    character: str
    position: int
    plain: str | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a text costs. `units` are septets (GSM-7) or 16-bit units (UCS-2); `left` fit in before another segment is needed."""

    encoding: Encoding
    segments: int
    units: int
    per_segment: int
    left: int


def encoding_of(text: str) -> Encoding:
    """The encoding a network uses: one character outside GSM-7 turns the whole text into UCS-2."""
    return "gsm7" if GSM7.issuperset(text) else "ucs2"


def has_lone_surrogate(text: str) -> bool:
    """Whether the text holds half a surrogate pair, which no encoding can carry (bad input 9)."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def measure(text: str, encoding: Encoding | None = None) -> Measurement:
    """Encoding, units and segments of `text`, as networks count them; an empty text takes no segment."""
    encoding = encoding or encoding_of(text)
    single, part = _capacities(encoding)
    wide = _wide(text, encoding)
    units = len(text) + wide
    if units <= single:
        return Measurement(encoding, 1 if text else 0, units, single, single - units)
    if not wide:
        segments = -(-units // part)
        return Measurement(encoding, segments, units, part, segments * part - units)
    segments, filled = 1, 0
    for character in text:
        cost = _cost(character, encoding)
        if filled + cost > part:
            segments, filled = segments + 1, 0
        filled += cost
    return Measurement(encoding, segments, units, part, part - filled)


def culprits(text: str, most: int = 20) -> tuple[Culprit, ...]:
    """The distinct characters that force UCS-2, each at its first position, at most `most` of them."""
    found: dict[str, Culprit] = {}
    if GSM7.issuperset(text):
        return ()
    for position, character in enumerate(text):
        if character not in GSM7 and character not in found:
            found[character] = Culprit(character, position, plain_for(character))
            if len(found) == most:
                break
    return tuple(found.values())


def plain_for(character: str) -> str | None:
    """A GSM-7 stand-in for one character, or None. Accents fall away only where the letter without them is GSM-7."""
    known = _PLAIN.get(character)
    if known is not None:
        return known
    bare = "".join(piece for piece in unicodedata.normalize("NFKD", character) if not unicodedata.combining(piece))
    return bare if bare and bare != character and GSM7.issuperset(bare) else None


def split(text: str, encoding: Encoding | None = None) -> tuple[str, ...]:
    """`text` cut into parts that each fit one message; joined again they are `text`.

    What people see as one character (letters with marks, ZWJ families, flags) stays whole unless it alone is larger than a part. A text
    that fits one message is returned whole; the parts of a longer one use the smaller capacity, which leaves room for the join header.
    """
    encoding = encoding or encoding_of(text)
    single, part = _capacities(encoding)
    if len(text) + _wide(text, encoding) <= single:
        return (text,) if text else ()
    return _packed(text, encoding, part)


def split_by_bytes(text: str, bytes_max: int) -> tuple[str, ...]:
    """`text` cut into pieces of at most `bytes_max` bytes of UTF-8 (at least 4), for carriers that cut longer bodies (carriers.md §1.7)."""
    parts: list[str] = []
    current, filled = "", 0
    for cluster in clusters(text):
        for piece in (cluster,) if _bytes(cluster) <= bytes_max else tuple(cluster):
            cost = _bytes(piece)
            if current and filled + cost > bytes_max:
                parts.append(current)
                current, filled = "", 0
            current, filled = current + piece, filled + cost
    return (*parts, current) if current else tuple(parts)


def _packed(text: str, encoding: Encoding, capacity: int) -> tuple[str, ...]:
    parts: list[str] = []
    current: list[str] = []
    filled = 0
    for cluster in clusters(text):
        whole = len(cluster) + _wide(cluster, encoding) <= capacity
        for piece in (cluster,) if whole else tuple(cluster):
            cost = len(piece) + _wide(piece, encoding)
            if filled + cost > capacity:
                parts.append("".join(current))
                current, filled = [], 0
            current.append(piece)
            filled += cost
    return (*parts, "".join(current))


def _capacities(encoding: Encoding) -> tuple[int, int]:
    return (GSM7_SINGLE, GSM7_PART) if encoding == "gsm7" else (UCS2_SINGLE, UCS2_PART)


def _wide(text: str, encoding: Encoding) -> int:
    """How many characters of `text` cost two units."""
    if encoding == "gsm7":
        return sum(map(text.count, _ESCAPED))
    return 0 if text.isascii() else sum(character > "\uffff" for character in text)


def _cost(character: str, encoding: Encoding) -> int:
    return 2 if (character in ESCAPED if encoding == "gsm7" else character > "\uffff") else 1


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
