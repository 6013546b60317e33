"""The last minute of a stream: its samples, who was active on which channel, and what the separator made of it.

Frames are the recogniser's, of 40 ms; frame i speaks of the samples from i * frame_s - delay_s on.
Letters: N samples, C = 2 channels, F frames, T = 4 F mel frames, M mels.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from svc.audio.masking import MelMasker
from svc.audio.recent import RecentRows
from svc.backends.protocols import RecognisedChunk
from svc.types import MODEL_RATE_HZ, FloatArray, Span

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NUM_CHANNELS, NUM_MELS = 2, 80
MELS_PER_FRAME = 4
MASK_STEPS = 255
MASKER = MelMasker()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SoundStretch:
    """A copy of consecutive frames and of one channel's masks, for any thread."""

    first_frame: int
    frame_s: float
    delay_s: float
    channel: int
    mixture: FloatArray  # (N,)
    active: BoolArray  # (F, C)
    masks: npt.NDArray[np.uint8]  # (T, M)

    def within(self, span: Span) -> "SoundStretch":
        """The frames that speak of a part of it."""
        first, past = (
            min(max(0, round((time_s + self.delay_s) / self.frame_s) - self.first_frame), len(self.active))
            for time_s in (span.start_s, span.end_s)
        )
        frame_samples = round(self.frame_s * MODEL_RATE_HZ)
        return replace(
            self,
            first_frame=self.first_frame + first,
            mixture=self.mixture[first * frame_samples : past * frame_samples],
            active=self.active[first:past],
            masks=self.masks[first * MELS_PER_FRAME : past * MELS_PER_FRAME],
        )

    @property
    def start_s(self) -> float:
        """The second of the stream from which on it speaks."""
        return self.first_frame * self.frame_s - self.delay_s

    @property
    def end_s(self) -> float:
        """And up to which."""
        return self.start_s + len(self.active) * self.frame_s

    def mixed(self, chosen: BoolArray) -> FloatArray:
        """(F,) -> (n,) the samples of those frames, joined."""
        return self.mixture[self._samples_of(chosen)]

    def separated(self, chosen: BoolArray) -> FloatArray:
        """(F,) -> (n,) what the separator leaves of those frames, joined."""
        if not len(self.mixture):
            return self.mixture
        masks = self.masks.astype(np.float32) / np.float32(MASK_STEPS)
        # The last windows reach past the stretch; silence there keeps the frames' count.
        padding = np.zeros(MASKER.config.window_samples, np.float32)
        masked = MASKER.apply(np.concatenate([self.mixture, padding]), masks)[: len(self.mixture)]
        return masked[self._samples_of(chosen)]

    def _samples_of(self, chosen: BoolArray) -> BoolArray:
        return np.repeat(chosen, round(self.frame_s * MODEL_RATE_HZ))[: len(self.mixture)]


class RecentSound:
    """Holds `kept_s`; masks as bytes, so that a minute takes 5 MB."""

    def __init__(self, *, kept_s: float, frame_s: float, delay_s: float, active_probability: float) -> None:
        self.frame_s = frame_s
        self.frame_samples = round(frame_s * MODEL_RATE_HZ)
        self.hop_samples = self.frame_samples // MELS_PER_FRAME
        self.delay_samples = round(delay_s * MODEL_RATE_HZ)
        self.active_probability = active_probability
        num_frames = round(kept_s / frame_s)
        self._samples = RecentRows(num_frames * self.frame_samples + self.delay_samples)
        self._active = RecentRows(num_frames, (NUM_CHANNELS,), np.bool_)
        self._masks = RecentRows(num_frames * MELS_PER_FRAME, (NUM_CHANNELS, NUM_MELS), np.uint8)

    def hear(self, samples: FloatArray) -> None:
        """(N,) at 16 kHz."""
        self._samples.append(samples)

    def follow(self, chunk: RecognisedChunk) -> None:
        """The frames that follow those before; their samples must have been heard."""
        self._active.append(chunk.activity.transpose() >= self.active_probability)
        masks = np.rint(np.clip(chunk.masks, 0, 1) * MASK_STEPS).astype(np.uint8)
        self._masks.append(masks.transpose(1, 0, 2))

    def frames(self, start_s: float, end_s: float, *, last: int) -> IntArray:
        """(F,) those held that speak of a stretch of the stream, none past `last`."""
        delay_s = self.delay_samples / MODEL_RATE_HZ
        first = max(round((start_s + delay_s) / self.frame_s), self._active.start, self._first_audible)
        past = min(round((end_s + delay_s) / self.frame_s), last + 1, self._active.end)
        return np.arange(first, max(first, past))

    def start_s(self, frame: int) -> float:
        """The second of the stream from which on a frame speaks of it."""
        return max(0, frame * self.frame_samples - self.delay_samples) / MODEL_RATE_HZ

    def active(self, frames: IntArray) -> BoolArray:
        """(F,) -> (F, C)."""
        return np.asarray(self._active.take(frames), np.bool_)

    def mixture(self, frames: IntArray) -> FloatArray:
        """(F,) -> (N,) their samples, joined."""
        starts = frames * self.frame_samples - self.delay_samples
        places = (starts[:, None] + np.arange(self.frame_samples)).ravel()
        held = places[(places >= self._samples.start) & (places < self._samples.end)]
        return np.asarray(self._samples.take(held), np.float32)

    def separated(self, frames: IntArray, channel: int) -> FloatArray:
        """(F,) -> (N,) what the separator leaves of them for a channel, joined."""
        stretch = np.arange(frames[0], frames[-1] + 1) if len(frames) else frames
        return self.stretch(stretch, channel).separated(np.isin(stretch, frames))

    def stretch(self, frames: IntArray, channel: int) -> SoundStretch:
        """(F,) without gaps -> a copy of them."""
        mels = (frames[:, None] * MELS_PER_FRAME + np.arange(MELS_PER_FRAME)).ravel()
        return SoundStretch(
            first_frame=int(frames[0]) if len(frames) else 0,
            frame_s=self.frame_s,
            delay_s=self.delay_samples / MODEL_RATE_HZ,
            channel=channel,
            mixture=self.mixture(frames),
            active=self.active(frames),
            masks=self._masks.take(mels)[:, channel],
        )

    @property
    def _first_audible(self) -> int:
        """The first frame all of whose samples are held."""
        return -(-(self._samples.start + self.delay_samples) // self.frame_samples)
