"""What is refused at the door, before any slice is asked."""

from kereru.kernel.errors import KereruError, Malformed


class MethodNotAllowed(KereruError):
    """This address does not do that."""

    code = "method_not_allowed"
    status = 405


class SlowRequest(KereruError):
    """The request took too long to arrive. Try again."""

    code = "slow_request"
    status = 408


class TooLarge(KereruError):
    """The request is larger than 1 MiB."""

    code = "too_large"
    status = 413


class NotJson(KereruError):
    """Send JSON, uncompressed, with Content-Type: application/json."""

    code = "not_json"
    status = 415


class HeadersTooLarge(KereruError):
    """The request's headers are larger than 16 KiB. If this is a browser, remove this site's cookies and try again."""

    code = "headers_too_large"
    status = 431


class WrongHost(KereruError):
    """This server does not answer under that name. Use the address your provider gave you."""

    code = "wrong_host"
    status = 421


class CrossSite(KereruError):
    """This request came from another website, so it was refused."""

    code = "cross_site"
    status = 403


class RepeatedParameter(Malformed):
    """A parameter of this address stands there twice."""

    code = "repeated_parameter"


class RouteWithoutPolicy(Exception):
    """A route does not say who may use it; the application does not start with it."""
