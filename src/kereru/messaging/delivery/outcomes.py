"""From what an adapter says to what the database writes down: the table "carrier answer → state" (reliability.md) ends here."""

import random

from msgspec.structs import replace

from kereru.carriers.arrivals import Exchange
from kereru.carriers.contract import Accepted, Deferred, Outcome, Refused, Unknown
from kereru.kernel.limits import EXCHANGE_BYTES
from kereru.messaging.delivery.pace import retry_delay_s
from kereru.messaging.delivery.store import ClaimedPart, Settlement

UNWRITTEN = "outcome_not_written"


def settlement(part: ClaimedPart, outcome: Outcome, dice: random.Random) -> Settlement:
    """How the hand-over of `part` ended."""
    named = replace(_of(part, "unknown"), raw=_raw(outcome.exchange))
    if isinstance(outcome, Accepted):
        cut_to = None if outcome.carrier_text is None else _storable(outcome.carrier_text)
        return replace(named, outcome="accepted", cid=_storable(outcome.carrier_id), cut_to=cut_to)
    worded = replace(named, code=_storable(outcome.code), reason=_storable(outcome.reason))
    if isinstance(outcome, Unknown):
        return worded
    if isinstance(outcome, Deferred) or outcome.account_problem:
        # The account's fault is not the text's: it waits in the queue until a person has mended the account, and not a moment longer.
        retry_after_s = 0.0 if outcome.account_problem else outcome.retry_after_s if isinstance(outcome, Deferred) else None
        wait_s = retry_delay_s(part.deferrals, retry_after_s, dice)
        return replace(worded, outcome="deferred", retry_s=wait_s, stop_account=outcome.account_problem)
    return replace(worded, outcome="refused", opted_out=outcome.opted_out)


def surely_refused(outcome: Outcome) -> bool:
    """Whether the carrier did not take it and never will, for a reason that another form of the same text may not have."""
    return isinstance(outcome, Refused) and not (outcome.opted_out or outcome.account_problem)


def unsent(part: ClaimedPart) -> Settlement:
    """A part that was claimed and not begun: back to the queue, or given up if an earlier part of its text was not taken (the database decides)."""
    return _of(part, "unsent")


def broken(part: ClaimedPart) -> Settlement:
    """A part whose hand-over an error of ours interrupted: nobody can tell."""
    return replace(_of(part, "unknown"), code="our_error", reason="An error of ours interrupted the hand-over of this text.")


def unwritten(refused: Settlement) -> Settlement:
    """Instead of an outcome that the database refuses to store."""
    return Settlement(
        message=refused.message, attempt=refused.attempt, part=refused.part, tries=refused.tries, outcome="unknown",
        code=UNWRITTEN, reason="What the carrier answered could not be written down.",
    )  # fmt: skip


def _of(part: ClaimedPart, outcome: str) -> Settlement:
    return Settlement(message=part.message_id, attempt=part.attempt, part=part.part, tries=part.tries, outcome=outcome)


def _storable(text: str) -> str:
    # PostgreSQL stores no NUL and no half of a surrogate pair; an answer that holds one must not lose its outcome.
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _raw(exchange: Exchange) -> str:
    def text(body: bytes) -> str:
        return body.decode("utf-8", "backslashreplace")

    whole = (
        f"{exchange.request_head}\n\n{text(exchange.request_body)}\n\n--- {exchange.duration_ms} ms ---\n"
        f"{exchange.answer_head}\n\n{text(exchange.answer_body)}\n{exchange.note}"
    )
    return _storable(whole)[:EXCHANGE_BYTES]
