"""What adapters share when they read a webhook: numbers, carrier ids and text made fit to store, with a flag for all that was odd."""

import hashlib

from kereru.carriers.numbering import from_wire, is_e164

CARRIER_ID_CHARACTERS_USUAL = 64
CARRIER_ID_CHARACTERS_MAX = 512
NUMBER_CHARACTERS_MAX = 64


def arrived_number(raw: str) -> str:
    """A number or sender name as the wire has it, in E.164 where that is certain, never longer than a column holds."""
    return from_wire(raw)[:NUMBER_CHARACTERS_MAX]


def is_answerable(remote: str) -> bool:
    """Whether a person may answer: only to a real number, not to a short code or a name (bad inputs 32 and 33)."""
    return is_e164(remote)


def carrier_key(carrier_id: str) -> tuple[str, tuple[str, ...]]:
    """The exact id as a key, and flags (bad input 70): case and zeros are kept; an endless one is replaced by its hash."""
    if not carrier_id:
        return "", ("no_id",)
    if len(carrier_id) > CARRIER_ID_CHARACTERS_MAX:
        return "sha256:" + hashlib.sha256(carrier_id.encode("utf-8", "surrogatepass")).hexdigest(), ("id_hashed",)
    return carrier_id, ("id_long",) if len(carrier_id) > CARRIER_ID_CHARACTERS_USUAL else ()


def storable(text: str) -> tuple[str, tuple[str, ...]]:
    """Text without what PostgreSQL and UTF-8 cannot hold, shown as U+FFFD (bad inputs 9 and 10)."""
    flags: tuple[str, ...] = ()
    if "\0" in text:
        text, flags = text.replace("\0", "\ufffd"), ("nul",)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        text = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
        flags = (*flags, "lone_surrogate")
    return text, flags
