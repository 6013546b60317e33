"""Intervals of figures over several runs (seeds) of the same recordings, and of what changes between two such sets.

A draw takes whole recordings and whole runs with replacement, the same ones on both sides: what is hard for both does
not count as a difference, and what one lucky seed did does not count as the method.
Letters: S seeds, R recordings, K draws.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics.bootstrap import Figure
from training.metrics.resampling import REPLICAS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RunCounts:
    """(S, R) counts of each run on each recording, and (R,) what they are counted out of."""

    counts: Floats
    totals: Floats

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[1:] != self.totals.shape:
            raise ValueError(f"need (S, R) counts and (R,) totals, got {self.counts.shape} and {self.totals.shape}")

    def by_seed(self) -> Floats:
        """(S,) rates."""
        rates: Floats = self.counts.sum(axis=1) / self.totals.sum()
        return rates

    def rates(self, seeds: Floats, recordings: Floats) -> Floats:
        """(K, S), (K, R) times each was drawn -> (K,) rates: the mean over seeds of counts over totals."""
        of_seeds = recordings @ self.counts.T / (recordings @ self.totals)[:, None]  # (K, S)
        drawn: Floats = (of_seeds * seeds).sum(axis=1) / seeds.sum(axis=1)
        return drawn


def mean_rate(runs: RunCounts, *, replicas: int = REPLICAS, seed: int = 0) -> Figure:
    """Mean over seeds of counts over totals."""
    return _figure(lambda *drawn: runs.rates(*drawn), runs.counts.shape, replicas, seed)


def relative_change(before: RunCounts, after: RunCounts, *, replicas: int = REPLICAS, seed: int = 0) -> Figure:
    """after / before - 1; none where nothing was counted before. Raises ValueError unless both have the same runs."""
    _check(before, after)
    if not before.counts.any():
        return Figure(None, None)
    return _figure(
        lambda *drawn: after.rates(*drawn) / np.maximum(before.rates(*drawn), 1e-12) - 1,
        before.counts.shape,
        replicas,
        seed,
    )


def difference(before: RunCounts, after: RunCounts, *, replicas: int = REPLICAS, seed: int = 0) -> Figure:
    """after - before. Raises ValueError unless both have the same runs."""
    _check(before, after)
    return _figure(lambda *drawn: after.rates(*drawn) - before.rates(*drawn), before.counts.shape, replicas, seed)


def _check(before: RunCounts, after: RunCounts) -> None:
    if before.counts.shape != after.counts.shape:
        raise ValueError(f"cannot pair runs of {before.counts.shape} with {after.counts.shape}")


def _figure(statistic: Callable[[Floats, Floats], Floats], shape: tuple[int, ...], replicas: int, seed: int) -> Figure:
    random = np.random.default_rng(seed)
    seeds, recordings = (random.multinomial(n, np.full(n, 1 / n), size=replicas).astype(np.float64) for n in shape)
    low, high = np.percentile(statistic(seeds, recordings), [2.5, 97.5])
    value = statistic(*(np.ones((1, n)) for n in shape))
    return Figure(float(value[0]), (float(low), float(high)))
