"""Distributionally robust baselines: GroupDRO and V-REx, which are told the groups, and CVaR-DRO, which is not.

Letters: Q queries, G groups.
"""

import torch
from torch import Tensor

from training.fairness.weighting import UNKNOWN, BatchTerms, BlindWeighting, GroupWeighting, Weighed


class CvarDro(BlindWeighting):
    """The mean of the worst share of a batch's losses (Levy et al. 2020, arXiv 2010.05893)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"need 0 < share <= 1, got {share}")
        self.share = share

    def weigh(self, terms: BatchTerms) -> Weighed:
        """The query at the edge of the share counts in part, so that exactly the share is averaged."""
        losses = terms.scores.losses()
        worst = self.share * len(losses)
        rank = losses.detach().argsort(descending=True, stable=True).argsort(stable=True)  # 0 = worst
        weights = (worst - rank).clamp(0, 1) / self.share
        return Weighed((weights * losses).mean(), weights)


class GroupDro(GroupWeighting):
    """Groups weighted by how badly they did so far, multiplicatively (Sagawa et al. 2020, arXiv 1911.08731).

    Queries of unknown group are a group of their own.
    """

    log_weights: Tensor  # (G + 1,) of the groups, the unknown last

    def __init__(self, num_groups: int, rate: float) -> None:
        super().__init__()
        if rate <= 0:
            raise ValueError(f"need rate > 0, got {rate}")
        self.rate = rate
        self.register_buffer("log_weights", torch.zeros(num_groups + 1))

    def weigh_groups(self, terms: BatchTerms, groups: Tensor) -> Weighed:
        losses = terms.scores.losses()
        means, present, of_query = _by_group(losses, terms.scores.of_queries(groups), len(self.log_weights))
        seen = means.detach().to(self.log_weights)
        # A batch that is passed over leaves no trace.
        self.log_weights[present] += self.rate * torch.where(seen.isfinite().all(), seen, 0)
        self.log_weights -= self.log_weights.logsumexp(0)
        weights = self.log_weights[present].softmax(0).to(losses)  # over the groups that are in the batch
        loss = (weights * means).sum()
        sizes = torch.bincount(of_query, minlength=len(present))
        return Weighed(loss, (weights * len(losses) / sizes)[of_query].detach())


class VRex(GroupWeighting):
    """The mean loss of the groups plus a multiple of its variance over them (Krueger et al. 2021, arXiv 2003.00688)."""

    def __init__(self, num_groups: int, penalty: float) -> None:
        super().__init__()
        if penalty < 0:
            raise ValueError(f"need penalty >= 0, got {penalty}")
        self.num_groups = num_groups
        self.penalty = penalty

    def weigh_groups(self, terms: BatchTerms, groups: Tensor) -> Weighed:
        losses = terms.scores.losses()
        means, _, of_query = _by_group(losses, terms.scores.of_queries(groups), self.num_groups + 1)
        loss = means.mean() + self.penalty * means.var(correction=0)
        sizes = torch.bincount(of_query, minlength=len(means))
        # How much a query's loss moves the whole: what it weighs in the gradient.
        pull = 1 + 2 * self.penalty * (means - means.mean())
        return Weighed(loss, (pull * len(losses) / (len(means) * sizes))[of_query].detach())


def _by_group(losses: Tensor, groups: Tensor, num_groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """(Q,) losses and groups -> means and numbers of the groups present, and for each query its place among them.

    UNKNOWN is the last of `num_groups`.
    """
    numbers = torch.where(groups == UNKNOWN, num_groups - 1, groups)
    present, of_query, sizes = torch.unique(numbers, return_inverse=True, return_counts=True)
    sums = losses.new_zeros(len(present)).index_add(0, of_query, losses)
    return sums / sizes, present, of_query
