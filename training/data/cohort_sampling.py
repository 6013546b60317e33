"""Whom mixtures are drawn from when a model is fitted to a cohort: its talkers alone, everybody, or some of either."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from svc.errors import InvalidRequestError
from training.data.manifest import Clip
from training.data.mixture_recipe import MixtureRecipe
from training.data.mixtures import MixtureConfig, MixtureSimulator
from training.data.utterances import Utterance

# Keeps the lot apart from what the simulators draw from the same seed.
LOT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSampling:
    """`everybody_share` of the mixtures are drawn from everybody, the others from the cohort alone. Where everybody is
    drawn from, each talker of the cohort comes `oversampling` times as often as without it, among those of a domain.
    """

    speakers: frozenset[str]
    everybody_share: float = 0.0
    oversampling: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.everybody_share <= 1 or self.oversampling <= 0:
            raise ValueError(f"need 0 <= everybody_share <= 1 and oversampling > 0, got {self}")


class CohortSimulator:
    """Draws recipes as a MixtureSimulator does.

    Raises InvalidRequestError when the cohort says nothing in the domains asked for.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        config: MixtureConfig,
        sampling: CohortSampling,
        *,
        noises: Sequence[Clip] = (),
        rooms: int = 0,
    ) -> None:
        own = [spoken for spoken in utterances if spoken.speaker in sampling.speakers]
        if not any(spoken.domain in config.domains for spoken in own):
            raise InvalidRequestError(f"no speech of the cohort in {', '.join(config.domains)}", field="cohort")
        oftener = dict.fromkeys(sampling.speakers, sampling.oversampling)
        self.everybody_share = sampling.everybody_share
        self.cohort = MixtureSimulator(own, config, noises=noises, rooms=rooms)
        self.everybody = MixtureSimulator(utterances, config, noises=noises, rooms=rooms, oftener=oftener)

    def draw(self, seed: int) -> MixtureRecipe:
        """The recipe of this seed: nothing else decides."""
        lot = np.random.default_rng([LOT, seed]).random()
        return (self.everybody if lot < self.everybody_share else self.cohort).draw(seed)
