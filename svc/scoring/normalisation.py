"""Adaptive, symmetric score normalisation against a cohort of strangers, as the calibration takes it.

AS-norm (Matejka et al., Interspeech 2017) subtracts from a score what each side gets against the strangers most like
it. Here these means are two more quality measures of the calibration (as in systems of VoxSRC), so that how much of
them to subtract is fitted: voices that share country, line and sex with a part of the cohort are alike to begin with.
A cohort holds nobody's voice: each of its vectors is the mean of at least MIN_TALKERS people
(training.calibration_cohort). Letters: C vectors of the cohort, D embedding width, T trials, U voices.
"""

from dataclasses import dataclass

import numpy as np

from svc.scoring.centring import centred_voices
from svc.scoring.conditions import Array, Conditions, share

LIKENESS = ("lower_likeness", "higher_likeness")
# Most alike strangers that count.
TOP_K = 5
MIN_TALKERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """(C, D) unit-length vectors, and the range (2,) of likenesses it was fitted with: beyond it they are clipped."""

    vectors: Array
    likeness_range: Array

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not self.vectors.size:
            raise ValueError(f"a cohort must be (C, D), got {self.vectors.shape}")
        if self.likeness_range.shape != (2,) or not self.likeness_range[0] < self.likeness_range[1]:
            raise ValueError("likeness_range must be two rising numbers")
        if not (np.isfinite(self.vectors).all() and np.isfinite(self.likeness_range).all()):
            raise ValueError("a cohort must be finite")

    def features(self, conditions: Conditions, expected: Array) -> Array:
        """(T, 2) as LIKENESS, each within -1..1 and the same when the sides swap places; 0 where there are no voices.

        Of voices less what `expected` (I, D) says of anyone under their conditions.
        """
        values = []
        for side in (conditions.enrolment, conditions.test):
            if side.vectors is None:
                values.append(np.full(len(side.net_speech_s), np.mean(self.likeness_range)))
            else:
                voices, back = centred_voices(side, expected)
                values.append(likeness(voices, self.vectors)[back])
        return likeness_features(values[0], values[1], self.likeness_range)


def likeness(voices: Array, cohort: Array) -> Array:
    """(U, D) and (C, D), of unit length -> (U,) mean cosine of each voice with the TOP_K of the cohort most like it."""
    top_k = min(TOP_K, len(cohort))
    against = voices @ cohort.T  # (U, C)
    return np.asarray(np.partition(against, -top_k, axis=1)[:, -top_k:].mean(axis=1))


def likeness_features(enrolment: Array, test: Array, likeness_range: Array) -> Array:
    """(T,) and (T,), or one for all -> (T, 2)."""
    low, high = likeness_range
    columns = np.minimum(enrolment, test), np.maximum(enrolment, test)
    return np.stack([share(column, low, high) for column in columns], axis=-1)
