"""Carrier answer to outcome: the rows that mean the same at every carrier (reliability.md, "Carrier answer → state").

Promises: whatever is not known to be safe is `Unknown`. Adapters read bodies and codes of their own carrier, and ask here for the rest.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from kereru.carriers.arrivals import Exchange
from kereru.carriers.contract import Deferred, Outcome, Problem, Refused, Unknown
from kereru.kernel.http_client import Answered, Interrupted, NotSent

RETRY_AFTER_S_MIN = 1
RETRY_AFTER_S_MAX = 15 * 60

_REFUSED = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422})
_ACCOUNT = frozenset({401, 402, 403})

REASON_UNKNOWN = "The carrier's answer does not say whether the text was taken. It may have been sent."
REASON_ACCOUNT = "The carrier does not accept this platform's credentials. Your provider has to look at them."
REASON_REFUSED = "The carrier refused the text."
REASON_BUSY = "The carrier asks to wait. The text is tried again."
REASON_UNREACHED = "The carrier cannot be reached. The text is tried again."
REASON_OPTED_OUT = "The recipient has opted out at the carrier."


def retry_after_s(headers: Mapping[str, str], now: datetime) -> int | None:
    """The Retry-After header in seconds, clamped to 1 s .. 15 min (bad input 74); None where it is absent or no time at all."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(int(value[:20]))
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return int(min(max(seconds, RETRY_AFTER_S_MIN), RETRY_AFTER_S_MAX))


def of_transport(result: NotSent | Interrupted, exchange: Exchange) -> Outcome:
    """The outcome when no complete answer came: safe to try again only if the request surely never left."""
    if isinstance(result, Interrupted):
        return Unknown(f"carrier_{result.code}", REASON_UNKNOWN, exchange)
    if result.code == "not_allowed":
        return Deferred(None, "endpoint_not_allowed", f"The carrier's address cannot be used: {result.detail}.", True, exchange)
    return Deferred(None, "carrier_unreachable", REASON_UNREACHED, False, exchange)


def of_status(answer: Answered, exchange: Exchange, now: datetime) -> Outcome:
    """The outcome of an answer whose body says nothing that the adapter knows."""
    status = answer.status
    if status == 429:
        return Deferred(retry_after_s(answer.headers, now), "carrier_busy", REASON_BUSY, False, exchange)
    if status in _ACCOUNT:
        return Deferred(None, "account_refused", REASON_ACCOUNT, True, exchange)
    if status in _REFUSED:
        return Refused("carrier_refused", REASON_REFUSED, str(status), False, False, exchange)
    return Unknown("carrier_answer_unclear", REASON_UNKNOWN, exchange)


def problem_of(result: Answered | NotSent | Interrupted) -> Problem:
    """Why a provisioning call failed, judged by transport and status alone."""
    if isinstance(result, NotSent) and result.code == "not_allowed":
        return Problem("endpoint_not_allowed", f"The carrier's address cannot be used: {result.detail}.", account_problem=True)
    if not isinstance(result, Answered):
        return Problem("carrier_unreachable", "The carrier cannot be reached just now. Try again in a moment.", temporary=True)
    if result.status in _ACCOUNT:
        return Problem("credentials_refused", "The carrier does not accept these credentials.", str(result.status), account_problem=True)
    if result.status == 429 or result.status >= 500:
        return Problem("carrier_busy", "The carrier cannot do this just now. Try again in a moment.", str(result.status), temporary=True)
    return Problem("carrier_refused", "The carrier refused this.", str(result.status))


def unreadable() -> Problem:
    """The carrier answered something that is not its documented format."""
    return Problem("carrier_answer_unclear", "The carrier's answer cannot be read. Check the platform's address.", temporary=True)


_READ_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


T = TypeVar("T")


def read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T | None:
    """A carrier's JSON, or None where it is not what the decoder expects."""
    try:
        return decoder.decode(body)
    except _READ_ERRORS:
        return None
