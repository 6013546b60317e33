"""Every statistic of inequality against brute force, and intervals that neither invent gaps nor miss planted ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.fairness.gaps import Behind, Gap, difference, fdr, gap_of, garbe, gini, ratio, unproven
from training.metrics.verification import Array

rates = st.lists(st.integers(0, 100).map(lambda percent: percent / 100), min_size=2, max_size=8)


def gini_by_hand(values: list[float]) -> float:
    size, mean = len(values), sum(values) / len(values)
    if mean == 0:
        return 0.0
    apart = sum(abs(one - other) for one in values for other in values)
    return size / (size - 1) * apart / (2 * size**2 * mean)


def draws_of(values: list[float], errors: list[float], seed: int) -> Array:
    return np.random.default_rng(seed).normal(values, errors, size=(400, len(values)))


@given(rates)
def test_gini_is_the_mean_difference_over_twice_the_mean(values: list[float]) -> None:
    assert gini(np.array(values)) == pytest.approx(gini_by_hand(values), abs=1e-12)


@given(rates, st.data())
def test_fdr_and_garbe_weigh_both_errors(fmr: list[float], data: st.DataObject) -> None:
    fnmr = data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=len(fmr), max_size=len(fmr)))
    pair = np.array(fmr), np.array(fnmr)
    spread = [max(abs(one - other) for one in side for other in side) for side in (fmr, fnmr)]
    assert fdr(*pair, alpha=0.25) == pytest.approx(1 - (0.25 * spread[0] + 0.75 * spread[1]))
    assert garbe(*pair, alpha=0.25) == pytest.approx(0.25 * gini_by_hand(fmr) + 0.75 * gini_by_hand(fnmr), abs=1e-12)


@given(rates)
def test_difference_and_ratio_are_of_the_worst_and_the_best(values: list[float]) -> None:
    assert difference(np.array(values)) == max(values) - min(values)
    quotient = float(ratio(np.array(values)))
    assert quotient * min(values) == pytest.approx(max(values)) or quotient == float("inf")
    assert quotient >= 1


def test_one_who_bears_all_has_gini_one_and_equals_have_zero() -> None:
    np.testing.assert_allclose(gini(np.array([[0, 0, 0.3], [0.1, 0.1, 0.1], [0, 0, 0]])), [1, 0, 0], atol=1e-12)


def test_groups_alike_rarely_seem_apart() -> None:
    errors = [0.01, 0.02, 0.05, 0.01]
    sure = 0
    for seed in range(200):
        values = draws_of([0.1] * 4, errors, seed)[0]
        sure += gap_of(values, draws_of(values.tolist(), errors, seed + 1000)).surest.sure
    assert sure / 200 < 0.1


def test_a_gap_of_large_groups_is_found_beside_noisy_small_ones() -> None:
    values = [0.10, 0.14, 0.02, 0.20]
    gap = gap_of(np.array(values), draws_of(values, [0.004, 0.004, 0.1, 0.1], 0))
    assert (gap.widest.worse, gap.widest.better) == (3, 2)
    assert not gap.widest.sure
    assert (gap.surest.worse, gap.surest.better, gap.surest.sure) == (1, 0, True)
    assert gap.p_equal is not None
    assert gap.p_equal < 0.05


def test_std_is_that_of_exactly_these_groups() -> None:
    values = [0.0104, 0.0076, 0.0122]
    gap = gap_of(np.array(values), draws_of(values, [0.001] * 3, 0))
    assert gap.std.value == pytest.approx(0.0019, abs=5e-5)  # METHODS.md section 2, the row PW-ARW


def test_one_draw_or_none_gives_values_without_intervals() -> None:
    gap = gap_of(np.array([0.1, 0.3]), np.zeros((0, 2)))
    assert gap.widest.difference.value == pytest.approx(0.2)
    assert gap.widest.difference.ci95 is None
    assert gap.p_equal is None


def behind(*sizes: int) -> Behind:
    """So many people with 20 trials each."""
    return Behind(n_people=np.array(sizes), n_trials=20 * np.array(sizes))


def error_gap(seed: int, sizes: tuple[int, int]) -> tuple[Array, Gap]:
    """Everybody of one population, one in ten with FNMR 0.4, 20 trials each: values of two groups, and the gap."""
    random = np.random.default_rng(seed)
    num_people = sum(sizes)
    group = np.repeat([0, 1], sizes)
    wrong = random.random((num_people, 20)) < np.where(random.random(num_people) < 0.1, 0.4, 0)[:, None]
    people = random.multinomial(num_people, np.full(num_people, 1 / num_people), size=200)
    weights = people[..., None] * random.poisson(1, (200, *wrong.shape))
    inside = [group == number for number in (0, 1)]
    values = np.array([wrong[mask].mean() for mask in inside])
    draws = [(weights * wrong)[:, mask].sum((1, 2)) / weights[:, mask].sum((1, 2)) for mask in inside]
    return values, gap_of(values, np.stack(draws, axis=1), behind(*sizes))


def test_a_small_group_without_errors_is_not_surely_better_than_a_large_one_of_its_kind() -> None:
    found = [error_gap(seed, (12, 100)) for seed in range(60)]
    assert sum(values[0] == 0 for values, _ in found) > 10
    assert sum(gap.surest.sure for _, gap in found) / len(found) <= 0.1


def test_no_error_among_enough_people_is_told_from_many_errors() -> None:
    values = np.array([0.0, 0.3])
    draws = np.stack([np.zeros(400), draws_of([0.3], [0.03], 0)[:, 0]], axis=1)
    assert gap_of(values, draws, behind(30, 30)).surest.sure


def test_groups_all_without_errors_may_differ_by_what_so_few_people_hide() -> None:
    gap = gap_of(np.zeros(2), np.zeros((400, 2)), behind(20, 20))
    assert gap.difference_by_chance is not None
    assert gap.difference_by_chance > 0.1
    assert gap.p_equal == 1
    assert not gap.surest.sure
    assert gap.surest.worse != gap.surest.better
    assert (gap.std.value, gap.std.ci95, gap.ratio.ci95) == (0, None, None)


@pytest.mark.parametrize("other", [0.0, 0.3])
def test_of_a_measure_that_no_draw_moves_in_some_group_nothing_is_told_for_sure(other: float) -> None:
    draws = np.stack([np.zeros(400), other * draws_of([1.0], [0.1], 0)[:, 0]], axis=1)
    gap = gap_of(np.array([0.0, other]), draws)
    assert gap.widest.difference.value == other
    assert (gap.widest.difference.ci95, gap.std.ci95, gap.difference_by_chance, gap.p_equal) == (None,) * 4
    assert not gap.surest.sure
    assert gap.surest.worse != gap.surest.better


def test_draws_of_which_many_lost_a_group_tell_nothing_for_sure() -> None:
    draws = draws_of([0.1, 0.4], [0.01, 0.01], 0)
    draws[:80, 1] = np.nan
    gap = gap_of(np.array([0.1, 0.4]), draws)
    assert (gap.widest.difference.ci95, gap.p_equal, gap.surest.sure) == (None, None, False)


def test_only_rates_that_no_draw_moves_are_given_more_noise() -> None:
    values = np.array([0.0, 0.1])
    draws = np.stack([np.zeros(50), draws_of([0.1], [0.02], 0)[:50, 0]], axis=1)
    noisy = unproven(values, draws, behind(20, 20))
    assert noisy[:, 0].std() > 0
    np.testing.assert_array_equal(noisy[:, 1], draws[:, 1])
