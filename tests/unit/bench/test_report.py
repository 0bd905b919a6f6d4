"""The page shows what is kept, says when the machine was not quiet, and never mixes two machines."""

import pytest
from bench.report import BEGIN, END, PAGE, Record, load, merged, page
from bench.rounds import Result

MACHINE = {"processor": "one", "cores": "2", "memory": "4 GiB"}


def result(name: str, *, foreign_cores: float = 0.0, ratio: float = 0.7) -> Result:
    return Result(
        name=name, ratio=ratio, low=0.6, high=0.8, goal=0.6, sense="at least", holds=ratio >= 0.6, rounds=5, foreign_cores=foreign_cores,
        cpu_us={"server": 100.4, "database": 50, "load": 7},
    )  # fmt: skip


def shown(record: Record) -> str:
    return page(f"before\n{BEGIN}\nstale words\n{END}\nafter\n", record)


def test_the_page_is_what_was_measured():
    """docs/reference/performance.md was made from bench/results.json; `kereru bench NAME --write` does it."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, load()) == text


def test_a_result_takes_the_place_of_the_earlier_one_and_of_nothing_else():
    record = merged(merged(Record(), [result("a"), result("b")], MACHINE, "2026-01-01", 1), [result("a", ratio=0.5)], MACHINE, "2026-01-02", 1)
    text = shown(record)
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [("**no**" in row, "2026-01-02" in row) for row in rows] == [(True, True), (False, False)]
    assert "100 + 50 + 7" in rows[0]


def test_results_of_another_machine_are_dropped():
    record = merged(merged(Record(), [result("a")], MACHINE, "2026-01-01", 1), [result("b")], MACHINE | {"cores": "64"}, "2026-01-02", 1)
    assert list(record.kept) == ["b"]


@pytest.mark.parametrize(("foreign", "words"), [(0.0, "The machine was quiet."), (0.9, "**Measured on a loaded machine.**")])
def test_the_page_says_whether_the_machine_was_quiet(foreign: float, words: str):
    assert words in shown(merged(Record(), [result("a", foreign_cores=foreign)], MACHINE, "2026-01-01", 1))


def test_the_page_says_what_was_not_measured_at_full_size():
    assert "`a` (0.05)" in shown(merged(Record(), [result("a")], MACHINE, "2026-01-01", 0.05))


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="marks"):
        page("nothing", Record())
