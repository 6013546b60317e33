"""Adversarial reweighting of a verifier's training, in three forms named in the abstract of arXiv 2207.07776.

An adversary weighs the samples of a batch so that the loss is largest, the embedder makes the weighted loss small: who
is served worst gets most attention, without anybody's group being known. That much is the paper's; how each form is
computed here is our reconstruction:

- aps (accumulated pairwise similarity): a sample's weight multiplies the sum of the losses of its pairs;
- pl (pseudo-labels): the same, and the adversary is told the k-means region of the sample;
- pw (pairwise): a pair weighs the sum of the weights of its two samples.

Letters: N speakers, M utterances of each, n = N * M samples, Q queries, P prototypes, D embedding width.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from training.fairness.adversary import Adversary
from training.fairness.regions import RegionConfig, Regions
from training.fairness.sample_weights import arl_weights, guarded, normalised_entropy
from training.fairness.weighting import BatchTerms, BlindWeighting, Weighed
from training.losses.speaker_scores import SpeakerScores

Form = Literal["aps", "pl", "pw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReweightingConfig:
    """Steps count the embedder's. `rate` depends a great deal on the data: search 1e-3 .. 2 on dev talkers."""

    rate: float = 0.01
    hidden_width: int = 0
    # Weights are uniform and the adversary looks on for so long.
    warmup_steps: int = 200
    # The adversary steps after every so many steps of the embedder.
    every: int = 1
    regions: RegionConfig = field(default_factory=RegionConfig)
    # Guards against collapse onto a few bad recordings.
    largest_weight: float = 4.0
    least_entropy: float = 0.9

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.every < 1 or min(self.warmup_steps, self.hidden_width) < 0:
            raise ValueError(f"need rate > 0, every >= 1, warmup_steps and hidden_width >= 0, got {self}")
        if self.largest_weight < 1 or not 0 <= self.least_entropy <= 1:
            raise ValueError(f"need largest_weight >= 1 and 0 <= least_entropy <= 1, got {self}")


class AdversarialReweighting(BlindWeighting):
    """The embedder's loss under the adversary's weights, and the adversary's own steps."""

    steps: Tensor  # () of the embedder so far

    def __init__(self, form: Form, width: int, config: ReweightingConfig, *, seed: int = 0) -> None:
        """`width` is that of the embeddings. Raises ValueError for pseudo-labels without regions."""
        super().__init__()
        if form == "pl" and config.regions.feature == "none":
            raise ValueError("pseudo-labels are regions: regions.feature must not be 'none'")
        self.form = form
        self.config = config
        self.regions = Regions(width, config.regions, seed=seed)
        self.adversary = Adversary(width, self.regions.width, hidden_width=config.hidden_width)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        """Made when first needed: its state lives where the adversary has moved to by then."""
        return torch.optim.Adagrad(self.adversary.parameters(), lr=self.config.rate, maximize=True)

    @property
    def warm(self) -> bool:
        """Whether the warm-up is over."""
        return int(self.steps) >= self.config.warmup_steps

    def sample_weights(self, embeddings: Tensor) -> Tensor:
        """(N, M, D) -> (N, M) of mean 1, within the guards; with a gradient to the adversary and to nothing else."""
        flat = embeddings.detach().flatten(0, 1)
        weights = arl_weights(self.adversary(flat, self.regions.feature(flat)))
        config = self.config
        safe = guarded(weights, largest=config.largest_weight, least_entropy=config.least_entropy)
        return safe.view(embeddings.shape[:2])

    def weigh(self, terms: BatchTerms) -> Weighed:
        """The weighted loss; uniform weights while warming up."""
        with torch.no_grad():
            shape = terms.embeddings.shape[:2]
            weights = self.sample_weights(terms.embeddings) if self.warm else terms.embeddings.new_ones(shape)
        return Weighed(weighted_loss(self.form, terms.scores, weights), terms.scores.of_queries(weights))

    def learn(self, terms: BatchTerms) -> dict[str, float]:
        """One step of the adversary up the loss, the losses held fixed."""
        self.steps += 1
        self.regions.remember(terms.embeddings.flatten(0, 1))
        if not self.warm or int(self.steps) % self.config.every:
            return {}
        terms = terms.detached()
        weights = self.sample_weights(terms.embeddings)
        gain = weighted_loss(self.form, terms.scores, weights)
        self.optimizer.zero_grad()
        gain.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        flat = weights.detach().flatten()
        return {
            "adversary_loss": float(gain.detach()),
            "weight_entropy": normalised_entropy(flat),
            "weight_min": float(flat.min()),
            "weight_max": float(flat.max()),
        }

    def end_epoch(self) -> None:
        """Regions anew."""
        self.regions.refresh()

    def get_extra_state(self) -> dict[str, Any]:
        """The adversary's optimiser, so that it is kept wherever the weights are."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)


def weighted_loss(form: Form, scores: SpeakerScores, weights: Tensor) -> Tensor:
    """(N, M) sample weights -> the loss, a weighted mean: equal weights give the plain one."""
    if form == "pw":
        return scores.pair_weighted_loss(scores.pair_sums(weights))
    asking = scores.of_queries(weights)  # (Q,)
    return (asking * scores.losses()).sum() / asking.sum()
