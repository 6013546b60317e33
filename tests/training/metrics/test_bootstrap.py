"""The speaker bootstrap: its weights, its reproducibility, and that its intervals hold the truth."""

import numpy as np
import pytest

from training.metrics.bootstrap import MEASURES, ScoredTrials, Summary, replicas_for, summarise
from training.metrics.verification import cllr, equal_error_rate, min_cllr, min_dcf


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


def eer_of(summary: Summary) -> tuple[float, float, float]:
    figure = summary.figures["eer"]
    assert figure.value is not None
    assert figure.ci95 is not None
    return figure.ci95[0], figure.value, figure.ci95[1]


def test_values_are_those_of_the_plain_measures() -> None:
    trials = speech_of(12, seed=1)
    targets, nontargets = trials.llrs[trials.target], trials.llrs[~trials.target]
    figures = summarise(trials, replicas=20).figures
    expected = [
        equal_error_rate(targets, nontargets),
        min_dcf(targets, nontargets, 0.01),
        min_dcf(targets, nontargets, 0.05),
        cllr(targets, nontargets),
        min_cllr(targets, nontargets),
    ]
    np.testing.assert_allclose([figures[name].value for name in MEASURES], expected)  # type: ignore[arg-type]


def test_one_draw_equals_the_list_in_which_drawn_speakers_are_copied() -> None:
    trials = speech_of(6, seed=2)
    counts = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6)).astype(float)
    drawn = [unit for unit in range(6) for _ in range(int(counts[unit]))]
    targets, nontargets = [], []
    for llr, one, other in zip(trials.llrs, trials.enrolment_unit, trials.test_unit, strict=True):
        for unit in drawn:
            if unit == one == other:
                targets.append(llr)
            elif unit == one:
                nontargets += [llr for second in drawn if second == other]
    draw = summarise(trials, replicas=1, seed=0).figures
    assert draw["eer"].ci95 == pytest.approx((equal_error_rate(targets, nontargets),) * 2)
    assert draw["min_cllr"].ci95 == pytest.approx((min_cllr(targets, nontargets),) * 2)


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
