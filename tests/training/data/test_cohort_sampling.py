"""Drawing from a cohort, from everybody, or from some of either."""

from dataclasses import replace

import pytest

from svc.errors import InvalidRequestError
from tests.training.data.talkers import talkers
from training.data.cohort_sampling import CohortSampling, CohortSimulator
from training.data.mixtures import MixtureConfig, MixtureSimulator

COHORT = frozenset({"t1", "t3"})
ALONE = MixtureConfig(talkers=(1, 1), turns=(1, 1), room_share=0, noise_share=0, overlap_share=(0, 0))
DRAWS = 400


def share_of_cohort(sampling: CohortSampling) -> float:
    simulator = CohortSimulator(talkers(), ALONE, sampling)
    return sum(simulator.draw(seed).turns[0].speaker.partition("@")[0] in COHORT for seed in range(DRAWS)) / DRAWS


@pytest.mark.parametrize(
    ("share", "oversampling", "expected"), [(0.0, 1.0, 1.0), (1.0, 1.0, 0.4), (0.5, 1.0, 0.7), (1.0, 6.0, 0.8)]
)
def test_the_cohort_comes_as_often_as_asked(share: float, oversampling: float, expected: float) -> None:
    sampling = CohortSampling(speakers=COHORT, everybody_share=share, oversampling=oversampling)
    assert share_of_cohort(sampling) == pytest.approx(expected, abs=0.08)


def test_everybody_alike_is_drawn_as_without_a_cohort() -> None:
    plain = MixtureSimulator(talkers(), ALONE)
    simulator = CohortSimulator(talkers(), ALONE, CohortSampling(speakers=COHORT, everybody_share=1.0))
    assert [simulator.draw(seed) for seed in range(20)] == [plain.draw(seed) for seed in range(20)]


def test_a_cohort_that_says_nothing_in_these_domains_is_refused() -> None:
    silent = replace(ALONE, domains=("telephone",), domain_weights=(1.0,))
    with pytest.raises(InvalidRequestError, match="no speech of the cohort in telephone"):
        CohortSimulator(talkers(), silent, CohortSampling(speakers=COHORT))


@pytest.mark.parametrize("wrong", [{"everybody_share": 1.5}, {"oversampling": 0.0}])
def test_shares_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need 0 <= everybody_share"):
        CohortSampling(speakers=COHORT, **wrong)
