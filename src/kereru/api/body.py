"""What a request's body must be like before it is believed: small, uncompressed, JSON, without what parsers disagree on (bad inputs 39 to 44).

msgspec alone keeps the last of two equal keys and reads integers of any length, and a deep body ends it with a RecursionError. So each body is looked
at once before it is decoded strictly by the route's own type:
- *Depth* costs two byte counts for ordinary bodies: one with at most 32 opening brackets cannot be deeper than 32. Only others are scanned, without
  their strings.
- *Double keys, NaN, huge numbers* are seen by the standard library's scanner through its hooks: 2 to 4 µs for the bodies we get. Writing a scanner of
  our own would be slower and one more parser to disagree with.
- Bodies over 64 KiB are looked at in a thread, so that the event loop is not held up by a megabyte of nonsense.
"""

import asyncio
import json
import re
from typing import Never

from kereru.api.asgi import Receive, Scope, header
from kereru.api.errors import NotJson, SlowRequest, TooLarge
from kereru.kernel.errors import FieldProblem, Invalid, Malformed
from kereru.kernel.limits import JSON_DEPTH, REQUEST_BYTES

BODY_S = 15.0
_IN_THREAD_BYTES = 64 * 1024
_LONGEST_INTEGER = 19
_LARGEST_INTEGER = 2**63 - 1
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})


async def read_json_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body, if it is one that may be decoded; empty for none. Raises TooLarge, NotJson, SlowRequest, Malformed, Invalid."""
    length = header(scope, b"content-length")
    if length is not None and (not length.isdigit() or len(length) > _LONGEST_INTEGER or int(length) > REQUEST_BYTES):
        raise TooLarge
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise NotJson
    try:
        async with asyncio.timeout(BODY_S):
            body = await _collect(receive)
    except TimeoutError as error:
        raise SlowRequest from error
    if not body:
        return body
    if " ".join((header(scope, b"content-type") or "").lower().split()) not in _JSON_TYPES:
        raise NotJson
    if len(body) > _IN_THREAD_BYTES:
        await asyncio.to_thread(check_json, body)
    else:
        check_json(body)
    return body


async def _collect(receive: Receive) -> bytes:
    pieces = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed
        pieces += message.get("body", b"")
        if len(pieces) > REQUEST_BYTES:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(pieces)


def check_json(body: bytes) -> None:
    """Raise Malformed for what is no JSON, is too deep or names a key twice; Invalid for text or numbers that nothing here can hold."""
    if body.count(b"[") + body.count(b"{") > JSON_DEPTH and _depth(body) > JSON_DEPTH:
        message = f"The JSON is nested more than {JSON_DEPTH} deep."
        raise Malformed(message)
    try:
        text = body.decode("utf-8")
        json.loads(text, object_pairs_hook=_no_double_keys, parse_constant=_no_constant, parse_int=_integer, parse_float=_number)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        message = "The request is not JSON in UTF-8."
        raise Malformed(message) from error
    # Only an escape can make half a character, and it makes one only where no other half follows.
    if b"\\u" in body and _HALF.search(_ESCAPED_BACKSLASH.sub("", text)):
        raise Invalid(fields=(FieldProblem("", "half_character", "A text holds half of a character. Send whole ones."),))


_ESCAPED_BACKSLASH = re.compile(r"\\\\")
_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > deepest:
            deepest = depth
            if deepest > JSON_DEPTH:
                break
    return deepest


def _no_double_keys(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        message = "The JSON names the same key twice."
        raise Malformed(message)


def _no_constant(name: str) -> Never:
    message = f"{name} is not JSON."
    raise Malformed(message)


def _integer(digits: str) -> None:
    if len(digits) > _LONGEST_INTEGER + 1 or abs(int(digits)) > _LARGEST_INTEGER:
        raise _too_large_a_number()


def _number(digits: str) -> None:
    if len(digits) > 64 or float(digits) in {float("inf"), float("-inf")}:
        raise _too_large_a_number()


def _too_large_a_number() -> Invalid:
    return Invalid(fields=(FieldProblem("", "number_too_large", "A number is too large."),))
