"""Likeness to a cohort against its definition by loops, and cohorts that make no sense."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.scoring.conditions import INPUTS, Array, Conditions, SideConditions
from svc.scoring.normalisation import TOP_K, Cohort, likeness
from svc.types import Voiceprint
from tests.scoring.test_centring import WIDTH, random_voices

RANGE = np.array([-0.5, 0.9])


def unit_vectors(number: int, random: np.random.Generator) -> Array:
    vectors = random.normal(size=(number, WIDTH))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def one_by_one(voice: Voiceprint, cohort: Array, expected: Array) -> float:
    left = voice.vector - SideConditions.of([voice]).inputs()[0] @ expected
    return float(np.mean(sorted(float(left @ other) / np.linalg.norm(left) for other in cohort)[-TOP_K:]))


def shared(likenesses: list[float]) -> list[float]:
    return [float(np.clip(2 * (value - RANGE[0]) / (RANGE[1] - RANGE[0]) - 1, -1, 1)) for value in sorted(likenesses)]


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_features_are_lower_and_higher_mean_cosine_with_the_nearest_strangers(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    voices, expected = random_voices(5, random), random.normal(0, 0.15, (len(INPUTS), WIDTH))
    cohort = Cohort(unit_vectors(size, random), RANGE)
    enrolment, test = random.integers(5, size=(2, 9))
    sides = SideConditions.of(voices)
    ours = cohort.features(Conditions(sides.take(enrolment), sides.take(test)), expected)
    each = [one_by_one(voice, cohort.vectors, expected) for voice in voices]
    oracle = [shared([each[e], each[t]]) for e, t in zip(enrolment, test, strict=True)]
    np.testing.assert_allclose(ours, oracle, atol=1e-5)


def test_sides_may_swap_and_one_may_stand_for_all() -> None:
    random = np.random.default_rng(0)
    many, one = SideConditions.of(random_voices(4, random)), SideConditions.of(random_voices(1, random))
    cohort, nothing = Cohort(unit_vectors(9, random), RANGE), np.zeros((len(INPUTS), 0))
    there, back = (cohort.features(Conditions(*sides), nothing) for sides in ((many, one), (one, many)))
    assert there.shape == (4, 2)
    np.testing.assert_array_equal(there, back)


def test_a_cohort_smaller_than_top_k_counts_whole() -> None:
    vectors = unit_vectors(3, np.random.default_rng(1))
    np.testing.assert_allclose(likeness(vectors[:1], vectors), [(vectors @ vectors[0]).mean()])


def test_sides_without_voices_are_in_the_middle() -> None:
    side = SideConditions(net_speech_s=np.ones(2), snr_db=np.ones(2), telephone=np.zeros(2, bool))
    cohort = Cohort(unit_vectors(4, np.random.default_rng(2)), RANGE)
    np.testing.assert_allclose(cohort.features(Conditions(side, side), np.zeros((len(INPUTS), 0))), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("vectors", "likeness_range", "message"),
    [
        (np.zeros((0, 3)), RANGE, r"\(C, D\)"),
        (np.ones(3), RANGE, r"\(C, D\)"),
        (np.ones((2, 3)), RANGE[::-1], "rising"),
        (np.ones((2, 3)), np.ones(3), "rising"),
        (np.full((2, 3), np.nan), RANGE, "finite"),
    ],
)
def test_a_cohort_that_makes_no_sense_is_refused(vectors: Array, likeness_range: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cohort(vectors, likeness_range)
