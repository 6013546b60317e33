"""Adversarial reweighting of a verifier's training, in three forms named in the abstract of arXiv 2207.07776.

An adversary weighs the samples of a batch so that the loss is largest, the embedder makes the weighted loss small: who
is served worst gets most attention, without anybody's group being known. That much is the paper's; how each form is
computed here is our reconstruction:

- aps (accumulated pairwise similarity): a sample's weight multiplies the sum of the losses of its pairs, and the
  adversary is told of no regions, whatever `regions.feature` says;
- pl (pseudo-labels): the same, and the adversary is told the k-means region of the sample;
- pw (pairwise): a pair weighs the sum of the weights of its two samples.

Letters: N speakers, M utterances of each, n = N * M samples, Q queries, P prototypes, D embedding width.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from svc.typed_config import check_at_least, check_positive, check_shares
from training.fairness.adversary import Adversary
from training.fairness.regions import RegionConfig, Regions
from training.fairness.sample_weights import arl_weights, guarded, normalised_entropy
from training.fairness.weighting import BatchTerms, BlindWeighting, Weighed
from training.losses.speaker_scores import SpeakerScores

Form = Literal["aps", "pl", "pw"]
# Steps of the adversary; what the curves are told of the weights takes a sixth of so small a step.
SPREAD_TOLD_EVERY = 10


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
        check_positive(self, "rate")
        check_at_least(0, self, "warmup_steps", "hidden_width")
        check_at_least(1, self, "every", "largest_weight")
        check_shares(self, "least_entropy")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Look:
    """What the adversary makes of a batch, and the loss under it.

    `given` are the weights that the loss was computed with, a leaf: one pass backward from the loss leaves there what
    the adversary climbs by, and in the embedder what it descends by.
    """

    terms: BatchTerms
    unit: Tensor  # (n, D) unit length, without gradient
    weights: Tensor  # (N, M) with a gradient to the adversary and to nothing else
    given: Tensor  # (N, M) the same numbers
    loss: Tensor


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
        told = replace(config.regions, feature="none") if form == "aps" else config.regions
        self.regions = Regions(width, told, seed=seed)
        self.adversary = Adversary(width, self.regions.width, hidden_width=config.hidden_width)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.latest: Look | None = None

    @property
    def warm(self) -> bool:
        """Whether the warm-up is over."""
        return int(self.steps) >= self.config.warmup_steps

    def sample_weights(self, unit: Tensor) -> Tensor:
        """(n, D) unit length -> (n,) of mean 1, within the guards; with a gradient to the adversary alone."""
        config = self.config
        weights = arl_weights(self.adversary(unit, self.regions.feature(unit)))
        return guarded(weights, largest=config.largest_weight, least_entropy=config.least_entropy)

    def look(self, terms: BatchTerms) -> Look:
        """Uniform weights while warming up."""
        unit = terms.scores.unit.detach()
        weights = self.sample_weights(unit) if self.warm else unit.new_ones(len(unit))
        weights = weights.view(terms.embeddings.shape[:2])
        given = weights.detach().requires_grad_(self.warm)
        loss = weighted_loss(self.form, terms.scores, given)
        return Look(terms=terms, unit=unit, weights=weights, given=given, loss=loss)

    def weigh(self, terms: BatchTerms) -> Weighed:
        """The weighted loss; uniform weights while warming up."""
        self.latest = self.look(terms)
        return Weighed(self.latest.loss, terms.scores.of_queries(self.latest.given.detach()))

    def learn(self, terms: BatchTerms) -> dict[str, float]:
        """One step of the adversary up the loss, the losses held fixed."""
        self.steps += 1
        look, steps = self._looked_back(terms), int(self.steps)
        self.regions.remember(look.unit)
        if not self.warm or steps % self.config.every:
            return {}
        mine = list(self.adversary.parameters())
        self.adversary.climb(torch.autograd.grad(look.weights, mine, look.given.grad), self.config.rate)
        gain = {"adversary_loss": float(look.loss.detach())}
        return gain | spread_of(look.given.detach()) if steps // self.config.every % SPREAD_TOLD_EVERY == 1 else gain

    def _looked_back(self, terms: BatchTerms) -> Look:
        """The look `weigh` had at these terms, or another where no pass backward has been from there."""
        look, self.latest = self.latest, None
        if look is None or look.terms is not terms or (self.warm and look.given.grad is None):
            look = self.look(terms.detached())
            if self.warm:
                look.loss.backward()  # type: ignore[no-untyped-call]
        return look

    def end_epoch(self) -> None:
        """Regions anew."""
        self.regions.refresh()


def weighted_loss(form: Form, scores: SpeakerScores, weights: Tensor) -> Tensor:
    """(N, M) sample weights -> the loss, a weighted mean: equal weights give the plain one."""
    if form == "pw":
        return scores.pair_weighted_loss(scores.pair_sums(weights))
    asking = scores.of_queries(weights)  # (Q,)
    return (asking * scores.losses()).sum() / asking.sum()


def spread_of(weights: Tensor) -> dict[str, float]:
    """Sample weights of any shape -> figures for the curves."""
    least, most = weights.aminmax()
    return {
        "weight_entropy": normalised_entropy(weights.flatten()),
        "weight_min": float(least),
        "weight_max": float(most),
    }
