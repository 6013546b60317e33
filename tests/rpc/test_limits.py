"""Token buckets let through what the rate allows, however the calls are spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.rpc.limits import AudioPace, TokenBuckets


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


def test_a_pace_of_zero_needs_no_burst() -> None:
    pace = AudioPace(0.0, 0.0)
    assert not any(pace.spend(100.0) for _ in range(10))
    with pytest.raises(ValueError, match="max_burst_s"):
        AudioPace(1.0, 0.0)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_per_s"):
        TokenBuckets(-1, 1)


@given(chunks_s=st.lists(st.floats(0.01, 2.0), max_size=60), pauses_s=st.lists(st.floats(0, 1.0), max_size=60))
def test_no_more_audio_passes_than_speed_and_burst_allow(chunks_s: list[float], pauses_s: list[float]) -> None:
    clock = Clock()
    pace = AudioPace(4.0, 3.0, clock=clock)
    passed_s = 0.0
    for chunk_s, pause_s in zip(chunks_s, pauses_s, strict=False):
        passed_s += 0.0 if pace.spend(chunk_s) else chunk_s
        assert passed_s <= 3.0 + 4.0 * clock.now_s + 1e-6
        clock.now_s += pause_s


@given(st.lists(st.tuples(st.floats(0, 5.0), st.integers(0, 60), st.integers(0, 60)), max_size=30))
def test_who_keeps_to_the_limits_is_let_through_whenever_the_server_works(rounds: list[tuple[float, int, int]]) -> None:
    clock, unread_s, chunk_s, num_waiting = Clock(), 8.0, 0.5, 0
    caller = AudioPace(4.0, 3.0, clock=clock)
    pace = AudioPace(4.0, 3.0, unread_s=unread_s + 1e-6, clock=clock)
    for pause_s, most_sent, most_worked_on in rounds:
        clock.now_s += pause_s
        for _ in range(most_sent):
            if (num_waiting + 1) * chunk_s <= unread_s and caller.spend(chunk_s) == 0:
                num_waiting += 1
        for _ in range(min(num_waiting, most_worked_on)):
            num_waiting -= 1
            assert pace.spend(chunk_s) == 0


def test_after_the_wait_it_asks_for_the_chunk_passes() -> None:
    clock = Clock()
    pace = AudioPace(2.0, 1.0, clock=clock)
    assert pace.spend(1.0) == 0
    wait_s = pace.spend(0.5)
    assert wait_s == pytest.approx(0.25)
    clock.now_s += wait_s
    assert pace.spend(0.5) == 0


def test_real_time_never_has_to_wait() -> None:
    clock = Clock()
    pace = AudioPace(1.0, 2.0, clock=clock)
    for _ in range(1000):
        assert pace.spend(0.1) == 0
        clock.now_s += 0.1


def test_a_speed_of_zero_limits_nothing() -> None:
    assert AudioPace(0.0, 1.0).spend(1e9) == 0
