"""Speakers that hum, one pitch each, and models that hear pitch: diarization with a known right answer."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from svc.types import FloatArray, Span, Turn, Waveform

RATE_HZ = 16_000
FRAME_SAMPLES = 320
PITCHES_HZ = np.arange(500.0, 5000.0, 500.0)  # whole periods in a frame, so voices do not leak into each other
WINDOW_S = 5.0


def hum(turns: Sequence[Turn], *, duration_s: float, noise: float = 0.0) -> Waveform:
    """Each speaker "S<i>" hums at pitch i during its turns."""
    samples = np.random.default_rng(0).normal(0, noise, round(duration_s * RATE_HZ))
    for turn in turns:
        first, past = round(turn.span.start_s * RATE_HZ), round(turn.span.end_s * RATE_HZ)
        time_s = np.arange(first, past) / RATE_HZ
        samples[first:past] += 0.2 * np.sin(2 * np.pi * PITCHES_HZ[int(turn.speaker[1:])] * time_s)
    return Waveform(samples.astype(np.float32), RATE_HZ)


@lru_cache(maxsize=256)
def pitches(num_samples: int) -> npt.NDArray[np.complex64]:
    """(N, P) what each pitch looks like."""
    time_s = np.arange(num_samples) / RATE_HZ
    waves: npt.NDArray[np.complex64] = np.exp(-2j * np.pi * PITCHES_HZ * time_s[:, None]).astype(np.complex64)
    return waves * np.float32(2 / max(num_samples, 1))


def pitch_strengths(samples: FloatArray) -> FloatArray:
    """(.., N) -> (.., P) amplitude at each pitch."""
    strengths: FloatArray = np.abs(samples @ pitches(samples.shape[-1]))
    return strengths


class HumSegmenter:
    """Numbers the hums of a window by when they begin; hears at most three."""

    fingerprint = "0" * 16
    window_s = WINDOW_S
    frame_s = FRAME_SAMPLES / RATE_HZ
    frame_offset_s = 0.0
    largest_batch = 0

    def activities(self, windows: FloatArray) -> FloatArray:
        """(B, N) -> (B, F, 3)."""
        self.largest_batch = max(self.largest_batch, len(windows))
        frames = windows.reshape(len(windows), -1, FRAME_SAMPLES)  # (B, F, N)
        heard = pitch_strengths(frames) > 0.1  # (B, F, P)
        begins = np.where(heard.any(axis=1), heard.argmax(axis=1), frames.shape[1])  # (B, P)
        local = np.argsort(begins, axis=1, kind="stable")[:, :3]  # (B, 3)
        return np.take_along_axis(heard, local[:, None, :], axis=2).astype(np.float32)


class HumEmbedder:
    """A voice is the direction of its pitches."""

    fingerprint = "1" * 16
    dimension = len(PITCHES_HZ)
    runtime = "numpy"

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips -> (B, P), unit length."""
        strengths = np.stack([pitch_strengths(clip) for clip in clips]) + 1e-3
        unit: FloatArray = strengths / np.linalg.norm(strengths, axis=1, keepdims=True)
        return unit


def turn(start_s: float, end_s: float, speaker: int) -> Turn:
    return Turn(Span(start_s, end_s), f"S{speaker}")
