"""Voiceprints summed so that each can be taken out again: the voice of a label as its turns come and go."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svc.types import Band, Voiceprint

# Less is rounding: there is no voice in the sum.
MIN_SPEECH_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class VoiceSum:
    """Sums over turns, each weighted by its seconds of speech. Counts add: + puts a voice in, - takes it out."""

    vector: npt.NDArray[np.float64]  # (D,)
    speech_s: float
    snr: float
    telephone: float
    clipped: float

    @classmethod
    def of(cls, voiceprint: Voiceprint) -> "VoiceSum":
        speech_s = voiceprint.net_speech_s
        return cls(
            vector=speech_s * voiceprint.vector.astype(np.float64),
            speech_s=speech_s,
            snr=speech_s * voiceprint.snr_db,
            telephone=speech_s * (voiceprint.band is Band.TELEPHONE),
            clipped=speech_s * voiceprint.clipped_share,
        )

    def __add__(self, other: "VoiceSum") -> "VoiceSum":
        return self._plus(other, 1.0)

    def __sub__(self, other: "VoiceSum") -> "VoiceSum":
        return self._plus(other, -1.0)

    @property
    def is_empty(self) -> bool:
        return self.speech_s < MIN_SPEECH_S

    def voiceprint(self, model_fingerprint: str) -> Voiceprint:
        """The mean voice. Raises ValueError for an empty sum."""
        if self.is_empty:
            raise ValueError("there is no voice in the sum")
        norm = float(np.linalg.norm(self.vector))
        return Voiceprint(
            vector=(self.vector / max(norm, np.finfo(np.float64).tiny)).astype(np.float32),
            model_fingerprint=model_fingerprint,
            net_speech_s=self.speech_s,
            band=Band.TELEPHONE if self.telephone > self.speech_s / 2 else Band.WIDE,
            snr_db=self.snr / self.speech_s,
            clipped_share=self.clipped / self.speech_s,
        )

    def _plus(self, other: "VoiceSum", sign: float) -> "VoiceSum":
        return VoiceSum(
            vector=self.vector + sign * other.vector,
            speech_s=self.speech_s + sign * other.speech_s,
            snr=self.snr + sign * other.snr,
            telephone=self.telephone + sign * other.telephone,
            clipped=self.clipped + sign * other.clipped,
        )
