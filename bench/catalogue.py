"""Every benchmark by name, and how one is run from the command line."""

import asyncio
import importlib
import resource
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import uvloop

from bench.options import Options
from bench.rounds import Result, say

MODULES = {
    "mo_ingest": "bench.mo_ingest",
    "mt_path": "bench.mt_path",
    "receipts": "bench.receipts",
    "mo_latency": "bench.latency",
    "mo_slow_disk": "bench.slow_disk",
    "ws_push": "bench.ws:push",
    "ws_idle": "bench.ws:idle",
    "busy_queue": "bench.loaded:busy_queue",
    "read_10m": "bench.reading",
    "retention": "bench.loaded:retention",
    "growth": "bench.growth",
    "portal": "bench.portal",
    "footprint": "bench.processes:footprint",
    "crash": "bench.processes:crash",
}
"""Name → module with `async def run(options) -> list[Result]`, or with another function of that kind."""

APART = {"peers": "bench.peers.compare"}
"""Run by name only: these install other people's programs."""

Run = Callable[[Options], Awaitable[list[Result]]]


def run(name: str, options: Options) -> list[Result]:
    """Run one benchmark. Raises KeyError for a name that is none."""
    module, _, function = (MODULES | APART)[name].partition(":")
    code: Run = getattr(importlib.import_module(module), function or "run")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_awaited(code, options))


async def _awaited(code: Run, options: Options) -> list[Result]:
    return await code(options)


def run_all(names: Sequence[str], options: Options, *, as_json: bool) -> int:
    """Run these and print what they say as they end: JSON lines, or a table at the end. 0 when every goal holds."""
    results: list[Result] = []
    for name in dict.fromkeys(names):
        found = run(name, options)
        results.extend(found)
        if as_json:
            for one in found:
                print(line(one), flush=True)
    if not as_json:
        print(table(results))
    return int(not all(one.holds for one in results))


def table(results: Sequence[Result]) -> str:
    """Results for people."""
    lines = [f"{'benchmark':<16} {'median':>9} {'range':>19}  {'goal':<16} {'holds':<6} {'CPU us a text (ours + database)':<32} others' cores"]
    for one in results:
        cpu = one.cpu_us
        used = f"{cpu.get('server', 0):.0f} + {cpu.get('database', 0):.0f}" if cpu else "-"
        lines.append(
            f"{one.name:<16} {one.ratio:>9.2f} {one.low:>9.2f}–{one.high:<9.2f}  {one.sense} {one.goal:g} {one.unit:<5} "
            f"{'yes' if one.holds else 'NO':<6} {used:<32} {one.foreign_cores:.2f}"
        )
    return "\n".join(lines)


def line(result: Result) -> str:
    """A result for programs: one line of JSON."""
    return msgspec.json.encode(result).decode()


__all__ = ["MODULES", "line", "run", "say", "table"]
