"""What a file is and how it may travel; pure.

What a file is, is decided by its content alone (bad inputs 77 to 79): neither the name it came with nor a declared type is believed. A general
detector was tried and left out: for several of the eleven types it answers with a list of guesses, while eleven signatures are exact.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal
from urllib.parse import quote

import msgspec

from kereru.carriers.contract import Capabilities
from kereru.carriers.numbering import is_north_american
from kereru.kernel.limits import FILE_NAME_CHARACTERS
from kereru.messaging.reasons import Reason

Kind = Literal["picture", "audio", "video", "pdf", "text", "contact", "other"]
Travel = Literal["sms", "mms", "sms_link"]
TRAVELS: tuple[Travel, ...] = ("sms", "mms", "sms_link")
"""In the order of message.kind, which begins with 1."""


class State(IntEnum):
    """Where a file is; the value is what the database stores."""

    COMING = 1
    READY = 2
    FAILED = 3

    @property
    def wire(self) -> Literal["coming", "ready", "failed"]:
        """The name in the API."""
        return ("coming", "ready", "failed")[self.value - 1]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file: its usual ending, its media type, how a screen shows it. `sendable`: one of the eleven (R71); `inline`: browsers show it."""

    ending: str
    content_type: str
    kind: Kind
    sendable: bool = False
    inline: bool = False


TXT = FileType("txt", "text/plain", "text", sendable=True)
CSV = FileType("csv", "text/csv", "text", sendable=True)
MPEG = FileType("mpeg", "video/mpeg", "video", sendable=True)
MP3 = FileType("mp3", "audio/mpeg", "audio", sendable=True, inline=True)
MP4 = FileType("mp4", "video/mp4", "video", sendable=True, inline=True)
PDF = FileType("pdf", "application/pdf", "pdf", sendable=True)
JPEG = FileType("jpg", "image/jpeg", "picture", sendable=True, inline=True)
BMP = FileType("bmp", "image/bmp", "picture", sendable=True, inline=True)
PNG = FileType("png", "image/png", "picture", sendable=True, inline=True)
GIF = FileType("gif", "image/gif", "picture", sendable=True, inline=True)
WEBP = FileType("webp", "image/webp", "picture", inline=True)
HEIC = FileType("heic", "image/heic", "other")
MOV = FileType("mov", "video/quicktime", "video")
THREE_GP = FileType("3gp", "video/3gpp", "video", inline=True)
M4A = FileType("m4a", "audio/mp4", "audio", inline=True)
AMR = FileType("amr", "audio/amr", "audio")
OGG = FileType("ogg", "audio/ogg", "audio", inline=True)
WAV = FileType("wav", "audio/wav", "audio", inline=True)
VCARD = FileType("vcf", "text/vcard", "contact")
CALENDAR = FileType("ics", "text/calendar", "text")
SMIL = FileType("smil", "application/smil", "other")
OTHER = FileType("bin", "application/octet-stream", "other")

ENDINGS = ("txt", "mpeg", "mp3", "mp4", "pdf", "jpeg", "jpg", "bmp", "png", "gif", "csv")
"""R71, in its order."""
MMS_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "audio/mpeg", "video/mp4", "video/mpeg"})
"""Of the eleven, what may go as MMS where the carrier takes it (Q3); .bmp .pdf .txt .csv always are links."""
BY_CONTENT_TYPE = {
    each.content_type: each
    for each in (
        TXT, CSV, MPEG, MP3, MP4, PDF, JPEG, BMP, PNG, GIF, WEBP, HEIC, MOV, THREE_GP, M4A, AMR, OGG, WAV, VCARD, CALENDAR, OTHER,
    )
}  # fmt: skip

_SIGNATURES: tuple[tuple[bytes, FileType], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"%PDF-", PDF),
    (b"ID3", MP3),
    (b"\x00\x00\x01\xba", MPEG),
    (b"\x00\x00\x01\xb3", MPEG),
    (b"#!AMR", AMR),
    (b"OggS", OGG),
)
_BRANDS = {b"qt  ": MOV, b"M4A ": M4A, b"M4B ": M4A, b"heic": HEIC, b"heix": HEIC, b"mif1": HEIC, b"avif": OTHER}
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_LAYOUTS = frozenset({"application/smil", "application/smil+xml", "application/xml", "text/xml"})
"""What phones declare for the layout that they add (P25)."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_LAYOUT = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!DOCTYPE smil[^>]*>\s*)?<smil[\s>]", re.IGNORECASE)


def sniff(head: bytes) -> FileType | None:
    """What a file is by its first bytes (a few hundred will do); None: no type with a signature, so text or something unknown."""
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return _BRANDS.get(brand) or (THREE_GP if brand[:3] in (b"3gp", b"3g2") else MP4)
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12], OTHER)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return BMP
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3:
        return MP3  # an MPEG audio frame, layer III, without a tag before it
    return None


def is_text(content: bytes) -> bool:
    """Whether these bytes are text in UTF-8 or an eight-bit set: no control characters but tabs and ends of lines."""
    return bool(content) and _CONTROLS.search(content) is None


def text_type(content: bytes, name: str, declared: str = "") -> FileType:
    """Which text it is. All of them are only ever downloaded as plain text, so the name and the declared type may choose among them."""
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if _LAYOUT.match(start) or declared in _LAYOUTS:
        return SMIL
    if start[:11].upper() == b"BEGIN:VCARD":
        return VCARD
    if start[:15].upper() == b"BEGIN:VCALENDAR":
        return CALENDAR
    return CSV if ending_of(name) == "csv" or declared == "text/csv" else TXT


def ending_of(name: str) -> str:
    """What stands after the last dot of a name, in small letters; empty without one."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def clean_name(given: str, kind: FileType) -> str:
    """A name that is safe on every screen and disk, with the ending that its content deserves (bad inputs 13, 82)."""
    base = given.replace("\\", "/").rpartition("/")[2]
    base = base.translate(_NOT_IN_NAMES)
    base = "".join(each for each in unicodedata.normalize("NFC", base) if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    stem, dot, ending = base.rpartition(".")
    own = {kind.ending} | ({"jpeg"} if kind is JPEG else {"mpg"} if kind is MPEG else set[str]())
    keeps = bool(dot) and ending.lower() in own
    stem = (stem if dot and (keeps or 0 < len(ending) <= 5) else base).strip(" .") or "file"
    if stem.partition(".")[0].strip().upper() in _RESERVED:
        stem = f"_{stem}"
    return f"{stem[:FILE_NAME_CHARACTERS]}.{ending.lower() if keeps else kind.ending}"


_NOT_IN_NAMES = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", *(f"COM{n}" for n in range(1, 10)), *(f"LPT{n}" for n in range(1, 10))})


def disposition(name: str, *, inline: bool) -> str:
    """A Content-Disposition by RFC 6266: the name in ASCII for old programs, and whole (RFC 8187)."""
    plain = "".join(each if each.isascii() and each.isprintable() and each not in '"\\%' else "_" for each in name)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class Attachment(msgspec.Struct, frozen=True):
    """A file as its owner sees it. Its bytes are at `/api/v1/attachments/{id}/content`, a small picture of it at `.../preview` where it has a size.

    `as_media`: it is part of an MMS; else the other side has a link to it.
    """

    id: str
    name: str
    content_type: str
    kind: Kind
    bytes: int
    state: Literal["coming", "ready", "failed"]
    reason: Reason | None
    width: int | None
    height: int | None
    preview_width: int | None
    preview_height: int | None
    as_media: bool
    inline: bool


class StoredFile(msgspec.Struct, frozen=True):
    """A file that waits to be sent, as the rules see it; `size` is in bytes, `link` its random part."""

    id: int
    name: str
    content_type: str
    size: int
    link: bytes

    @property
    def type(self) -> FileType:
        """What it is."""
        return BY_CONTENT_TYPE.get(self.content_type, OTHER)


class FileRoute(msgspec.Struct, frozen=True):
    """How one file would go, and why as a link; `shrinkable`: a smaller version of it could be part of an MMS."""

    id: str
    how: Literal["mms", "link"]
    reason: Reason | None
    shrinkable: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """How a text with these files travels: which are part of the MMS, which are links, each with its reason, in the order given."""

    kind: Travel
    media: tuple[StoredFile, ...]
    links: tuple[StoredFile, ...]
    files: tuple[FileRoute, ...]


@dataclass(frozen=True, slots=True)
class MmsFacts:
    """What besides the files decides about MMS: the platform's switch, the number's type, both ends, and whether carriers can reach our links."""

    platform_mms: bool
    number_mms: bool
    own_number: str
    remote: str | None
    reachable: bool


def mms_problem(facts: MmsFacts, capabilities: Capabilities) -> Reason | None:
    """Why no file can go as MMS between these two numbers, whatever it is, or None (Q2, R124, R125, R132 to R135, Q22)."""
    checks: tuple[tuple[bool, str, str], ...] = (
        (not capabilities.mms, "carrier_without_mms", "This number's carrier sends no MMS."),
        (not facts.platform_mms, "mms_off", "MMS is switched off for your provider's account."),
        (not facts.number_mms, "number_without_mms", "This number is set up for SMS only."),
        (not is_north_american(facts.own_number), "mms_not_american", "MMS work only from numbers of the United States and Canada."),
        (
            facts.remote is not None and not is_north_american(facts.remote),
            "mms_not_american",
            "MMS work only to numbers of the United States and Canada.",
        ),
        (not facts.reachable, "links_not_reachable", "The carrier cannot fetch files from this server."),
    )
    return next((Reason(code, text) for failed, code, text in checks if failed), None)


def route(files: Sequence[StoredFile], facts: MmsFacts, capabilities: Capabilities) -> Route:
    """The one combined rule (Q2): a file goes as MMS only if the platform's switch is on, the number is "MMS & SMS", the carrier can, both ends are
    American, and its type and the size of all of them fit; else the text holds a link to it (R69, R124, R135 to R137).
    """
    if not files:
        return Route("sms", (), (), ())
    general = mms_problem(facts, capabilities)
    reasons = [general or _type_problem(file, capabilities) for file in files]
    fitting = [file for file, reason in zip(files, reasons, strict=True) if reason is None]
    too_many = len(fitting) > capabilities.media_max_items
    too_large = sum(file.size for file in fitting) > capabilities.media_max_bytes
    if too_many or too_large:
        limit = f"{capabilities.media_max_bytes // 1000:,} kB"
        words = f"At most {capabilities.media_max_items} files fit into one MMS." if too_many else f"An MMS takes at most {limit} in all."
        over = Reason("too_many_for_mms" if too_many else "too_large_for_mms", words)
        reasons = [reason or over for reason in reasons]
    media = tuple(file for file, reason in zip(files, reasons, strict=True) if reason is None)
    links = tuple(file for file, reason in zip(files, reasons, strict=True) if reason is not None)
    routes = tuple(
        FileRoute(
            str(file.id),
            "mms" if reason is None else "link",
            reason,
            reason is not None and reason.code == "too_large_for_mms" and file.type.kind == "picture" and file.type is not GIF,
        )
        for file, reason in zip(files, reasons, strict=True)
    )
    return Route("mms" if media else "sms_link", media, links, routes)


def _type_problem(file: StoredFile, capabilities: Capabilities) -> Reason | None:
    if file.content_type in MMS_TYPES and file.content_type in capabilities.media_types:
        return None
    return Reason("type_not_for_mms", f".{file.type.ending} files cannot be part of an MMS.")


def with_links(text: str, links: Sequence[str]) -> str:
    """The text that the other side gets: what was written, then each link on a line of its own."""
    return "\n".join((*((text,) if text.strip() else ()), *links))


class TypeLimit(msgspec.Struct, frozen=True):
    """One of the endings that can be sent (R71)."""

    ending: str
    content_type: str
    kind: Kind


class NumberLimit(msgspec.Struct, frozen=True):
    """What one of the user's numbers can send as MMS; `reason`: why nothing."""

    number_id: str
    mms: bool
    reason: Reason | None
    endings: tuple[str, ...]
    bytes: int
    files: int


class Limits(msgspec.Struct, frozen=True):
    """What may be uploaded, said before anybody tries (P28)."""

    bytes: int
    pixels: int
    files: int
    types: tuple[TypeLimit, ...]
    numbers: tuple[NumberLimit, ...]


def sendable_types() -> tuple[TypeLimit, ...]:
    """The eleven."""
    by_ending = {each.ending: each for each in BY_CONTENT_TYPE.values()} | {"jpeg": JPEG}
    return tuple(TypeLimit(ending, by_ending[ending].content_type, by_ending[ending].kind) for ending in ENDINGS)
