"""Arrivals as the ingress hands them to the sink."""

import itertools
from datetime import UTC, datetime
from uuid import uuid4

from kereru.carriers.arrivals import Arrival, ArrivalBatch, Exchange, InboundText, ReceiptReport, ReceiptState
from world import PHONE, Owner

_numbers = itertools.count(1)


def batch(owner: Owner, *items: Arrival) -> ArrivalBatch:
    """What one webhook brought."""
    now = datetime.now(UTC)
    return ArrivalBatch(
        uuid4(), owner.provider_id, owner.platform_id, "restcomm", now, items, Exchange("in", now, 1, "POST /", b"Body=hello", "", b"")
    )


def text(
    owner: Owner, words: str = "Is the blue one still there?", *, cid: str | None = None, remote: str = PHONE, to: str | None = None
) -> InboundText:
    """A text to `owner`'s number."""
    to = to or owner.e164
    return InboundText(
        owner.provider_id, owner.platform_id, f"SM{next(_numbers):032d}" if cid is None else cid, to, remote, words, to_raw=to, remote_raw=remote
    )


def receipt(
    owner: Owner, cid: str, state: str, *, reference: int | None = None, code: str | None = None, reason: str = "", opted_out: bool = False
) -> ReceiptReport:
    """A receipt for the part that the carrier calls `cid`."""
    return ReceiptReport(owner.provider_id, owner.platform_id, cid, reference, ReceiptState(state), state, code, reason, opted_out)
