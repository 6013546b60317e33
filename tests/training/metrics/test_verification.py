"""Every measure against a brute-force oracle, ties included."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from svc.errors import InvalidRequestError
from training.metrics.verification import (
    RankedTrials,
    bayes_threshold,
    calibration_error,
    cllr,
    det_curve,
    detection_cost,
    equal_error_rate,
    equal_error_threshold,
    error_rates,
    min_cllr,
    min_dcf,
)

# Few distinct values, so that ties within and across the classes are the rule.
coarse = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30)
fine = st.lists(st.integers(-20_000, 20_000).map(lambda score: score / 1000), min_size=1, max_size=30)
scores = st.one_of(coarse, fine)


def rates_by_hand(targets: list[float], nontargets: list[float]) -> list[tuple[float, float]]:
    thresholds = [*sorted({*targets, *nontargets}), np.inf]
    fnmr = [sum(score < threshold for score in targets) / len(targets) for threshold in thresholds]
    fmr = [sum(score >= threshold for score in nontargets) / len(nontargets) for threshold in thresholds]
    return list(zip(fnmr, fmr, strict=True))


def eer_by_hand(targets: list[float], nontargets: list[float]) -> float:
    points = rates_by_hand(targets, nontargets)
    for (miss_before, alarm_before), (miss, alarm) in pairwise(points):
        if miss >= alarm:
            before, after = alarm_before - miss_before, miss - alarm
            return miss_before + (miss - miss_before) * before / (before + after)
    raise AssertionError("the curves always cross")


@given(scores, scores)
def test_eer_equals_the_crossing_found_by_hand(targets: list[float], nontargets: list[float]) -> None:
    assert equal_error_rate(targets, nontargets) == pytest.approx(eer_by_hand(targets, nontargets), abs=1e-12)


@given(scores, scores)
def test_the_threshold_where_errors_meet_is_a_score_given(targets: list[float], nontargets: list[float]) -> None:
    threshold = equal_error_threshold(targets, nontargets)
    fmr, fnmr = error_rates(targets, nontargets, threshold)
    assert threshold in (*targets, *nontargets)
    assert fnmr >= fmr or threshold == max(*targets, *nontargets)


@given(scores, scores)
def test_eer_of_swapped_and_negated_scores_is_the_same(targets: list[float], nontargets: list[float]) -> None:
    swapped = equal_error_rate([-score for score in nontargets], [-score for score in targets])
    assert equal_error_rate(targets, nontargets) == pytest.approx(swapped, abs=1e-12)


@given(scores, scores, st.sampled_from([0.01, 0.05, 0.5, 0.9]))
def test_min_dcf_is_the_least_cost_over_thresholds(targets: list[float], nontargets: list[float], prior: float) -> None:
    costs = [prior * fnmr + (1 - prior) * fmr for fnmr, fmr in rates_by_hand(targets, nontargets)]
    assert min_dcf(targets, nontargets, prior) == pytest.approx(min(costs) / min(prior, 1 - prior))


def act_dcf(targets: npt.ArrayLike, nontargets: npt.ArrayLike, prior: float) -> float:
    """What it costs to take LLRs at their word."""
    fmr, fnmr = error_rates(targets, nontargets, bayes_threshold(prior))
    return float(detection_cost(fmr, fnmr, prior))


@given(scores, scores, st.sampled_from([0.01, 0.5, 0.9]))
def test_act_dcf_is_the_cost_at_the_bayes_threshold(
    targets: list[float], nontargets: list[float], prior: float
) -> None:
    threshold = -np.log(prior / (1 - prior))
    miss, alarm = np.mean(np.array(targets) < threshold), np.mean(np.array(nontargets) >= threshold)
    expected = (prior * miss + (1 - prior) * alarm) / min(prior, 1 - prior)
    assert act_dcf(targets, nontargets, prior) == pytest.approx(expected)
    assert act_dcf(targets, nontargets, prior) >= min_dcf(targets, nontargets, prior) - 1e-12


@given(scores, scores, st.integers(-4, 4))
def test_error_rates_count_who_is_on_the_wrong_side(
    targets: list[float], nontargets: list[float], threshold: int
) -> None:
    fmr, fnmr = error_rates(targets, nontargets, threshold)
    assert fmr == pytest.approx(sum(score >= threshold for score in nontargets) / len(nontargets))
    assert fnmr == pytest.approx(sum(score < threshold for score in targets) / len(targets))


@given(scores, scores)
def test_calibration_error_is_the_mean_distance_of_promise_and_truth(
    targets: list[float], nontargets: list[float]
) -> None:
    rows = [(1 / (1 + np.exp(-llr)), 1, 0.5 / len(targets)) for llr in targets]
    rows += [(1 / (1 + np.exp(-llr)), 0, 0.5 / len(nontargets)) for llr in nontargets]
    edges = [*np.linspace(0, 1, 16)[:-1], np.inf]
    gaps = [
        abs(sum(weight * (promised - truth) for promised, truth, weight in rows if low <= promised < high))
        for low, high in pairwise(edges)
    ]
    assert calibration_error(targets, nontargets) == pytest.approx(sum(gaps), abs=1e-9)


@given(scores, scores)
def test_cllr_is_the_mean_of_log2_costs(targets: list[float], nontargets: list[float]) -> None:
    miss = np.mean([np.log2(1 + np.exp(-llr)) for llr in targets])
    alarm = np.mean([np.log2(1 + np.exp(llr)) for llr in nontargets])
    assert cllr(targets, nontargets) == pytest.approx((miss + alarm) / 2)


@settings(max_examples=50)
@given(scores, scores)
def test_min_cllr_equals_cllr_of_isotonic_posteriors(targets: list[float], nontargets: list[float]) -> None:
    labels = np.repeat([1.0, 0.0], [len(targets), len(nontargets)])
    posteriors = IsotonicRegression(y_min=0, y_max=1).fit_transform([*targets, *nontargets], labels)
    with np.errstate(divide="ignore"):
        llrs = np.log(posteriors) - np.log1p(-posteriors) - np.log(len(targets) / len(nontargets))
    expected = cllr(llrs[labels == 1], llrs[labels == 0])
    assert min_cllr(targets, nontargets) == pytest.approx(expected, abs=1e-9)


@given(scores, scores)
def test_no_calibration_beats_min_cllr_and_none_costs_over_one_bit(
    targets: list[float], nontargets: list[float]
) -> None:
    assert min_cllr(targets, nontargets) <= min(cllr(targets, nontargets), 1) + 1e-9


@given(scores, scores, st.data())
def test_weights_equal_repetition_on_merged_steps(
    targets: list[float], nontargets: list[float], data: st.DataObject
) -> None:
    times = [
        np.array([1, *data.draw(st.lists(st.integers(0, 3), min_size=len(side) - 1, max_size=len(side) - 1))])
        for side in (targets, nontargets)
    ]
    weighted = RankedTrials(targets, nontargets).weigh(times[0].astype(float), times[1].astype(float))
    repeated = RankedTrials(np.repeat(targets, times[0]), np.repeat(nontargets, times[1]), merged=False).weigh()
    assert weighted.equal_error_rate() == pytest.approx(repeated.equal_error_rate(), abs=1e-12)
    assert weighted.min_cllr() == pytest.approx(repeated.min_cllr(), abs=1e-12)
    assert weighted.min_dcf(0.05) == pytest.approx(repeated.min_dcf(0.05), abs=1e-12)


def test_det_curve_runs_from_accepting_all_to_rejecting_all() -> None:
    curve = det_curve([1, 2, 2], [0, 1])
    np.testing.assert_allclose(curve.thresholds, [0, 1, 2, np.inf])
    np.testing.assert_allclose(curve.fnmr, [0, 0, 1 / 3, 1])
    np.testing.assert_allclose(curve.fmr, [1, 1 / 2, 0, 0])


@pytest.mark.parametrize(("targets", "expected"), [([2.0, 3.0], 0.0), ([0.0, 0.0], 0.5), ([-2.0, -3.0], 1.0)])
def test_eer_of_perfect_useless_and_inverted_scores(targets: list[float], expected: float) -> None:
    assert equal_error_rate(targets, [0.0, 0.0]) == expected


@pytest.mark.parametrize(("targets", "nontargets"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_missing_class_or_nan_is_the_callers_error(targets: list[float], nontargets: list[float]) -> None:
    with pytest.raises(InvalidRequestError):
        equal_error_rate(targets, nontargets)


def test_prior_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="prior"):
        min_dcf([1.0], [0.0], 1.0)


def test_a_million_trials_agree_with_theory() -> None:
    # Two unit normals 2 apart: EER = Phi(-1).
    random = np.random.default_rng(0)
    eer = equal_error_rate(random.normal(1, 1, 500_000), random.normal(-1, 1, 500_000))
    assert eer == pytest.approx(0.158655, abs=2e-3)
