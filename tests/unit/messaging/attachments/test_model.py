"""What a file is and how it travels: R71, R72, R124, R125, R132 to R137, Q2, Q3, Q22; bad inputs 13, 77 to 79, 82."""

import pytest

from kereru.carriers.contract import INTELIQUENT, RESTCOMM
from kereru.carriers.registry import capabilities_of
from kereru.messaging.attachments.model import BY_CONTENT_TYPE as TYPES
from kereru.messaging.attachments.model import (
    ENDINGS,
    MmsFacts,
    StoredFile,
    clean_name,
    disposition,
    is_text,
    route,
    sendable_types,
    sniff,
    text_type,
    with_links,
)
from kereru.messaging.attachments.serving import serving

US, CANADA, JAMAICA, LONDON = "+12015550110", "+14165550142", "+18765550142", "+442079460142"
GOOD = MmsFacts(platform_mms=True, number_mms=True, own_number=US, remote=CANADA, reachable=True)


def stored(content_type: str, size: int = 1000, id_: int = 1) -> StoredFile:
    return StoredFile(id_, "name", content_type, size, bytes(16))


def but(**changes: object) -> MmsFacts:
    values = {name: getattr(GOOD, name) for name in ("platform_mms", "number_mms", "own_number", "remote", "reachable")}
    return MmsFacts(**{**values, **changes})


@pytest.mark.parametrize(("head", "ending"), [
    (b"\xff\xd8\xff\xe1\x00\x10Exif", "jpg"),
    (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "png"),
    (b"GIF89a/*\x00\x00*/=1;alert(1)", "gif"),
    (b"BM\x36\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00", "bmp"),
    (b"ID3\x03\x00\x00\x00\x00\x00\x00", "mp3"),
    (b"\xff\xfb\x90\x64\x00", "mp3"),
    (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "mp4"),
    (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "mp4"),
    (b"\x00\x00\x01\xba\x44", "mpeg"),
    (b"\x00\x00\x01\xb3\x14", "mpeg"),
    (b"%PDF-1.7\n", "pdf"),
    (b"\x00\x00\x00\x14ftypqt  ", "mov"),
    (b"\x00\x00\x00\x18ftyp3gp5", "3gp"),
    (b"\x00\x00\x00\x18ftypheic", "heic"),
    (b"\x00\x00\x00\x18ftypM4A ", "m4a"),
    (b"#!AMR\n", "amr"),
    (b"RIFF\x10\x00\x00\x00WEBP", "webp"),
])  # fmt: skip
def test_content_decides_what_a_file_is(head: bytes, ending: str) -> None:
    """R71, bad input 77: by its first bytes, and the eleven are told from their neighbours."""
    found = sniff(head + bytes(400))
    assert found is not None
    assert found.ending == ending
    assert found.sendable == (ending in ENDINGS)


@pytest.mark.parametrize("head", [b"<html>", b"<svg xmlns=", b"BMW and others", b"MZ\x90\x00", b"PK\x03\x04", b"", b"hello", b"\xff\xfe\x00\x00"])
def test_what_has_no_signature_is_not_guessed(head: bytes) -> None:
    """Bad inputs 77, 78, 81."""
    assert sniff(head) is None


def test_text_is_what_holds_no_control_characters() -> None:
    """R71: .txt and .csv have no signature; eight-bit text of old programs is text too."""
    assert is_text("Grüße\r\n\tJo".encode())
    assert is_text("Grüße".encode("cp1252"))
    assert not is_text(b"MZ\x90\x00")
    assert not is_text(b"PK\x03\x04")
    assert not is_text("hi".encode("utf-16"))


@pytest.mark.parametrize(("content", "name", "declared", "ending"), [
    (b"a,b\n1,2", "list.CSV", "", "csv"),
    (b"a,b\n1,2", "", "text/csv", "csv"),
    (b"hello", "a.txt", "", "txt"),
    (b"<smil><head/></smil>", "", "", "smil"),
    (b"<?xml version='1.0'?>\n<smil>", "0.xml", "", "smil"),
    (b"<root/>", "", "application/xml", "smil"),
    (b"BEGIN:VCARD\r\nEND:VCARD", "", "", "vcf"),
    (b"<html><script>", "a.txt", "text/html", "txt"),
])  # fmt: skip
def test_which_text_it_is(content: bytes, name: str, declared: str, ending: str) -> None:
    """P25: layouts that phones add are known by what they hold; whatever else is text stays plain text."""
    assert text_type(content, name, declared).ending == ending


def test_the_eleven_are_said_in_the_order_of_the_requirement() -> None:
    """R71, P28."""
    assert " ".join(f".{each.ending}" for each in sendable_types()) == ".txt .mpeg .mp3 .mp4 .pdf .jpeg .jpg .bmp .png .gif .csv"


_CASES = [
    ("everything is right", "image/jpeg", GOOD, INTELIQUENT, "mms", None),
    ("R132, R135: the platform's switch is off", "image/jpeg", but(platform_mms=False), INTELIQUENT, "sms_link", "mms_off"),
    ("R133: the number is SMS only", "image/jpeg", but(number_mms=False), INTELIQUENT, "sms_link", "number_without_mms"),
    ("R125: to London", "image/jpeg", but(remote=LONDON), RESTCOMM, "sms_link", "mms_not_american"),
    ("R125: from London", "image/jpeg", but(own_number=LONDON), RESTCOMM, "sms_link", "mms_not_american"),
    ("Q22: Jamaica is +1 and not American", "image/jpeg", but(remote=JAMAICA), RESTCOMM, "sms_link", "mms_not_american"),
    ("§9: the carrier cannot fetch our links", "image/jpeg", but(reachable=False), INTELIQUENT, "sms_link", "links_not_reachable"),
    ("R72: a PDF is never an MMS", "application/pdf", GOOD, INTELIQUENT, "sms_link", "type_not_for_mms"),
    ("Q3: nor a BMP", "image/bmp", GOOD, INTELIQUENT, "sms_link", "type_not_for_mms"),
    ("Q3: nor a text", "text/plain", GOOD, RESTCOMM, "sms_link", "type_not_for_mms"),
    ("Q3: nor a table", "text/csv", GOOD, RESTCOMM, "sms_link", "type_not_for_mms"),
    ("Q3: an MPEG only where the carrier takes it", "video/mpeg", GOOD, INTELIQUENT, "sms_link", "type_not_for_mms"),
    ("a film", "video/mp4", GOOD, RESTCOMM, "mms", None),
    ("a sound", "audio/mpeg", GOOD, RESTCOMM, "mms", None),
    ("a moving picture", "image/gif", GOOD, INTELIQUENT, "mms", None),
    ("a picture, and nobody chosen yet", "image/png", but(remote=None), INTELIQUENT, "mms", None),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "facts", "carrier", "kind", "why"), [pytest.param(*case[1:], id=case[0]) for case in _CASES])
def test_the_one_combined_rule(content_type: str, facts: MmsFacts, carrier: str, kind: str, why: str | None) -> None:
    """Q2, R69, R110, R124, R136, R137: MMS only if everything allows it, else a link, with the reason."""
    way = route([stored(content_type)], facts, capabilities_of(carrier))
    assert way.kind == kind
    assert [file.reason.code if file.reason else None for file in way.files] == [why]
    assert (len(way.media), len(way.links)) == ((1, 0) if kind == "mms" else (0, 1))


def test_the_size_of_all_counts_and_a_picture_may_be_shrunk() -> None:
    """Q2, P28: 1 MB in all; what would fit if it were smaller says so."""
    able = capabilities_of(INTELIQUENT)
    assert route([stored("image/jpeg", 1_000_000)], GOOD, able).kind == "mms"
    over = route([stored("image/jpeg", 600_000, 1), stored("audio/mpeg", 400_001, 2)], GOOD, able)
    assert over.kind == "sms_link"
    assert [(file.reason.code, file.shrinkable) for file in over.files] == [("too_large_for_mms", True), ("too_large_for_mms", False)]


def test_files_of_both_kinds_travel_together() -> None:
    """R136, R137: each goes as it can; the text of the MMS holds the link to the other."""
    way = route([stored("image/jpeg", id_=1), stored("application/pdf", id_=2)], GOOD, capabilities_of(INTELIQUENT))
    assert way.kind == "mms"
    assert ([file.id for file in way.media], [file.id for file in way.links]) == ([1], [2])


def test_a_text_without_files_is_an_sms_whatever_it_says() -> None:
    """Q24: an address that somebody typed is no file of ours."""
    assert route([], GOOD, capabilities_of(INTELIQUENT)).kind == "sms"


def test_links_stand_on_lines_of_their_own() -> None:
    """R69."""
    assert with_links("The menu:", ["https://x/m/1.pdf", "https://x/m/2.csv"]) == "The menu:\nhttps://x/m/1.pdf\nhttps://x/m/2.csv"
    assert with_links("  ", ["https://x/m/1.pdf"]) == "https://x/m/1.pdf"


@pytest.mark.parametrize(("given", "content_type", "clean"), [
    ("../../etc/passwd", "text/plain", "passwd.txt"),
    ("C:\\temp\\photo.JPEG", "image/jpeg", "photo.jpeg"),
    ("CON", "text/csv", "_CON.csv"),
    ("con.txt", "text/plain", "_con.txt"),
    ("photo\u202egpj.exe", "image/jpeg", "photogpj.jpg"),
    ("a\r\nSet-Cookie: x.png", "image/png", "aSet-Cookie_ x.png"),
    ("x" * 300 + ".pdf", "application/pdf", "x" * 120 + ".pdf"),
    ("", "image/gif", "file.gif"),
    ("Größe.bmp", "image/bmp", "Größe.bmp"),
    ("page.html", "text/plain", "page.txt"),
    ("v1.2 final", "application/pdf", "v1.2 final.pdf"),
    ("con.foo.txt", "text/plain", "_con.foo.txt"),
    ('a:b?"<c>|d*.txt', "text/plain", "a_b___c__d_.txt"),
])  # fmt: skip
def test_names_are_ours(given: str, content_type: str, clean: str) -> None:
    """Bad inputs 13, 82: no path, no control or direction character, no reserved name, the ending that the content deserves."""
    assert clean_name(given, TYPES[content_type]) == clean


def test_a_name_cannot_leave_its_header() -> None:
    """Bad input 82, RFC 6266, RFC 8187."""
    header = disposition('a"b\\c%Größe\u4f60.pdf', inline=False)
    assert header == "attachment; filename=\"a_b_c_Gr__e_.pdf\"; filename*=UTF-8''a%22b%5Cc%25Gr%C3%B6%C3%9Fe%E4%BD%A0.pdf"
    assert header.isascii()


@pytest.mark.parametrize(("wanted", "status", "start", "end"), [
    (None, 200, 0, 100),
    ("bytes=0-9", 206, 0, 10),
    ("bytes=90-", 206, 90, 100),
    ("bytes=-10", 206, 90, 100),
    ("bytes=0-1000", 206, 0, 100),
    ("bytes=100-", 416, 0, 0),
    ("bytes=9-3", 416, 0, 0),
    ("bytes=" + ",".join(["0-0"] * 10_000), 200, 0, 100),
    ("bytes=-", 200, 0, 100),
    ("lines=1-2", 200, 0, 100),
])  # fmt: skip
def test_one_range_is_served_and_ten_thousand_are_not(wanted: str | None, status: int, start: int, end: int) -> None:
    """Bad input 58, RFC 9110 §14."""
    answer = serving("video/mp4", "a.mp4", 100, '"1"', wanted=wanted, known=None)
    assert (answer.status, answer.start, answer.end) == (status, start, end)


@pytest.mark.parametrize(("content_type", "inline"), [
    ("image/png", True), ("video/mp4", True), ("audio/mpeg", True), ("application/pdf", False), ("text/plain", False), ("text/vcard", False),
    ("application/octet-stream", False), ("text/html", False),
])  # fmt: skip
def test_nothing_but_picture_sound_and_film_is_shown_where_it_is(content_type: str, inline: bool) -> None:
    """Design §9, bad inputs 77 to 79: everything else is saved, and whatever it is, it runs nothing."""
    headers = serving(content_type, "a", 1, '"1"', wanted=None, known=None).headers
    assert headers["content-disposition"].startswith("inline" if inline else "attachment")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["content-security-policy"].endswith("sandbox")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] != "text/html"
