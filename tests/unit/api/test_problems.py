"""msgspec's words become ours, with a field and a code."""

from typing import Annotated, Literal

import msgspec
import psycopg
import pytest
from litestar.exceptions import MethodNotAllowedException, NotFoundException

from kereru.api.problems import as_kereru_error, body_and_headers, unreadable
from kereru.kernel.errors import TooMany


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(min_length=2, max_length=5)] = "abc"
    count: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1
    flag: bool = False
    answer: Literal["yes", "no"] = "yes"
    inner: list[Inner] = []
    maybe: str | None = None


@pytest.mark.parametrize(("body", "field", "code", "words"), [
    ('{"text":1}', "text", "wrong_type", "This should be text."), ('{"flag":"true"}', "flag", "wrong_type", "This should be true or false."),
    ('{"maybe":1}', "maybe", "wrong_type", "This should be text or null."), ('{"role":1}', "role", "unknown_field", "There is no such field."),
    ('{"text":"abcdef"}', "text", "wrong_length", "This should have at most 5 characters."),
    ('{"text":"a"}', "text", "wrong_length", "This should have at least 2 characters."),
    ('{"count":0}', "count", "out_of_range", "This should be at least 1."), ('{"count":9}', "count", "out_of_range", "This should be at most 3."),
    ('{"answer":"maybe"}', "answer", "not_allowed", "This is not one of the values that are possible here."),
    ('{"inner":[{}]}', "inner[0].name", "missing", "This is needed."),
    ('{"inner":[{"name":1}]}', "inner[0].name", "wrong_type", "This should be text."),
    ("[]", "", "wrong_type", "This should be an object."), ('{"<img src=x>":1}', "?", "unknown_field", "There is no such field."),
])  # fmt: skip
def test_words_for_what_does_not_fit(body: str, field: str, code: str, words: str) -> None:
    """Bad inputs 18, 45, 46: the field is named, the caller's markup is not repeated."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Body)
    error = unreadable(caught.value)
    assert error.status == 422
    assert [(problem.field, problem.code, problem.text) for problem in error.fields] == [(field, code, words)]


@pytest.mark.parametrize(("error", "status"), [
    (psycopg.DataError("NUL"), 422), (psycopg.OperationalError("gone"), 503), (NotFoundException(), 404), (MethodNotAllowedException(), 405),
    (ZeroDivisionError("secret detail"), 500), (psycopg.ProgrammingError("select secret"), 500),
])  # fmt: skip
def test_every_error_is_a_problem(error: Exception, status: int) -> None:
    ours, body, _ = body_and_headers(error)
    assert ours.status == status
    assert b"secret" not in body
    assert msgspec.json.decode(body)["code"] == as_kereru_error(error).code


def test_waiting_time_is_a_header() -> None:
    assert ("retry-after", "7") in body_and_headers(TooMany(retry_after_s=7))[2]
