"""The words of a text file, in whatever characters its phone wrote them (G35)."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.messaging.attachments.words import Declared, as_utf_8, declared_of, words_of

PLAIN = Declared("text/plain")
NAMES = ("utf-16", "UTF-16LE", "utf-16be", "utf16", "iso-10646-ucs-2", "ucs-2", "csUnicode")


@pytest.mark.parametrize(("header", "kind", "charset"), [
    ("text/plain", "text/plain", ""),
    ("Text/Plain; Charset=UTF-16", "text/plain", "utf-16"),
    ('text/plain;name="a;charset=b.txt" ; charset = "utf-16le"', "text/plain", "utf-16le"),
    ("text/plain; charset='utf-16be'", "text/plain", "utf-16be"),
    ("text/plain; charset=", "text/plain", ""),
    ("; charset=utf-16", "", "utf-16"),
    ("", "", ""),
])  # fmt: skip
def test_what_a_header_declares(header: str, kind: str, charset: str) -> None:
    """RFC 9110 §8.3: the type and its charset, in any case, quoted or not."""
    assert declared_of(header) == Declared(kind, charset)


@pytest.mark.parametrize("words", ["STOP", "Стоп", "SТОР\r\n", "止", "Stop 🛑", "arrêt\x00"])
@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_by_its_mark_whatever_is_declared(words: str, order: str) -> None:
    """G35: what the bytes say themselves counts most."""
    mark = codecs.BOM_UTF16_LE if order == "utf-16-le" else codecs.BOM_UTF16_BE
    for charset in ("", "utf-8", "utf-16", "utf-16le", "utf-16be"):
        assert words_of(mark + words.encode(order), Declared("text/plain", charset)) == words


@pytest.mark.parametrize("words", ["STOP", "Stop.\r\n", "SТОР", "ЅТОР stop", "START"])
@pytest.mark.parametrize("charset", ["utf-16", "ucs-2", "iso-10646-ucs-2", "csunicode", "utf16"])
def test_utf_16_without_a_mark_is_read_in_either_order(words: str, charset: str) -> None:
    """G35, RFC 2781 §4.3: big-endian, but for what can only be the other order."""
    for order in ("utf-16-be", "utf-16-le"):
        assert words_of(words.encode(order), Declared("text/plain", charset)) == words


def test_the_order_that_is_named_counts() -> None:
    """RFC 2781 §3.3."""
    assert words_of("ЅТОР".encode("utf-16-le"), Declared("text/plain", "utf-16le")) == "ЅТОР"
    assert words_of("ЅТОР".encode("utf-16-be"), Declared("text/plain", "utf-16be")) == "ЅТОР"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_latin_utf_16_needs_no_declaration(order: str) -> None:
    """G35: every other byte is zero, which no other text has."""
    assert words_of("STOP".encode(order), PLAIN) == "STOP"


@pytest.mark.parametrize("charset", ["", "utf-8", "us-ascii", "iso-8859-1", "utf-16", "klingon"])
def test_eight_bit_text_is_read_as_such_whatever_is_declared(charset: str) -> None:
    """A gateway that wrote the text anew and left the declaration as it was hides no STOP."""
    assert words_of(b"STOP", Declared("text/plain", charset)) == "STOP"
    assert words_of(b"\xef\xbb\xbfSTART", Declared("text/plain", charset)) == "START"
    assert words_of("Arrêt".encode("latin-1"), Declared("text/plain", charset)) == "Arrêt"


@given(st.binary(max_size=200), st.sampled_from(("", "utf-8", *NAMES)))
def test_no_bytes_break_it(content: bytes, charset: str) -> None:
    """Whatever came is answered; what is taken for text holds no control characters."""
    assert isinstance(words_of(content, Declared("text/plain", charset)), str)
    anew = as_utf_8(content, charset)
    assert anew is None or anew.decode().encode() == anew


@given(st.text(st.characters(codec="utf-16", exclude_categories=("Cc",)), min_size=1, max_size=40).filter(lambda words: words[0] != "\ufeff"))
def test_every_text_comes_back(words: str) -> None:
    """With its mark, in either order."""
    for mark, order in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        assert as_utf_8(mark + words.encode(order), "") == words.encode()


@pytest.mark.parametrize(
    "content", [b"", b"hello", "Grüße".encode(), b"MZ\x90\x00\x03\x00\x00\x00", b"PK\x03\x04\x14\x00", bytes(8), b"\xff\xfe\x00", b"\xff\xfe"]
)
def test_what_is_not_utf_16_stays_as_it_is(content: bytes) -> None:
    """Bad inputs 77, 81: programs and archives are not taken for text, and eight-bit text is known elsewhere."""
    assert as_utf_8(content, "") is None
