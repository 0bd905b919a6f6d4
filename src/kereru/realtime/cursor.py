"""Cursors: positions as opaque text, signed, and bound to the user they were given to.

A cursor is base64url(form ‖ (feed, number)… ‖ tag): 16 bytes a feed and 16 of HMAC-SHA-256. Whose it is stands only in the tag, so a cursor of
somebody else is as unreadable as a forged one.
"""

import base64
import binascii
import hashlib
import hmac
import struct

from kereru.realtime.errors import BadCursor
from kereru.realtime.model import Position, position_of

FEEDS_PER_CURSOR = 64
_FORM = b"\x01"
_TAG_BYTES = 16
_PAIR = struct.Struct(">qq")
_LONGEST = 4 * (1 + FEEDS_PER_CURSOR * _PAIR.size + _TAG_BYTES) // 3 + 4


class CursorCodec:
    """Writes and reads cursors under one key; every web process and every site needs the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"kereru realtime cursor" + key).digest()

    def encode(self, provider_id: int, user_id: int, position: Position) -> str:
        """The cursor that stands for `position` in the hands of this user."""
        body = _FORM + b"".join(_PAIR.pack(feed, number) for feed, number in position)
        return base64.urlsafe_b64encode(body + self._tag(provider_id, user_id, body)).rstrip(b"=").decode()

    def decode(self, provider_id: int, user_id: int, text: str) -> Position:
        """The position behind a cursor. Raises BadCursor for one that is forged, too long, or was given to somebody else (bad inputs 46, 50, 100)."""
        if len(text) > _LONGEST or not text.isascii():
            raise BadCursor
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise BadCursor from error
        body, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        if body[:1] != _FORM or (len(body) - 1) % _PAIR.size or not hmac.compare_digest(tag, self._tag(provider_id, user_id, body)):
            raise BadCursor
        return position_of(dict(_PAIR.iter_unpack(body[1:])))

    def _tag(self, provider_id: int, user_id: int, body: bytes) -> bytes:
        return hmac.digest(self._key, _PAIR.pack(provider_id, user_id) + body, "sha256")[:_TAG_BYTES]
