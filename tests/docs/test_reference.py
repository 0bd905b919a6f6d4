"""docs/reference/settings.md, errors.md and metrics.md are made from the program itself and cannot fall behind.

To make them again: `WRITE_REFERENCE=1 .venv/bin/pytest tests/docs -k reference`.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec
import pytest

import kereru
from kereru.carriers.numbering import DialingHabits, NumberProblem, read_typed
from kereru.kernel.errors import KereruError, sentence
from kereru.kernel.metrics import DEFINED
from kereru.kernel.settings import PREFIX, Settings

REFERENCE = Path(__file__).parents[2] / "docs/reference"
AGAIN = "To make it again: `WRITE_REFERENCE=1 .venv/bin/pytest tests/docs -k reference`."
NOT_OURS = ("kereru.simulators", "kereru.torture", "kereru.migrations", "kereru.entrypoints")


def _words(value: object) -> str:
    if value in ("", ()):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value:}`"


def _kind(annotation: object) -> tuple[str, msgspec.Meta]:
    assert get_origin(annotation) is Annotated, f"{annotation} has no description"
    kind, meta = get_args(annotation)[:2]
    assert isinstance(meta, msgspec.Meta)
    assert meta.description
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    words = "list, separated by commas" if get_origin(kind) is tuple else names[kind] if not isinstance(kind, UnionType) else str(kind)
    bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", meta.ge), ("≤", meta.le)) if bound is not None]
    return words + (f", {', '.join(bounds)}" if bounds else ""), meta


def settings_page() -> str:
    """docs/reference/settings.md, from kernel/settings.py."""
    lines = [
        "# Settings",
        "",
        "Made from `src/kereru/kernel/settings.py`, which checks them when a process starts: what cannot be understood, and a name that is",
        f"no setting, stops it with one sentence. {AGAIN}",
        "",
        "Each is read from the environment; an option of a command wins over it ([commands](commands.md)). Passwords, and addresses that",
        "hold one, belong into the environment, never into the command line.",
        "",
        "| Setting | Default | Kind | Meaning |",
        "|---|---|---|---|",
    ]
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        kind, meta = _kind(hints[field.name])
        lines.append(f"| `{PREFIX}{field.name.upper()}` | {_words(field.default)} | {kind} | {meta.description} |")
    return "\n".join(lines) + "\n"


def error_classes() -> Iterator[type[KereruError]]:
    """Every error of the product that people or programs can meet."""
    for module in pkgutil.walk_packages(kereru.__path__, "kereru."):
        if not module.name.startswith(NOT_OURS):
            importlib.import_module(module.name)
    waiting = [KereruError]
    while waiting:
        kind = waiting.pop()
        if not kind.__module__.startswith(NOT_OURS) and kind.__module__.startswith("kereru."):
            yield kind
        waiting += kind.__subclasses__()


def errors_page() -> str:
    """docs/reference/errors.md, from the classes themselves."""
    found: dict[tuple[int, str], set[str]] = {}
    for kind in error_classes():
        found.setdefault((kind.status, kind.code), set()).add(sentence(kind))
    lines = [
        "# Errors",
        "",
        f"Made from the subclasses of `KereruError`. {AGAIN}",
        "",
        "Every error of the API is `application/problem+json`: `status`, `title`, `detail` (words for people, in this very case), `fields`",
        "(what is wrong with which field) and `code`. Codes are stable: programs decide by them and never by words. A text that cannot be",
        "sent is 422 with the code of the preflight's first reason; numbers that cannot be texted have the codes of the second table.",
        "",
        "| Status | Code | In words |",
        "|---|---|---|",
    ]
    lines += [f"| {status} | `{code}` | {'<br>'.join(sorted(words))} |" for (status, code), words in sorted(found.items())]
    lines += ["", "| A number that is | Code | In words |", "|---|---|---|"]
    habits = DialingHabits("US", "1", exclude_leading_zero=False)
    for typed, shown in NUMBERS.items():
        problem = read_typed(typed, habits)
        assert isinstance(problem, NumberProblem), typed
        lines.append(f"| {shown} | `{problem.code}` | {problem.text} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """docs/reference/metrics.md, from what the modules define."""
    for module in pkgutil.walk_packages(kereru.__path__, "kereru."):
        if not module.name.startswith(NOT_OURS):
            importlib.import_module(module.name)
    lines = [
        "# Metrics",
        "",
        f"Made from the definitions in the program. {AGAIN}",
        "",
        "`/metrics` answers programs on this machine only, in the form that Prometheus reads. It shows the figures of every process of this machine:",
        "of the web process that was asked as they are now, of the others as they were at most 5 s ago; the label `process` says whose each is.",
        "No label holds a tenant, a phone number or an id. Figures of the database itself (replication, archive, disk) come from PostgreSQL's own",
        "exporter, those of certificates from the proxy in front.",
        "",
        "| Metric | Kind | Labels | Meaning |",
        "|---|---|---|---|",
    ]
    for one in sorted(DEFINED.values(), key=lambda one: one.name):
        labels = ", ".join(f"`{label}`" for label in one.labels) or "–"
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.words} |")
    return "\n".join(lines) + "\n"


NUMBERS = {
    "": "missing", "hello": "none at all", "+1202": "too short", "+12025550142999999": "too long", "2025550142 x5": "an extension",
    "٢٠٢٥٥٥٠١٤٢": "in other digits", "911": "an emergency number", "72345": "a short code that never wrote",
}  # fmt: skip


@pytest.mark.parametrize(("name", "made"), [("settings.md", settings_page), ("errors.md", errors_page), ("metrics.md", metrics_page)])
def test_the_reference_is_what_the_program_says(name: str, made: object) -> None:
    """Neither a setting nor an error code is without its line."""
    assert callable(made)
    if os.environ.get("WRITE_REFERENCE"):
        (REFERENCE / name).write_text(made(), encoding="utf-8")
    assert (REFERENCE / name).read_text(encoding="utf-8") == made()


@pytest.mark.parametrize("kind", sorted(set(error_classes()), key=lambda kind: f"{kind.__module__}.{kind.__name__}"), ids=lambda kind: kind.__name__)
def test_every_error_speaks_plainly(kind: type[KereruError]) -> None:
    """ui.md, words on screen: a whole sentence, no cry, no numbers of ours; a code that programs can hold on to."""
    words = sentence(kind)
    assert words.endswith(".")
    assert words[0].isupper()
    assert "!" not in words
    assert "Oops" not in words
    assert not any(word.strip("().,")[:1] in "RQPG" and word.strip("().,")[1:].isdigit() for word in words.split())
    assert kind.code.replace("_", "").isalnum()
    assert kind.code.islower()
    assert 400 <= kind.status < 600
