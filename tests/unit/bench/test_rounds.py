"""How rounds become a result: the benchmarks must not flatter."""

import pytest
from bench.catalogue import MODULES, line, table
from bench.machine import Meter, Usage, cpu_seconds, describe, pss_bytes
from bench.rounds import Figures, by_difference, by_rate, in_turns, percentile, summed_up


def figures(value: float, *, foreign: float = 0.0, count: int = 100) -> Figures:
    return Figures(value, count, Usage(1.0, {"server": 0.02, "database": 0.01}, foreign, 0.0))


def pairs(*values: tuple[float, float]) -> list[tuple[Figures, Figures]]:
    return [(figures(ours), figures(theirs)) for ours, theirs in values]


def test_the_ratio_is_the_median_of_the_rounds_own_ratios():
    result = summed_up("x", pairs((50, 100), (90, 100), (10, 100)), goal=0.6, sense="at least", compare=by_rate, unit="x")
    assert (result.ratio, result.low, result.high, result.holds) == (0.5, 0.1, 0.9, False)
    assert result.cpu_us == {"server": 200.0, "database": 100.0}


@pytest.mark.parametrize(
    ("goal", "sense", "holds"), [(5.0, "at most", True), (4.9, "at most", False), (5.0, "at least", True), (5.1, "at least", False)]
)
def test_a_goal_is_a_bound_from_one_side(goal: float, sense: str, holds: bool):
    assert summed_up("x", pairs((15, 10)), goal=goal, sense=sense, compare=by_difference, unit="ms").holds is holds


async def run_rounds(foreign: list[float], *, rounds: int, extra_rounds: int) -> tuple[int, int, float]:
    turns = iter(foreign)
    order: list[str] = []

    async def subject() -> Figures:
        order.append("A")
        used = next(turns)
        return figures(100.0 if used else 50.0, foreign=used)

    async def ruler() -> Figures:
        order.append("B")
        return figures(100)

    result = await in_turns("x", subject, ruler, goal=0.6, rounds=rounds, extra_rounds=extra_rounds)
    assert order == ["A", "B"] * (len(order) // 2)
    return len(order) // 2, result.noisy_rounds, result.ratio


async def test_a_noisy_round_is_repeated_and_then_does_not_count():
    assert await run_rounds([0, 0.9, 0], rounds=2, extra_rounds=3) == (3, 0, 0.5)


async def test_repeating_is_bounded_and_what_was_noisy_then_is_said():
    assert await run_rounds([0.9, 0.9, 0.9], rounds=2, extra_rounds=1) == (3, 3, 1.0)


def test_percentiles():
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(1000)), 0.99) == 990
    assert percentile([], 0.5) == 0


def test_a_line_for_programs_and_a_table_for_people():
    """Design §10: one JSON line a benchmark with name, ratio, low, high, goal, holds."""
    result = summed_up("mo_ingest", pairs((1, 2)), goal=0.6, sense="at least", compare=by_rate, unit="x")
    assert line(result).startswith('{"name":"mo_ingest","ratio":0.5,"low":0.5,"high":0.5,"goal":0.6,"sense":"at least","holds":false')
    assert "\n" not in line(result)
    assert "NO" in table([result])


def test_every_benchmark_of_the_design_has_a_name():
    """Design §11, but for the peers; the client of issue 5."""
    wanted = "mo_ingest mo_slow_disk mo_latency mt_path receipts ws_push ws_idle read_10m retention crash busy_queue footprint client"
    assert set(wanted.split()) <= set(MODULES)


def test_our_own_work_is_not_foreign():
    import os

    meter = Meter(load=[os.getpid()])
    meter.start()
    sum(number * number for number in range(3_000_000))
    usage = meter.stop()
    assert usage.groups["load"] > 0.02
    assert usage.foreign < 2 * usage.seconds * (os.cpu_count() or 1)
    assert cpu_seconds(os.getpid()) >= usage.groups["load"]
    assert pss_bytes([os.getpid()]) > 1_000_000
    assert describe()["cores"] == str(os.cpu_count())
