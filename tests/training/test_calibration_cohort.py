"""Cohorts: nobody's own voice in them, everybody held against others, and of use where strangers come in families."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.scoring.conditions import INPUTS, Array, Conditions, SideConditions
from svc.scoring.normalisation import MIN_TALKERS
from training.calibration_cohort import TALKERS_PER_GROUP, Strangers, cohort_and_likeness, group_means
from training.calibration_figures import figures_of, llrs_of
from training.calibration_fit import CalibrationTrials, FitSettings, fit

WIDTH = 24
NOTHING = np.zeros((len(INPUTS), 0))


def unit_vectors(number: int, seed: int) -> Array:
    vectors = np.random.default_rng(seed).normal(size=(number, WIDTH))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def family_trials(*, seed: int, families: int = 8, members: int = 8, takes: int = 2) -> CalibrationTrials:
    """People of one family sound alike, and some families more than others; every pair within a family is tried."""
    random = np.random.default_rng(seed)
    ties = np.linspace(0.2, 2.5, families)[:, None] * unit_vectors(families, seed=99)
    own = 0.25 * random.normal(size=(families, members, 1, WIDTH))
    vectors = ties[:, None, None] + own + 0.12 * random.normal(size=(families, members, takes, WIDTH))
    vectors = vectors.reshape(-1, WIDTH) / np.linalg.norm(vectors.reshape(-1, WIDTH), axis=1, keepdims=True)
    people = np.arange(families * members).repeat(takes)
    enrolment, test = np.triu_indices(len(people), 1)
    close = people[enrolment] // members == people[test] // members
    enrolment, test = enrolment[close], test[close]
    sides = sides_of(vectors)
    return CalibrationTrials(
        scores=np.sum(vectors[enrolment] * vectors[test], axis=1),
        conditions=Conditions(sides.take(enrolment), sides.take(test)),
        target=people[enrolment] == people[test],
        weights=np.ones(len(enrolment)),
        enrolment_unit=people[enrolment],
        test_unit=people[test],
    )


def sides_of(vectors: Array) -> SideConditions:
    return SideConditions(
        net_speech_s=np.full(len(vectors), 3.0),
        snr_db=np.full(len(vectors), 20.0),
        telephone=np.zeros(len(vectors), dtype=bool),
        vectors=vectors.astype(np.float32),
    )


@given(st.integers(0, 10**6), st.integers(MIN_TALKERS, 80))
def test_every_vector_is_the_mean_of_several_people_and_nobodys_voice(seed: int, num_people: int) -> None:
    people = unit_vectors(num_people, seed)
    means = group_means(people)
    assert 1 <= len(means) <= max(1, num_people // TALKERS_PER_GROUP)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1)
    assert (people @ means.T).max() < 0.99


def test_the_same_people_give_the_same_groups() -> None:
    np.testing.assert_array_equal(group_means(unit_vectors(60, 1)), group_means(unit_vectors(60, 1)))


def test_strangers_who_come_in_families_are_told_apart_better_with_a_cohort() -> None:
    trials, fresh = (family_trials(seed=seed, families=4, members=32) for seed in (0, 1))
    figures = []
    for settings in (FitSettings(), FitSettings(cohort=False)):
        weights = fit(trials, settings)
        assert (weights.cohort is not None) == settings.cohort
        figures.append(figures_of(fresh, llrs_of(weights, fresh)))
    with_cohort, without = figures
    assert with_cohort is not None
    assert without is not None
    assert with_cohort.cllr < 0.8 * without.cllr
    assert with_cohort.min_cllr < 0.8 * without.min_cllr


def test_nobody_is_held_against_a_group_of_their_own() -> None:
    trials = family_trials(seed=2)
    units = trials.enrolment_unit, trials.test_unit
    own, seen = cohort_and_likeness(trials.conditions, units, NOTHING, None)
    everyone = Strangers(trials.conditions.enrolment, trials.enrolment_unit)
    _, flattered = cohort_and_likeness(trials.conditions, units, NOTHING, everyone)
    assert own is not None
    assert seen.shape == flattered.shape == (len(trials), 2)
    assert not np.allclose(seen, flattered)


def test_too_few_people_make_no_cohort_unless_strangers_are_given() -> None:
    trials = family_trials(seed=3, families=2)
    assert fit(trials).cohort is None
    strangers = Strangers(sides_of(unit_vectors(40, 7)), np.arange(40) // 2)
    cohort = fit(trials, strangers=strangers).cohort
    assert cohort is not None
    assert 1 <= len(cohort.vectors) <= 4


def test_two_strangers_are_refused_as_a_cohort() -> None:
    with pytest.raises(InvalidRequestError, match="3 people"):
        fit(family_trials(seed=4), strangers=Strangers(sides_of(unit_vectors(2, 7)), np.arange(2)))
