"""Gathering of the frames a block computes out of those it skips, group by group, and back.

Letters: G groups (sequences, or blocks of them) of W frames, R chosen rows, Q the most rows of a group, E width.
"""

import torch
from torch import Tensor


class ChosenRows:
    """Rows stand group after group, in the order of time, as `frames[chosen]` gives them."""

    def __init__(self, chosen: Tensor) -> None:
        """(G, W) bool."""
        self.counts = chosen.sum(1)  # (G,)
        most = int(self.counts.max()) if len(chosen) else 0  # Q
        self.order = chosen.int().argsort(dim=1, descending=True, stable=True)[:, :most]  # (G, Q) frames
        self.real = torch.arange(most, device=chosen.device) < self.counts.unsqueeze(1)  # (G, Q)

    def by_group(self, rows: Tensor) -> Tensor:
        """(R, E) -> (G, Q, E), zeros behind the rows of a group that has fewer."""
        grouped = rows.new_zeros(*self.real.shape, rows.shape[1])
        grouped[self.real] = rows
        return grouped

    def rows_of(self, grouped: Tensor) -> Tensor:
        """(G, Q, E) -> (R, E)."""
        return grouped[self.real]
