"""The adversary: looks at an embedding and where it lies, and says how much its sample should weigh.

Letters: n samples, D embedding width, R width of the region feature.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Adversary(nn.Module):
    """sigmoid of a linear map, or of a map with one hidden layer. It starts out with the same opinion of everyone.

    Linear first, as that of adversarially reweighted learning (arXiv 2006.13114): one that can single out any sample
    would only find the broken recordings.
    """

    def __init__(self, width: int, region_width: int = 0, *, hidden_width: int = 0) -> None:
        super().__init__()
        inputs = width + region_width
        last = nn.Linear(hidden_width or inputs, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(inputs, hidden_width), nn.ReLU(), last) if hidden_width else last

    def forward(self, embeddings: Tensor, regions: Tensor) -> Tensor:
        """(n, D) of any length and (n, R) -> (n,) in 0..1. No gradient goes to the embeddings."""
        unit = F.normalize(embeddings.detach(), dim=-1)
        return torch.sigmoid(self.layers(torch.cat([unit, regions.detach()], dim=-1)).squeeze(-1))
