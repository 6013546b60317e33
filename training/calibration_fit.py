"""Fits the weights of svc.scoring.calibration: regularised logistic regression of a log-linear slope and an offset.

The loss is Cllr itself (in nats, prior 0.5) of weighed trials, plus an L2 penalty on what the conditions may change.
Analytic gradients and L-BFGS from a fixed start: no seed, the same trials give the same weights.
Letters: T trials, Q features, likeness to the cohort included, P parameters = 2 (1 + Q) + 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from svc.errors import InvalidRequestError
from svc.scoring.calibration import CalibrationWeights
from svc.scoring.centring import centred
from svc.scoring.conditions import INPUTS, Array, Conditions, SideConditions
from training.calibration_cohort import Strangers, cohort_and_likeness
from training.data.trial_list import TrialList
from training.embeddings import Voices

# Bounds of log(doubt): one trial in 20 is as bad as labels get, one in 22,000 is past what such data can show.
LOG_DOUBT_RANGE = (-10.0, -3.0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CalibrationTrials:
    """(T,) cosines, conditions, labels, weights, and numbers that name the people (or files) on either side."""

    scores: Array
    conditions: Conditions
    target: npt.NDArray[np.bool_]
    weights: Array
    enrolment_unit: npt.NDArray[np.int64]
    test_unit: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, mask: npt.NDArray[np.bool_]) -> "CalibrationTrials":
        """The trials where `mask` (T,) holds."""
        return CalibrationTrials(
            scores=self.scores[mask],
            conditions=self.conditions.take(np.flatnonzero(mask)),
            target=self.target[mask],
            weights=self.weights[mask],
            enrolment_unit=self.enrolment_unit[mask],
            test_unit=self.test_unit[mask],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How freely conditions may move things. The fewer the people, the less: `penalty` over their number is the weight
    of squared parameters beside Cllr in nats; `shrink` is how many blank voices the expected voice is averaged with.
    """

    penalty: float = 6e-3
    shrink: float = 10.0
    # Whether scores are normalised against a cohort of the trials' own talkers, where they are enough.
    cohort: bool = True


def fit(
    trials: CalibrationTrials, settings: FitSettings = FitSettings(), *, strangers: Strangers | None = None
) -> CalibrationWeights:
    """`strangers` are the cohort in place of the trials' own talkers. Raises InvalidRequestError without trials of both
    kinds, or with too few strangers.
    """
    if trials.target.all() or not trials.target.any():
        raise InvalidRequestError("calibration needs target and nontarget trials", field="target")
    expected = expected_voice((trials.conditions.enrolment, trials.conditions.test), settings.shrink)
    scores = centred(trials.scores, trials.conditions, expected)
    num_people = len(np.union1d(trials.enrolment_unit, trials.test_unit))
    cohort, likeness = (
        cohort_and_likeness(trials.conditions, (trials.enrolment_unit, trials.test_unit), expected, strangers)
        if settings.cohort
        else (None, np.zeros((len(trials), 0)))
    )
    loss = PenalisedCllr(replace(trials, scores=scores), settings.penalty / num_people, likeness)
    result = minimize(loss, loss.start(), jac=True, method="L-BFGS-B", bounds=loss.bounds(), options={"maxiter": 500})
    slope, offset, log_doubt = loss.split(result.x)
    return CalibrationWeights(slope=slope, offset=offset, doubt=np.exp(log_doubt), expected=expected, cohort=cohort)


def expected_voice(sides: Sequence[SideConditions], shrink: float) -> Array:
    """(I, D) least squares of voices on their conditions, ridge `shrink`, each once a role; D = 0 without vectors."""
    inputs, vectors = [], []
    for side in sides:
        if side.vectors is None:
            return np.zeros((len(INPUTS), 0))
        rows = np.arange(len(side.net_speech_s)) if side.rows is None else side.rows
        _, firsts = np.unique(rows, return_index=True)
        inputs.append(side.inputs()[firsts])
        vectors.append(side.vectors[rows[firsts]])
    x, y = np.concatenate(inputs), np.concatenate(vectors).astype(np.float64)
    return np.asarray(np.linalg.solve(x.T @ x + shrink * np.eye(x.shape[1]), x.T @ y))


class PenalisedCllr:
    """Penalised Cllr and its gradient as a function of the parameters (P,); `likeness` (T, E) are features too."""

    def __init__(self, trials: CalibrationTrials, penalty: float, likeness: Array) -> None:
        self.scores = trials.scores
        self.inputs = np.column_stack([np.ones(len(trials)), trials.conditions.features(), likeness])  # (T, 1 + Q)
        self.width = self.inputs.shape[1]
        self.sign = np.where(trials.target, -1.0, 1.0)
        self.weights = balanced(trials.weights, trials.target)
        # The intercepts and the doubts are what all data inform; only what conditions change is held back.
        self.penalties = np.tile(np.r_[0.0, np.full(self.width - 1, penalty)], 2)  # (P - 2,)

    def __call__(self, parameters: Array) -> tuple[float, Array]:
        slope, offset, log_doubt = self.split(parameters)
        steepness = np.exp(self.inputs @ slope)  # (T,)
        linear = steepness * self.scores + self.inputs @ offset
        llr, by_linear, by_log_doubt = bounded_with_gradient(linear, log_doubt)
        costs = np.logaddexp(0, self.sign * llr)
        by_llr = self.weights * self.sign / (1 + np.exp(-self.sign * llr))
        by_slope = self.inputs.T @ (by_llr * by_linear * steepness * self.scores)
        by_offset = self.inputs.T @ (by_llr * by_linear)
        conditions = parameters[:-2]
        value = float(self.weights @ costs + self.penalties @ conditions**2)
        gradient = np.concatenate([by_slope, by_offset]) + 2 * self.penalties * conditions
        return value, np.concatenate([gradient, by_log_doubt @ by_llr])

    def start(self) -> Array:
        """A slope of 20, the offset that puts LLR 0 midway between the kinds, little doubt."""
        target = self.sign < 0
        middle = (np.average(self.scores[target]) + np.average(self.scores[~target])) / 2
        spread = max(float(np.std(self.scores)), 1e-6)
        parameters = np.zeros(2 * self.width + 2)
        parameters[0] = np.log(4 / spread)
        parameters[self.width] = -4 / spread * middle
        parameters[-2:] = -7.0
        return parameters

    def bounds(self) -> list[tuple[float | None, float | None]]:
        """Of each parameter."""
        return [(None, None)] * (2 * self.width) + [LOG_DOUBT_RANGE] * 2

    def split(self, parameters: Array) -> tuple[Array, Array, Array]:
        """Slope, offset, log doubt."""
        return parameters[: self.width], parameters[self.width : -2], parameters[-2:]


def balanced(weights: Array, target: npt.NDArray[np.bool_]) -> Array:
    """(T,) scaled so that targets and nontargets weigh 1/2 each: the prior of Cllr."""
    shares = np.where(target, weights / weights[target].sum(), weights / weights[~target].sum())
    return np.asarray(shares / 2)


def bounded_with_gradient(linear: Array, log_doubt: Array) -> tuple[Array, Array, Array]:
    """(T,) and (2,) -> the LLRs (T,) of CalibrationWeights.llr, their slopes (T,), and by each log doubt (2, T)."""
    miss, alarm = np.exp(log_doubt)
    keep_target, keep_nontarget = np.log1p(-miss), np.log1p(-alarm)
    above = np.logaddexp(keep_target + linear, log_doubt[0])
    below = np.logaddexp(keep_nontarget, log_doubt[1] + linear)
    from_voice = np.exp(keep_target + linear - above)
    into_alarm = np.exp(log_doubt[1] + linear - below)
    by_miss = (1 - from_voice) - from_voice * miss / (1 - miss)
    by_alarm = -into_alarm + (1 - into_alarm) * alarm / (1 - alarm)
    return above - below, from_voice - into_alarm, np.stack([by_miss, by_alarm])


def gather(trials: TrialList, voices: Voices, *, weight: float = 1.0) -> CalibrationTrials:
    """Trials whose two sides have a voice; each kind adds up to `weight`, shared alike by the pairs of people."""
    heard = voices.heard[trials.enrolment] & voices.heard[trials.test]
    enrolment, test, target = trials.enrolment[heard], trials.test[heard], trials.target[heard]
    # Numbers that mean the same person in every list.
    units = np.array([int.from_bytes(blake2b(unit.encode(), digest_size=7).digest()) for unit in trials.units])
    return CalibrationTrials(
        scores=voices.cosines(enrolment, test),
        conditions=voices.conditions(enrolment, test),
        target=target,
        weights=weight * pair_shares(units[enrolment], units[test], target),
        enrolment_unit=units[enrolment],
        test_unit=units[test],
    )


def pair_shares(
    enrolment_unit: npt.NDArray[np.int64], test_unit: npt.NDArray[np.int64], target: npt.NDArray[np.bool_]
) -> Array:
    """(T,) weights that give each pair of people the same, however often it is tried; each kind adds up to 1."""
    low, high = np.minimum(enrolment_unit, test_unit), np.maximum(enrolment_unit, test_unit)
    _, pair, counts = np.unique(
        np.stack([low, high, target.astype(np.int64)]), axis=1, return_inverse=True, return_counts=True
    )
    each = 1 / counts[pair.ravel()]
    totals = np.bincount(target.astype(np.int64), each, minlength=2)
    return np.asarray(each / totals[target.astype(np.int64)])


def join(pools: Sequence[CalibrationTrials]) -> CalibrationTrials:
    """All trials of all pools."""
    return CalibrationTrials(
        scores=np.concatenate([pool.scores for pool in pools]),
        conditions=Conditions(
            _join_sides([pool.conditions.enrolment for pool in pools]),
            _join_sides([pool.conditions.test for pool in pools]),
        ),
        target=np.concatenate([pool.target for pool in pools]),
        weights=np.concatenate([pool.weights for pool in pools]),
        enrolment_unit=np.concatenate([pool.enrolment_unit for pool in pools]),
        test_unit=np.concatenate([pool.test_unit for pool in pools]),
    )


def _join_sides(sides: Sequence[SideConditions]) -> SideConditions:
    vectors = [side.vectors for side in sides if side.vectors is not None]
    rows = [np.arange(len(side.net_speech_s)) if side.rows is None else side.rows for side in sides]
    starts = np.cumsum([0, *(len(each) for each in vectors)])
    return SideConditions(
        net_speech_s=np.concatenate([side.net_speech_s for side in sides]),
        snr_db=np.concatenate([side.snr_db for side in sides]),
        telephone=np.concatenate([side.telephone for side in sides]),
        vectors=np.concatenate(vectors) if len(vectors) == len(sides) else None,
        rows=np.concatenate([row + start for row, start in zip(rows, starts, strict=False)]),
    )
