"""A short torture as part of every test run (reliability.md §2, harness): one fixed seed; `make torture MINUTES=10` is the long one."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 20
SEEDS = (3,)
"""Seed 3 once found readiness lying about a database that was back (a dead connection in the pool)."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_short_torture_is_clean(seed: int, tmp_path: Path) -> None:
    """G1, G3, G9 to G13, G19 to G24, G39: processes killed and frozen, carriers and wires that fail, and every text accounted for."""
    words = [str(Path(sys.executable).with_name("kereru")), "torture", "--minutes", str(SECONDS / 60), "--seed", str(seed), "--folder", str(tmp_path)]
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=280, check=False)
    log = tmp_path / "product.log"
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}\n{log.read_text()[-3000:] if log.exists() else ''}"
    assert done.stdout.splitlines()[0].startswith(f"seed {seed},")
    assert done.stdout.splitlines()[-1] == f"verdict: clean (seed {seed})"
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert sum(entry["who"] == "fate" for entry in history) > SECONDS / 4, "misfortunes happened"
    assert sum(entry["what"] == "send" and entry["phase"] == "ok" for entry in history) > 10, "people worked meanwhile"
    assert not leftovers(str(log.parent)), "nothing is left running"


def leftovers(folder: str) -> list[str]:
    """Processes that write to a log in this folder."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "fd" / "2").readlink()).startswith(folder):
                found.append(process.name)
        except OSError:
            continue
    return found
