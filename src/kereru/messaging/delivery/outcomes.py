"""From what an adapter says to what the database writes down: the table "carrier answer → state" (reliability.md) ends here."""

import random

from msgspec.structs import replace

from kereru.carriers.contract import Accepted, Deferred, Exchange, Outcome, Unknown
from kereru.kernel.limits import EXCHANGE_BYTES
from kereru.messaging.delivery.pace import retry_delay_s
from kereru.messaging.delivery.store import ClaimedPart, Settlement

_EARLIER = "An earlier part of this text was not confirmed, so the rest was not sent."


def settlement(part: ClaimedPart, outcome: Outcome, dice: random.Random) -> Settlement:
    """How the hand-over of `part` ended."""
    named = Settlement(message=part.message_id, attempt=part.attempt, part=part.part, outcome="unknown", raw=_raw(outcome.exchange))
    if isinstance(outcome, Accepted):
        return replace(named, outcome="accepted", cid=outcome.carrier_id, cut_to=outcome.carrier_text)
    worded = replace(named, code=outcome.code, reason=outcome.reason)
    if isinstance(outcome, Unknown):
        return worded
    if isinstance(outcome, Deferred) or outcome.account_problem:
        # The account's fault is not the text's: it waits in the queue until a person has mended the account.
        wait_s = retry_delay_s(part.deferrals, outcome.retry_after_s if isinstance(outcome, Deferred) else None, dice)
        return replace(worded, outcome="deferred", retry_s=wait_s, stop_account=outcome.account_problem)
    return replace(worded, outcome="refused", opted_out=outcome.opted_out)


def unsent(part: ClaimedPart) -> Settlement:
    """A part that was claimed and not handed over goes back to the queue."""
    return Settlement(message=part.message_id, attempt=part.attempt, part=part.part, outcome="unsent")


def given_up(part: ClaimedPart) -> Settlement:
    """A part that follows one whose fate is open, or that was refused."""
    return replace(unsent(part), outcome="refused", code="earlier_part", reason=_EARLIER)


def _raw(exchange: Exchange) -> str:
    def text(body: bytes) -> str:
        return body.decode("utf-8", "backslashreplace")

    whole = (
        f"{exchange.request_head}\n\n{text(exchange.request_body)}\n\n--- {exchange.duration_ms} ms ---\n"
        f"{exchange.answer_head}\n\n{text(exchange.answer_body)}\n{exchange.note}"
    )
    return whole.replace("\x00", "\ufffd")[:EXCHANGE_BYTES]
