"""Trials with their scores: which are of one person, and who is on either side.

Letters: T trials, U units (speakers).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics.verification import Array, Mask, decision_scores

Labels = npt.NDArray[np.int64]
"""(T,) the group of each trial by number; -1 = none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of trials or of the people in them: `both` of either kind of trial."""

    target: int
    nontarget: int
    both: int

    def behind(self, rate: str) -> int:
        """Those that a rate is of; of the EER the fewer."""
        return {"fmr": self.nontarget, "fnmr": self.target}.get(rate, min(self.target, self.nontarget))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScoredTrials:
    """(T,) natural-log LLRs (or scores), labels, and the unit of either side by number.

    `refused`: trials the system would not decide on, and so accepted nobody; None = none.
    """

    llrs: Array
    target: Mask
    enrolment_unit: npt.NDArray[np.int64]
    test_unit: npt.NDArray[np.int64]
    refused: Mask | None = None

    def __len__(self) -> int:
        return len(self.target)

    def select(self, mask: Mask) -> "ScoredTrials":
        """The trials where `mask` (T,) holds."""
        return ScoredTrials(
            llrs=self.llrs[mask],
            target=self.target[mask],
            enrolment_unit=self.enrolment_unit[mask],
            test_unit=self.test_unit[mask],
            refused=None if self.refused is None else self.refused[mask],
        )

    @property
    def units(self) -> npt.NDArray[np.int64]:
        """(U,) those that occur."""
        return np.union1d(self.enrolment_unit, self.test_unit)

    @property
    def speakers(self) -> Counts:
        """Units in any trial, and in those of either kind."""
        target, nontarget = (len(self.select(kind).units) for kind in (self.target, ~self.target))
        return Counts(target=target, nontarget=nontarget, both=len(self.units))

    @property
    def decided(self) -> Array:
        """(T,) scores as thresholds see them."""
        return decision_scores(self.llrs, self.refused)
