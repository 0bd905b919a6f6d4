"""How a file's bytes go out over HTTP: never as anything a browser would run (design §9, bad inputs 58, 77 to 79, 82). Pure."""

import re

import msgspec

from kereru.messaging.attachments.model import BY_CONTENT_TYPE, OTHER, disposition

POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)


class Serving(msgspec.Struct, frozen=True):
    """An answer but for its bytes, which are those from `start` to before `end`."""

    status: int
    headers: dict[str, str]
    start: int = 0
    end: int = 0


def serving(content_type: str, name: str, size: int, etag: str, *, wanted: str | None, known: str | None) -> Serving:
    """The answer for a file of `size` bytes. `wanted` is the Range header, of which one range is served and several are not, `known` the
    If-None-Match header. Only picture, sound and film are shown where they are; everything else is saved.
    """
    kind = BY_CONTENT_TYPE.get(content_type, OTHER)
    headers = {
        "content-type": kind.content_type,
        "content-disposition": disposition(name, inline=kind.inline),
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        # Asked for anew each time, since the file may be gone by then (R194).
        "cache-control": "private, no-cache",
        "etag": etag,
        "accept-ranges": "bytes",
    }
    if known is not None and etag in known:
        return Serving(304, headers)
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if found is None or not (found[1] or found[2]):
        return Serving(200, {**headers, "content-length": str(size)}, 0, size)
    start = int(found[1]) if found[1] else max(0, size - int(found[2]))
    end = min(size, int(found[2]) + 1) if found[1] and found[2] else size
    if start >= size or end <= start:
        return Serving(416, {**headers, "content-range": f"bytes */{size}", "content-length": "0"})
    return Serving(206, {**headers, "content-range": f"bytes {start}-{end - 1}/{size}", "content-length": str(end - start)}, start, end)
