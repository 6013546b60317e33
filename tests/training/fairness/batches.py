"""Batches of made-up embeddings: some clusters of speakers easy to tell apart, others hard."""

import torch
from torch import Tensor

from training.fairness.weighting import BatchTerms, terms_of
from training.losses.prototypical import AngularPrototypical, GeneralisedEndToEnd
from training.losses.speaker_scores import PairForm

WIDTH = 12
CORNERS = ((1, 1), (-1, -1), (1, -1), (-1, 1))


def random_terms(
    num_speakers: int = 6, utterances: int = 2, *, form: PairForm = "softmax", all_ask: bool = False, seed: int = 0
) -> BatchTerms:
    """Embeddings that take a gradient, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(num_speakers, utterances, WIDTH, generator=generator, dtype=torch.float64)
    return scored(embeddings, form=form, all_ask=all_ask)


def scored(embeddings: Tensor, *, form: PairForm = "softmax", all_ask: bool = True) -> BatchTerms:
    loss = (GeneralisedEndToEnd if all_ask else AngularPrototypical)(form).to(embeddings.dtype)
    return terms_of(embeddings.requires_grad_(), lambda given: loss(given, torch.arange(len(given))))


def clusters(hard: tuple[int, ...], *, seed: int = 0, speakers: int = 4) -> Tensor:
    """(4 * speakers, 2, D): a cluster round each corner of a square; in the `hard` ones nobody can be told apart.

    Voices of easy clusters come in opposite pairs, so that no plane parts easy from hard but by the corners.
    """
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number, corner in enumerate(CORNERS):
        voices = torch.randn(speakers // 2, WIDTH - 2, generator=generator) * (0.0 if number in hard else 0.4)
        voices = torch.cat([voices, -voices])[:, None] + 0.05 * torch.randn(speakers, 2, WIDTH - 2, generator=generator)
        at_corner = torch.tensor(corner, dtype=torch.float32).expand(speakers, 2, 2)
        made.append(torch.cat([at_corner, voices], dim=-1))
    return torch.cat(made)
