"""Long conversations put together from single talkers: speakers are to be counted in more than half minutes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from svc.audio.resample import resample
from svc.types import MODEL_RATE_HZ, FloatArray, Span, Turn, Waveform
from training.data.audio_files import read_recording
from training.data.manifest import Clip
from training.data.recordings import Recording

TURN_LENGTHS_S = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
# Negative = the next talker interrupts.
PAUSE_S = (-0.5, 0.8)
LEVEL_RMS = 0.05
NOISE_RMS = 0.001


@dataclass(slots=True)
class _Talker:
    """A talker's clip, read on from where the last turn stopped, and from the start again when it ends."""

    speaker: str
    samples: FloatArray
    read: int = 0

    def say(self, num_samples: int) -> FloatArray:
        if self.read + num_samples > len(self.samples):
            self.read = 0
        piece = self.samples[self.read : self.read + num_samples]
        self.read += len(piece)
        return piece


def make_conversation(clips: Sequence[Clip], *, root: Path, talkers: int, duration_s: float, seed: int) -> Recording:
    """`talkers` of the clips take random turns, at equal level over faint noise; nothing is written to disk.

    Readers pause within a turn, which the reference does not know, so part of the missed speech is the reference's.
    """
    draw = random.Random(seed)
    cast = [_talker(clip, root) for clip in draw.sample(list(clips), talkers)]
    num_samples = round(duration_s * MODEL_RATE_HZ)
    mixture = np.random.default_rng(seed).normal(0, NOISE_RMS, num_samples).astype(np.float32)
    turns: list[Turn] = []
    start_s, last = 0.5, cast[0]
    while start_s < duration_s - max(TURN_LENGTHS_S):
        last = draw.choice([talker for talker in cast if talker is not last or talkers == 1])
        piece = last.say(round(draw.choice(TURN_LENGTHS_S) * MODEL_RATE_HZ))
        first = round(start_s * MODEL_RATE_HZ)
        mixture[first : first + len(piece)] += piece
        turns.append(Turn(Span(start_s, start_s + len(piece) / MODEL_RATE_HZ), last.speaker))
        start_s = turns[-1].span.end_s + draw.uniform(*PAUSE_S)
    return Recording(
        uri=f"conversation-{talkers}-{seed}",
        waveform=Waveform(mixture, MODEL_RATE_HZ),
        turns=tuple(turns),
        scored=Span(0.0, duration_s),
    )


def _talker(clip: Clip, root: Path) -> _Talker:
    samples = resample(read_recording(root / clip.path)).samples
    return _Talker(clip.speaker, samples * np.float32(LEVEL_RMS / np.sqrt(np.mean(samples**2))))
