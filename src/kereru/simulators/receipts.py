"""What a carrier reports about a message after it took it, as a script of steps.

Owns the choice of outcome: by fault, or by the last digits of the recipient (carriers.md C.13). Promises: without either, a message is
reported sent and then delivered.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, TypeAlias

from kereru.simulators.faults import Fault, Kind

Word: TypeAlias = Literal["sent", "delivered", "undelivered", "failed"]

UNREACHABLE = 30003
BLOCKED = 30004
POLICY = 30007

MAGIC: Mapping[str, str] = {
    "01": "undelivered",
    "02": "failed, blocked",
    "03": "never a receipt",
    "04": "late receipt",
    "05": "receipt twice",
    "06": "receipts out of order",
    "07": "sent, but the answer never comes",
    "08": "opted out",
}


class Step(NamedTuple):
    """One report: how long after the step before (ms), its word, its error code, and whether it is the first (submit) report."""

    after_ms: int
    word: Word
    error: int | None = None
    forced: bool = False


class Timing(NamedTuple):
    """Delays in milliseconds: of the last report, and of one that is late on purpose."""

    base_ms: int
    late_ms: int


def magic(to: str, enabled: bool) -> str:
    """The two last digits when the number is one of the fictional 555-0101 … 555-0108, else an empty string."""
    return to[-2:] if enabled and to[-7:-1] == "555010" and to[-2:] in MAGIC else ""


def script(faults: Mapping[Kind, Fault], digits: str, timing: Timing) -> list[Step]:
    """The reports of one message, in the order in which they are made."""
    if "no_receipt" in faults or digits == "03":
        return []
    late = faults.get("late_receipt")
    wait = timing.base_ms
    if late is not None or digits == "04":
        wait = late.delay_ms if late is not None and late.delay_ms is not None else timing.late_ms
    last = _last(faults, digits, wait - min(timing.base_ms // 3, wait))
    sent = Step(min(timing.base_ms // 3, wait), "sent")
    steps = [sent, last]
    if last.error in (BLOCKED, POLICY):
        steps = [last._replace(after_ms=wait)]
    if "contradicting_receipt" in faults:
        steps.append(Step(max(timing.base_ms // 3, 1), "undelivered", UNREACHABLE, forced=True))
    if "double_receipt" in faults or digits == "05":
        steps.append(steps[-1]._replace(after_ms=max(timing.base_ms // 3, 1), forced=True))
    if "reorder_receipts" in faults or digits == "06":
        steps = [last._replace(after_ms=wait), Step(max(timing.base_ms // 3, 1), "sent", forced=True)]
    return steps


def at_once(steps: Collection[Step]) -> list[Step]:
    """The same reports without any waiting."""
    return [step._replace(after_ms=0) for step in steps]


def _last(faults: Mapping[Kind, Fault], digits: str, after_ms: int) -> Step:
    if "failed_receipt" in faults or digits == "01":
        return Step(after_ms, "undelivered", UNREACHABLE)
    if digits == "02":
        return Step(after_ms, "failed", BLOCKED)
    if digits == "08":
        return Step(after_ms, "failed", POLICY)
    return Step(after_ms, "delivered")
