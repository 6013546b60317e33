"""Baselines that put group labels into the network: a head that tells the group, and branches adapted to groups.

Letters: N speakers, M utterances of each, Q queries, D embedding width, G groups.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.group_branches import GroupBranches
from training.fairness.weighting import UNKNOWN, BatchTerms, GroupWeighting, Weighed


class MultiTaskHead(GroupWeighting):
    """The plain loss plus a weight times the cross-entropy of telling the group from the embedding."""

    def __init__(self, num_groups: int, width: int, weight: float) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"need weight >= 0, got {weight}")
        self.weight = weight
        self.head = nn.Linear(width, num_groups)

    def weigh_groups(self, terms: BatchTerms, groups: Tensor) -> Weighed:
        losses = terms.scores.losses()
        logits = self.head(F.normalize(terms.embeddings, dim=-1)).flatten(0, 1)  # (N * M, G)
        known = groups.flatten() != UNKNOWN
        telling = F.cross_entropy(logits[known], groups.flatten()[known]) if known.any() else losses.new_zeros(())
        return Weighed(losses.mean() + self.weight * telling, torch.ones_like(losses).detach())


class GroupAdaptedFusion(GroupWeighting):
    """Branches trained on the queries of one group each, and a fusion of them, after Shen et al. (arXiv 2202.11323).

    Ours fuses by fixed learned shares where theirs has a small network, so that stored voices stay vectors.
    """

    def __init__(self, num_groups: int, width: int) -> None:
        super().__init__()
        self.branches = GroupBranches(num_groups, width)

    def adapted(self, embeddings: Tensor) -> Tensor:
        """(.., D) -> (.., (G + 1) * D), unit length."""
        return self.branches(embeddings)  # type: ignore[no-any-return]

    def weigh_groups(self, terms: BatchTerms, groups: Tensor) -> Weighed:
        """`terms` speaks of the embeddings before the branches."""
        losses = terms.scores.losses()
        parts = self.branches.parts(terms.embeddings)  # (N, M, G + 1, D)
        queried = terms.scores.of_queries(groups)  # (Q,)
        loss = losses.mean()
        for group in range(parts.shape[-2] - 1):
            if (mine := queried == group).any():
                loss = loss + terms.score(parts[..., group + 1, :]).losses()[mine].sum() / len(losses)
        # The fusion learns its shares alone: through the branches it would teach each of them other groups' voices.
        fused = terms.score(self.branches.fused(parts.detach()))
        return Weighed(loss + fused.losses().mean(), torch.ones_like(losses).detach())
