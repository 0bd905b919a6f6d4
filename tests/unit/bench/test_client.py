"""The first screen stays small (issue 5, "Speed")."""

from bench.client import SCRIPT_KB, first_screen_bytes

from kereru.api.bundle import FOLDER


def test_the_first_screen_carries_no_more_script_than_it_may():
    """Of the bundle as it was built for this checkout; by gzip."""
    assert 20_000 < first_screen_bytes(FOLDER) <= SCRIPT_KB * 1000
