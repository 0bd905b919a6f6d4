"""Metrics in Prometheus form. Labels never hold tenant names, phone numbers or ids (G33)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def counter(name: str, words: str, labels: tuple[str, ...] = ()) -> Counter:
    """A count that only grows."""
    return Counter(name, words, labels, registry=REGISTRY, namespace="kereru")


def gauge(name: str, words: str, labels: tuple[str, ...] = ()) -> Gauge:
    """A figure that goes up and down."""
    return Gauge(name, words, labels, registry=REGISTRY, namespace="kereru")


def seconds(name: str, words: str, labels: tuple[str, ...] = ()) -> Histogram:
    """How long something takes, in seconds."""
    return Histogram(name, words, labels, registry=REGISTRY, namespace="kereru", buckets=_SECONDS)


def exposition() -> bytes:
    """All metrics of this process as Prometheus reads them."""
    return generate_latest(REGISTRY)
