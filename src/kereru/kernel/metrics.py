"""Metrics in Prometheus form. Labels never hold tenant names, phone numbers or ids (G33).

A machine runs several processes behind one address. Each writes its figures to a file of its own every few seconds, and whoever is asked shows
its own as they are now and the others' as they were last written, each with the label `process`; a file that nobody writes any more is not shown.
"""

import contextlib
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from kereru.kernel.logging import get_logger

REGISTRY = CollectorRegistry()
WRITE_EVERY_S: Final = 5.0
STALE_S: Final = 30.0
DISTINCT_CODES: Final = 100

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_log = get_logger("metrics")
disable_created_metrics()


@dataclass(frozen=True, slots=True)
class Defined:
    """A metric of ours, for the reference."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    words: str
    labels: tuple[str, ...]


DEFINED: Final[dict[str, Defined]] = {}
"""Every metric that was defined, by its full name."""


def counter(name: str, words: str, labels: tuple[str, ...] = ()) -> Counter:
    """A count that only grows."""
    _define(f"{name.removesuffix('_total')}_total", "counter", words, labels)
    return Counter(name, words, labels, registry=REGISTRY, namespace="kereru")


def gauge(name: str, words: str, labels: tuple[str, ...] = ()) -> Gauge:
    """A figure that goes up and down."""
    _define(name, "gauge", words, labels)
    return Gauge(name, words, labels, registry=REGISTRY, namespace="kereru")


def seconds(name: str, words: str, labels: tuple[str, ...] = ()) -> Histogram:
    """How long something takes, in seconds."""
    _define(name, "histogram", words, labels)
    return Histogram(name, words, labels, registry=REGISTRY, namespace="kereru", buckets=_SECONDS)


def _define(name: str, kind: Literal["counter", "gauge", "histogram"], words: str, labels: tuple[str, ...]) -> None:
    DEFINED[f"kereru_{name}"] = Defined(f"kereru_{name}", kind, words, labels)


class Codes:
    """Codes that a carrier chooses, as values of a label: so many and of such a form at most, all others are `other`."""

    def __init__(self, most: int = DISTINCT_CODES) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, code: str) -> str:
        """The value for the label."""
        if code not in self._known:
            if len(self._known) >= self._most or not _CODE.fullmatch(code):
                return "other"
            self._known.add(code)
        return code


class Shared:
    """What the processes of one machine know of each other's figures: a file each in one folder."""

    def __init__(self, folder: Path, process: str) -> None:
        self._folder, self._process = folder, process

    def write(self) -> None:
        """Write this process's figures down. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._folder / f"{self._process}.new"
        fresh.write_bytes(generate_latest(REGISTRY))
        fresh.replace(self._folder / f"{self._process}.prom")

    def exposition(self) -> bytes:
        """Everybody's figures."""
        texts = {self._process: generate_latest(REGISTRY).decode()}
        for file in sorted(self._folder.glob("*.prom")):
            with contextlib.suppress(OSError):
                if file.stem != self._process and time.time() - file.stat().st_mtime <= STALE_S:
                    texts[file.stem] = file.read_text(encoding="utf-8")
        return merged(texts)

    def keep(self) -> None:
        """Write every few seconds, for ever. A disk that says no costs the figures, nothing else."""
        while True:
            try:
                self.write()
            except OSError as error:
                _log.debug("metrics.not_written", error=repr(error))
            time.sleep(WRITE_EVERY_S)


def merged(texts: Mapping[str, str]) -> bytes:
    """The figures of several processes as one text, each sample with the label `process`."""
    families: dict[str, Metric] = {}
    for process, text in texts.items():
        for family in text_string_to_metric_families(text):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [sample._replace(labels={**sample.labels, "process": process}) for sample in family.samples]
    registry = CollectorRegistry()
    registry.register(_Given(list(families.values())))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """What it was given."""
        return self._families


_shared: list[Shared] = []


def share(folder: Path, process: str) -> None:
    """In a process of several: show the neighbours' figures beside one's own, and let them have one's own. Call it once, after the fork."""
    one = Shared(folder, process)
    _shared[:] = [one]
    threading.Thread(target=one.keep, name="metrics", daemon=True).start()


def exposition() -> bytes:
    """The metrics as Prometheus reads them: of this process, or of all that share theirs with it."""
    return _shared[0].exposition() if _shared else generate_latest(REGISTRY)
