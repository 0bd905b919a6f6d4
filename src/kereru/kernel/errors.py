"""Errors people and programs can act on: a stable code, an HTTP status, plain words, and problem+json (RFC 9457).

A slice's errors are subclasses in its `errors.py`. The docstring is the sentence people read unless `detail` says it better.
Nothing decides on message text; programs decide on `code`.
"""

import inspect
import re
from typing import ClassVar

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    code: str
    text: str


class KereruError(Exception):
    """Something went wrong on our side. Try again; if it happens again, tell your provider."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "", *, fields: tuple[FieldProblem, ...] = (), retry_after_s: int | None = None) -> None:
        self.detail = detail or sentence(type(self))
        self.fields = fields
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class Malformed(KereruError):
    """The request could not be read."""

    code = "malformed"
    status = 400


class Unauthenticated(KereruError):
    """You are not signed in. Sign in and try again."""

    code = "not_signed_in"
    status = 401


class Forbidden(KereruError):
    """Your role does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(KereruError):
    """There is nothing here, or you may not see it."""

    code = "not_found"
    status = 404


class Conflict(KereruError):
    """Somebody else changed this in the meantime. Look at it again, then decide."""

    code = "conflict"
    status = 409


class Invalid(KereruError):
    """Something in the request is not right."""

    code = "invalid"
    status = 422


class TooMany(KereruError):
    """Too many tries. Wait a little, then try again."""

    code = "too_many"
    status = 429


class Unavailable(KereruError):
    """This part of Kererū cannot be reached just now. Nothing was lost; try again in a moment."""

    code = "unavailable"
    status = 503


_CITED = re.compile(r" \([RQPSG][0-9]+(?:(?:, | to )[RQPSG][0-9]+)*\)")


def sentence(kind: type[KereruError]) -> str:
    """The words of an error class: its docstring on one line, without the numbers of requirements in brackets, which only we can read."""
    return _CITED.sub("", " ".join((inspect.getdoc(kind) or "").split()))


class Problem(msgspec.Struct, frozen=True):
    """A problem+json document (RFC 9457) with our stable `code`."""

    title: str
    status: int
    code: str
    detail: str
    fields: tuple[FieldProblem, ...] = ()
    type: str = "about:blank"


def problem(error: KereruError) -> Problem:
    """How `error` looks on the wire."""
    return Problem(title=sentence(type(error)), status=error.status, code=error.code, detail=error.detail, fields=error.fields)
