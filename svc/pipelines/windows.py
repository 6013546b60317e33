"""Overlapping windows on the segmenter's frame grid, so that frames of different windows fall on each other exactly."""

from dataclasses import dataclass

import numpy as np

from svc.backends.protocols import Segmenter
from svc.types import MODEL_RATE_HZ, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameGrid:
    """Where frames and windows lie in a recording. Frame 0 starts at `offset_samples`."""

    frame_samples: int
    offset_samples: int
    window_samples: int

    @classmethod
    def of(cls, segmenter: Segmenter) -> "FrameGrid":
        return cls(
            frame_samples=round(segmenter.frame_s * MODEL_RATE_HZ),
            offset_samples=round(segmenter.frame_offset_s * MODEL_RATE_HZ),
            window_samples=round(segmenter.window_s * MODEL_RATE_HZ),
        )

    @property
    def frame_s(self) -> float:
        return self.frame_samples / MODEL_RATE_HZ

    def time_s(self, frame: int) -> float:
        """When a frame starts."""
        return (self.offset_samples + frame * self.frame_samples) / MODEL_RATE_HZ

    def window_starts(self, num_samples: int, hop_s: float) -> list[int]:
        """First frames of windows that cover every sample; the last one ends with the recording, so hardly padded."""
        hop_frames = max(1, round(hop_s / self.frame_s))
        last = max(0, -(-(num_samples - self.window_samples) // self.frame_samples))
        return [*range(0, last, hop_frames), last]

    def cut(self, samples: FloatArray, starts: list[int]) -> FloatArray:
        """(N,) -> (B, window) at the frames `starts`, zeros past the end."""
        windows = np.zeros((len(starts), self.window_samples), np.float32)
        for window, start in zip(windows, starts, strict=True):
            piece = samples[start * self.frame_samples :][: self.window_samples]
            window[: len(piece)] = piece
        return windows

    def samples_at(self, window: FloatArray, frames: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> FloatArray:
        """(window,) and (F,) mask -> the samples of those frames, joined."""
        first = self.offset_samples
        mask = np.repeat(frames, self.frame_samples)
        return window[first : first + len(mask)][mask[: len(window) - first]]
