"""The results that are kept: bench/results.json holds the newest of each benchmark, docs/reference/performance.md shows them between two marks.

Everything outside the marks is written by hand. Results of another machine are never mixed with these: they are dropped when it has changed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.machine import describe
from bench.rounds import FOREIGN_CORES, Result

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[1] / "docs/reference/performance.md"
BEGIN = "<!-- Made by `kereru bench --write`; do not edit between these marks. -->"
END = "<!-- Here ends what is made. -->"
_SAME_MACHINE = ("processor", "cores", "memory")


class Kept(msgspec.Struct, kw_only=True):
    """A result and when and how it was measured."""

    result: Result
    on: str
    scale: float


class Record(msgspec.Struct):
    """What bench/results.json holds."""

    machine: dict[str, str] = {}
    kept: dict[str, Kept] = {}


def load(path: Path = RESULTS) -> Record:
    """The record, or an empty one."""
    return msgspec.json.decode(path.read_bytes(), type=Record) if path.exists() else Record()


def keep(results: Sequence[Result], scale: float) -> None:
    """Put these in the place of earlier ones and make the page again."""
    record = merged(load(), results, describe(), datetime.now(UTC).date().isoformat(), scale)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


def merged(record: Record, results: Sequence[Result], machine: dict[str, str], on: str, scale: float) -> Record:
    """The record with these results."""
    same = all(record.machine.get(name) == machine.get(name) for name in _SAME_MACHINE)
    kept = dict(record.kept) if same else {}
    return Record(machine, kept | {one.name: Kept(result=one, on=on, scale=scale) for one in results})


def page(text: str, record: Record) -> str:
    """The page with the block made again. Raises ValueError when the marks are gone."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        message = "docs/reference/performance.md has lost its marks"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{block(record)}\n{END}{after}"


def block(record: Record) -> str:
    """What stands between the marks."""
    if not record.kept:
        return "\nNothing has been measured yet.\n"
    lines = ["", "; ".join(f"{name}: {value}" for name, value in record.machine.items()) + ".", "", _quiet(record), ""]
    lines += [
        "| benchmark | goal | median | range | holds | ours / ruler | CPU µs: ours + database + load | ruler's CPU | others' cores | on |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(name, kept) for name, kept in record.kept.items()]
    notes = [f"- `{name}`: {kept.result.note}." for name, kept in record.kept.items() if kept.result.note]
    found = [f"- `{name}`: {_extras(kept.result)}." for name, kept in record.kept.items() if kept.result.extra]
    return "\n".join([*lines, "", *notes, *(["", "What else was counted:", "", *found] if found else []), ""])


def _quiet(record: Record) -> str:
    noisy = [name for name, kept in record.kept.items() if kept.result.foreign_cores > FOREIGN_CORES]
    small = [name for name, kept in record.kept.items() if kept.scale != 1]
    said: list[str] = []
    if noisy:
        said.append(
            f"**Measured on a loaded machine.** While {len(noisy)} of {len(record.kept)} were measured, other work took more than {FOREIGN_CORES} of"
            f" a core ({', '.join(f'`{name}`' for name in noisy)}): take those for a direction, not for a verdict."
        )
    else:
        said.append("The machine was quiet.")
    if small:
        said.append(f"Not at full size: {', '.join(f'`{name}` ({record.kept[name].scale:g})' for name in small)}.")
    return " ".join(said)


def _row(name: str, kept: Kept) -> str:
    one = kept.result
    unit = "" if one.unit == "x" else f" {one.unit}"
    sign = "≥" if one.sense == "at least" else "≤"
    ours = " + ".join(f"{one.cpu_us.get(group, 0):.0f}" for group in ("server", "database", "load")) if one.cpu_us else "–"
    ruler = " + ".join(f"{used:.0f}" for used in one.ruler_cpu_us.values()) if one.ruler_cpu_us else "–"
    cells = [
        f"`{name}`", f"{sign} {one.goal:g}{unit}", f"{one.ratio:.2f}{unit}", f"{one.low:.2f}–{one.high:.2f} ({one.rounds} rounds)",
        "yes" if one.holds else "**no**", f"{one.subject:,.4g} / {one.ruler:,.4g}", ours, ruler, f"{one.foreign_cores:.2f}", kept.on,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _extras(one: Result) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int | float) else f"{name} {value}" for name, value in one.extra.items()
    )
