"""The one EER of the repository, and its kin: minDCF, FMR and FNMR at a threshold, Cllr, minCllr, calibration
error and DET points, all exact on ties.

A trial is accepted when its score is at least the threshold, so trials of equal score share their fate; one that the
system refused is accepted at no threshold (decision_scores).
The bootstrap weighs trials, of many groups at once (OperatingPoints with leading axes); the plain functions are the
same code with weights of 1 and no such axes. Without weight of either kind a measure is NaN.
Letters: T target trials, N nontarget trials, K distinct scores. LLRs are natural logarithms; Cllr is in bits.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import expit

from svc.errors import InvalidRequestError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Posteriors at prior 0.5 fall into this many bins of equal width for the calibration error.
CALIBRATION_BINS = 15


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Scores (K,) ascending, and the weight of target and nontarget trials at each: (.., K), a row a group."""

    scores: Array
    target_mass: Array
    nontarget_mass: Array

    @cached_property
    def fnmr(self) -> Array:
        """(.., K + 1) share of targets rejected, the threshold at each score in turn and then above them all."""
        return _cumulative(self.target_mass)

    @cached_property
    def fmr(self) -> Array:
        """(.., K + 1) share of nontargets accepted at the same thresholds."""
        # From above, so that a rate of zero is zero and not a rounding error.
        return _cumulative(self.nontarget_mass[..., ::-1])[..., ::-1]

    def equal_error_rate(self) -> Array:
        """(..) where the line through neighbouring operating points crosses FMR = FNMR; a tie is one straight step."""
        excess = self.fnmr - self.fmr  # rises from -1 to 1
        after = np.argmax(excess >= 0, axis=-1)[..., None]
        low, high = (np.take_along_axis(excess, index, -1) for index in (after - 1, after))
        miss_low, miss_high = (np.take_along_axis(self.fnmr, index, -1) for index in (after - 1, after))
        with np.errstate(invalid="ignore"):
            return np.asarray(miss_low + low / (low - high) * (miss_high - miss_low))[..., 0]

    def min_dcf(self, prior: float) -> Array:
        """(..) least detection cost over all thresholds; costs 1 and 1, 1 = as good as ignoring the score."""
        return np.asarray(np.min(_detection_cost(self.fnmr, self.fmr, prior), axis=-1))

    def min_cllr(self) -> Array:
        """(..) Cllr after the best monotone recalibration of these very scores (pool adjacent violators)."""
        shape = self.target_mass.shape
        rows = zip(self.target_mass.reshape(-1, shape[-1]), self.nontarget_mass.reshape(-1, shape[-1]), strict=True)
        return np.array([_min_cllr(targets, nontargets) for targets, nontargets in rows]).reshape(shape[:-1])


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
    """(T,) and (N,) scores -> the rate at which FMR = FNMR, a fraction, interpolated between operating points."""
    return float(RankedTrials(targets, nontargets).weigh().equal_error_rate())


def equal_error_threshold(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """(T,) and (N,) -> the least finite score that as a threshold gives FNMR >= FMR, else the greatest.

    It is chosen on these trials. Where strangers share the highest score with the genuine, no score does: accepting
    nobody is no threshold to deploy.
    """
    curve = det_curve(targets, nontargets)
    finite = np.isfinite(curve.thresholds)
    thresholds = curve.thresholds[finite]
    if not len(thresholds):
        return 0.0
    meet = (curve.fnmr >= curve.fmr)[finite]
    return float(thresholds[np.argmax(meet) if meet.any() else -1])


def min_dcf(targets: npt.ArrayLike, nontargets: npt.ArrayLike, prior: float) -> float:
    """(T,) and (N,) scores -> least normalised detection cost (NIST SRE), costs 1 and 1, at the given target prior."""
    return float(RankedTrials(targets, nontargets).weigh().min_dcf(prior))


def min_cllr(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """Cllr in bits after ideal monotone calibration (Brümmer and du Preez 2006); what calibration cannot mend."""
    return float(RankedTrials(targets, nontargets).weigh().min_cllr())


def det_curve(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> DetCurve:
    """(T,) and (N,) scores -> all operating points, by rising threshold."""
    points = RankedTrials(targets, nontargets, merged=False).weigh()
    return DetCurve(np.append(points.scores, np.inf), points.fnmr, points.fmr)


def decision_scores(scores: Array, refused: Mask | None) -> Array:
    """(T,) scores as thresholds see them: below all of them where the trial was refused (T,), for that accepted nobody.

    A stranger refused is thus no false match, and a target refused is a miss: failures to enrol and to acquire count as
    in the generalised false accept and false reject rates of ISO/IEC 19795-1. Only for counting decisions: measures
    over scores (EER, minDCF, Cllr, minCllr, calibration) take the scores themselves.
    """
    return scores if refused is None else np.where(refused, -np.inf, scores)


def error_rates(targets: npt.ArrayLike, nontargets: npt.ArrayLike, threshold: float) -> tuple[float, float]:
    """(T,) and (N,) decision scores -> FMR and FNMR, fractions, of accepting from `threshold` on, as once deployed."""
    fmr = np.mean(_checked(nontargets, "nontarget") >= threshold)
    return float(fmr), float(np.mean(_checked(targets, "target") < threshold))


def bayes_threshold(prior: float) -> float:
    """The LLR from which accepting costs less than rejecting at costs 1 and 1."""
    _check_prior(prior)
    return float(np.log((1 - prior) / prior))


def detection_cost(fmr: npt.ArrayLike, fnmr: npt.ArrayLike, prior: float) -> Array:
    """(..) rates -> normalised cost (NIST SRE) of missing and of false alarms, costs 1 and 1."""
    return _detection_cost(np.asarray(fnmr), np.asarray(fmr), prior)


def calibration_error(target_llrs: npt.ArrayLike, nontarget_llrs: npt.ArrayLike) -> float:
    """Expected calibration error (Naeini et al. 2015) of the posterior at prior 0.5: mean distance between what was
    promised and what came true, over CALIBRATION_BINS bins of equal width, each kind of trial half the weight.
    """
    shares = []
    for llrs, kind in ((target_llrs, "target"), (nontarget_llrs, "nontarget")):
        promised = posterior(_checked(llrs, kind))
        bins = np.searchsorted(calibration_edges(), promised, side="right")
        shares.append([np.bincount(bins, each, CALIBRATION_BINS) / len(bins) / 2 for each in (None, promised)])
    (target, promised_target), (_, promised_nontarget) = shares
    return float(np.abs(promised_target + promised_nontarget - target).sum())


def calibration_edges() -> Array:
    """(CALIBRATION_BINS - 1,) the posteriors between the bins of calibration_error."""
    return np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS


def posterior(llrs: Array) -> Array:
    """(..) LLRs -> (..) probability of a target at prior 0.5."""
    return np.asarray(expit(llrs))


def cllr(target_llrs: npt.ArrayLike, nontarget_llrs: npt.ArrayLike) -> float:
    """Cost of LLRs in bits (Brümmer and du Preez 2006, eq. 13): 0 = sure and right, 1 = says nothing."""
    targets, nontargets = _checked(target_llrs, "target"), _checked(nontarget_llrs, "nontarget")
    return float((bits_lost(targets, True).mean() + bits_lost(nontargets, False).mean()) / 2)


def bits_lost(llrs: Array, target: Mask | bool) -> Array:
    """(T,) LLRs -> what each costs in bits; Cllr is half the sum of the (weighted) means of either kind of trial."""
    return np.asarray(np.logaddexp(0, np.where(target, -llrs, llrs)) / np.log(2))


def _min_cllr(target_mass: Array, nontarget_mass: Array) -> float:
    mass = target_mass + nontarget_mass
    total_target, total_nontarget = target_mass.sum(), nontarget_mass.sum()
    if not total_target or not total_nontarget:
        return float("nan")
    seen = mass > 0
    calibrated = isotonic_regression(target_mass[seen] / mass[seen], weights=mass[seen])
    starts = calibrated.blocks[:-1]
    targets = np.add.reduceat(target_mass[seen], starts)
    nontargets = np.add.reduceat(nontarget_mass[seen], starts)
    # Pools of one kind alone have LLR +-inf and cost nothing.
    mixed = (targets > 0) & (nontargets > 0)
    targets, nontargets = targets[mixed] / total_target, nontargets[mixed] / total_nontarget
    bits = targets * np.log2(1 + nontargets / targets) + nontargets * np.log2(1 + targets / nontargets)
    return float(bits.sum() / 2)


def _cumulative(mass: Array) -> Array:
    share = np.zeros((*mass.shape[:-1], mass.shape[-1] + 1))
    np.cumsum(mass, axis=-1, out=share[..., 1:])
    with np.errstate(invalid="ignore"):
        share /= share[..., -1:].copy()
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
