"""What every answer tells browsers: run nothing that is not ours, show nowhere else, guess no types (design §9)."""

from kereru.api.asgi import Headers, Message, Send
from kereru.kernel.settings import Settings

_COMMON: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Style attributes are let through: virtual lists place their rows by them, and they can run nothing.
_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    b"font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_TWO_YEARS = b"max-age=63072000"


class SecurityHeaders:
    """Adds what an answer does not say itself."""

    def __init__(self, settings: Settings) -> None:
        secure = ((b"strict-transport-security", _TWO_YEARS),) if settings.secure else ()
        self._data = (*_COMMON, *secure, (b"content-security-policy", _DATA_POLICY), (b"cache-control", b"no-store"))
        self._page = (*_COMMON, *secure, (b"content-security-policy", _PAGE_POLICY))

    def on_data(self, send: Send, *extra: tuple[bytes, bytes]) -> Send:
        """For the API, health and metrics: nothing to run, nothing to keep."""
        return _adding(send, (*self._data, *extra))

    def on_pages(self, send: Send) -> Send:
        """For the web app, which says itself how long its files may be kept."""
        return _adding(send, self._page)


def _adding(send: Send, headers: Headers) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
            said = {name.lower() for name, _ in own}
            message["headers"] = own + [(name, value) for name, value in headers if name not in said]
        await send(message)

    return sending
