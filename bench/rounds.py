"""Rounds of subject and ruler in turns, and what they come to: the median of the rounds' own ratios, with its range."""

import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from bench.machine import Usage

FOREIGN_CORES = 0.25
"""A round in which others used more than this is noisy, and repeated while the bound allows."""

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Figures:
    """One round of one side: how many things were done in how long, or a latency; `value` is what the ratio is made of."""

    value: float
    count: int
    usage: Usage
    extra: Mapping[str, float] = field(default_factory=dict[str, float])

    def cpu_us(self) -> dict[str, float]:
        """CPU microseconds a thing, by group."""
        return {name: round(used / self.count * 1e6, 1) for name, used in self.usage.groups.items()} if self.count else {}


class Result(msgspec.Struct, kw_only=True):
    """What a benchmark says; one line of JSON."""

    name: str
    ratio: float
    low: float
    high: float
    goal: float
    sense: Sense
    holds: bool
    unit: str = "x"
    subject: float = 0.0
    ruler: float = 0.0
    rounds: int = 0
    noisy_rounds: int = 0
    cpu_us: dict[str, float] = {}
    ruler_cpu_us: dict[str, float] = {}
    foreign_cores: float = 0.0
    stolen_cores: float = 0.0
    extra: dict[str, Any] = {}
    note: str = ""


Side = Callable[[], Awaitable[Figures]]
Compare = Callable[[Figures, Figures], float]


def by_rate(subject: Figures, ruler: Figures) -> float:
    """The subject's rate as a part of the ruler's."""
    return subject.value / ruler.value


def by_difference(subject: Figures, ruler: Figures) -> float:
    """By how much the subject is above the ruler."""
    return subject.value - ruler.value


async def in_turns(
    name: str,
    subject: Side,
    ruler: Side,
    *,
    goal: float,
    sense: Sense = "at least",
    compare: Compare = by_rate,
    unit: str = "x",
    rounds: int = 5,
    extra_rounds: int = 3,
) -> Result:
    """A B A B ... until `rounds` quiet pairs are there, or the bound is reached; then the quiet ones count, or all if they are too few."""
    pairs: list[tuple[Figures, Figures]] = []
    for number in range(rounds + extra_rounds):
        ours = await subject()
        pair = (ours, await ruler())
        pairs.append(pair)
        say(f"{name} round {number + 1}: {compare(*pair):.2f} ({pair[0].value:,.0f} beside {pair[1].value:,.0f}){' noisy' if _noisy(pair) else ''}")
        if sum(not _noisy(each) for each in pairs) >= rounds:
            break
    quiet = [pair for pair in pairs if not _noisy(pair)]
    return summed_up(name, quiet if len(quiet) >= rounds else pairs, goal=goal, sense=sense, compare=compare, unit=unit)


def summed_up(name: str, pairs: Sequence[tuple[Figures, Figures]], *, goal: float, sense: Sense, compare: Compare, unit: str) -> Result:
    """The result of rounds already made."""
    ratios = [compare(*pair) for pair in pairs]
    ratio = statistics.median(ratios)
    usages = [figures.usage for pair in pairs for figures in pair]
    seconds = sum(usage.seconds for usage in usages) or 1.0
    extras: dict[str, Any] = {
        key: round(statistics.median([pair[0].extra[key] for pair in pairs if key in pair[0].extra]), 3) for key in pairs[0][0].extra
    }
    return Result(
        name=name,
        ratio=round(ratio, 3),
        low=round(min(ratios), 3),
        high=round(max(ratios), 3),
        goal=goal,
        sense=sense,
        holds=ratio >= goal if sense == "at least" else ratio <= goal,
        unit=unit,
        subject=round(statistics.median(pair[0].value for pair in pairs), 2),
        ruler=round(statistics.median(pair[1].value for pair in pairs), 2),
        rounds=len(pairs),
        noisy_rounds=sum(map(_noisy, pairs)),
        cpu_us=_median_cpu([pair[0] for pair in pairs]),
        ruler_cpu_us=_median_cpu([pair[1] for pair in pairs]),
        foreign_cores=round(sum(usage.foreign for usage in usages) / seconds, 2),
        stolen_cores=round(sum(usage.stolen for usage in usages) / seconds, 2),
        extra=extras,
    )


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of all do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def say(words: str) -> None:
    """Progress for people; standard output is for results."""
    print(words, file=sys.stderr, flush=True)


def _noisy(pair: tuple[Figures, Figures]) -> bool:
    return any(figures.usage.foreign_cores > FOREIGN_CORES for figures in pair)


def _median_cpu(figures: Sequence[Figures]) -> dict[str, float]:
    each = [one.cpu_us() for one in figures]
    return {name: round(statistics.median(one[name] for one in each if name in one), 1) for name in (each[0] if each else ())}
