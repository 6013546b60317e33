"""The speaker bootstrap: its weights, its reproducibility, and that its intervals hold the truth."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.metrics.test_verification import act_dcf
from training.metrics.bootstrap import Resampling, Summary, measure_groups, replicas_for, summarise
from training.metrics.score_bins import LLRS, MEASURES, NOT_DRAWN, BinnedScores, Reading, measure
from training.metrics.scored_trials import ScoredTrials
from training.metrics.verification import (
    Array,
    bits_lost,
    calibration_error,
    cllr,
    equal_error_rate,
    error_rates,
    min_cllr,
    min_dcf,
)


def speech_of(num_speakers: int, *, seed: int, per_speaker: int = 4, spread: float = 1.0) -> ScoredTrials:
    """All pairs of clips of speakers who are each easy or hard by `spread`."""
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(num_speakers), per_speaker)
    first, second = np.triu_indices(len(speaker), 1)
    one, other = speaker[first], speaker[second]
    ease = random.normal(0, spread, num_speakers)
    target = one == other
    llrs = np.where(target, 2 + ease[one], -2 + ease[one] + ease[other]) + random.normal(0, 1, len(first))
    return ScoredTrials(llrs=llrs, target=target, enrolment_unit=one, test_unit=other)


def drawn_once(trials: ScoredTrials, bins: BinnedScores) -> Array:
    """(M,) of the draw in which every trial counts once."""
    bits = bits_lost(trials.llrs, trials.target)
    kinds = [trials.target == kind for kind in (False, True)]
    mass = np.stack([np.bincount(bins.bin_of, kind, len(bins)) for kind in kinds])
    return np.asarray(bins.measure(mass[:, None].astype(float), np.array([[bits[kind].sum()] for kind in kinds]))[0])


def eer_of(summary: Summary) -> tuple[float, float, float]:
    figure = summary.figures["eer"]
    assert figure.value is not None
    assert figure.ci95 is not None
    return figure.ci95[0], figure.value, figure.ci95[1]


def test_values_are_those_of_the_plain_measures() -> None:
    trials = speech_of(12, seed=1)
    targets, nontargets = trials.llrs[trials.target], trials.llrs[~trials.target]
    figures = summarise(trials, replicas=20, reading=Reading(threshold=0.5)).figures
    fmr, fnmr = error_rates(targets, nontargets, 0.5)
    expected = {
        "eer": equal_error_rate(targets, nontargets),
        "min_dcf_01": min_dcf(targets, nontargets, 0.01),
        "min_dcf_05": min_dcf(targets, nontargets, 0.05),
        "fmr": fmr,
        "fnmr": fnmr,
        "act_dcf_01": act_dcf(targets, nontargets, 0.01),
        "act_dcf_05": act_dcf(targets, nontargets, 0.05),
        "cllr": cllr(targets, nontargets),
        "min_cllr": min_cllr(targets, nontargets),
        "calibration_error": calibration_error(targets, nontargets),
    }
    assert {name: figures[name].value for name in MEASURES} == pytest.approx(expected)


def test_scores_that_are_no_llrs_have_no_measures_of_llrs_and_no_rates_without_a_threshold() -> None:
    figures = summarise(speech_of(12, seed=1), replicas=5, reading=Reading(calibrated=False)).figures
    absent = {name for name, figure in figures.items() if figure.value is None}
    assert absent == {"fmr", "fnmr", "act_dcf_01", "act_dcf_05", "cllr", "calibration_error"}


def test_one_draw_equals_the_list_in_which_drawn_speakers_are_copied() -> None:
    trials = speech_of(6, seed=2)
    counts = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6)).astype(float)
    one, other = counts[trials.enrolment_unit], counts[trials.test_unit]
    copies = np.where(trials.target, one, one * other).astype(int)
    targets, nontargets = (np.repeat(trials.llrs, copies * (trials.target == kind)) for kind in (True, False))
    draw = summarise(trials, replicas=1, seed=0, reading=Reading(threshold=0.5)).figures
    fmr, fnmr = error_rates(targets, nontargets, 0.5)
    expected = {
        "eer": equal_error_rate(targets, nontargets),
        "min_cllr": min_cllr(targets, nontargets),
        "fmr": fmr,
        "fnmr": fnmr,
        "act_dcf_05": act_dcf(targets, nontargets, 0.05),
        "cllr": cllr(targets, nontargets),
    }
    for name, value in expected.items():
        # Bits are added up as float32.
        assert draw[name].ci95 == pytest.approx((value, value), rel=1e-6 if name == "cllr" else 1e-9)


def test_cllr_of_groups_is_of_the_trials_drawn_also_where_nothing_else_varies() -> None:
    """Scores so far apart that those of either kind are one step of the curve."""
    trials = speech_of(24, seed=1)
    trials = replace(trials, llrs=trials.llrs + np.where(trials.target, 20, -20))
    groups = np.where(trials.enrolment_unit < 12, 0, 1)
    (measured,) = measure_groups(trials, [groups], LLRS, Resampling(replicas=3))
    drawn = measured.draws[..., MEASURES.index("cllr")]
    random = np.random.default_rng(0)
    for replica in range(3):
        counts = random.multinomial(24, np.full(24, 1 / 24))
        copies = np.where(trials.target, 1, counts[trials.test_unit]) * counts[trials.enrolment_unit]
        for group in (0, 1):
            of_group = copies * (groups == group)
            kinds = (np.repeat(trials.llrs, of_group * (trials.target == kind)) for kind in (True, False))
            assert drawn[replica, group] == pytest.approx(cllr(*kinds), rel=1e-6)


def test_the_calibration_error_has_no_interval_for_draws_of_it_would_lie_above_it() -> None:
    figures = summarise(speech_of(12, seed=1), replicas=20).figures
    assert {name for name, figure in figures.items() if figure.ci95 is None} == {"calibration_error", "fmr", "fnmr"}
    assert figures["calibration_error"].value is not None


def test_groups_on_one_draw_are_measured_as_if_each_were_a_list() -> None:
    trials = speech_of(16, seed=3)
    group = np.where((trials.enrolment_unit < 9) & (trials.test_unit < 9), 0, 1)
    group[::7] = -1
    (measured,) = measure_groups(trials, [group], LLRS, Resampling(replicas=2))
    for number in (0, 1):
        alone = trials.select(group == number)
        expected = equal_error_rate(alone.llrs[alone.target], alone.llrs[~alone.target])
        assert measured.values[number, 0] == pytest.approx(expected)
    counts = np.random.default_rng(0).multinomial(16, np.full(16, 1 / 16))
    copies = np.where(trials.target, 1, counts[trials.test_unit]) * counts[trials.enrolment_unit] * (group == 0)
    targets, nontargets = (np.repeat(trials.llrs, copies * (trials.target == kind)) for kind in (True, False))
    assert measured.draws[0, 0, 0] == pytest.approx(equal_error_rate(targets, nontargets))


@pytest.mark.parametrize(("endless", "kind"), [(-np.inf, True), (np.inf, False)])
@pytest.mark.parametrize("per_speaker", [2, 5])
def test_an_infinite_llr_costs_its_own_group_alone(endless: float, kind: bool, per_speaker: int) -> None:
    trials = speech_of(24, seed=1, per_speaker=per_speaker)
    groups = np.where(trials.enrolment_unit < 12, 0, 1)
    llrs = trials.llrs.copy()
    llrs[np.flatnonzero((groups == 1) & (trials.target == kind))[0]] = endless
    (spoilt,) = measure_groups(replace(trials, llrs=llrs), [groups], LLRS, Resampling(replicas=20))
    (whole,) = measure_groups(trials, [groups], LLRS, Resampling(replicas=20))
    column = MEASURES.index("cllr")
    np.testing.assert_allclose(spoilt.draws[:, 0, column], whole.draws[:, 0, column], rtol=1e-6)
    assert {*np.isinf(spoilt.draws[:, 1, column])} == {True, False}
    assert not np.isnan(spoilt.draws[:, 1, column]).any()


def test_many_groupings_are_drawn_as_each_alone() -> None:
    """21 ** 12 groups, times bins, are more than an int64 holds."""
    trials, random = speech_of(12, seed=4), np.random.default_rng(0)
    columns = [random.integers(-1, 20, len(trials)) for _ in range(12)]
    for labels in columns:
        labels[:20] = np.arange(20)
    together = measure_groups(trials, columns, LLRS, Resampling(replicas=3))
    for labels, found in zip(columns, together, strict=True):
        (alone,) = measure_groups(trials, [labels], LLRS, Resampling(replicas=3))
        np.testing.assert_array_equal(found.values, alone.values)
        np.testing.assert_allclose(found.draws, alone.draws, rtol=1e-6)


def test_drawing_trials_too_makes_wider_intervals() -> None:
    def width(levels: int) -> float:
        low, _, high = eer_of(summarise(speech_of(20, seed=5, spread=0.0), replicas=300, levels=levels))
        return high - low

    assert width(2) > width(1)


def test_bins_of_a_long_list_measure_as_the_list_itself() -> None:
    trials = speech_of(60, seed=1, per_speaker=6)
    reading = Reading(threshold=0.3)
    bins = BinnedScores(trials.llrs, trials.target, reading, 512)
    exact = measure(trials.llrs, trials.target, reading)
    assert len(bins) < 1000
    exact[MEASURES.index(NOT_DRAWN)] = np.nan
    np.testing.assert_allclose(drawn_once(trials, bins), exact, rtol=0.01)


def test_same_seed_same_interval_and_another_seed_another() -> None:
    trials = speech_of(15, seed=3)
    assert eer_of(summarise(trials, replicas=50, seed=7)) == eer_of(summarise(trials, replicas=50, seed=7))
    assert eer_of(summarise(trials, replicas=50, seed=7)) != eer_of(summarise(trials, replicas=50, seed=8))


def test_intervals_hold_the_true_eer_about_as_often_as_they_promise() -> None:
    low, truth, high = eer_of(summarise(speech_of(300, seed=0, per_speaker=3), replicas=5))
    assert low <= truth <= high
    summaries = [summarise(speech_of(25, seed=seed, per_speaker=3), replicas=80) for seed in range(1, 41)]
    held = sum(low <= truth <= high for low, _, high in map(eer_of, summaries))
    assert held >= 0.85 * len(summaries)


def test_more_speakers_make_a_narrower_interval_and_more_clips_of_few_do_not() -> None:
    def width(trials: ScoredTrials) -> float:
        low, _, high = eer_of(summarise(trials, replicas=200))
        return high - low

    few_long, many = width(speech_of(10, seed=4, per_speaker=12)), width(speech_of(80, seed=4, per_speaker=3))
    assert many < few_long / 1.5


def test_trials_of_one_kind_have_counts_and_no_figures() -> None:
    trials = speech_of(5, seed=5)
    summary = summarise(trials.select(trials.target))
    assert (summary.n_target, summary.n_nontarget, summary.n_speakers) == (30, 0, 5)
    assert summary.figures["eer"].value is None
    assert summary.too_small


def test_two_speakers_have_a_value_and_are_marked_too_small() -> None:
    summary = summarise(speech_of(2, seed=6), replicas=50)
    assert summary.figures["eer"].value is not None
    assert summary.too_small


@pytest.mark.parametrize(("num_trials", "replicas"), [(10, 1000), (2_000_000, 500), (10_000_000, 200)])
def test_replicas_shrink_with_the_list(num_trials: int, replicas: int) -> None:
    assert replicas_for(num_trials) == replicas
