"""The one EER of the repository, and its kin: minDCF, actDCF, Cllr, minCllr and DET points, all exact on ties.

A trial is accepted when its score is at least the threshold, so trials of equal score share their fate.
The bootstrap weighs trials (RankedTrials.weigh); the plain functions are the same code with weights of 1.
Letters: T target trials, N nontarget trials, K distinct scores. LLRs are natural logarithms; Cllr is in bits.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from svc.errors import InvalidRequestError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Weight of the target and nontarget trials at each step of the score, ascending: three arrays (K,)."""

    scores: Array
    target_mass: Array
    nontarget_mass: Array

    @cached_property
    def fnmr(self) -> Array:
        """(K + 1,) share of targets rejected, the threshold at each score in turn and then above them all."""
        return _cumulative(self.target_mass)

    @cached_property
    def fmr(self) -> Array:
        """(K + 1,) share of nontargets accepted at the same thresholds."""
        # From above, so that a rate of zero is zero and not a rounding error.
        return _cumulative(self.nontarget_mass[::-1])[::-1]

    def equal_error_rate(self) -> float:
        """Where the line through neighbouring operating points crosses FMR = FNMR; a tie is one straight step."""
        fnmr, fmr = self.fnmr, self.fmr
        excess = fnmr - fmr  # rises from -1 to 1
        after = int(np.argmax(excess >= 0))
        share = excess[after - 1] / (excess[after - 1] - excess[after])
        return float(fnmr[after - 1] + share * (fnmr[after] - fnmr[after - 1]))

    def min_dcf(self, prior: float) -> float:
        """Least detection cost over all thresholds; costs 1 and 1, 1 = as good as ignoring the score."""
        return float(np.min(_detection_cost(self.fnmr, self.fmr, prior)))

    def min_cllr(self) -> float:
        """Cllr after the best monotone recalibration of these very scores (pool adjacent violators)."""
        mass = self.target_mass + self.nontarget_mass
        seen = mass > 0
        posterior = isotonic_regression(self.target_mass[seen] / mass[seen], weights=mass[seen])
        starts = posterior.blocks[:-1]
        targets = np.add.reduceat(self.target_mass[seen], starts)
        nontargets = np.add.reduceat(self.nontarget_mass[seen], starts)
        # Pools of one kind alone have LLR +-inf and cost nothing.
        mixed = (targets > 0) & (nontargets > 0)
        targets, nontargets = targets[mixed] / self.target_mass.sum(), nontargets[mixed] / self.nontarget_mass.sum()
        bits = targets * np.log2(1 + nontargets / targets) + nontargets * np.log2(1 + targets / nontargets)
        return float(bits.sum() / 2)


class RankedTrials:
    """Trials sorted once, to be weighed many times: (T,) target and (N,) nontarget scores.

    Merged, neighbouring scores that only targets, or only nontargets, have share a step: a straight piece of the curve
    that no measure can turn inside of, so all of them stay exact, on far fewer steps.
    """

    def __init__(self, targets: npt.ArrayLike, nontargets: npt.ArrayLike, *, merged: bool = True) -> None:
        targets, nontargets = _checked(targets, "target"), _checked(nontargets, "nontarget")
        self.scores, step_of = np.unique(np.concatenate([targets, nontargets]), return_inverse=True)
        self._target_step, self._nontarget_step = np.split(step_of, [len(targets)])
        if merged:
            self._merge()

    def _merge(self) -> None:
        kinds = np.zeros(len(self.scores), dtype=np.int8)
        kinds[self._target_step] = 1
        kinds[self._nontarget_step] += 2
        starts = np.append(True, (kinds[1:] != kinds[:-1]) | (kinds[1:] == 3))
        run_of = np.cumsum(starts) - 1
        self.scores = self.scores[starts]
        self._target_step, self._nontarget_step = run_of[self._target_step], run_of[self._nontarget_step]

    def weigh(self, target_weights: Array | None = None, nontarget_weights: Array | None = None) -> OperatingPoints:
        """(T,) and (N,) weights, none = 1 each."""
        steps = len(self.scores)
        return OperatingPoints(
            scores=self.scores,
            target_mass=np.bincount(self._target_step, target_weights, steps).astype(np.float64),
            nontarget_mass=np.bincount(self._nontarget_step, nontarget_weights, steps).astype(np.float64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """Miss and false-match rates (K + 1,); the threshold past the highest score is +inf."""

    thresholds: Array
    fnmr: Array
    fmr: Array


def equal_error_rate(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """The rate at which FMR = FNMR, by linear interpolation between operating points; a fraction."""
    return RankedTrials(targets, nontargets).weigh().equal_error_rate()


def min_dcf(targets: npt.ArrayLike, nontargets: npt.ArrayLike, prior: float) -> float:
    """Normalised minimum detection cost (NIST SRE), costs 1 and 1, at the given target prior."""
    return RankedTrials(targets, nontargets).weigh().min_dcf(prior)


def min_cllr(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """Cllr in bits after ideal monotone calibration (Brümmer and du Preez 2006); what calibration cannot mend."""
    return RankedTrials(targets, nontargets).weigh().min_cllr()


def det_curve(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> DetCurve:
    """All operating points, by rising threshold."""
    points = RankedTrials(targets, nontargets, merged=False).weigh()
    return DetCurve(np.append(points.scores, np.inf), points.fnmr, points.fmr)


def act_dcf(target_llrs: npt.ArrayLike, nontarget_llrs: npt.ArrayLike, prior: float) -> float:
    """Normalised detection cost at the Bayes threshold -logit(prior), which is what taking LLRs at their word gives."""
    _check_prior(prior)
    threshold = np.log((1 - prior) / prior)
    fnmr = np.asarray(np.mean(_checked(target_llrs, "target") < threshold))
    fmr = np.asarray(np.mean(_checked(nontarget_llrs, "nontarget") >= threshold))
    return float(_detection_cost(fnmr, fmr, prior))


def cllr(target_llrs: npt.ArrayLike, nontarget_llrs: npt.ArrayLike) -> float:
    """Cost of LLRs in bits (Brümmer and du Preez 2006, eq. 13): 0 = sure and right, 1 = says nothing."""
    target_bits, nontarget_bits = trial_bits(target_llrs, nontarget_llrs)
    return float((target_bits.mean() + nontarget_bits.mean()) / 2)


def trial_bits(target_llrs: npt.ArrayLike, nontarget_llrs: npt.ArrayLike) -> tuple[Array, Array]:
    """(T,) and (N,) LLRs -> what each costs in bits; Cllr is half the sum of the two (weighted) means."""
    target_nats = np.logaddexp(0, -_checked(target_llrs, "target"))
    nontarget_nats = np.logaddexp(0, _checked(nontarget_llrs, "nontarget"))
    return target_nats / np.log(2), nontarget_nats / np.log(2)


def _cumulative(mass: Array) -> Array:
    share = np.zeros(len(mass) + 1)
    np.cumsum(mass, out=share[1:])
    share /= share[-1]
    return share


def _detection_cost(fnmr: Array, fmr: Array, prior: float) -> Array:
    _check_prior(prior)
    return np.asarray((prior * fnmr + (1 - prior) * fmr) / min(prior, 1 - prior))


def _check_prior(prior: float) -> None:
    if not 0 < prior < 1:
        raise InvalidRequestError(f"prior must be between 0 and 1, got {prior}", field="prior")


def _checked(scores: npt.ArrayLike, kind: str) -> Array:
    array = np.asarray(scores, dtype=np.float64).ravel()
    if not len(array):
        raise InvalidRequestError(f"no {kind} trials: error rates need target and nontarget trials", field="target")
    if np.isnan(array).any():
        raise InvalidRequestError(f"{int(np.isnan(array).sum())} {kind} scores are NaN", field="target")
    return array
