"""Faults on demand: what goes wrong, how often or how long, and how an answer is spoiled.

Promises: a fault with a count bites exactly that many times; one with seconds bites until they are over; one with neither bites until
it is taken away. A request is never refused once it was accepted: kinds that name `after_accept` have the message really sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Literal, TypeAlias, get_args

import msgspec

from kereru.simulators.asgi import Answer, Cut, Hold, Outcome, Reset

Kind: TypeAlias = Literal[
    "refuse", "throttle", "error", "timeout_before_accept", "timeout_after_accept", "reset_after_accept", "cut_body", "garbage_body", "slow",
    "early_receipt", "late_receipt", "double_receipt", "reorder_receipts", "no_receipt", "failed_receipt", "contradicting_receipt",
    "double_webhook", "lose_webhook",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
ON_ANSWER: tuple[Kind, ...] = KINDS[:9]
ON_RECEIPT: tuple[Kind, ...] = KINDS[9:16]
ON_WEBHOOK: tuple[Kind, ...] = KINDS[16:]
REFUSALS: frozenset[Kind] = frozenset({"refuse", "throttle", "error"})

DEFAULT_HOLD_MS = 120_000
DEFAULT_SLOW_MS = 2_000


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault as asked for. `on` says which of the carrier's calls it bites: sends only, or every call of its API."""

    carrier: Literal["restcomm", "inteliquent", "*"]
    kind: Kind
    count: int | None = None
    seconds: float | None = None
    delay_ms: int | None = None
    on: Literal["send", "all"] = "send"
    account: str | None = None
    to: str | None = None


class Armed(msgspec.Struct):
    """A fault in force: how many bites are left, and when it ends on the monotonic clock."""

    id: int
    fault: Fault
    left: int | None
    until: float | None
    bites: int = 0


class Faults:
    """The faults in force, oldest first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._armed: list[Armed] = []
        self._next = 1

    def add(self, fault: Fault) -> Armed:
        """Put a fault in force. Raises ValueError for a count or seconds that are not positive."""
        if (fault.count is not None and fault.count < 1) or (fault.seconds is not None and fault.seconds <= 0):
            raise ValueError("count and seconds must be greater than zero.")
        until = None if fault.seconds is None else self._monotonic() + fault.seconds
        armed = Armed(self._next, fault, fault.count, until)
        self._next += 1
        self._armed.append(armed)
        return armed

    def clear(self, carrier: str | None = None, kind: str | None = None, fault_id: int | None = None) -> int:
        """Take faults away, all of them or those that match; returns how many."""
        before = len(self._armed)
        self._armed = [
            a
            for a in self._armed
            if (carrier is not None and a.fault.carrier != carrier)
            or (kind is not None and a.fault.kind != kind)
            or (fault_id is not None and a.id != fault_id)
        ]
        return before - len(self._armed)

    def items(self) -> list[Armed]:
        """The faults still in force."""
        self._expire()
        return list(self._armed)

    def take(self, carrier: str, kinds: Collection[Kind], *, on: str = "send", account: str = "", to: str = "") -> Fault | None:
        """The first fault in force that fits, its count lowered by one."""
        if not self._armed:
            return None
        self._expire()
        for armed in self._armed:
            fault = armed.fault
            if fault.kind not in kinds or fault.carrier not in (carrier, "*") or (on == "all" and fault.on != "all"):
                continue
            if (fault.account is not None and fault.account != account) or (fault.to is not None and fault.to != to):
                continue
            armed.bites += 1
            if armed.left is not None:
                armed.left -= 1
                if armed.left == 0:
                    self._armed.remove(armed)
            return fault
        return None

    def take_receipts(self, carrier: str, *, account: str, to: str) -> dict[Kind, Fault]:
        """Every kind of receipt fault that fits one message, each lowered by one."""
        if not self._armed:
            return {}
        found: dict[Kind, Fault] = {}
        for kind in ON_RECEIPT:
            fault = self.take(carrier, (kind,), account=account, to=to)
            if fault is not None:
                found[kind] = fault
        return found

    def _expire(self) -> None:
        now = self._monotonic()
        self._armed = [a for a in self._armed if a.until is None or a.until > now]


async def spoil(fault: Fault | None, refuse: Callable[[Kind], Answer], accept: Callable[[], Awaitable[Answer]]) -> Outcome:
    """Let one request run into a fault: refused before `accept`, or accepted and its answer withheld, cut, garbled or slowed."""
    if fault is None:
        return await accept()
    hold = (DEFAULT_HOLD_MS if fault.delay_ms is None else fault.delay_ms) / 1000
    if fault.kind in REFUSALS:
        return refuse(fault.kind)
    if fault.kind == "timeout_before_accept":
        return Hold(hold)
    if fault.kind == "slow":
        await asyncio.sleep((DEFAULT_SLOW_MS if fault.delay_ms is None else fault.delay_ms) / 1000)
    answer = await accept()
    if fault.kind == "timeout_after_accept":
        return Hold(hold)
    if fault.kind == "reset_after_accept":
        return Reset()
    if fault.kind == "cut_body":
        return Cut(answer)
    if fault.kind == "garbage_body":
        return Answer(answer.status, b'\x1f\x8b{"sid":\xff\xfe<html>', answer.content_type)
    return answer
