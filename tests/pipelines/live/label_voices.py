"""Voices with known owners for label tests: vectors around one direction a person, and a calibration that knows."""

import numpy as np

from svc.pipelines.live.turn_voices import TurnVoice
from svc.scoring.calibration import Calibration, CalibrationWeights
from svc.scoring.conditions import FEATURES
from svc.types import Band, FloatArray, Voiceprint

MODEL = "1" * 16
WIDTH = 16


def calibration() -> Calibration:
    """llr = 20 cosine - 10, whatever the conditions: 10 for the same direction, -10 for orthogonal ones."""
    slope, offset = np.zeros((2, 1 + len(FEATURES)))
    slope[0], offset[0] = np.log(20), -10
    weights = CalibrationWeights(slope=slope, offset=offset, doubt=np.array([1e-9, 1e-9]))
    return Calibration(calibration_id="labels", model_fingerprint=MODEL, weights=weights)


def direction(*shares: float) -> FloatArray:
    """Persons are axes; shares of several make a voice between them."""
    vector = np.zeros(WIDTH, np.float32)
    vector[: len(shares)] = shares
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def voice(vector: FloatArray, *, speech_s: float = 2.0, alone_s: float | None = None) -> TurnVoice:
    voiceprint = Voiceprint(
        vector=vector, model_fingerprint=MODEL, net_speech_s=speech_s, band=Band.WIDE, snr_db=20.0, clipped_share=0.0
    )
    return TurnVoice(voiceprint, speech_s if alone_s is None else alone_s)


def person(number: int, *, take: int = 0, noise: float = 0.1, speech_s: float = 2.0) -> TurnVoice:
    """A turn of a person: its axis with some noise, cosine about 0.9 to other takes."""
    clean = direction(*[0.0] * number, 1.0)
    noisy = clean + np.random.default_rng([number, take]).normal(0, noise, WIDTH).astype(np.float32)
    return voice(np.asarray(noisy / np.linalg.norm(noisy), np.float32), speech_s=speech_s)
