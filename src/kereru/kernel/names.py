"""What people see as one character, and what a name may be (bad inputs 9, 10, 15, 16, 20, 23)."""

import unicodedata

from kereru.kernel.limits import NAME_CODE_POINTS, NAME_GRAPHEMES


def clusters(text: str) -> tuple[str, ...]:
    """`text` as the characters people see: a practical part of Unicode's text segmentation (UAX 29), without Hangul and Indic rules."""
    pieces: list[str] = []
    flag_open = False
    for character in text:
        regional = "\U0001f1e6" <= character <= "\U0001f1ff"
        if pieces and (_extends(character) or pieces[-1][-1] == "\u200d" or (character == "\n" and pieces[-1] == "\r") or (regional and flag_open)):
            pieces[-1] += character
            flag_open = flag_open and not regional
        else:
            pieces.append(character)
            flag_open = regional
    return tuple(pieces)


def as_name(typed: str) -> str | None:
    """A name as it is kept: NFC, without blanks around it; None for one that is too long or holds what no line of text can show.

    Up to 64 characters as people count them, and never so many marks on one of them that nothing could show it. Empty is for the caller to judge.
    """
    name = unicodedata.normalize("NFC", typed.strip())
    # Cc holds CR, LF and NUL; Cs lone surrogates, which no database takes; Zl and Zp break lines.
    if len(name) > NAME_CODE_POINTS or any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        return None
    return name if len(clusters(name)) <= NAME_GRAPHEMES else None


def _extends(character: str) -> bool:
    if character < "\u0300":
        return False
    return (
        character == "\u200d"
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )
