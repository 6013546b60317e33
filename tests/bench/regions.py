"""K-means of a million embeddings into regions, as reweighting does it, beside scikit-learn's MiniBatchKMeans."""

import resource
import time

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from svc.types import FloatArray
from tests.bench.timing import Row
from training.fairness.regions import ITERATIONS, RESTARTS, k_means

NUM_EMBEDDINGS, WIDTH, NUM_REGIONS, NUM_TALKERS = 1_000_000, 192, 64, 1_000
KIB_IN_GIB = 2**20
# Embeddings that are drawn, or compared with centroids, at once: what is made on the way must not be the peak.
AT_A_TIME = 50_000


def measure() -> list[Row]:
    """In processor time, for a machine is never quite quiet; the peer last, so that the memory told is not its."""
    embeddings = drawn()
    held_gib = peak_gib()
    ours, ours_s = timed_regions(embeddings)
    ours_gib = peak_gib()
    started_s = time.process_time()
    peer = MiniBatchKMeans(NUM_REGIONS, n_init=RESTARTS, max_iter=ITERATIONS, random_state=0).fit(embeddings)
    peer_s = time.process_time() - started_s
    return [
        Row(f"{ITERATIONS} rounds over all, from {RESTARTS} random starts", f"{ours_s:.0f} s of processor time"),
        Row("peak memory of the process; before, with the embeddings alone", f"{ours_gib:.2f} GiB, {held_gib:.2f} GiB"),
        Row("mean cosine to the nearest centroid", f"{mean_cosine(embeddings, ours):.4f}"),
        Row(f"MiniBatchKMeans, as many starts, at most {ITERATIONS} rounds", f"{peer_s:.0f} s of processor time"),
        Row("its mean cosine to the nearest centroid", f"{mean_cosine(embeddings, unit(peer.cluster_centers_)):.4f}"),
    ]


def timed_regions(embeddings: FloatArray) -> tuple[FloatArray, float]:
    """(K, D) centroids, and the seconds of processor time they took."""
    started_s = time.process_time()
    found = k_means(embeddings, NUM_REGIONS, seed=0)
    return found, time.process_time() - started_s


def drawn() -> FloatArray:
    """(n, D) unit length, of talkers some of whom are alike."""
    random = np.random.default_rng(0)
    kinds = random.standard_normal((NUM_REGIONS, WIDTH), np.float32)
    talkers = kinds[random.integers(0, NUM_REGIONS, NUM_TALKERS)] + random.standard_normal(
        (NUM_TALKERS, WIDTH), np.float32
    )
    embeddings = np.empty((NUM_EMBEDDINGS, WIDTH), np.float32)
    for first in range(0, NUM_EMBEDDINGS, AT_A_TIME):
        some = embeddings[first : first + AT_A_TIME]
        some[:] = talkers[random.integers(0, NUM_TALKERS, len(some))]
        some += random.standard_normal(some.shape, np.float32)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return embeddings


def unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def mean_cosine(embeddings: FloatArray, centroids: FloatArray) -> float:
    """(n, D) and (K, D), both of unit length."""
    parts = range(0, len(embeddings), AT_A_TIME)
    nearest = [(embeddings[first : first + AT_A_TIME] @ centroids.T).max(axis=1) for first in parts]
    return float(np.concatenate(nearest).mean())


def peak_gib() -> float:
    """Of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_GIB
