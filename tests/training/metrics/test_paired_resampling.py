"""Intervals over seeds and recordings, and of what changes between two sets of runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.metrics.bootstrap import Figure
from training.metrics.paired_resampling import RunCounts, difference, mean_rate, relative_change, with_seeds

COUNTS = arrays(np.float64, (2, 4), elements=st.integers(1, 9))
TOTALS = arrays(np.float64, (4,), elements=st.integers(1, 9))


@given(COUNTS, TOTALS, arrays(np.float64, (2,), elements=st.integers(1, 3)))
def test_a_draw_is_the_rate_of_what_was_drawn_written_out(
    counts: np.ndarray, totals: np.ndarray, drawn: np.ndarray
) -> None:
    recordings = np.array([0, 2, 0, 3])
    seeds = np.repeat([0, 1], drawn.astype(int))
    expected = np.mean([counts[seed, recordings].sum() / totals[recordings].sum() for seed in seeds])
    times = np.bincount(recordings, minlength=4).astype(float)
    assert RunCounts(counts, totals).rates(drawn[None], times[None])[0] == pytest.approx(expected)


@given(COUNTS, TOTALS, st.integers(1, 5))
def test_what_is_the_same_factor_everywhere_has_no_spread(counts: np.ndarray, totals: np.ndarray, factor: int) -> None:
    before, after = RunCounts(counts, totals), RunCounts(counts * factor, totals)
    change = relative_change(before, after, replicas=20)
    assert change.value == pytest.approx(factor - 1)
    # Rounding alone moves it.
    assert change.ci95 is None or change.ci95 == pytest.approx((factor - 1,) * 2)


@given(COUNTS, COUNTS, TOTALS)
def test_differences_are_of_the_mean_rates_and_turn_round(
    one: np.ndarray, other: np.ndarray, totals: np.ndarray
) -> None:
    first, second = RunCounts(one, totals), RunCounts(other, totals)
    there, back = difference(first, second, replicas=50), difference(second, first, replicas=50)
    rates = mean_rate(first, replicas=50).value, mean_rate(second, replicas=50).value
    assert there.value == pytest.approx((rates[1] or 0) - (rates[0] or 0))
    assert (there.ci95 or ()) == pytest.approx(tuple(-edge for edge in reversed(back.ci95 or ())))


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_methods_that_are_alike_are_seldom_told_apart(num_seeds: int) -> None:
    """Runs differ by chance, by 10 points of a hundred, and recordings by how hard they are."""
    random = np.random.default_rng(0)
    words = np.full(20, 40.0)

    def runs(hard: np.ndarray) -> RunCounts:
        wrong = 0.6 + hard + random.normal(0, 0.1, (num_seeds, 1))
        return RunCounts(random.binomial(40, np.clip(wrong, 0, 1)).astype(float), words)

    recordings = random.normal(0, 0.08, (200, 20))
    told_apart = [relative_change(runs(hard), runs(hard), replicas=100).excludes_zero for hard in recordings]
    assert np.mean(told_apart) <= 0.08


def test_a_run_alone_has_no_interval() -> None:
    runs = RunCounts(np.ones((1, 3)), np.full(3, 2.0))
    assert mean_rate(runs) == Figure(0.5, None)
    assert relative_change(runs, runs) == difference(runs, runs) == Figure(0.0, None)


def test_where_nothing_was_counted_nothing_is_sure() -> None:
    nothing = RunCounts(np.zeros((3, 5)), np.full(5, 10.0))
    assert mean_rate(nothing).ci95 == pytest.approx((0.0, 1 - 0.025 ** (1 / 5)))
    assert difference(nothing, nothing) == Figure(0.0, None)
    alike = RunCounts(np.array([[1.0, 2, 3, 4, 5]] * 3), np.full(5, 10.0))
    assert relative_change(alike, alike) == Figure(0.0, None)


def test_a_recording_alone_has_no_interval_however_runs_differ() -> None:
    one, other = (RunCounts(np.array(counts), np.full(1, 10.0)) for counts in ([[1.0], [3.0]], [[2.0], [5.0]]))
    assert mean_rate(one).ci95 is difference(one, other).ci95 is relative_change(one, other).ci95 is None


@pytest.mark.parametrize("left_out", [(0.1, np.inf), (0.1, np.nan), (np.inf, np.inf)])
def test_where_a_seed_left_out_leaves_nothing_to_measure_there_is_no_interval(left_out: tuple[float, float]) -> None:
    assert with_seeds(Figure(0.1, (0.05, 0.2)), np.array(left_out)) == Figure(0.1, None)
    assert with_seeds(Figure(np.inf, (0.05, np.inf)), np.array([0.1, 0.2])) == Figure(np.inf, None)


def test_a_change_has_no_bound_where_draws_have_nothing_before_and_no_interval_where_a_seed_has_not() -> None:
    words = np.full(5, 100.0)
    once, everywhere = np.array([[9.0, 0, 0, 0, 0]] * 2), np.array([[9.0, 1, 1, 1, 1]] * 2)
    change = relative_change(RunCounts(once, words), RunCounts(everywhere, words))
    assert change.value == pytest.approx(4 / 9)
    assert change.ci95 is not None
    assert change.ci95[1] == np.inf
    back = relative_change(RunCounts(everywhere, words), RunCounts(once, words))
    assert back.ci95 is not None
    assert back.ci95[0] == -1
    once[0] = 0
    assert relative_change(RunCounts(once, words), RunCounts(everywhere, words)).ci95 is None


def test_what_cannot_be_paired_or_divided_is_not() -> None:
    runs = RunCounts(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match="cannot pair"):
        difference(runs, RunCounts(np.ones((1, 3)), np.ones(3)))
    with pytest.raises(ValueError, match="need"):
        RunCounts(np.ones((2, 3)), np.ones(2))
    assert relative_change(RunCounts(np.zeros((2, 3)), np.ones(3)), runs).value is None
