"""Embeddings with a branch for each group of people, fused so that nobody's group need be known to compare two.

Letters: D embedding width, G groups.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GroupBranches(nn.Module):
    """Embeddings to longer ones: the embedding itself and one linear branch per group, fused by learned shares.

    Each part has unit length times the root of its share, so the cosine of two outputs is the fused score: the mean of
    the branches' cosines, weighted by the shares. Nobody's group need be known to use it.
    """

    def __init__(self, num_groups: int, width: int) -> None:
        super().__init__()
        branches = [nn.Linear(width, width, bias=False) for _ in range(num_groups)]
        for branch in branches:
            nn.init.eye_(branch.weight)
        self.branches = nn.ModuleList(branches)
        self.share_logits = nn.Parameter(torch.zeros(num_groups + 1))

    def parts(self, embeddings: Tensor) -> Tensor:
        """(.., D) -> (.., G + 1, D), the general one first."""
        return torch.stack([embeddings, *(branch(embeddings) for branch in self.branches)], dim=-2)

    def fused(self, parts: Tensor) -> Tensor:
        """(.., G + 1, D) -> (.., (G + 1) * D), unit length."""
        return (F.normalize(parts, dim=-1) * self.share_logits.softmax(0).sqrt()[:, None]).flatten(-2)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(.., D) -> (.., (G + 1) * D), unit length."""
        return self.fused(self.parts(embeddings))
