"""Scores put in bins once, so that many weightings of many groups are measured at once.

Bins start at every step of the ranked scores while those are few, and all measures are exact; else at quantiles of
either kind of trial, dense in the tails. They start at every threshold in either case, so rates there are exact always.
So is Cllr, for which no bin will do: trials of a bin cost different bits, and who is drawn tells which count.
Trials that the system refused have bins of their own past the others: decisions find them below every threshold,
measures over scores where their scores lie.
Letters: T trials, B bins, K of them of scores, E of refused trials, G groups, M measures.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from training.metrics.verification import (
    Array,
    Mask,
    OperatingPoints,
    RankedTrials,
    bayes_threshold,
    calibration_edges,
    calibration_error,
    cllr,
    decision_scores,
    detection_cost,
    error_rates,
)

PRIORS = {"01": 0.01, "05": 0.05}
MIN_DCF_PRIORS = {f"min_dcf_{name}": prior for name, prior in PRIORS.items()}
ACT_DCF_PRIORS = {f"act_dcf_{name}": prior for name, prior in PRIORS.items()}
AT_THRESHOLD = ("fmr", "fnmr")
MEASURES = ("eer", *MIN_DCF_PRIORS, *AT_THRESHOLD, *ACT_DCF_PRIORS, "cllr", "min_cllr", "calibration_error")
OF_LLRS = {*ACT_DCF_PRIORS, "cllr", "calibration_error"}
# A sum of distances, each of which luck makes longer and drawing anew longer still: draws of it lie above its value, so
# there is no interval of it to be had from them, nor of gaps in it.
NOT_DRAWN = "calibration_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How scores are read. Without a threshold there are no rates at one; scores that are no LLRs have no OF_LLRS."""

    threshold: float | None = None
    calibrated: bool = True

    def measurable(self) -> Mask:
        """(M,) whether each of MEASURES means anything."""
        lost = (OF_LLRS if not self.calibrated else set()) | (set(AT_THRESHOLD) if self.threshold is None else set())
        return np.array([name not in lost for name in MEASURES])

    def cuts(self) -> Array:
        """(C,) every score at which something is decided."""
        bayes = [bayes_threshold(prior) for prior in PRIORS.values()]
        return np.array([*([] if self.threshold is None else [self.threshold]), *bayes, *logit(calibration_edges())])


# What a calibrated system gives, without a threshold.
LLRS = Reading()


def measure(scores: Array, target: Mask, reading: Reading, refused: Mask | None = None) -> Array:
    """(T,) -> (M,) MEASURES, exact; NaN = cannot be measured. No threshold accepts trials that were `refused` (T,)."""
    targets, nontargets = scores[target], scores[~target]
    if not len(targets) or not len(nontargets):
        return np.full(len(MEASURES), np.nan)
    points = RankedTrials(targets, nontargets).weigh()
    threshold = 0.0 if reading.threshold is None else reading.threshold
    bayes = (bayes_threshold(prior) for prior in ACT_DCF_PRIORS.values())
    decided = decision_scores(scores, refused)
    decided_on = decided[target], decided[~target]
    at_bayes = [error_rates(*decided_on, each) for each in bayes]
    values = [
        points.equal_error_rate(),
        *(points.min_dcf(prior) for prior in MIN_DCF_PRIORS.values()),
        *error_rates(*decided_on, threshold),
        *(detection_cost(*rates, prior) for rates, prior in zip(at_bayes, ACT_DCF_PRIORS.values(), strict=True)),
        cllr(targets, nontargets),
        points.min_cllr(),
        calibration_error(targets, nontargets),
    ]
    return np.where(reading.measurable(), np.array(values, dtype=np.float64), np.nan)


class BinnedScores:
    """(T,) scores of both kinds in at most about `max_bins` bins; trials `refused` (T,) are none by default."""

    def __init__(
        self, scores: Array, target: Mask, reading: Reading, max_bins: int, refused: Mask | None = None
    ) -> None:
        self.reading = reading
        points = RankedTrials(scores[target], scores[~target]).weigh()
        # The first bin holds all below the least cut, so that every cut starts a bin other than the first.
        starts = np.concatenate([_starts(points, max_bins), reading.cuts()])
        self.starts = np.append(-np.inf, np.unique(starts))  # (K,)
        self.bin_of = (np.searchsorted(self.starts, scores, side="right") - 1).astype(np.int32)  # (T,)
        self._scored_in = self._set_apart(refused)

    def __len__(self) -> int:
        return len(self.starts) + len(self._scored_in)

    def _set_apart(self, refused: Mask | None) -> npt.NDArray[np.int32]:
        """Moves refused trials past the bins of scores; (E,) the bin of scores that each bin of them is of."""
        if refused is None or not refused.any():
            return np.zeros(0, np.int32)
        scored_in, number = np.unique(self.bin_of[refused], return_inverse=True)
        self.bin_of[refused] = len(self.starts) + number
        return scored_in

    def by_score(self, mass: Array) -> Array:
        """(.., B) weights -> (.., K), refused trials where their scores lie: for measures over scores."""
        if not len(self._scored_in):
            return mass
        of_scores = mass[..., : len(self.starts)].copy()
        of_scores[..., self._scored_in] += mass[..., len(self.starts) :]
        return of_scores

    def by_decision(self, mass: Array) -> Array:
        """(.., B) weights -> (.., K), refused trials in the first bin, below every threshold: for rates at one."""
        if not len(self._scored_in):
            return mass
        decided = mass[..., : len(self.starts)].copy()
        decided[..., 0] += mass[..., len(self.starts) :].sum(axis=-1)
        return decided

    def measure(self, mass: Array, bits: Array) -> Array:
        """(2, G, B) nontargets and targets, and (2, G) the bits they lost -> (G, M) MEASURES; NaN where a kind has no
        weight, and NOT_DRAWN.
        """
        scored, decided = self.by_score(mass), self.by_decision(mass)
        points = OperatingPoints(self.starts, scored[1], scored[0])
        decisions = points if decided is scored else OperatingPoints(self.starts, decided[1], decided[0])
        threshold = 0.0 if self.reading.threshold is None else self.reading.threshold
        columns = [
            points.equal_error_rate(),
            *(points.min_dcf(prior) for prior in MIN_DCF_PRIORS.values()),
            *self._rates(decisions, threshold),
            *(detection_cost(*self._rates(decisions, bayes_threshold(p)), p) for p in ACT_DCF_PRIORS.values()),
            _cllr(mass, bits),
            points.min_cllr(),
            np.full(scored.shape[1], np.nan),
        ]
        return np.where(self.reading.measurable(), np.stack(columns, axis=-1), np.nan)

    def _rates(self, points: OperatingPoints, threshold: float) -> tuple[Array, Array]:
        at = int(np.searchsorted(self.starts, threshold))
        return points.fmr[:, at], points.fnmr[:, at]


def _cllr(mass: Array, bits: Array) -> Array:
    """(2, G, B) and (2, G) -> (G,)"""
    with np.errstate(invalid="ignore"):
        return np.asarray((bits / mass.sum(axis=-1)).mean(axis=0))


def _starts(points: OperatingPoints, max_bins: int) -> Array:
    if len(points.scores) <= max_bins:
        return points.scores
    tail = np.geomspace(1e-7, 0.1, max_bins // 8)
    levels = np.concatenate([np.linspace(0, 1, max_bins // 4), tail, 1 - tail])
    curves: tuple[npt.NDArray[Any], ...] = (points.fnmr[1:], 1 - points.fmr[1:])
    chosen = np.concatenate([np.searchsorted(curve, levels) for curve in curves])
    return np.asarray(points.scores[np.unique(np.minimum(chosen, len(points.scores) - 1))])
