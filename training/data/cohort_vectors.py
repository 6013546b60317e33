"""What the encoder is told of each channel's talker in training: the cohort he is of.

Letters: C channels, K cohorts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from svc.types import FloatArray
from training.data.arrangement import NUM_CHANNELS
from training.data.mixture_recipe import MixtureRecipe

# Keeps the lot apart from what else is drawn from a mixture's seed.
LOT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortVectors:
    """`number_of`: talker -> the number of the cohort. In `unknown_share` of the mixtures nothing is told, so that the
    model can do without. `shares_of`: talker -> (K,) how near his voice lies to each, as a live stream is told.
    """

    number_of: Mapping[str, int]
    num_cohorts: int
    unknown_share: float = 0.0
    shares_of: Mapping[str, FloatArray] = field(default_factory=dict)

    def of(self, recipe: MixtureRecipe) -> FloatArray:
        """(C, K): 1 for the cohort of a channel's only talker, or his shares; zeros where nothing is known of one."""
        vectors = np.zeros((NUM_CHANNELS, self.num_cohorts), np.float32)
        if np.random.default_rng([LOT, recipe.seed]).random() < self.unknown_share:
            return vectors
        for channel, vector in enumerate(vectors):
            # Spoken at another speed it is still the same person.
            talkers = {turn.speaker.partition("@")[0] for turn in recipe.turns if turn.channel == channel}
            if len(talkers) == 1:
                self._tell(vector, *talkers)
        return vectors

    def _tell(self, vector: FloatArray, talker: str) -> None:
        if talker in self.shares_of:
            vector[:] = self.shares_of[talker]
        elif talker in self.number_of:
            vector[self.number_of[talker]] = 1


NO_COHORTS = CohortVectors(number_of={}, num_cohorts=0)
