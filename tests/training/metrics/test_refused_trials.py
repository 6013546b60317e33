"""Trials that a system refused: accepted at no threshold, and for measures over scores what their scores say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.training.metrics.test_bootstrap import drawn_once, speech_of
from training.metrics.bootstrap import Resampling, measure_groups, summarise
from training.metrics.score_bins import AT_THRESHOLD, MEASURES, NOT_DRAWN, BinnedScores, Reading, measure
from training.metrics.scored_trials import ScoredTrials
from training.metrics.verification import Array, Mask

ROWS = st.tuples(st.integers(-6, 6).map(lambda step: step / 2), st.booleans(), st.booleans())
THRESHOLDS = (-2.0, 0.0, 1.25)
OVER_SCORES = [number for number, name in enumerate(MEASURES) if name not in AT_THRESHOLD]


def some_refused(*, per_speaker: int = 4) -> ScoredTrials:
    """Of both kinds, with LLR 0; the second speaker's are refused, and some trials between others."""
    trials = speech_of(12, seed=1, per_speaker=per_speaker)
    refused = (trials.enrolment_unit == 1) | (trials.test_unit == 1)
    refused[::17] = True
    return replace(trials, llrs=np.where(refused, 0.0, trials.llrs), refused=refused)


def rates(trials: ScoredTrials, threshold: float, copies: Array | float = 1.0) -> tuple[float, float]:
    """FMR and FNMR by counting."""
    accepted = (trials.llrs >= threshold) & ~mask_of(trials)
    strangers, targets = copies * ~trials.target, copies * trials.target
    return (strangers * accepted).sum() / strangers.sum(), (targets * ~accepted).sum() / targets.sum()


def mask_of(trials: ScoredTrials) -> Mask:
    assert trials.refused is not None
    return trials.refused


def identity_draw(trials: ScoredTrials, reading: Reading, max_bins: int) -> Array:
    """(M,) every trial drawn once."""
    return drawn_once(trials, BinnedScores(trials.llrs, trials.target, reading, max_bins, trials.refused))


@settings(max_examples=100)
@given(st.lists(ROWS, min_size=2, max_size=40), st.sampled_from(THRESHOLDS))
def test_no_threshold_accepts_them_and_scores_mean_what_they_did(
    rows: list[tuple[float, bool, bool]], threshold: float
) -> None:
    scores, target, refused = (np.array(column) for column in zip(*rows, strict=True))
    assume(target.any() and not target.all())
    reading = Reading(threshold=threshold)
    found, before = measure(scores, target, reading, refused), measure(scores, target, reading)
    accepted = (scores >= threshold) & ~refused
    expected = accepted[~target].mean(), (~accepted[target]).mean()
    assert tuple(found[[MEASURES.index(name) for name in AT_THRESHOLD]]) == expected
    over_scores = [number for number in OVER_SCORES if not MEASURES[number].startswith("act")]
    np.testing.assert_array_equal(found[over_scores], before[over_scores])


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize(("max_bins", "exactly"), [(4096, True), (64, False)])
def test_the_draw_of_everybody_once_measures_as_the_list_itself(threshold: float, max_bins: int, exactly: bool) -> None:
    trials, reading = some_refused(), Reading(threshold=threshold)
    found = identity_draw(trials, reading, max_bins)
    exact = measure(trials.llrs, trials.target, reading, trials.refused)
    exact[MEASURES.index(NOT_DRAWN)] = np.nan
    np.testing.assert_allclose(found, exact, rtol=1e-9 if exactly else 0.05)
    # Where something is decided, bins are exact however few.
    at = [MEASURES.index(name) for name in AT_THRESHOLD]
    np.testing.assert_allclose(found[at], rates(trials, threshold), rtol=1e-9)
    before = identity_draw(replace(trials, refused=None), reading, max_bins)
    np.testing.assert_array_equal(found[OVER_SCORES], before[OVER_SCORES])


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_one_draw_counts_them_as_often_as_their_speakers_are_drawn(threshold: float) -> None:
    trials = some_refused()
    counts = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12)).astype(float)
    one, other = counts[trials.enrolment_unit], counts[trials.test_unit]
    expected = rates(trials, threshold, np.where(trials.target, one, one * other))
    draw = summarise(trials, replicas=1, seed=0, reading=Reading(threshold=threshold)).figures
    assert [draw[name].ci95 for name in AT_THRESHOLD] == [pytest.approx((rate, rate)) for rate in expected]


def test_groups_count_their_own() -> None:
    trials = some_refused()
    group = np.where(trials.enrolment_unit < 6, 0, 1)
    (measured,) = measure_groups(trials, [group], Reading(threshold=-2.0), Resampling(replicas=0))
    for number in (0, 1):
        found = [measured.values[number, MEASURES.index(name)] for name in AT_THRESHOLD]
        assert found == pytest.approx(rates(trials.select(group == number), -2.0))


@pytest.mark.parametrize("levels", [1, 2])
def test_where_nothing_is_refused_every_draw_is_as_if_nobody_had_asked(levels: int) -> None:
    trials = speech_of(12, seed=3)
    nothing = replace(trials, refused=np.zeros(len(trials), bool))
    how = Reading(threshold=0.0), Resampling(replicas=5, levels=levels)
    (one,), (other,) = (measure_groups(each, [np.zeros(len(trials), np.int64)], *how) for each in (trials, nothing))
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.draws, other.draws)
