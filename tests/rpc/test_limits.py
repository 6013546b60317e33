"""Token buckets let through what the rate allows, however the calls are spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.rpc.limits import TokenBuckets


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@given(st.floats(0.1, 100), st.integers(1, 20), st.lists(st.floats(0, 5), max_size=60))
def test_no_more_pass_than_burst_plus_rate_times_time(rate_per_s: float, burst: int, pauses_s: list[float]) -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_per_s, burst, clock=clock)
    num_passed = 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        num_passed += buckets.take("a") == 0
    assert num_passed <= burst + rate_per_s * clock.now_s + 1e-6


@given(st.floats(0.1, 100), st.integers(1, 20))
def test_a_caller_that_waits_as_told_gets_in(rate_per_s: float, burst: int) -> None:
    clock = Clock()
    buckets = TokenBuckets(rate_per_s, burst, clock=clock)
    while not (wait_s := buckets.take("a")):
        pass
    clock.now_s += wait_s * 1.000001
    assert buckets.take("a") == 0


def test_tenants_do_not_use_up_each_others_rate() -> None:
    buckets = TokenBuckets(1, 1, clock=Clock())
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    assert buckets.take("b") == 0


def test_a_rate_of_zero_limits_nothing() -> None:
    buckets = TokenBuckets(0, 1)
    assert not any(buckets.take("a") for _ in range(1000))


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_per_s"):
        TokenBuckets(-1, 1)
