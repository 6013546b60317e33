"""The curves a reader looks at, by group, in so few points that they fit in a report: detection error trade-off, how
scores are spread, and what posteriors promise against what comes true.

Groups too small to conclude from have none: their curves would show noise. Trials that the system refused are accepted
nowhere along the first, and lie where their scores do in the others.
Letters: T trials, G groups, B bins, K of them of scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from training.fairness.disaggregated import Disaggregated
from training.metrics.score_bins import BinnedScores, Reading
from training.metrics.scored_trials import Labels
from training.metrics.verification import (
    CALIBRATION_BINS,
    Array,
    Mask,
    OperatingPoints,
    calibration_edges,
    posterior,
)

DET_POINTS = 64
# At these the page says how often people are rejected: each curve has its best point there.
FALSE_MATCH_RATES = (0.001, 0.01, 0.05, 0.1)
SCORE_BINS = 48
# Rates nearer to 0 and 1 than this are all the same on the scale DET curves are drawn on.
LEAST_RATE = 1e-5
# Of trials of either kind, beyond either end of the histogram: they count in its last bin.
TAIL = 0.001
DIGITS = 5


def curves_json(
    scores: Array,
    target: Mask,
    results: Mapping[str, Disaggregated],
    *,
    calibrated: bool,
    refused: Mask | None = None,
) -> dict[str, Any]:
    """(T,) scores and labels -> curves overall and by column and group, null where too small to conclude from."""
    curves = _Curves(scores, target, refused, calibrated=calibrated)
    (overall,) = curves.of(np.zeros(len(target), np.int64), 1)
    by_group = {}
    for column, result in results.items():
        each = zip(result.by_group.items(), curves.of(result.grouping.labels, len(result.by_group)), strict=True)
        by_group[column] = {group: None if summary.too_small else curve for (group, summary), curve in each}
    return {"score_edges": _rounded(curves.edges), "overall": overall, "by_group": by_group}


class _Curves:
    """Trials put in bins once, on the same bins for all groups."""

    def __init__(self, scores: Array, target: Mask, refused: Mask | None, *, calibrated: bool) -> None:
        self.target, self.calibrated = target, calibrated
        self.bins = BinnedScores(scores, target, Reading(calibrated=calibrated), 2048, refused)
        self.edges = _edges(scores, target)
        self.promise = posterior(scores)
        self.promise_bin = np.searchsorted(calibration_edges(), self.promise, side="right")
        self.bar_of = np.clip(np.searchsorted(self.edges, scores, side="right") - 1, 0, SCORE_BINS - 1)

    def of(self, labels: Labels, num_groups: int) -> Iterator[dict[str, Any]]:
        """Of each group in turn."""
        steps = _counts(self.target, labels, self.bins.bin_of, (num_groups, len(self.bins)))
        bars = _shares(_counts(self.target, labels, self.bar_of, (num_groups, SCORE_BINS)))
        promises = self.target, labels, self.promise_bin, (num_groups, CALIBRATION_BINS)
        promised, counts = _counts(*promises, self.promise), _counts(*promises)
        decided = self.bins.by_decision(steps)
        points = OperatingPoints(self.bins.starts, decided[1], decided[0])
        for group in range(num_groups):
            yield {
                # No threshold is below the first bin, which holds the refused.
                "det": _det_json(points.fmr[group, 1:], points.fnmr[group, 1:]),
                "target": _rounded(bars[1, group]),
                "nontarget": _rounded(bars[0, group]),
                "reliability": _reliability(promised[:, group], counts[:, group]) if self.calibrated else None,
            }


def _reliability(promised: Array, counts: Array) -> dict[str, Sequence[float]]:
    """(2, CALIBRATION_BINS) each -> the bins that are not empty, each kind of trial half the weight."""
    halves = np.maximum(2 * counts.sum(axis=-1, keepdims=True), 1)
    share = counts / halves
    weight = share.sum(axis=0)
    filled = weight > 0
    return {
        "promised": _rounded((promised / halves).sum(axis=0)[filled] / weight[filled]),
        "seen": _rounded(share[1][filled] / weight[filled]),
        "share": _rounded(weight[filled]),
        "n_trials": [int(number) for number in counts.sum(axis=0)[filled]],
    }


def _edges(scores: Array, target: Mask) -> Array:
    kinds = (scores[(target == kind) & np.isfinite(scores)] for kind in (False, True))
    ends = np.array([np.quantile(kind, (TAIL, 1 - TAIL)) for kind in kinds if len(kind)] or [(0.0, 0.0)])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    return np.linspace(low, high if high > low else low + 1, SCORE_BINS + 1)


def _counts(
    target: Mask, labels: Labels, place: npt.NDArray[Any], shape: tuple[int, int], weights: Array | None = None
) -> Array:
    """(T,) -> (2, G, B) trials of nontargets and targets, or sums of their weights."""
    inside = labels >= 0
    key = (target[inside] * shape[0] + labels[inside]) * shape[1] + place[inside]
    chosen = None if weights is None else weights[inside]
    return np.bincount(key, chosen, 2 * shape[0] * shape[1]).reshape(2, *shape).astype(np.float64)


def _shares(counts: Array) -> Array:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1))


def _det_json(fmr: Array, fnmr: Array) -> dict[str, list[float]]:
    """Points of the curve: evenly along it as it is drawn, on normal-deviate axes, and the first at or under each of
    FALSE_MATCH_RATES.
    """
    drawn = ndtri(np.clip(np.stack([fmr, fnmr]), LEAST_RATE, 1 - LEAST_RATE))  # (2, K)
    way = np.append(0, np.cumsum(np.hypot(*np.diff(drawn))))
    evenly = np.searchsorted(way, np.linspace(0, way[-1], DET_POINTS)).clip(max=len(way) - 1)
    told = [int(np.argmax(fmr <= rate)) for rate in FALSE_MATCH_RATES]
    chosen = np.unique([*evenly, *told])
    return {"fmr": _rounded(fmr[chosen]), "fnmr": _rounded(fnmr[chosen])}


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
