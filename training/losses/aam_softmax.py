"""Additive angular margin softmax over all training speakers, each with several centres.

ArcFace (Deng et al. 2019, arXiv 1801.07698) with the sub-centres of Deng et al. 2020: recordings under a wrong name, or
another handset's, may gather at a centre of their own.
Letters: N speakers, M utterances of each, D embedding width, C training speakers, K centres of each, Q = N * M.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.speaker_scores import SpeakerScores

# Of 1 - cos^2, where the angle's derivative would be infinite.
LEAST_SQUARED_SINE = 1e-7


class AamSoftmax(nn.Module):
    """logit = s cos(theta + m) for the own speaker, s cos(theta) for the others; theta to the nearest centre."""

    def __init__(
        self, width: int, num_speakers: int, *, centres: int = 1, margin: float = 0.2, scale: float = 30.0
    ) -> None:
        super().__init__()
        if min(width, num_speakers, centres) < 1 or not 0 <= margin < math.pi / 2 or scale <= 0:
            raise ValueError(f"need sizes of one, 0 <= margin < pi / 2, scale > 0; got {centres=} {margin=} {scale=}")
        self.margin = margin
        self.scale = scale
        self.centres = nn.Parameter(torch.empty(num_speakers, centres, width))
        nn.init.xavier_normal_(self.centres)

    def forward(self, embeddings: Tensor, speakers: Tensor) -> SpeakerScores:
        """(N, M, D) of any length and (N,) training speakers -> scores of N * M queries against C prototypes."""
        unit = F.normalize(embeddings.flatten(0, 1), dim=-1)  # (Q, D)
        centres = F.normalize(self.centres, dim=-1).flatten(0, 1)  # (C * K, D)
        cosines = (unit @ centres.T).view(len(unit), *self.centres.shape[:2]).amax(2)  # (Q, C)
        own = speakers.repeat_interleave(embeddings.shape[1])  # (Q,)
        narrowed = with_margin(cosines.gather(1, own[:, None]), self.margin)
        return SpeakerScores(
            logits=self.scale * cosines.scatter(1, own[:, None], narrowed),
            own=own,
            asking=torch.arange(len(unit), device=unit.device),
            unit=unit,
            prototypes=None,
            form="softmax",
        )


def with_margin(cosines: Tensor, margin: float) -> Tensor:
    """cos(theta) -> cos(theta + m); where that would rise again, past pi, a straight line that goes on falling."""
    sines = (1 - cosines.square()).clamp(min=LEAST_SQUARED_SINE).sqrt()
    turned = cosines * math.cos(margin) - sines * math.sin(margin)
    return torch.where(cosines > -math.cos(margin), turned, cosines - math.sin(margin) * margin)
