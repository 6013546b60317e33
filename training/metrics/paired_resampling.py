"""Intervals of figures over several runs (seeds) of the same recordings, and of what changes between two such sets.

Whole recordings, or all that one talker says, are drawn, the same ones on both sides: what is hard for both does not
count as a difference. Runs are too few to be drawn: of two drawn with replacement half the variance is lost, and
encoders that were alike came out as different in a quarter of simulated studies. So each run is left out once
(jackknife), and Student's t for as few runs as there are gives their part; both parts add up as squares, each side by
itself (Zou and Donner, Statistics in Medicine 2008). A run alone tells nothing of others, and a recording nothing of
others: there is no interval, nor where no draw and no run moves the value.
Letters: S seeds, R recordings, K draws.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from training.metrics.bootstrap import Figure, figure_of, floored, unless_stuck
from training.metrics.resampling import REPLICAS

# Of the draws of recordings.
SEED = 0

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


def mean_rate(runs: RunCounts, *, most: float = math.inf, replicas: int = REPLICAS) -> Figure:
    """Mean over seeds of counts over totals, which are 0 to `most`: of a share 1. Where nothing (or all) was counted in
    every recording, the interval is that of so few recordings.
    """
    figure = _figure(lambda *drawn: runs.rates(*drawn), runs.counts.shape, replicas)
    figure = unless_stuck(floored(figure, runs.counts.shape[1]))
    return mapped(figure, lambda rate: min(max(rate, 0.0), most))


def relative_change(before: RunCounts, after: RunCounts, *, replicas: int = REPLICAS) -> Figure:
    """after / before - 1; none where nothing was counted before, without an upper bound where draws have nothing there.

    Raises ValueError unless both have the same runs.
    """
    _check(before, after)
    if not before.counts.any():
        return Figure(None, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _figure(
            lambda *drawn: np.log(after.rates(*drawn) / before.rates(*drawn)), before.counts.shape, replicas
        )
    return mapped(unless_stuck(ratio), math.expm1)


def difference(before: RunCounts, after: RunCounts, *, replicas: int = REPLICAS) -> Figure:
    """after - before. Raises ValueError unless both have the same runs."""
    _check(before, after)
    return unless_stuck(
        _figure(lambda *drawn: after.rates(*drawn) - before.rates(*drawn), before.counts.shape, replicas)
    )


def with_seeds(figure: Figure, left_out: Floats) -> Figure:
    """A figure whose interval is over recordings, or people, and (S,) what it is without each seed, none of one alone
    -> with the seeds' part added; without an interval where one of these values is infinite or cannot be measured.
    """
    if figure.value is None or figure.ci95 is None or not len(left_out):
        return figure
    if not np.isfinite([figure.value, *left_out]).all():
        return Figure(figure.value, None)
    degrees = len(left_out) - 1
    of_seeds = student.ppf(0.975, degrees) * math.sqrt(degrees * np.var(left_out))
    value, (low, high) = figure.value, figure.ci95
    return Figure(value, (value - math.hypot(value - low, of_seeds), value + math.hypot(high - value, of_seeds)))


def mapped(figure: Figure, scale: Callable[[float], float]) -> Figure:
    """Value and both bounds on another scale, which keeps their order."""
    if figure.value is None or figure.ci95 is None:
        return Figure(None if figure.value is None else scale(figure.value), None)
    low, high = figure.ci95
    return Figure(scale(figure.value), (scale(low), scale(high)))


def _check(before: RunCounts, after: RunCounts) -> None:
    if before.counts.shape != after.counts.shape:
        raise ValueError(f"cannot pair runs of {before.counts.shape} with {after.counts.shape}")


def _figure(statistic: Callable[[Floats, Floats], Floats], shape: tuple[int, int], replicas: int) -> Figure:
    num_seeds, num_recordings = shape
    each = np.ones((1, num_seeds)), np.ones((1, num_recordings))
    value = float(statistic(*each)[0])
    if 1 in shape:
        return Figure(value, None)
    even = np.full(num_recordings, 1 / num_recordings)
    drawn = np.random.default_rng(SEED).multinomial(num_recordings, even, size=replicas).astype(np.float64)
    figure = figure_of(value, statistic(each[0], drawn))
    return with_seeds(figure, statistic(1 - np.eye(num_seeds), each[1]))
