"""From a detector's speech probabilities to the stretches of speech."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svc.backends.protocols import VoiceActivityDetector
from svc.types import MODEL_RATE_HZ, FloatArray, Span, Waveform

BoolArray = npt.NDArray[np.bool_]
# (R, 2): start and end of each stretch, in frames or in seconds.
Runs = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceActivityConfig:
    """When frames count as speech. Speech starts at `threshold` and lasts until the probability is below `release`."""

    threshold: float = 0.5
    release: float = 0.35
    min_speech_s: float = 0.1
    min_silence_s: float = 0.1
    # Added on both sides: onsets and endings are quieter than the detector hears.
    pad_s: float = 0.03

    def __post_init__(self) -> None:
        if not 0 < self.release <= self.threshold <= 1:
            raise ValueError(f"need 0 < release <= threshold <= 1, got {self.release} and {self.threshold}")
        if min(self.min_speech_s, self.min_silence_s, self.pad_s) < 0:
            raise ValueError(f"min_speech_s, min_silence_s and pad_s must not be negative, got {self}")


class SpeechFinder:
    """Finds speech with any `VoiceActivityDetector`. Safe to call from several threads at once."""

    def __init__(self, detector: VoiceActivityDetector, config: VoiceActivityConfig) -> None:
        self.detector = detector
        self.config = config

    def find(self, waveform: Waveform) -> tuple[Span, ...]:
        """Stretches of speech in a 16 kHz waveform, in order, never touching, inside the recording."""
        if waveform.sample_rate_hz != MODEL_RATE_HZ:
            raise ValueError(f"voice activity needs {MODEL_RATE_HZ} Hz, got {waveform.sample_rate_hz}: resample first")
        frame_s = self.detector.frame_s
        active = with_hysteresis(self.detector.speech_probabilities(waveform.samples), config=self.config)
        runs = without_short_gaps(runs_of(active), min_gap=self.config.min_silence_s / frame_s)
        runs = runs[runs[:, 1] - runs[:, 0] >= self.config.min_speech_s / frame_s]
        padded = runs * frame_s + np.array([-self.config.pad_s, self.config.pad_s])
        # Padding may close a gap; then the two are one.
        joined = without_short_gaps(np.clip(padded, 0, waveform.duration_s), min_gap=0.0)
        return tuple(Span(float(start_s), float(end_s)) for start_s, end_s in joined)


def speech_pieces(waveform: Waveform, spans: Sequence[Span]) -> list[FloatArray]:
    """The samples (N,) inside each span, as views; spans may reach past the end."""
    rate = waveform.sample_rate_hz
    return [waveform.samples[max(0, round(s.start_s * rate)) : max(0, round(s.end_s * rate))] for s in spans]


def keep_speech(waveform: Waveform, spans: Sequence[Span]) -> FloatArray:
    """The samples inside the spans, one after the other."""
    return np.concatenate([np.zeros(0, np.float32), *speech_pieces(waveform, spans)])


def with_hysteresis(probabilities: FloatArray, *, config: VoiceActivityConfig) -> BoolArray:
    """(F,) -> (F,): between the two thresholds a frame is what the frame before it was."""
    decided = (probabilities >= config.threshold) | (probabilities < config.release)
    latest = np.maximum.accumulate(np.where(decided, np.arange(len(probabilities)), -1))
    return (latest >= 0) & (probabilities[latest] >= config.threshold)


def runs_of(active: BoolArray) -> Runs:
    """(F,) -> (R, 2) stretches of active frames, the end exclusive."""
    steps = np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)], axis=1).astype(np.float64)


def without_short_gaps(runs: Runs, *, min_gap: float) -> Runs:
    """(R, 2) in order -> fewer: two stretches no further apart than `min_gap` (shorter, or touching) become one."""
    if len(runs) == 0:
        return runs
    gaps = runs[1:, 0] - runs[:-1, 1]
    apart = np.concatenate([[True], (gaps >= min_gap) & (gaps > 0)])
    last_of_group = np.concatenate([apart[1:], [True]])
    return np.stack([runs[apart, 0], runs[last_of_group, 1]], axis=1)
