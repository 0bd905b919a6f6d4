"""What can be chosen of a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds` a round and side, `rounds` at least, `scale` of the big data sets (1: as the goals say)."""

    seconds: float = 4.0
    rounds: int = 5
    scale: float = 1.0
