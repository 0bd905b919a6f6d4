"""vCards in and out: version 4.0 (RFC 6350), its elders 3.0 (RFC 2426) and 2.1, as phones and desktop programs write them.

Promises: reading takes time in proportion to the file whatever stands in it, and logs nothing of it. Written by hand since the library for it takes
a line of fifty semicolons for a riddle of 2^50 answers, and writes each line that it cannot read into the log (bad input 85).
"""

import quopri
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_LINE_BYTES = 75
# Pictures, sounds and keys are most of such a file and nothing of ours.
_NEEDED = frozenset({"fn", "n", "org", "email", "note", "tel", "x-ablabel"})
_MARK = re.compile('[";:]')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PIECE = re.compile(r"\\.|;|[^\\;]+", re.DOTALL)
_CHARSET = re.compile(
    r"utf-?8|us-ascii|iso-8859-\d{1,2}|windows-125\d|cp125\d|shift_jis|gb2312|gbk|gb18030|big5|euc-jp|euc-kr|koi8-[ru]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Line:
    """One property: its group (`item1`), its name in small letters, the words of its parameters, its value with escapes as they stood."""

    group: str
    name: str
    words: tuple[str, ...]
    value: str

    @property
    def text(self) -> str:
        """The value as people read it."""
        return plain(self.value)

    @property
    def pieces(self) -> list[str]:
        """A value of several parts, such as a name's."""
        found = [""]
        for piece in _PIECE.findall(self.value):
            if piece == ";":
                found.append("")
            else:
                found[-1] += piece
        return [plain(piece).strip() for piece in found]


@dataclass(slots=True)
class Card:
    """What a card says that is of use here; `whole` when it was ended."""

    lines: list[Line] = field(default_factory=list[Line])
    whole: bool = False

    def first(self, name: str) -> Line | None:
        """The first property of this name."""
        return next((line for line in self.lines if line.name == name), None)


def plain(value: str) -> str:
    """A value without its escapes."""
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def cards_in(text: str) -> Iterator[Card]:
    """Each card of a file, also those that break off. A card within a card (an assistant's) belongs to nobody here."""
    card: Card | None = None
    within = 0
    before = ""
    for line in _lines(text):
        if line.name == "begin" and line.value.strip().upper() == "VCARD":
            if card is not None and before == "agent":
                within += 1
            else:
                if card is not None:
                    yield card
                card, within = Card(), 0
        elif line.name == "end" and line.value.strip().upper() == "VCARD":
            if within:
                within -= 1
            elif card is not None:
                card.whole = True
                yield card
                card = None
        elif card is not None and not within and line.name in _NEEDED:
            card.lines.append(line)
        before = line.name
    if card is not None:
        yield card


def card_of(properties: Sequence[tuple[str, str]]) -> str:
    """A card of version 3.0, which every address book reads. `properties`: names with their parameters, values with their escapes."""
    lines = ("BEGIN:VCARD", "VERSION:3.0", *(f"{name}:{value}" for name, value in properties), "END:VCARD")
    return "".join(_folded(line) for line in lines)


def escaped(text: str) -> str:
    """Words as a value: nothing in them ends the value, or its line."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\r", "").replace("\n", "\\n")


def _folded(line: str) -> str:
    """Lines longer than 75 octets go on behind a blank; no character is torn."""
    out: list[str] = []
    room = _LINE_BYTES
    for character in line:
        size = len(character.encode("utf-8", "replace"))
        if size > room:
            out.append("\r\n ")
            room = _LINE_BYTES - 1
        out.append(character)
        room -= size
    return "".join(out) + "\r\n"


def _lines(text: str) -> Iterator[Line]:
    """Logical lines: folded ones are put together, quoted-printable ones too; what is no property is left out."""
    held: list[str] = []
    soft = printable = False
    for piece in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if soft or (held and piece[:1] in (" ", "\t")):
            held.append(piece if soft else piece[1:])
        else:
            yield from _read(held)
            held = [piece]
            printable = "QUOTED-PRINTABLE" in piece.partition(":")[0].upper()
        soft = printable and piece.endswith("=")
        if soft:
            held[-1] = held[-1][:-1]
    yield from _read(held)


def _read(held: list[str]) -> Iterator[Line]:
    line = "".join(held)
    pieces: list[str] = []
    start, quoted = 0, False
    for mark in _MARK.finditer(line):
        if mark[0] == '"':
            quoted = not quoted
        elif not quoted:
            pieces.append(line[start : mark.start()])
            start = mark.end()
            if mark[0] == ":":
                break
    else:
        return
    group, _, name = pieces[0].strip().lower().rpartition(".")
    words = tuple(word.rpartition("=")[2].replace('"', "") for word in pieces[1:])
    yield Line(group, name, words, _decoded(line[start:], pieces[1:]) if name in _NEEDED else line[start : start + 10])


def _decoded(value: str, parameters: Sequence[str]) -> str:
    """The value of a line of version 2.1, which may be quoted-printable in a character set of its own."""
    spoken = {name.strip().upper(): word.strip() for name, _, word in (one.partition("=") for one in parameters)}
    if "QUOTED-PRINTABLE" not in spoken and spoken.get("ENCODING", "").upper() != "QUOTED-PRINTABLE":
        return value
    charset = spoken.get("CHARSET", "utf-8")
    return quopri.decodestring(value.encode("utf-8", "replace")).decode(charset if _CHARSET.fullmatch(charset) else "utf-8", "replace")
