"""Tones for speech and loudness for voice activity: extraction and verification with known right answers."""

from collections.abc import Sequence

import numpy as np

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform

FRAME_SAMPLES = 320
TONES_HZ = np.arange(400.0, 3400.0, 300.0)


def tone(pitch_hz: float, duration_s: float, rate_hz: int = MODEL_RATE_HZ, *, noise: float = 1e-3) -> Waveform:
    """A talker who hums, over faint noise: a quarter of a second of pause, the hum, and a pause again."""
    time_s = np.arange(round((duration_s + 0.5) * rate_hz)) / rate_hz
    spoken = (time_s >= 0.25) & (time_s < 0.25 + duration_s)
    hiss = np.random.default_rng(0).normal(0, noise, len(time_s))
    return Waveform((0.3 * np.sin(2 * np.pi * pitch_hz * time_s) * spoken + hiss).astype(np.float32), rate_hz)


class LoudnessDetector:
    """Speech is what is loud."""

    frame_s = FRAME_SAMPLES / MODEL_RATE_HZ

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        """(N,) -> (F,)"""
        padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
        loud: FloatArray = (np.sqrt((padded**2).mean(axis=1)) > 0.05).astype(np.float32)
        return loud


class ToneEmbedder:
    """A voice is the strength of each tone; remembers what it was given."""

    fingerprint = "a" * 16
    dimension = len(TONES_HZ)
    runtime = "numpy"

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips (N_b,) -> (B, D), unit length."""
        self.calls.append([len(clip) for clip in clips])
        strengths = np.stack([self._strengths(clip) for clip in clips])
        unit: FloatArray = (strengths / np.linalg.norm(strengths, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def _strengths(self, clip: FloatArray) -> FloatArray:
        waves = np.exp(-2j * np.pi * TONES_HZ[:, None] * np.arange(len(clip)) / MODEL_RATE_HZ)
        strengths: FloatArray = (np.abs(waves @ clip) / len(clip) + 1e-4).astype(np.float32)
        return strengths


def loudness_finder() -> SpeechFinder:
    return SpeechFinder(LoudnessDetector(), VoiceActivityConfig(pad_s=0.0))
