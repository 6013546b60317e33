"""Voiceprints and weights made to order."""

from dataclasses import replace

import numpy as np

from svc.scoring.calibration import Calibration, CalibrationWeights
from svc.scoring.conditions import FEATURES
from svc.types import Band, Voiceprint

MODEL = "a" * 16
GOOD_VOICE = Voiceprint(
    vector=np.array([1.0, 0.0, 0.0], np.float32),
    model_fingerprint=MODEL,
    net_speech_s=10.0,
    band=Band.WIDE,
    snr_db=30.0,
    clipped_share=0.0,
)


def voice_at(angle_rad: float, voice: Voiceprint = GOOD_VOICE) -> Voiceprint:
    """A voice of cosine cos(angle) to GOOD_VOICE."""
    return replace(voice, vector=np.array([np.cos(angle_rad), np.sin(angle_rad), 0.0], np.float32))


def weights_of(*, slope: float = 3.0, offset: float = -5.0, seed: int | None = None) -> CalibrationWeights:
    """Blind to conditions, or with a seed moved by each of them at random."""
    moved = (
        np.zeros((2, len(FEATURES))) if seed is None else np.random.default_rng(seed).normal(0, 1, (2, len(FEATURES)))
    )
    return CalibrationWeights(
        slope=np.r_[slope, moved[0]], offset=np.r_[offset, moved[1]], doubt=np.array([1e-4, 1e-4])
    )


def calibration_of(weights: CalibrationWeights, fingerprint: str = MODEL) -> Calibration:
    return Calibration(calibration_id="toy", model_fingerprint=fingerprint, weights=weights)
