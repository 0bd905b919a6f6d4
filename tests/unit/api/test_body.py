"""What a body must be like before it is believed (bad inputs 9, 39 to 44)."""

import contextlib
import json
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kereru.api.body import check_json, read_json_body
from kereru.api.errors import NotJson, TooLarge
from kereru.kernel.errors import Invalid, Malformed


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}', b'[{"a":1,"\\u0061":2}]'])
def test_double_keys(body: bytes) -> None:
    """Bad input 39: double keys → 400, escaped ones too."""
    with pytest.raises(Malformed):
        check_json(body)


@pytest.mark.parametrize(("body", "error"), [
    (b"[NaN]", Malformed), (b"[Infinity]", Malformed), (b"[-Infinity]", Malformed), (b"[1e999]", Invalid), (b"[9223372036854775808]", Invalid),
    (b"[-9223372036854775808]", Invalid), (b"[" + b"9" * 5000 + b"]", Invalid), (b"[0." + b"1" * 5000 + b"]", Invalid),
])  # fmt: skip
def test_numbers_that_nothing_can_hold(body: bytes, error: type[Exception]) -> None:
    """Bad input 40: NaN, 1e999, 2^63 → 400 or 422."""
    with pytest.raises(error):
        check_json(body)


def test_the_largest_number_passes() -> None:
    check_json(b"[9223372036854775807, -9223372036854775807, 1.5e300]")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 33 + b"]" * 33, b'[{"a":' * 17 + b"1" + b"}]" * 17])
def test_deep_bodies(body: bytes) -> None:
    """Bad input 41: 100k deep → 400, never a RecursionError."""
    with pytest.raises(Malformed):
        check_json(body)


@pytest.mark.parametrize(
    "body", [b"[" * 32 + b"]" * 32, b"[" + b"[]," * 1000 + b"1]", b'"' + b"[{" * 1000 + b'"', b'{"a":"\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}']
)
def test_wide_bodies_and_brackets_in_strings_are_not_deep(body: bytes) -> None:
    check_json(body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b"{}{}", b"{'a':1}", b'{"a":1,}', b'"\x00"', "{}".encode("utf-16")])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(Malformed):
        check_json(body)


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00", r"a\ud83d", r"\ud83d\ud83d\ude00", r"\ude00\ud83d", r"\\\ud800"])
def test_half_characters(text: str) -> None:
    """Bad input 9: a lone surrogate → 422."""
    with pytest.raises(Invalid):
        check_json(b'"' + text.encode() + b'"')


@pytest.mark.parametrize("text", [r"\ud83d\ude00", r"\\ud800", r"\uD83D\uDE00\uD83D\uDE00"])
def test_whole_characters(text: str) -> None:
    check_json(b'"' + text.encode() + b'"')


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans())
def test_ordinary_json_passes(value: object, ascii_only: bool) -> None:
    check_json(json.dumps(value, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize("body", [
    b"[" + b"[]," * 300_000 + b"1]", b'{"t":"' + b"\\u0041" * 170_000 + b'"}', b'"' + b"\\" * 1_000_001, b'{"t":"' + b"\\ud83d" * 170_000,
    b'"' + b'\\"' * 500_000,
])  # fmt: skip
def test_a_megabyte_of_nonsense_is_judged_in_linear_time(body: bytes) -> None:
    """Bad inputs 41, 62: no body makes a pattern run away."""
    began = time.process_time()
    with contextlib.suppress(Malformed, Invalid):
        check_json(body)
    assert time.process_time() - began < 2


class Incoming:
    """A request's body as a server hands it over, piece by piece."""

    def __init__(self, *pieces: bytes) -> None:
        self.messages = [{"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1} for at, piece in enumerate(pieces)]

    async def __call__(self) -> dict:
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


def scope(**headers: str) -> dict:
    return {"type": "http", "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


async def test_a_body_comes_in_pieces() -> None:
    assert await read_json_body(scope(content_type="application/json"), Incoming(b'{"a"', b":1}")) == b'{"a":1}'


async def test_no_body_needs_no_type() -> None:
    assert await read_json_body(scope(), Incoming(b"")) == b""


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "multipart/form-data"])
async def test_json_under_another_name(kind: str) -> None:
    """Bad inputs 12, 44: JSON as text/plain → 415."""
    with pytest.raises(NotJson):
        await read_json_body(scope(content_type=kind), Incoming(b"{}"))


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"])
async def test_json_by_its_name(kind: str) -> None:
    assert await read_json_body(scope(content_type=kind), Incoming(b"{}")) == b"{}"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, gzip"])
async def test_compressed_requests(encoding: str) -> None:
    """Bad input 43: a compressed bomb → 415, unopened."""
    with pytest.raises(NotJson):
        await read_json_body(scope(content_type="application/json", content_encoding=encoding), Incoming(b"x"))


@pytest.mark.parametrize(("length", "pieces"), [("1048577", [b"{}"]), ("9" * 50, [b"{}"]), ("-1", [b"{}"]), (None, [b" " * 600_000, b" " * 600_000])])
async def test_bodies_that_are_too_large_or_lie(length: str | None, pieces: Sequence[bytes]) -> None:
    """Bad input 42: over 1 MiB → 413, whether it says so or not."""
    with pytest.raises(TooLarge):
        await read_json_body(scope(content_type="application/json", **({"content_length": length} if length else {})), Incoming(*pieces))


async def test_a_caller_who_hangs_up() -> None:
    with pytest.raises(Malformed):
        await read_json_body(scope(content_type="application/json"), Incoming())
