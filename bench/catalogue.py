"""Every benchmark by name, and how one is run from the command line."""

import asyncio
import importlib
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import uvloop

from bench import report
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
    "ws_stalled": "bench.stalled",
    "busy_queue": "bench.loaded:busy_queue",
    "read_10m": "bench.reading",
    "retention": "bench.loaded:retention",
    "growth": "bench.growth",
    "portal": "bench.portal",
    "client": "bench.client",
    "footprint": "bench.processes:footprint",
    "crash": "bench.processes:crash",
}
"""Name → module with `async def run(options) -> list[Result]`, or with another function of that kind."""

APART = {"peers": "bench.peers.compare"}
"""Run by name only: these install other people's programs."""

MINUTES = {
    "mo_ingest": 1.5, "mt_path": 2, "receipts": 1.5, "mo_latency": 2, "mo_slow_disk": 1.5, "ws_push": 1, "ws_idle": 2.5, "ws_stalled": 5,
    "busy_queue": 2,
    "read_10m": 7, "retention": 2, "growth": 20, "footprint": 2.5, "crash": 4, "portal": 2, "client": 2, "peers": 6,
}  # fmt: skip
"""About how long each takes at scale 1 on two cores; `kereru bench all` says so beforehand."""

USUAL_MINUTES = 3.0
BOUND = 3.0
"""A benchmark that takes so many times as long is broken off and counts as not measured: it may not keep the others waiting for ever."""

Run = Callable[[Options], Awaitable[list[Result]]]


def run(name: str, options: Options) -> list[Result]:
    """Run one benchmark. Raises KeyError for a name that is none, TimeoutError when it was broken off."""
    module, _, function = (MODULES | APART)[name].partition(":")
    code: Run = getattr(importlib.import_module(module), function or "run")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_awaited(code, options, minutes(name) * BOUND * 60))


def minutes(name: str) -> float:
    """About how long a benchmark takes."""
    return MINUTES.get(name, USUAL_MINUTES)


async def _awaited(code: Run, options: Options, seconds: float) -> list[Result]:
    async with asyncio.timeout(seconds):
        return await code(options)


def run_all(names: Sequence[str], options: Options, *, as_json: bool, write: bool = False) -> int:
    """Run these and print what they say as they end: JSON lines, or a table at the end. 0 when every goal holds.

    `write`: keep the results and make docs/reference/performance.md again. One that fails or takes too long is said so and does not stop the rest.
    """
    # Whoever ends this asks it to; the servers that it started must not outlive it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: list[Result] = []
    unmeasured: list[str] = []
    wanted = list(dict.fromkeys(names))
    if len(wanted) > 1:
        say(f"plan, about {sum(map(minutes, wanted)):.0f} minutes: " + ", ".join(f"{name} {minutes(name):g}" for name in wanted))
    for name in wanted:
        begun = time.monotonic()
        try:
            found = run(name, options)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other benchmarks are still worth having
            found = []
            say(f"{name} failed: {problem!r}")
        if not found:
            unmeasured.append(name)
        say(f"{name} took {(time.monotonic() - begun) / 60:.1f} minutes")
        results.extend(found)
        if write:
            report.keep(found, options.scale)
        if as_json:
            for one in found:
                print(line(one), flush=True)
    if not as_json:
        print(table(results))
    if unmeasured:
        say(f"not measured: {', '.join(unmeasured)}")
    return int(bool(unmeasured) or not all(one.holds for one in results))


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
