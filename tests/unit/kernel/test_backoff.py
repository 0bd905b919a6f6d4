"""How long a job waits until it is tried again."""

from kereru.kernel.jobs import Backoff


def test_the_pause_grows_to_its_limit_and_ends() -> None:
    """First, twice as long, never above the limit, and none after the last try; no count overflows."""
    backoff = Backoff(first_s=5, factor=2, most_s=60, tries=1000)
    assert [backoff.pause_s(tries) for tries in (1, 2, 3, 5, 999)] == [5, 10, 20, 60, 60]
    assert backoff.pause_s(1000) is None
