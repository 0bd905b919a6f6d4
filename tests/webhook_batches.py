"""Batches as the ingress makes them, without a database."""

from datetime import UTC, datetime
from uuid import uuid4

from kereru.carriers.arrivals import Arrival, ArrivalBatch, Exchange, InboundText, ReceiptReport, ReceiptState, Unrecognised

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def text(words: str = "hello", cid: str = "SM1") -> InboundText:
    """A text for Ana."""
    return InboundText(1, 2, cid, "+12015550110", "+12025550142", words, to_raw="12015550110", remote_raw="2025550142")


def receipt(reference: int | None = 2**80) -> ReceiptReport:
    """A receipt whose reference is larger than 64 bits."""
    return ReceiptReport(1, 2, "SM2", reference, ReceiptState.DELIVERED, "delivered")


def unrecognised() -> Unrecognised:
    """What nobody could read."""
    return Unrecognised(1, 2, "not a form", b"\xff\x00<html>")


def batch(*items: Arrival) -> ArrivalBatch:
    """What one request brought."""
    exchange = Exchange("in", AT, 3, "POST /ingress/restcomm/•••/text\nhost: x", b"Body=hello\n\x00", "200", b"")
    return ArrivalBatch(uuid4(), 1, 2, "restcomm", AT, items or (text(),), exchange)
