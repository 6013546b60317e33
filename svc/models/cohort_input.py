"""Tells the encoder whose speech it hears: which cohort of talkers, as far as is known.

The cohort embedding of arXiv 2207.11345, as a vector that moves every mel frame before the encoder. A voice is put to
the cohorts softly, by how near it lies to their centroids; zeros say that nothing is known, and change nothing.
Letters: N sequences, T mel frames, M mels, K cohorts, V width of a voice's embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# What cosines are multiplied by before the softmax. Voices of one cohort lie some tenths nearer to its centroid than to
# others, so a clear case weighs nine tenths or more.
SHARPNESS = 20.0


class CohortInput(nn.Module):
    """At first it changes nothing. `centroids` (K, V) are set, never learnt; all zero where cohorts have none."""

    centroids: Tensor

    def __init__(self, num_cohorts: int, voice_width: int, num_mels: int) -> None:
        super().__init__()
        self.project = nn.Linear(num_cohorts, num_mels, bias=False)
        nn.init.zeros_(self.project.weight)
        self.register_buffer("centroids", torch.zeros(num_cohorts, voice_width))

    def forward(self, mels: Tensor, cohorts: Tensor) -> Tensor:
        """(N, T, M), (N, K) -> (N, T, M)."""
        return mels + self.project(cohorts)[:, None]  # type: ignore[no-any-return]

    def shares(self, voice: Tensor) -> Tensor:
        """(.., V) embeddings of any length -> (.., K) that add up to 1; zeros without centroids or without a voice.

        Raises ValueError for embeddings of another width.
        """
        if voice.shape[-1] != self.centroids.shape[1]:
            raise ValueError(f"need voices of width {self.centroids.shape[1]}, got {voice.shape[-1]}")
        cosines = (
            F.normalize(voice, dim=-1, eps=torch.finfo(voice.dtype).tiny) @ F.normalize(self.centroids, dim=-1).T
        )  # (.., K)
        known = voice.any(-1, keepdim=True) & self.centroids.any()
        return torch.where(known, (SHARPNESS * cosines).softmax(-1), 0.0)
