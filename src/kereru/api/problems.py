"""Every error, ours or a library's, becomes problem+json with a stable code; what nobody expected is logged and told to nobody."""

import re
from typing import Any

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException

from kereru.api.errors import MethodNotAllowed
from kereru.kernel.errors import FieldProblem, Forbidden, Invalid, KereruError, Malformed, NotFound, Unauthenticated, Unavailable, problem
from kereru.kernel.logging import get_logger

MEDIA_TYPE = "application/problem+json"
_log = get_logger("api")

_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_AT = re.compile(r" - at `\$\.?(.*)`$")
_EXPECTED = re.compile(r"^Expected `([a-z| ]+)`(, got `[a-z]+`)?$")
_FIELD = re.compile(r"^Object (missing required|contains unknown) field `(.*)`$", re.DOTALL)
_PLAIN_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]]{1,100}")


def field_problem(message: str, inside: str = "") -> FieldProblem:
    """A msgspec message in words of ours. `inside` is the parameter it was found in, when that is known."""
    path = inside
    if match := _AT.search(message):
        message, path = message[: match.start()], ".".join(filter(None, (inside, match.group(1).lstrip("."))))
    if match := _FIELD.match(message):
        missing = match.group(1) == "missing required"
        named = ".".join(filter(None, (path, _shown(match.group(2)))))
        return FieldProblem(named, "missing", "This is needed.") if missing else FieldProblem(named, "unknown_field", "There is no such field.")
    if match := _EXPECTED.match(message):
        wanted = " or ".join(_TYPES.get(word.strip(), word.strip()) for word in match.group(1).split("|"))
        return FieldProblem(path, "wrong_type", f"This should be {wanted}.")
    if message.startswith("Invalid enum value"):
        return FieldProblem(path, "not_allowed", "This is not one of the values that are possible here.")
    if message.startswith("Expected `str` of length"):
        bound = message.rpartition(" ")[2]
        return FieldProblem(path, "wrong_length", f"This should have {'at most' if '<=' in message else 'at least'} {bound} characters.")
    if message.startswith(("Expected `int`", "Expected `float`", "Number out of range", "Integer")):
        bound = message.rpartition(" ")[2] if "=" in message else ""
        words = f"This should be {'at most' if '<=' in message else 'at least'} {bound}." if bound else "This number is too large."
        return FieldProblem(path, "out_of_range", words)
    return FieldProblem(path, "wrong_value", "This value is not right.")


def unreadable(error: msgspec.MsgspecError) -> KereruError:
    """What to answer when a body does not fit its route's type."""
    if isinstance(error, msgspec.ValidationError):
        return Invalid(fields=(field_problem(str(error)),))
    return Malformed("The request is not JSON in UTF-8.")


def as_kereru_error(error: Exception) -> KereruError:
    """`error` as one of ours; KereruError itself (500) for what nobody expected."""
    if isinstance(error, KereruError):
        return error
    if isinstance(error, ValidationException):
        return Invalid(fields=_parameter_problems(error.extra))
    if isinstance(error, psycopg.DataError):
        # A value that fits its type but not its column, NUL in a text among them (bad input 10): the caller's, not ours.
        return Invalid("Something in the request cannot be stored as it is.")
    if isinstance(error, psycopg.OperationalError):
        return Unavailable()
    if isinstance(error, NotFoundException):
        return NotFound()
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed()
    if isinstance(error, HTTPException) and error.status_code < 500:
        return {401: Unauthenticated(), 403: Forbidden()}.get(error.status_code, Malformed())
    return KereruError()


def body_and_headers(error: Exception) -> tuple[KereruError, bytes, list[tuple[str, str]]]:
    """What to send for `error`."""
    ours = as_kereru_error(error)
    if ours.status == 500:
        _log.error("request_failed", exc_info=error)
    elif ours.status == 503:
        _log.warning("unavailable", error=type(error).__name__)
    headers: list[tuple[str, str]] = []
    if ours.retry_after_s is not None:
        headers.append(("retry-after", str(ours.retry_after_s)))
    if ours.status == 401:
        headers.append(("www-authenticate", "Bearer"))
    if isinstance(error, MethodNotAllowedException) and error.headers:
        headers += [(name.lower(), value) for name, value in error.headers.items() if name.lower() == "allow"]
    return ours, msgspec.json.encode(problem(ours)), headers


def handle(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    ours, body, headers = body_and_headers(error)
    return Response(body, status_code=ours.status, media_type=MEDIA_TYPE, headers=dict(headers))


def _parameter_problems(extra: object) -> tuple[FieldProblem, ...]:
    entries: list[Any] = extra if isinstance(extra, list) else []  # pyright: ignore[reportUnknownVariableType]
    found: list[FieldProblem] = []
    for entry in entries:
        if isinstance(entry, dict):
            name = str(entry.get("key", ""))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            if name == "data":
                found.append(FieldProblem("", "missing", "Send the request's fields as a JSON object."))
            else:
                found.append(field_problem(str(entry.get("message", "")), name))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return tuple(found)


def _shown(name: str) -> str:
    # The caller's own words come back only while they are a plain name: an error text is no place for a stranger's markup.
    return name if _PLAIN_PARAMETER.fullmatch(name) else "?"
