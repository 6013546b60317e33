"""How good a calibration is: Cllr beside minCllr, on talkers it was not fitted on. Letters: T trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.table import Table

from svc.scoring.calibration import CalibrationWeights
from svc.scoring.conditions import Array
from training.calibration_cohort import Strangers
from training.calibration_fit import CalibrationTrials, FitSettings, fit
from training.metrics.verification import cllr, equal_error_rate, min_cllr

HEADER = ("trials", "speakers", "target", "nontarget", "EER %", "Cllr", "minCllr", "Cllr / minCllr")
# Fewer trials of a kind than this are no measurement.
MIN_TRIALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFigures:
    """Counts, and rates over all trials alike; Cllr in bits."""

    n_speakers: int
    n_target: int
    n_nontarget: int
    eer: float
    cllr: float
    min_cllr: float

    @property
    def ratio(self) -> float:
        """1 = the LLRs are as good as these scores allow."""
        return self.cllr / self.min_cllr if self.min_cllr else float("inf")


def figures_of(trials: CalibrationTrials, llrs: Array) -> CalibrationFigures | None:
    """(T,) LLRs; None when there are too few trials of a kind to measure."""
    targets, nontargets = llrs[trials.target], llrs[~trials.target]
    if min(len(targets), len(nontargets)) < MIN_TRIALS:
        return None
    return CalibrationFigures(
        n_speakers=len(np.union1d(trials.enrolment_unit, trials.test_unit)),
        n_target=len(targets),
        n_nontarget=len(nontargets),
        eer=equal_error_rate(targets, nontargets),
        cllr=cllr(targets, nontargets),
        min_cllr=min_cllr(targets, nontargets),
    )


def held_out_llrs(
    trials: CalibrationTrials, settings: FitSettings, *, folds: int, seed: int, strangers: Strangers | None = None
) -> Array:
    """(T,) LLRs, each by weights fitted without either of its speakers; NaN where the two are in different folds."""
    enrolment, test = _folds(trials, folds, seed)
    llrs = np.full(len(trials.scores), np.nan)
    for fold in range(folds):
        inside, outside = (enrolment == fold) & (test == fold), (enrolment != fold) & (test != fold)
        llrs[inside] = llrs_of(fit(trials.select(outside), settings, strangers=strangers), trials.select(inside))
    return llrs


def llrs_of(weights: CalibrationWeights, trials: CalibrationTrials) -> Array:
    """(T,)"""
    return weights.llr_under(trials.scores, trials.conditions)


def figures_table(title: str, rows: Mapping[str, CalibrationFigures | None]) -> Table:
    """For a terminal."""
    table = Table(title=title, title_justify="left")
    for name in HEADER:
        table.add_column(name, justify="left" if name == "trials" else "right")
    for name, figures in rows.items():
        if figures is None:
            table.add_row(name, *["-"] * (len(HEADER) - 1))
            continue
        counts = map(str, (figures.n_speakers, figures.n_target, figures.n_nontarget))
        bits = (f"{figures.cllr:.4f}", f"{figures.min_cllr:.4f}", f"{figures.ratio:.2f}")
        table.add_row(name, *counts, f"{figures.eer * 100:.2f}", *bits)
    return table


def unmeasured_text(names: Sequence[str]) -> str:
    """Of sets that have no figures; what was fitted on them may be anything."""
    return (
        f"{', '.join(names)}: not measured, for fewer than {MIN_TRIALS} target or nontarget trials are between people "
        "of one fold. Do not rely on this calibration: give more people and trials, or fewer folds with --folds"
    )


def _folds(trials: CalibrationTrials, folds: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(T,) and (T,) folds of the people on either side."""
    units, numbers = np.unique(np.stack([trials.enrolment_unit, trials.test_unit]), return_inverse=True)
    fold_of = np.random.default_rng(seed).permutation(len(units)) % folds
    enrolment, test = fold_of[numbers.reshape(2, -1)]
    return enrolment, test
