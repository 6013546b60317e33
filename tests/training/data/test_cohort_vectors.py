"""What the encoder is told of a channel's talker."""

import numpy as np

from tests.training.data.talkers import talkers
from training.data.cohort_vectors import NO_COHORTS, CohortVectors
from training.data.mixtures import MixtureConfig, MixtureSimulator

NUMBER_OF = {"t0": 0, "t1": 1, "t2": 1}
SPOKEN = MixtureSimulator(talkers(), MixtureConfig(room_share=0, noise_share=0))
RECIPES = [SPOKEN.draw(seed) for seed in range(200)]


def test_a_channel_is_told_of_the_cohort_of_its_only_talker() -> None:
    vectors = CohortVectors(number_of=NUMBER_OF, num_cohorts=2)
    seen = set()
    for recipe in RECIPES:
        for channel, told in enumerate(vectors.of(recipe)):
            talkers_here = {turn.speaker.partition("@")[0] for turn in recipe.turns if turn.channel == channel}
            known = NUMBER_OF.get(next(iter(talkers_here))) if len(talkers_here) == 1 else None
            assert told.tolist() == [float(number == known) for number in range(2)]
            seen.add(known)
    assert seen == {None, 0, 1}


def test_a_talker_with_shares_is_told_by_them() -> None:
    shares = np.array([0.25, 0.75], np.float32)
    told = CohortVectors(number_of={"t1": 0}, num_cohorts=2, shares_of={"t0": shares})
    expected_of: dict[tuple[str, ...], list[float]] = {("t0",): [0.25, 0.75], ("t1",): [1.0, 0.0]}
    seen = set()
    for recipe in RECIPES:
        for channel, vector in enumerate(told.of(recipe)):
            here = {turn.speaker.partition("@")[0] for turn in recipe.turns if turn.channel == channel}
            expected = expected_of.get(tuple(here), [0.0, 0.0])
            assert vector.tolist() == expected
            seen.add(tuple(expected))
    assert len(seen) == 3


def test_in_some_mixtures_nothing_is_told() -> None:
    sure, shy = (CohortVectors(number_of=NUMBER_OF, num_cohorts=2, unknown_share=share) for share in (0.0, 0.5))
    told = [recipe for recipe in RECIPES if sure.of(recipe).any()]
    kept = np.mean([shy.of(recipe).any() for recipe in told])
    assert 0.3 < kept < 0.7


def test_without_cohorts_there_is_nothing_to_tell() -> None:
    assert NO_COHORTS.of(RECIPES[0]).shape == (2, 0)
