"""What is known about the two sides of a comparison beside their voices: the calibration's other inputs.

Letters: S sides, T trials, Q features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svc.types import Band, FloatArray, Voiceprint

Array = npt.NDArray[np.float64]

# Past these the score no longer depends on the condition, as far as the calibration data can tell.
SPEECH_RANGE_S = (0.5, 20.0)
SNR_RANGE_DB = (0.0, 40.0)
FEATURES = (
    "log_shorter_speech",
    "log_longer_speech",
    "both_telephone",
    "band_mismatch",
    "lower_snr",
    "higher_snr",
)


# What the voice to be expected of one side depends on (svc.scoring.centring).
INPUTS = ("one", "log_speech", "snr", "telephone")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SideConditions:
    """(T,) net speech, SNR, and whether the band is that of a telephone; with the voices (S, D) they were measured with
    and, where sides recur, the row of each (T,).
    """

    net_speech_s: Array
    snr_db: Array
    telephone: npt.NDArray[np.bool_]
    vectors: FloatArray | None = None
    rows: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, voiceprints: Sequence[Voiceprint]) -> "SideConditions":
        return cls(
            net_speech_s=np.array([voiceprint.net_speech_s for voiceprint in voiceprints], dtype=np.float64),
            snr_db=np.array([voiceprint.snr_db for voiceprint in voiceprints], dtype=np.float64),
            telephone=np.array([voiceprint.band is Band.TELEPHONE for voiceprint in voiceprints], dtype=bool),
            vectors=np.stack([voiceprint.vector for voiceprint in voiceprints]),
        )

    def take(self, indices: npt.NDArray[np.int64]) -> "SideConditions":
        """(T',) indices of sides -> (T',) sides; no vector is copied."""
        return SideConditions(
            net_speech_s=self.net_speech_s[indices],
            snr_db=self.snr_db[indices],
            telephone=self.telephone[indices],
            vectors=self.vectors,
            rows=indices if self.rows is None else self.rows[indices],
        )

    def inputs(self) -> Array:
        """(T, I) as INPUTS, each within -1..1."""
        columns = (
            np.ones(len(self.net_speech_s)),
            _log_share(self.net_speech_s),
            share(self.snr_db, *SNR_RANGE_DB),
            2.0 * self.telephone - 1.0,
        )
        return np.stack(columns, axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """The two sides of T trials; either may hold one side that all trials share."""

    enrolment: SideConditions
    test: SideConditions

    @classmethod
    def of_pair(cls, enrolment: Voiceprint, test: Voiceprint) -> "Conditions":
        """One trial."""
        return cls(SideConditions.of([enrolment]), SideConditions.of([test]))

    def take(self, indices: npt.NDArray[np.int64]) -> "Conditions":
        """(T',) indices of trials -> (T',) trials."""
        return Conditions(self.enrolment.take(indices), self.test.take(indices))

    def features(self) -> Array:
        """(T, Q) as FEATURES, each within -1..1 and the same when the sides swap places."""
        speech = [_log_share(side.net_speech_s) for side in (self.enrolment, self.test)]
        snr = [share(side.snr_db, *SNR_RANGE_DB) for side in (self.enrolment, self.test)]
        telephone = self.enrolment.telephone, self.test.telephone
        columns = (
            np.minimum(*speech),
            np.maximum(*speech),
            2.0 * np.logical_and(*telephone) - 1.0,
            2.0 * np.logical_xor(*telephone) - 1.0,
            np.minimum(*snr),
            np.maximum(*snr),
        )
        return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _log_share(speech_s: Array) -> Array:
    low_s, high_s = SPEECH_RANGE_S
    return share(np.log(np.maximum(speech_s, low_s)), np.log(low_s), np.log(high_s))


def share(values: Array, low: float, high: float) -> Array:
    """low..high -> -1..1, clipped."""
    return np.asarray(np.clip(2 * (values - low) / (high - low) - 1, -1, 1))
