"""How the losses of a batch become the one that is minimised: the interface of every method, fair or not.

Methods come in two types. A `BlindWeighting` sees losses and embeddings and cannot see a group label, which is not
among its arguments; a `GroupWeighting` is given them.
Letters: N speakers, M utterances of each, Q queries, D embedding width, G groups.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from training.losses.speaker_scores import SpeakerScores

# An utterance of which the group is not known.
UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BatchTerms:
    """A batch as the losses see it. `score` is the metric loss, for methods that score embeddings of their own."""

    embeddings: Tensor  # (N, M, D)
    scores: SpeakerScores
    score: Callable[[Tensor], SpeakerScores]

    def detached(self) -> "BatchTerms":
        """The same without a way back to the embedder."""
        return replace(self, embeddings=self.embeddings.detach(), scores=self.scores.detached())


def terms_of(embeddings: Tensor, score: Callable[[Tensor], SpeakerScores]) -> BatchTerms:
    """(N, M, D) and the metric loss of a batch."""
    return BatchTerms(embeddings=embeddings, scores=score(embeddings), score=score)


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """The loss to minimise, and what each query weighed in it: (Q,), mean 1, without gradient, for the curves."""

    loss: Tensor
    weights: Tensor


class Weighting(nn.Module, ABC):
    """What blind and group-aware methods have in common. All state is in parameters and buffers, so that runs resume.

    Under several processes every rank sees the whole batch, and so comes to the same state by itself.
    """

    def learn(self, terms: BatchTerms) -> dict[str, float]:
        """The method's own step, after the embedder's, on the same batch before that step; figures for the curves."""
        return {}

    def adapted(self, embeddings: Tensor) -> Tensor:
        """(.., D) -> what takes their place wherever voices are compared, in service as well."""
        return embeddings

    def end_epoch(self) -> None:
        """Every speaker has been heard once more."""


class BlindWeighting(Weighting):
    """Trains without knowing any group."""

    @abstractmethod
    def weigh(self, terms: BatchTerms) -> Weighed:
        """The loss, with a gradient to the embedder only through `terms`."""


class GroupWeighting(Weighting):
    """Needs the group of each utterance while it trains; never afterwards."""

    @abstractmethod
    def weigh_groups(self, terms: BatchTerms, groups: Tensor) -> Weighed:
        """(N, M) groups 0 to G - 1, or UNKNOWN -> the loss."""


class Uniform(BlindWeighting):
    """Every query alike: what all others are measured against. Group-balanced sampling is this, on other batches."""

    def weigh(self, terms: BatchTerms) -> Weighed:
        losses = terms.scores.losses()
        return Weighed(losses.mean(), torch.ones_like(losses).detach())
