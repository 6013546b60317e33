"""Metric losses against prototypes made of the batch itself: angular prototypical, and generalised end-to-end.

Letters: N speakers, M >= 2 utterances of each, D embedding width, Q queries.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.speaker_scores import PairForm, Prototypes, SpeakerScores

INITIAL_SCALE, INITIAL_OFFSET = 10.0, -5.0


class PrototypicalScores(nn.Module):
    """S = w cos + b with w > 0, from unit embeddings, averaged as the service averages enrolments.

    w is kept as its logarithm: it stays positive, with a gradient everywhere.
    """

    def __init__(self, form: PairForm, prototypes: Callable[[Tensor], Prototypes], *, all_ask: bool) -> None:
        """`all_ask`: every utterance is a query, else the first of each speaker."""
        super().__init__()
        self.form = form
        self.prototypes = prototypes
        self.all_ask = all_ask
        self.log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))
        self.offset = nn.Parameter(torch.tensor(INITIAL_OFFSET))

    def forward(self, embeddings: Tensor, speakers: Tensor) -> SpeakerScores:
        """(N, M, D), any length, and (N,) speakers, all different -> scores. Raises ValueError for M < 2."""
        num_speakers, utterances = embeddings.shape[:2]
        if utterances < 2:
            raise ValueError(f"prototypes of the batch need two utterances of each speaker, got {utterances}")
        unit = F.normalize(embeddings, dim=-1)  # (N, M, D)
        asked = utterances if self.all_ask else 1
        queries = unit[:, :asked].flatten(0, 1)  # (Q, D)
        own = torch.arange(num_speakers, device=unit.device).repeat_interleave(asked)  # (Q,)
        cosines = _cosines(queries, self.prototypes(unit), own)  # (Q, N)
        rows = torch.arange(num_speakers * utterances, device=unit.device).view(num_speakers, utterances)
        return SpeakerScores(
            logits=self.log_scale.exp() * cosines + self.offset,
            own=own,
            asking=rows[:, :asked].flatten(),
            unit=unit.flatten(0, 1),
            prototypes=self.prototypes,
            form=self.form,
        )


def first_left_out(values: Tensor) -> Prototypes:
    """(N, M, ..) -> the mean of all utterances but the first, for its own speaker and all others alike."""
    means = values[:, 1:].mean(1)
    return Prototypes(means, means)


def each_left_out(values: Tensor) -> Prototypes:
    """(N, M, ..) -> the mean of all utterances, for the own speaker that of the others than the query."""
    others = (values.sum(1, keepdim=True) - values) / (values.shape[1] - 1)  # (N, M, ..)
    return Prototypes(values.mean(1), others.flatten(0, 1))


class AngularPrototypical(PrototypicalScores):
    """The first utterance of each speaker against the mean of the others (Chung et al. 2020, arXiv 2003.11982)."""

    def __init__(self, form: PairForm = "softmax") -> None:
        super().__init__(form, first_left_out, all_ask=False)


class GeneralisedEndToEnd(PrototypicalScores):
    """Every utterance against every speaker's mean, its own without itself (Wan et al. 2018, arXiv 1710.10467)."""

    def __init__(self, form: PairForm = "softmax") -> None:
        super().__init__(form, each_left_out, all_ask=True)


def _cosines(queries: Tensor, prototypes: Prototypes, own: Tensor) -> Tensor:
    """(Q, D), prototypes (N, D) and (Q, D), (Q,) columns -> (Q, N)."""
    cosines = queries @ F.normalize(prototypes.of_speakers, dim=-1).T
    with_own = (queries * F.normalize(prototypes.own, dim=-1)).sum(-1, keepdim=True)
    return cosines.scatter(1, own[:, None], with_own)
