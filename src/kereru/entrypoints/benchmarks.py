"""`kereru bench`: runs what lies in the folder `bench` of a checkout; an installed package carries no benchmarks."""

import importlib
import sys
from pathlib import Path
from typing import Any

import kereru
from kereru.entrypoints.problems import MachineProblem


def measure(name: str, *, as_json: bool, seconds: float, rounds: int, scale: float, write: bool) -> int:
    """Run one benchmark or `all`; JSON lines or a table on standard output. Answers 0 when every goal holds. Raises MachineProblem."""
    root = Path(kereru.__file__).parents[2]
    if not (root / "bench" / "catalogue.py").exists():
        raise MachineProblem("no_checkout", "The benchmarks are not part of an installed package.", "Run them from a checkout, with make bench.")
    sys.path.insert(0, str(root))
    catalogue: Any = importlib.import_module("bench.catalogue")
    every = list(catalogue.MODULES)
    known = ["all", *every, *catalogue.APART]
    if name not in known:
        raise MachineProblem("no_such_benchmark", f"There is no benchmark {name}.", f"Choose one of: {', '.join(known)}.")
    options: Any = importlib.import_module("bench.options").Options(seconds=seconds, rounds=rounds, scale=scale)
    return int(catalogue.run_all(every if name == "all" else [name], options, as_json=as_json, write=write))
