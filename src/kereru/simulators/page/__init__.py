"""The page for people: static files with strict headers. Owns nothing but its files; all data comes from the control and console APIs."""

from importlib import resources

from kereru.simulators.asgi import Answer, Outcome, Request

TYPES = {
    "html": b"text/html; charset=utf-8", "css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml",
}  # fmt: skip
PAGES = {"/": "index.html", "/mail": "mail.html"}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: http: https:; connect-src 'self'; font-src 'self'; "
    b"form-action 'none'; frame-ancestors 'none'; frame-src 'self'; base-uri 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


class Pages:
    """Serves the files of this package."""

    def __init__(self) -> None:
        files = resources.files(__name__)
        self._files = {f.name: f.read_bytes() for f in files.iterdir() if f.name.rpartition(".")[2] in TYPES}

    async def handle(self, request: Request) -> Outcome | None:
        """Answer a GET for a page or one of its files, else None."""
        name = PAGES.get(request.path) or (request.path.removeprefix("/page/") if request.path.startswith("/page/") else "")
        content = self._files.get(name)
        if content is None or request.method not in ("GET", "HEAD"):
            return None
        return Answer(200, content, TYPES[name.rpartition(".")[2]], HEADERS)
