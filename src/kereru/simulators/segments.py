"""How many parts a text takes on the air (GSM 03.38, carriers.md A). Owns the consoles' character and segment counts."""

from typing import NamedTuple

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[]~|€\f")


class Size(NamedTuple):
    """What a text costs: its alphabet, its code points, its units (septets or 16-bit units) and its parts."""

    encoding: str
    characters: int
    units: int
    segments: int


def size(text: str) -> Size:
    """Measure a text; a character of two units is never split over two parts (carriers.md A)."""
    gsm = all(c in BASIC or c in EXTENSION for c in text)
    costs = [2 if c in EXTENSION else 1 for c in text] if gsm else [2 if ord(c) > 0xFFFF else 1 for c in text]
    single, several = (160, 153) if gsm else (70, 67)
    units = sum(costs)
    parts = (1 if text else 0) if units <= single else _parts(costs, several)
    return Size("gsm7" if gsm else "ucs2", len(text), units, parts)


def _parts(costs: list[int], room: int) -> int:
    parts, used = 1, 0
    for cost in costs:
        if used + cost > room:
            parts, used = parts + 1, 0
        used += cost
    return parts
