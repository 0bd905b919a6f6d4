"""Rows of "Carrier answer → state" that mean the same at every carrier (reliability.md §2), and Retry-After (bad input 74)."""

from datetime import UTC, datetime

import pytest

from kereru.carriers.arrivals import Exchange
from kereru.carriers.contract import Deferred, Refused, Unknown
from kereru.carriers.outcome import of_status, of_transport, problem_of, retry_after_s
from kereru.kernel.http_client import Answered, Interrupted, NotSent

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EXCHANGE = Exchange("out", NOW, 1, "", b"", "", b"")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        ("-1", 1),
        ("0", 1),
        ("1000000000", 900),
        ("9" * 400, 900),
        ("soon", None),
        ("", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2020 12:01:00 GMT", 1),
        ("Sun, 01 Mar 2099 12:01:00 GMT", 900),
    ],
)
def test_retry_after_is_clamped_to_a_second_and_a_quarter_of_an_hour(value: str, seconds: int | None):
    """Bad input 74; a value that is no time at all leaves the wait to our own back-off."""
    assert retry_after_s({"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308, 404, 408, 409, 418, 425, 500, 502, 503, 504, 599, 200, 202, 204])
def test_a_status_that_is_not_surely_a_refusal_is_unknown(status: int):
    """G11: the default for anything unlisted is unknown."""
    assert isinstance(of_status(Answered(status, {}, b"", 1), EXCHANGE, NOW), Unknown)


@pytest.mark.parametrize("status", [400, 413, 414, 415, 422])
def test_content_errors_are_refusals(status: int):
    """4xx content or number errors: failed, with the code."""
    found = of_status(Answered(status, {}, b"", 1), EXCHANGE, NOW)
    assert isinstance(found, Refused)
    assert found.carrier_code == str(status)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_account_errors_wait_for_a_person(status: int):
    """401/403: queued, circuit open (bad input 75)."""
    found = of_status(Answered(status, {}, b"", 1), EXCHANGE, NOW)
    assert isinstance(found, Deferred)
    assert found.account_problem


def test_429_waits_as_long_as_the_carrier_says():
    """G14."""
    found = of_status(Answered(429, {"retry-after": "7"}, b"", 1), EXCHANGE, NOW)
    assert found == Deferred(7, "carrier_busy", found.reason if isinstance(found, Deferred) else "", False, EXCHANGE)


def test_only_what_surely_never_left_may_be_tried_again():
    """G10, G11: the two failures of the door."""
    assert isinstance(of_transport(NotSent("unreachable", "refused"), EXCHANGE), Deferred)
    assert isinstance(of_transport(NotSent("busy", "pool"), EXCHANGE), Deferred)
    for code in ("timeout", "reset", "cut", "too_large", "unreadable"):
        assert isinstance(of_transport(Interrupted(code, "", 1), EXCHANGE), Unknown)


def test_an_address_that_may_not_be_called_is_a_matter_for_a_person():
    """A wrong endpoint opens the circuit instead of being dialled for ever."""
    found = of_transport(NotSent("not_allowed", "no"), EXCHANGE)
    assert isinstance(found, Deferred)
    assert found.account_problem
    assert problem_of(NotSent("not_allowed", "no")).account_problem


@pytest.mark.parametrize(("status", "temporary", "account"), [(500, True, False), (429, True, False), (401, False, True), (400, False, False)])
def test_provisioning_problems_say_whom_to_ask(status: int, temporary: bool, account: bool):
    """A problem asks to wait, or a person to look."""
    found = problem_of(Answered(status, {}, b"", 1))
    assert (found.temporary, found.account_problem) == (temporary, account)
