"""Rates, pauses and back-off (G14)."""

import random

from hypothesis import given
from hypothesis import strategies as st

from kereru.messaging.delivery.pace import LONGEST_DELAY_S, Circuit, TokenBucket, retry_delay_s


@given(st.floats(1, 500), st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_a_bucket_never_lets_more_than_its_rate_pass(rate: float, pauses: list[float]) -> None:
    """Over the whole run: rate × time plus one burst."""
    now, sent = 0.0, 0
    bucket = TokenBucket(rate, now)
    for pause in pauses:
        now += pause
        count = bucket.available(now)
        bucket.take(count)
        sent += count
    assert sent <= rate * now + max(1.0, rate * 0.1) + 1e-6


def test_a_bucket_says_when_to_come_back() -> None:
    """No busy waiting."""
    bucket = TokenBucket(2.0, 0.0)
    bucket.take(bucket.available(0.0))
    assert bucket.available(0.0) == 0
    assert bucket.available(bucket.wait_s() + 1e-9) == 1


def test_the_circuit_opens_after_five_failures_and_closes_with_a_success() -> None:
    """Pauses double up to half a minute."""
    circuit = Circuit()
    for _ in range(4):
        circuit.record(taken=False, now=0.0)
    assert circuit.pause_s(0.0) == 0
    pauses: list[float] = []
    for _ in range(8):
        circuit.record(taken=False, now=0.0)
        pauses.append(circuit.pause_s(0.0))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    circuit.record(taken=True, now=0.0)
    assert circuit.pause_s(0.0) == 0


@given(st.integers(0, 1000), st.integers(0, 10))
def test_back_off_is_bounded_and_jittered(deferrals: int, seed: int) -> None:
    """Doubling, never past a minute; the carrier's own word is obeyed."""
    dice = random.Random(seed)
    assert 0.5 <= retry_delay_s(deferrals, None, dice) <= LONGEST_DELAY_S
    assert 90 <= retry_delay_s(deferrals, 90, dice) <= 90.5
