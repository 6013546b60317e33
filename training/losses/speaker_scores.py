"""What every metric loss of speaker embeddings gives: scaled similarities, as losses that any weighting can be laid on.

Letters: N speakers, M utterances of each, Q queries (utterances that ask), P prototypes (speakers that may answer).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

PairForm = Literal["softmax", "binary"]


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """What stands for each speaker: (P, ..), and (Q, ..) for the query's own speaker, which leaves the query out."""

    of_speakers: Tensor
    own: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class SpeakerScores:
    """Scaled similarities of one batch.

    `form` is what a similarity is trained as: by a softmax over the prototypes, or each pair by itself as a binary
    decision. `prototypes` averages values of utterances, (N, M, ..), as the embeddings behind `logits` were; None
    where prototypes are learned class centres and no utterances.
    """

    logits: Tensor  # (Q, P)
    own: Tensor  # (Q,) the column of the query's own speaker
    asking: Tensor  # (Q,) which of the N * M utterances each query is
    unit: Tensor  # (N * M, D) the embeddings, of unit length
    prototypes: Callable[[Tensor], Prototypes] | None
    form: PairForm

    def losses(self) -> Tensor:
        """(Q,) nats: cross-entropy over the prototypes, or the mean binary cross-entropy of a query's pairs."""
        if self.form == "softmax":
            return F.cross_entropy(self.logits, self.own, reduction="none")
        return self.pair_losses().mean(1)

    def pair_losses(self) -> Tensor:
        """(Q, P) nats: binary cross-entropy of each pair on sigmoid(logit)."""
        return F.binary_cross_entropy_with_logits(self.logits, self.is_own.to(self.logits), reduction="none")

    def pair_weighted_loss(self, weights: Tensor) -> Tensor:
        """(Q, P) positive weights of any mean -> a scalar; equal weights give the mean of `losses`.

        binary: sum W l / sum W. softmax: W, divided by its mean, multiplies the exponentials of impostors, so that a
        pair of large weight pushes its query away harder; a weight on the own speaker's exponential would lower the
        loss of the very samples that are hard.
        """
        if self.form == "binary":
            return (weights * self.pair_losses()).sum() / weights.sum()
        # Where the mean stands at the own pair, a softmax divides by it by itself.
        impostors = torch.where(self.is_own, weights.mean(), weights)
        return F.cross_entropy(self.logits + impostors.log(), self.own)

    @cached_property
    def is_own(self) -> Tensor:
        """(Q, P), true where query and prototype are of one speaker."""
        columns = torch.arange(self.logits.shape[1], device=self.own.device)
        return columns == self.own[:, None]

    def of_queries(self, values: Tensor) -> Tensor:
        """(N, M, ..) -> (Q, ..)."""
        return values.flatten(0, 1).index_select(0, self.asking)

    def pair_sums(self, values: Tensor) -> Tensor:
        """(N, M) -> (Q, P): a query's value plus its prototype's, the mean of the utterances that it was made of.

        Raises ValueError where prototypes are class centres.
        """
        if self.prototypes is None:
            raise ValueError("class centres are no utterances: pairs with them have no weight of their own")
        return self.of_queries(values)[:, None] + against_all(self.prototypes(values), self.is_own)

    def detached(self) -> "SpeakerScores":
        """The same without a way back to the embeddings."""
        return replace(self, logits=self.logits.detach(), unit=self.unit.detach())


def against_all(prototypes: Prototypes, is_own: Tensor) -> Tensor:
    """Prototypes of one value each -> (Q, P), or (P,) where each is the same for every query."""
    if prototypes.own is prototypes.of_speakers:
        return prototypes.of_speakers
    return torch.where(is_own, prototypes.own[:, None], prototypes.of_speakers)
