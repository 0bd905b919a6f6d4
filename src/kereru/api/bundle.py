"""Serves the built web application from memory: compressed ahead, cached for ever where the name carries a hash, under a strict content policy.

Promises: no disk is touched after the start; a missing asset is 404 and never the start page; every other path outside the API is a page of the
client (or, under /portal, of the portal), so that deep links and the back button work (reference/web.md §5).
"""

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "bundle"

# Scripts and sockets only from ourselves, nothing inline; virtual lists and menus place themselves through CSSOM, which needs no exception.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
ALWAYS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
ENCODINGS = ((b"br", ".br"), (b"gzip", ".gz"))
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8"} | {
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}
NOT_BUILT = b"The web application has not been built. Run: make install"

Headers = tuple[tuple[bytes, bytes], ...]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Form:
    """One file in one encoding, its answer's headers made ahead."""

    body: bytes
    etag: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Page:
    """One file: plain always, and each encoding that made it smaller."""

    plain: Form
    packed: tuple[tuple[bytes, Form], ...]

    def best(self, accepted: bytes) -> Form:
        """The smallest form the caller takes; an encoding refused by `q=0` is not used (RFC 9110 §12.5.3)."""
        wanted = {part.partition(b";")[0].strip(): part.partition(b";")[2].replace(b" ", b"") for part in accepted.lower().split(b",")}
        for name, form in self.packed:
            if name in wanted and wanted[name] not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
                return form
        return self.plain


class BundleApp:
    """An ASGI application over the folder the build hook filled. Reads it once, when made."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._pages = load(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        # A Litestar mount hands the path over without its leading slash and with one at the end.
        path = "/" + str(scope["path"]).strip("/")
        asked = {name: value for name, value in scope["headers"] if name in (b"accept-encoding", b"if-none-match")}
        if scope["method"] not in ("GET", "HEAD"):
            await answer(send, 405, (*ALWAYS, (b"allow", b"GET, HEAD")), b"")
            return
        page = self.find(path)
        if page is None:
            status, text = (404, b"There is nothing at this address.") if self._pages else (503, NOT_BUILT)
            await answer(send, status, (*ALWAYS, (b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")), text)
            return
        form = page.best(asked.get(b"accept-encoding", b""))
        if form.etag in asked.get(b"if-none-match", b""):
            await answer(send, 304, form.headers, b"")
            return
        length = (b"content-length", str(len(form.body)).encode())
        await answer(send, 200, (*form.headers, length), b"" if scope["method"] == "HEAD" else form.body)

    def find(self, path: str) -> Page | None:
        """The file at `path`, else the page of the face it belongs to; None for what looks like a file and is not there."""
        if path in self._pages:
            return self._pages[path]
        last = path.rsplit("/", 1)[-1]
        if path.startswith("/assets") or "." in last:
            return None
        return self._pages.get("/portal.html" if path == "/portal" or path.startswith("/portal/") else "/index.html")


def load(folder: Path) -> dict[str, Page]:
    """Every file of the bundle by its path; empty where nothing has been built."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and not f.name.startswith(".")) if folder.is_dir() else []
    return {f"/{f.relative_to(folder).as_posix()}": read(f, "assets" in f.relative_to(folder).parts) for f in files if f.suffix not in (".br", ".gz")}


def read(file: Path, hashed: bool) -> Page:
    """One file with its packed forms; `hashed` names never change their content and may be kept for ever."""
    kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    cache = b"public, max-age=31536000, immutable" if hashed else b"no-cache"
    shared: Headers = (*ALWAYS, (b"content-type", kind.encode()), (b"cache-control", cache), (b"vary", b"accept-encoding"))

    def form(path: Path, *extra: tuple[bytes, bytes]) -> Form:
        body = path.read_bytes()
        etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        return Form(body, etag, (*shared, (b"etag", etag), *extra))

    beside = [(name, file.with_name(file.name + suffix)) for name, suffix in ENCODINGS]
    return Page(form(file), tuple((name, form(path, (b"content-encoding", name))) for name, path in beside if path.is_file()))


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """One whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
