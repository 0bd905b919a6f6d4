"""Pages of lists (design §7): `{items, next}`, and cursors that are opaque, signed, and good only for whom and for what they were made."""

import base64
import binascii
import hashlib
import hmac
from typing import Generic, TypeVar

import msgspec

from kereru.kernel.errors import KereruError
from kereru.kernel.ids import MAX_ID

Item = TypeVar("Item")

_ID_BYTES = 8
_SIGNATURE_BYTES = 16
_CURSOR_CHARACTERS = 32
_KEY_CHARACTERS = 300
_PLACE_CHARACTERS = 2000


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a list; `next` asks for the following one, null at the end."""

    items: list[Item]
    next: str | None = None


class BadCursor(KereruError):
    """This page marker does not belong to this list. Start again from its first page."""

    code = "bad_cursor"
    status = 400


class CursorCodec:
    """Cursors over an id, tied by HMAC-SHA256 to `bound`: the caller and the list. Every process with the same key understands them."""

    __slots__ = ("_bound", "_key")

    def __init__(self, key: bytes, bound: str = "") -> None:
        self._key = key
        self._bound = bound.encode()

    def bound_to(self, bound: str) -> "CursorCodec":
        """The same key for one caller and list only."""
        return CursorCodec(self._key, bound)

    def encode(self, value: int) -> str:
        """The cursor that continues after the id `value`."""
        plain = value.to_bytes(_ID_BYTES, "big")
        return base64.urlsafe_b64encode(plain + self._sign(plain)).decode()

    def decode(self, cursor: str) -> int:
        """The id inside. Raises BadCursor for anything this codec did not make: forged, foreign, ten megabytes long (bad input 48)."""
        if len(cursor) != _CURSOR_CHARACTERS or not cursor.isascii():
            raise BadCursor
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadCursor from error
        plain, signature = raw[:_ID_BYTES], raw[_ID_BYTES:]
        value = int.from_bytes(plain, "big")
        if not hmac.compare_digest(signature, self._sign(plain)) or value > MAX_ID:
            raise BadCursor
        return value

    def encode_place(self, order: str, key: str, value: int) -> str:
        """The cursor that continues after (`key`, `value`) in a list sorted by `order`: names change and vanish between two pages."""
        plain = f"{order}\0{value}\0{key[:_KEY_CHARACTERS]}".encode()
        return base64.urlsafe_b64encode(plain + self._sign(plain)).decode()

    def decode_place(self, cursor: str, order: str) -> tuple[str, int]:
        """(key, id) inside. Raises BadCursor for anything else, and for one of the same list in another order."""
        if len(cursor) > _PLACE_CHARACTERS or not cursor.isascii():
            raise BadCursor
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadCursor from error
        plain, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(plain)):
            raise BadCursor
        made_for, value, key = plain.decode().split("\0", 2)
        if made_for != order:
            raise BadCursor
        return key, int(value)

    def _sign(self, plain: bytes) -> bytes:
        return hmac.digest(self._key, self._bound + b"\0" + plain, "sha256")[:_SIGNATURE_BYTES]


def cursor_key(master_key: bytes) -> bytes:
    """The key of cursors, derived from the installation's master key (HKDF's extract step), so that neither stands for the other."""
    return hmac.new(b"kereru cursor", master_key, hashlib.sha256).digest()
