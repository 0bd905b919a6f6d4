"""Metrics of several processes behind one address (reliability.md §6)."""

import os
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from kereru.kernel.metrics import STALE_S, Codes, Shared, merged

WEB = """# HELP kereru_things_total Things.
# TYPE kereru_things_total counter
kereru_things_total{kind="a"} 2.0
"""
SENDER = """# HELP kereru_things_total Things.
# TYPE kereru_things_total counter
kereru_things_total{kind="a"} 3.0
# HELP kereru_speed Speed.
# TYPE kereru_speed gauge
kereru_speed 7.0
"""


def samples(text: bytes) -> dict[tuple[str, str], float]:
    """(name, process) → value."""
    return {
        (sample.name, sample.labels.get("process", "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_families_of_several_processes_are_one_family() -> None:
    """Each sample says whose it is; HELP and TYPE stand there once."""
    text = merged({"web": WEB, "sender": SENDER})
    assert samples(text) == {("kereru_things_total", "web"): 2, ("kereru_things_total", "sender"): 3, ("kereru_speed", "sender"): 7}
    assert text.count(b"# TYPE kereru_things_total counter") == 1


def test_neighbours_are_shown_while_they_write(tmp_path: Path) -> None:
    """The own figures are live; a neighbour's file that nobody writes any more is not shown."""
    sender, web = Shared(tmp_path / "metrics", "sender"), Shared(tmp_path / "metrics", "web")
    sender.write()
    assert {process for _, process in samples(web.exposition())} == {"web", "sender"}
    assert (tmp_path / "metrics").stat().st_mode & 0o077 == 0, "for this user only"
    file = tmp_path / "metrics" / "sender.prom"
    old = file.stat().st_mtime - STALE_S - 1
    os.utime(file, (old, old))
    assert {process for _, process in samples(web.exposition())} == {"web"}


def test_codes_of_strangers_do_not_fill_the_memory() -> None:
    """G33: a label's values are few and plain, whatever a carrier sends."""
    codes = Codes(most=2)
    assert [codes.label(code) for code in ("30003", "+12025550142", "30005", "30006", "30003", "a b", "x" * 41)] == [
        "30003", "other", "30005", "other", "30003", "other", "other",
    ]  # fmt: skip
