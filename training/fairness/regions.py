"""Regions of the embedding space by k-means over the training embeddings: pseudo-labels that need nobody's labels.

Letters: K regions, D embedding width, L embeddings remembered, n samples.
"""

from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from svc.types import FloatArray

RegionFeature = Literal["none", "one-hot", "distances"]
ITERATIONS = 20
# From other random points; the best is kept.
RESTARTS = 5
# From regions that are known: an epoch moves them little.
FOLLOWING_ITERATIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionConfig:
    """`feature`: what the adversary is told of a sample's place; none = nothing, and no k-means is made at all."""

    feature: RegionFeature = "one-hot"
    count: int = 16
    # The latest embeddings that k-means runs over, at most.
    remembered: int = 16_384

    def __post_init__(self) -> None:
        if not 1 <= self.count <= self.remembered:
            raise ValueError(f"need 1 <= count <= remembered, got {self.count} and {self.remembered}")


class Regions(nn.Module):
    """Centroids of the embeddings remembered since the last refresh. Each refresh starts where the last one ended, and
    is numbered like it, so that a region keeps its number and, as far as the embeddings let it, its place.

    All state is in buffers. Before the first refresh every feature is zero.
    """

    centroids: Tensor  # (K, D) unit length; all zero until the first refresh
    known: Tensor  # () whether there was one
    memory: Tensor  # (L, D) a ring
    seen: Tensor  # () embeddings remembered since the last refresh

    def __init__(self, width: int, config: RegionConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.seed = seed
        length = config.remembered if self.width else 0
        self.register_buffer("centroids", torch.zeros(config.count, width))
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))
        self.register_buffer("memory", torch.zeros(length, width))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @property
    def width(self) -> int:
        """Of the feature."""
        return 0 if self.config.feature == "none" else self.config.count

    def remember(self, unit: Tensor) -> None:
        """(n, D) unit length, of one training step; older ones make room."""
        if not self.width:
            return
        unit = unit[-len(self.memory) :]
        first = int(self.seen) % len(self.memory)
        until_end = len(self.memory) - first
        self.memory[first : first + len(unit)] = unit[:until_end]
        if len(unit) > until_end:
            self.memory[: len(unit) - until_end] = unit[until_end:]
        self.seen += len(unit)

    def refresh(self) -> None:
        """New centroids from what was remembered, moved on from the old ones; then forgets it all.

        Nothing happens when fewer embeddings than regions are remembered.
        """
        held = min(int(self.seen), len(self.memory))
        if held < self.config.count:
            return
        start = self.centroids.cpu().numpy() if self.known else None
        found = k_means(self.memory[:held].cpu().numpy(), self.config.count, seed=self.seed, start=start)
        self.centroids.copy_(torch.from_numpy(found if start is None else matched(found, start)))
        self.known.fill_(True)
        self.seen.zero_()

    def feature(self, unit: Tensor) -> Tensor:
        """(n, D) unit length -> (n, K) one-hot, or distances to the centroids; (n, 0) for none."""
        blank = unit.new_zeros(len(unit), self.width)
        if not self.width or not self.known:
            return blank
        if self.config.feature == "distances":
            return torch.cdist(unit, self.centroids.to(unit))
        nearest = (unit @ self.centroids.to(unit).T).argmax(1, keepdim=True)
        return blank.scatter_(1, nearest, 1.0)


def k_means(points: FloatArray, count: int, *, seed: int, start: FloatArray | None = None) -> FloatArray:
    """(n, D) unit vectors -> (count, D) unit centroids, by cosine; every point is used. The same arguments give the
    same centroids. From `start`, (count, D), in its order, where it is given; else the best of several random starts.
    """
    engine = faiss.Kmeans(
        points.shape[1],
        count,
        niter=ITERATIONS if start is None else FOLLOWING_ITERATIONS,
        seed=seed,
        spherical=True,
        nredo=RESTARTS if start is None else 1,
        # faiss warns below and samples above; here neither is wanted.
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),
    )
    engine.train(np.ascontiguousarray(points, np.float32), init_centroids=start)
    return np.asarray(engine.centroids, np.float32)


def matched(new: FloatArray, old: FloatArray) -> FloatArray:
    """(K, D) new centroids in the order of the old ones, so that the sum of their cosines is largest (Hungarian).

    K-means gives a region that ran empty to a part of the largest, so even from the old ones the order may change.
    """
    _, order = linear_sum_assignment(-(old @ new.T))
    ordered: FloatArray = new[order]
    return ordered
