"""G13, G43: the clock that leases are held by goes on while the machine sleeps."""

import shutil
import subprocess
import sys

import pytest

from kereru.kernel.clock import SystemClock

ASLEEP_S = 100_000
_SAY = "import time; from kereru.kernel.clock import SystemClock; print(SystemClock().monotonic() - time.monotonic())"


def test_it_never_goes_back() -> None:
    """Nor does it stand still for long."""
    clock = SystemClock()
    read = [clock.monotonic() for _ in range(1000)]
    assert read == sorted(read)
    assert read[-1] > read[0]


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("unshare") is None, reason="a machine's sleep is imitated by a time namespace of Linux")
def test_a_sleep_of_the_machine_counts() -> None:
    """In a namespace whose machine has slept for a day, CLOCK_MONOTONIC does not know of it, and ours does."""
    words = ["unshare", "--user", "--map-root-user", "--time", "--fork", "--boottime", str(ASLEEP_S), sys.executable, "-c", _SAY]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"no time namespaces here: {done.stderr.strip()}")
    assert float(done.stdout) >= ASLEEP_S - 1
