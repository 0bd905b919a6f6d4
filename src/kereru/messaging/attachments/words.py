"""The words of a text file that a phone sent, in whatever set of characters it or a gateway on the way wrote them; pure.

The bytes are believed before what is declared of them, for gateways write texts anew and leave the declaration as it was: a UTF-16 mark (RFC 2781),
then text without control characters as UTF-8 or Latin-1, then UTF-16 by its declared name or by its zero bytes. Every set that phones use writes the
letters of STOP as ASCII does, but UTF-16.
"""

import codecs
import re
from typing import NamedTuple

from kereru.messaging.attachments.model import is_text

_UTF_16 = ("utf-16", "utf16", "ucs-2", "iso-10646-ucs-2", "csunicode")
"""Names of sets of two bytes each: IANA's, and that of OMA's MMS encapsulation (MIBenum 1000)."""
_HEADER_MOST = 200
_PARAMETER = re.compile(r""";\s*([\w-]+)\s*=\s*("[^"]*"|[^;]*)""")


class Declared(NamedTuple):
    """What a file is said to be, in small letters; empty where nothing is said."""

    type: str
    charset: str = ""


def declared_of(header: str) -> Declared:
    """The parts of a Content-Type (RFC 9110 §8.3) that matter here."""
    short = header[:_HEADER_MOST].lower()
    parameters = {name: value.strip().strip("\"'") for name, value in _PARAMETER.findall(short)}
    return Declared(short.partition(";")[0].strip(), parameters.get("charset", ""))


def words_of(content: bytes, declared: Declared) -> str:
    """The file as text, whatever it is; what cannot be read is replaced."""
    order = _order(content, declared.charset)
    if order:
        return content.decode(order, "replace").removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def as_utf_8(content: bytes, charset: str) -> bytes | None:
    """Text in UTF-16 as UTF-8, without its mark; None: it is none, or holds what is no text (`is_text`)."""
    order = _order(content, charset)
    if not order:
        return None
    try:
        anew = content.decode(order).removeprefix("\ufeff").rstrip("\x00").encode()
    except UnicodeDecodeError:
        return None
    return anew if is_text(anew) else None


def _order(content: bytes, charset: str) -> str:
    """The codec of UTF-16, or nothing for all other bytes."""
    if content.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if content.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    if not content or is_text(content):
        return ""
    first, second = content[::2], content[1::2]
    if charset.startswith(_UTF_16):
        if charset.endswith(("le", "be")):
            return f"utf-16-{charset[-2:]}"
        # Big-endian where nothing is said (RFC 2781 §4.3); blanks and Latin letters give the other order away.
        return "utf-16-le" if second.count(0) > first.count(0) else "utf-16-be"
    # Nothing declared: only what is Latin all through, so that every other byte is zero and no others are.
    for codec, zeros, letters in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if zeros and not any(zeros) and all(letters):
            return codec
    return ""
