"""Which host names are ours, and which requests come from our own pages (design §7, bad inputs 54, 55, 96)."""

from urllib.parse import urlsplit

from kereru.api.asgi import Scope, header
from kereru.api.errors import CrossSite, WrongHost
from kereru.kernel.settings import Settings
from kereru.tenancy.policy import SAFE_METHODS

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ANY_ADDRESS = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - compared with, not bound to
_OUR_SITES = frozenset({"same-origin", "none"})


class Doors:
    """What a browser or a script must look like to come in; made once from the settings."""

    def __init__(self, settings: Settings) -> None:
        base = urlsplit(settings.base_url)
        listening = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._base_netloc = base.netloc.lower()
        self._media_netloc = urlsplit(settings.media_base).netloc.lower()
        self._base_origin = f"{base.scheme}://{base.netloc}".lower()
        self._names = LOOPBACK | ({listening} - _ANY_ADDRESS)

    def check_host(self, scope: Scope) -> None:
        """Raise WrongHost unless the request names one of our hosts: the public one, or this machine, by any port."""
        if not self.is_our_host(scope):
            raise WrongHost

    def check_media_host(self, scope: Scope) -> None:
        """Raise WrongHost unless the request names the host of links to files, or one of ours."""
        if (header(scope, b"host") or "").lower() != self._media_netloc:
            self.check_host(scope)

    def is_our_host(self, scope: Scope) -> bool:
        """Whether the request names one of our hosts."""
        return self._is_ours((header(scope, b"host") or "").lower())

    def check_site(self, scope: Scope) -> None:
        """Raise CrossSite for a request that changes something and was made by a page of another site."""
        if scope["method"] not in SAFE_METHODS and not self.from_our_page(scope):
            raise CrossSite

    def from_our_page(self, scope: Scope) -> bool:
        """Whether browsers' headers say it comes from our own pages; a request with neither carries no browser's cookies (design §7)."""
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if site is not None and site.lower() not in _OUR_SITES:
            return False
        return origin is None or self._is_our_origin(origin.lower(), (header(scope, b"host") or "").lower())

    def _is_ours(self, host: str) -> bool:
        return host == self._base_netloc or _name_of(host) in self._names

    def _is_our_origin(self, origin: str, host: str) -> bool:
        # A page on this machine, and only it, may use any of its names, as long as it asks the name and port it came from.
        return origin == self._base_origin or (self._is_ours(host) and host != self._base_netloc and origin == f"http://{host}")


def is_local(scope: Scope) -> bool:
    """Whether the request was made on this machine, and not passed on by a proxy that runs here."""
    client = scope.get("client")
    if client is None or client[0] not in {"127.0.0.1", "::1"}:
        return False
    passed_on = any(header(scope, name) is not None for name in (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"))
    return not passed_on and _name_of((header(scope, b"host") or "").lower()) in LOOPBACK


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
