"""Listens to a recording window by window: who of a few local speakers talks, and what each sounds like."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from svc.backends.protocols import Embedder, Segmenter
from svc.pipelines.clustering import IntArray, LocalVoices
from svc.pipelines.reconstruction import BoolArray
from svc.pipelines.windows import FrameGrid
from svc.types import MODEL_RATE_HZ, FloatArray

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """How a local speaker's voice is taken from a window."""

    # Windows held in memory at once, and clips per call of the embedder up to three times that.
    batch_windows: int = 8
    # Speech that nobody talks over is enough alone from here on; with less, overlapped speech is used too.
    min_clean_s: float = 0.5
    # Below this, overlap included, a local speaker has no voice.
    min_speech_s: float = 0.2
    # The embedder's time grows with the clip, its accuracy hardly beyond some seconds.
    max_speech_s: float = 5.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WindowedSpeech:
    """What was heard in W windows of F frames and K local speakers."""

    starts: IntArray  # (W,) first frames
    active: BoolArray  # (W, F, K)
    voices: LocalVoices


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """A local speaker's speech in one window."""

    window: int
    speaker: int
    samples: FloatArray
    clean_s: float


class WindowListener:
    """Runs segmenter and embedder over windows, a batch at a time: only bits per frame and embeddings are kept."""

    def __init__(self, segmenter: Segmenter, embedder: Embedder, config: EmbeddingConfig) -> None:
        self.segmenter = segmenter
        self.embedder = embedder
        self.config = config
        self.grid = FrameGrid.of(segmenter)

    def listen(self, samples: FloatArray, *, hop_s: float, progress: Progress | None = None) -> WindowedSpeech:
        """(N,) at 16 kHz -> windows every `hop_s`, their local speakers and voices."""
        starts = self.grid.window_starts(len(samples), hop_s)
        active: list[BoolArray] = []
        voices: list[LocalVoices] = []
        for first in range(0, len(starts), self.config.batch_windows):
            windows = self.grid.cut(samples, starts[first : first + self.config.batch_windows])
            active.append(self.segmenter.activities(windows) > 0)
            voices.append(self._voices(self._clips(windows, active[-1], first=first)))
            if progress:
                progress((first + len(windows)) / len(starts))
        return WindowedSpeech(starts=np.array(starts), active=np.concatenate(active), voices=LocalVoices.joined(voices))

    def _voices(self, clips: list[_Clip]) -> LocalVoices:
        nothing = np.zeros((0, self.embedder.dimension), np.float32)
        return LocalVoices(
            vectors=self.embedder.embed([clip.samples for clip in clips]) if clips else nothing,
            windows=np.array([clip.window for clip in clips], np.int64),
            speakers=np.array([clip.speaker for clip in clips], np.int64),
            clean_s=np.array([clip.clean_s for clip in clips], np.float32),
        )

    def _clips(self, windows: FloatArray, active: BoolArray, *, first: int) -> list[_Clip]:
        """(B, window) and (B, F, K) -> the clips worth an embedding."""
        clean = active & (active.sum(axis=2, keepdims=True) == 1)
        found = []
        for window, speaker in np.argwhere(active.any(axis=1)).tolist():
            clean_s = float(clean[window, :, speaker].sum() * self.grid.frame_s)
            frames = (clean if clean_s >= self.config.min_clean_s else active)[window, :, speaker]
            samples = self.grid.samples_at(windows[window], self._capped(frames))
            if len(samples) >= self.config.min_speech_s * MODEL_RATE_HZ:
                found.append(_Clip(first + window, speaker, samples, clean_s))
        return found

    def _capped(self, frames: BoolArray) -> BoolArray:
        """(F,) -> no more than the middle `max_speech_s` of speech, where the network knows most."""
        surplus = int(frames.sum()) - round(self.config.max_speech_s / self.grid.frame_s)
        if surplus <= 0:
            return frames
        order = np.cumsum(frames)  # (F,)
        kept: BoolArray = frames & (order > surplus // 2) & (order <= frames.sum() - (surplus - surplus // 2))
        return kept
