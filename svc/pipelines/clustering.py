"""Voices of many windows into speakers of one recording."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist

from svc.types import FloatArray

IntArray = npt.NDArray[np.int64]

UNASSIGNED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteringConfig:
    """Agglomerative clustering, average linkage on cosine distance."""

    # Clusters further apart than this (1 - cosine) are different people.
    threshold: float = 0.55
    # To count as a speaker a voice must be heard alone this long or for this share of all speech, whichever is less.
    # Summed over overlapping windows: at a hop of a quarter window, four times what was said.
    min_speaker_s: float = 4.0
    min_speaker_share: float = 0.01
    # Embeddings of less clean speech than this join speakers but do not make them.
    min_reliable_s: float = 1.0
    # The distance matrix grows with the square; past this an even subset makes the speakers and the rest joins.
    max_clustered: int = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerBounds:
    """How many speakers there may be; equal bounds mean the number is known."""

    fewest: int = 1
    most: int = 20


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LocalVoices:
    """M voices, each of one local speaker of one window."""

    vectors: FloatArray  # (M, D), unit length
    windows: IntArray  # (M,)
    speakers: IntArray  # (M,), local
    clean_s: FloatArray  # (M,), speech of nobody else at the same time

    @classmethod
    def joined(cls, parts: Sequence["LocalVoices"]) -> "LocalVoices":
        return cls(
            vectors=np.concatenate([part.vectors for part in parts]),
            windows=np.concatenate([part.windows for part in parts]),
            speakers=np.concatenate([part.speakers for part in parts]),
            clean_s=np.concatenate([part.clean_s for part in parts]),
        )

    def subset(self, chosen: npt.NDArray[np.bool_] | IntArray) -> "LocalVoices":
        return LocalVoices(
            vectors=self.vectors[chosen],
            windows=self.windows[chosen],
            speakers=self.speakers[chosen],
            clean_s=self.clean_s[chosen],
        )


def find_speakers(voices: LocalVoices, bounds: SpeakerBounds, config: ClusteringConfig) -> FloatArray:
    """M voices -> (C, D) unit centroids of the speakers; fewer than asked for when there are not enough voices."""
    founders = _founders(voices, bounds, config)
    clusters = _cluster(founders, bounds, config)
    sums = np.stack([founders.vectors[clusters == cluster].sum(axis=0) for cluster in range(clusters.max() + 1)])
    centroids: FloatArray = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centroids


def assign_speakers(voices: LocalVoices, centroids: FloatArray, *, num_windows: int, num_local: int) -> IntArray:
    """-> (W, K) speaker of each local speaker, UNASSIGNED where it has no voice.

    Within a window each speaker is taken once (Hungarian), since two local speakers are two people; local speakers
    beyond the number of speakers join the one they resemble most.
    """
    assigned = np.full((num_windows, num_local), UNASSIGNED, np.int64)
    likeness = voices.vectors @ centroids.T  # (M, C)
    for rows in _rows_by_window(voices.windows):
        nearest = likeness[rows].argmax(axis=1)
        local, speaker = linear_sum_assignment(likeness[rows], maximize=True)
        nearest[local] = speaker
        assigned[voices.windows[rows], voices.speakers[rows]] = nearest
    return assigned


def _rows_by_window(windows: IntArray) -> list[IntArray]:
    order = np.argsort(windows, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(windows[order])) + 1) if len(order) else []


def _founders(voices: LocalVoices, bounds: SpeakerBounds, config: ClusteringConfig) -> LocalVoices:
    """The voices clear enough to tell who there is; all of them when the clear ones are too few."""
    reliable = voices.clean_s >= config.min_reliable_s
    founders = voices.subset(reliable) if reliable.sum() >= bounds.fewest else voices
    if len(founders.vectors) <= config.max_clustered:
        return founders
    return founders.subset(np.linspace(0, len(founders.vectors) - 1, config.max_clustered).astype(np.int64))


def _cluster(voices: LocalVoices, bounds: SpeakerBounds, config: ClusteringConfig) -> IntArray:
    """M voices -> (M,) cluster of each; too small clusters are dissolved into UNASSIGNED."""
    if len(voices.vectors) == 1:
        return np.zeros(1, np.int64)
    tree = linkage(_distances(voices), method="average")
    clusters = _without_small(fcluster(tree, config.threshold, criterion="distance"), voices.clean_s, config)
    found = clusters.max() + 1
    wanted = min(max(found, bounds.fewest), bounds.most, len(voices.vectors))
    return clusters if found == wanted else _cut_into(tree, wanted, voices.clean_s, config)


def _distances(voices: LocalVoices) -> npt.NDArray[np.float64]:
    distances: npt.NDArray[np.float64] = pdist(voices.vectors.astype(np.float64), metric="cosine")
    return np.maximum(distances, 0.0)


def _cut_into(tree: npt.NDArray[np.float64], wanted: int, clean_s: FloatArray, config: ClusteringConfig) -> IntArray:
    """Cuts where just `wanted` clusters are large enough; where there is no such cut, into `wanted` of any size."""
    for pieces in range(wanted, min(len(clean_s), 4 * wanted + 16) + 1):
        clusters = _without_small(fcluster(tree, pieces, criterion="maxclust"), clean_s, config)
        if clusters.max() + 1 == wanted:
            return clusters
    return np.unique(fcluster(tree, wanted, criterion="maxclust"), return_inverse=True)[1].astype(np.int64)


def _without_small(clusters: IntArray, clean_s: FloatArray, config: ClusteringConfig) -> IntArray:
    """Renumbers the large clusters from 0; the others become UNASSIGNED. The largest always stays."""
    _, clusters = np.unique(clusters, return_inverse=True)
    heard_s = np.bincount(clusters, weights=clean_s)
    large = heard_s >= min(config.min_speaker_s, config.min_speaker_share * heard_s.sum(), heard_s.max())
    renumbered = np.where(large, np.cumsum(large) - 1, UNASSIGNED)
    return renumbered[clusters].astype(np.int64)
