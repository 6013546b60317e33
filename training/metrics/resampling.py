"""Intervals of figures that are sums over recordings: whole recordings are drawn, for the words of one hang together.

Letters: R recordings.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from training.metrics.bootstrap import Figure, floored, unless_stuck

REPLICAS = 1_000
# Below this many recordings an interval is itself a guess.
FEW_RECORDINGS = 10


def ratio_figure(
    numerators: Sequence[float], denominators: Sequence[float], *, replicas: int = REPLICAS, seed: int = 0
) -> Figure:
    """(R,) counts each -> sum over sum with its 95 % percentile interval; none where the denominator is 0, and no
    interval where no draw moves the value, as of one recording.
    """
    return unless_stuck(_ratio(numerators, denominators, replicas, seed))


def rate_figure(
    numerators: Sequence[float], denominators: Sequence[float], *, replicas: int = REPLICAS, seed: int = 0
) -> Figure:
    """As `ratio_figure`, of what is never negative: where nothing (or all) went wrong in every recording, the interval
    is that of so few recordings.
    """
    return unless_stuck(floored(_ratio(numerators, denominators, replicas, seed), len(numerators)))


def _ratio(numerators: Sequence[float], denominators: Sequence[float], replicas: int, seed: int) -> Figure:
    counts = np.array([numerators, denominators], dtype=np.float64)  # (2, R)
    total = counts.sum(axis=1)
    if not counts.size or total[1] == 0:
        return Figure(None, None)
    drawn = _draws(counts.shape[1], replicas, seed) @ counts.T  # (replicas, 2)
    drawn = drawn[drawn[:, 1] > 0]
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return Figure(float(total[0] / total[1]), (float(low), float(high)))


def pooled_figure(
    samples: Sequence[Sequence[float]],
    statistic: Callable[[npt.NDArray[np.float64]], float],
    *,
    replicas: int = REPLICAS,
) -> Figure:
    """(R,) lists of measurements -> a statistic of them all with its 95 % interval; none without a measurement, and no
    interval where no draw moves the value.
    """
    pools = [np.asarray(sample, dtype=np.float64) for sample in samples]
    pooled = np.concatenate([np.zeros(0), *pools])
    if not len(pooled):
        return Figure(None, None)
    recording = np.repeat(np.arange(len(pools)), [len(pool) for pool in pools])
    times = (np.repeat(pooled, drawn[recording]) for drawn in _draws(len(pools), replicas, seed=0))
    values = [statistic(drawn) for drawn in times if len(drawn)]
    low, high = np.percentile(values, [2.5, 97.5])
    return unless_stuck(Figure(float(statistic(pooled)), (float(low), float(high))))


def _draws(num_recordings: int, replicas: int, seed: int) -> npt.NDArray[np.int64]:
    """(replicas, R) times each recording was drawn."""
    even = np.full(num_recordings, 1 / num_recordings)
    return np.random.default_rng(seed).multinomial(num_recordings, even, size=replicas)
