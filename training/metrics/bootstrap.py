"""Intervals over speakers: the people are the sample, not their trials, which share voices and so are not independent.

Speakers (or files, where speakers are unknown) are drawn with replacement. A nontarget trial needs both its people, so
it weighs the product of their counts; a target trial has one person, and weighs that count.
Letters: T trials, U units (speakers).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics.verification import Array, OperatingPoints, RankedTrials, trial_bits

MIN_DCF_PRIORS = {"min_dcf_01": 0.01, "min_dcf_05": 0.05}
# Below this many people, or of either kind of trial, an interval is itself a guess.
FEW_UNITS = 10
FEW_TRIALS = 30


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoredTrials:
    """(T,) natural-log LLRs (or scores), labels, and the unit of either side by number."""

    llrs: Array
    target: npt.NDArray[np.bool_]
    enrolment_unit: npt.NDArray[np.int64]
    test_unit: npt.NDArray[np.int64]

    def select(self, mask: npt.NDArray[np.bool_]) -> "ScoredTrials":
        """The trials where `mask` (T,) holds."""
        return ScoredTrials(
            llrs=self.llrs[mask],
            target=self.target[mask],
            enrolment_unit=self.enrolment_unit[mask],
            test_unit=self.test_unit[mask],
        )

    @property
    def units(self) -> npt.NDArray[np.int64]:
        """(U,) those that occur."""
        return np.union1d(self.enrolment_unit, self.test_unit)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure and its interval; None = cannot be measured on these trials."""

    value: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a list of trials says, and how much it rests on."""

    n_target: int
    n_nontarget: int
    n_speakers: int
    figures: Mapping[str, Figure]

    @property
    def too_small(self) -> bool:
        return self.n_speakers < FEW_UNITS or min(self.n_target, self.n_nontarget) < FEW_TRIALS


MEASURES = ("eer", *MIN_DCF_PRIORS, "cllr", "min_cllr")


def summarise(trials: ScoredTrials, *, replicas: int | None = None, seed: int = 0) -> Summary:
    """All measures with 95 % percentile intervals over units; trials of one kind alone get counts and no figures."""
    n_target = int(trials.target.sum())
    counts = {"n_target": n_target, "n_nontarget": len(trials.target) - n_target, "n_speakers": len(trials.units)}
    if not n_target or n_target == len(trials.target):
        return Summary(**counts, figures={name: Figure(None, None) for name in MEASURES})
    measured = _Measured(trials)
    values = measured.measure(None)
    draws = _draws(measured, replicas or replicas_for(len(trials.target)), seed)
    intervals = np.percentile(draws, [2.5, 97.5], axis=0) if len(draws) else None
    figures = {
        name: Figure(value, None if intervals is None else (float(intervals[0, column]), float(intervals[1, column])))
        for column, (name, value) in enumerate(zip(MEASURES, values, strict=True))
    }
    return Summary(**counts, figures=figures)


def replicas_for(num_trials: int) -> int:
    """1,000 up to a million trials, fewer past that, never under 200."""
    return int(np.clip(1_000_000_000 // num_trials, 200, 1_000))


class _Measured:
    """One list, sorted once, measured under many weightings."""

    def __init__(self, trials: ScoredTrials) -> None:
        targets, nontargets = trials.llrs[trials.target], trials.llrs[~trials.target]
        self.ranked = RankedTrials(targets, nontargets)
        self.target_bits, self.nontarget_bits = trial_bits(targets, nontargets)
        units, numbers = np.unique(np.stack([trials.enrolment_unit, trials.test_unit]), return_inverse=True)
        self.num_units = len(units)
        self.enrolment, self.test = numbers.reshape(2, -1)
        self.target = trials.target

    def measure(self, unit_counts: Array | None) -> list[float]:
        """(U,) times each unit was drawn, none = once each -> as MEASURES; ZeroDivisionError if a kind is gone."""
        target_weights, nontarget_weights = self._weights(unit_counts) if unit_counts is not None else (None, None)
        points = self.ranked.weigh(target_weights, nontarget_weights)
        bits = np.average(self.target_bits, weights=target_weights)
        bits += np.average(self.nontarget_bits, weights=nontarget_weights)
        return [points.equal_error_rate(), *_costs(points), float(bits / 2), points.min_cllr()]

    def _weights(self, unit_counts: Array) -> tuple[Array, Array]:
        first, second = unit_counts[self.enrolment], unit_counts[self.test]
        weights = np.where(self.enrolment == self.test, first, first * second)
        targets, nontargets = weights[self.target], weights[~self.target]
        if not targets.any() or not nontargets.any():
            raise ZeroDivisionError("a kind of trial is gone from this draw")
        return targets, nontargets


def _costs(points: OperatingPoints) -> list[float]:
    return [points.min_dcf(prior) for prior in MIN_DCF_PRIORS.values()]


def _draws(measured: _Measured, replicas: int, seed: int) -> Array:
    """(replicas, measures); draws that lost all targets or nontargets are left out, all are if most did."""
    random = np.random.default_rng(seed)
    even = np.full(measured.num_units, 1 / measured.num_units)
    rows = []
    for _ in range(replicas):
        try:
            rows.append(measured.measure(random.multinomial(measured.num_units, even).astype(np.float64)))
        except ZeroDivisionError:
            continue
    return np.array(rows) if len(rows) > replicas / 2 else np.zeros((0, len(MEASURES)))
