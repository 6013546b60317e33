"""Conversations of hums and tones, and a recogniser that reads them: live transcription with a known right answer.

A talker hums at its own pitch (tests.pipelines.toy_voices) while it has the turn. Each of the two channels has tones of
its own: one that tells that the channel has speech, and one for every token. The recogniser sees log-mels only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from svc.audio.filterbank import mel_of
from svc.backends.protocols import Emission, RecognisedChunk
from svc.types import FloatArray
from svc.units import Units
from tests.pipelines.toy_voices import PITCHES_HZ, RATE_HZ

UNITS = Units(("\u2581one", "\u2581two", "\u2581thr", "ee"))
SPELLING = {"one": (4,), "two": (5,), "three": (6, 7)}
SOT, EOT = 2, 3
FRAME_S = 0.04
STRIDE = 4
DELAY_FRAMES = 2
TOKEN_IDS = (SOT, EOT, 4, 5, 6, 7)
# Multiples of 50 Hz that no voice hums at, further apart than a mel is wide.
TONES_HZ = np.arange(3250.0, 7800.0, 320.0).round(-1)[:14].reshape(2, 7)  # (C, presence and tokens)
TONE_LOG_POWER = 0.0
TOKEN_S = 0.06


@dataclass(frozen=True)
class Said:
    """One turn: words spread evenly between the <sot> at its start and the <eot> at its end."""

    person: int
    channel: int
    start_s: float
    end_s: float
    words: tuple[str, ...]
    with_eot: bool = True
    # Another person who goes on from a second on, without the model noticing.
    then: tuple[int, float] | None = None

    @property
    def tokens(self) -> list[tuple[float, int]]:
        """When each token's tone starts."""
        pieces = [(number, token) for number, word in enumerate(self.words) for token in SPELLING[word]]
        last_s = self.end_s - TOKEN_S
        step_s = (last_s - self.start_s) / (len(pieces) + 1)
        placed = [(self.start_s + (place + 1) * step_s, token) for place, (_, token) in enumerate(pieces)]
        return [(self.start_s, SOT), *placed, *([(last_s, EOT)] if self.with_eot else [])]


def conversation(said: Sequence[Said], *, duration_s: float, rate_hz: int = RATE_HZ, noise: float = 1e-4) -> FloatArray:
    """(N,) the mixture of all turns."""
    samples = np.random.default_rng(0).normal(0, noise, round(duration_s * rate_hz))
    for turn in said:
        person, from_s = turn.then or (turn.person, turn.end_s)
        for pitch_hz, start_s, end_s in (
            (PITCHES_HZ[turn.person], turn.start_s, from_s),
            (PITCHES_HZ[person], from_s, turn.end_s),
        ):
            add_tone(samples, float(pitch_hz), start_s, end_s=end_s, level=0.15, rate_hz=rate_hz)
        add_tone(samples, TONES_HZ[turn.channel, 0], turn.start_s, end_s=turn.end_s, level=0.03, rate_hz=rate_hz)
        for start_s, token in turn.tokens:
            tone_hz = TONES_HZ[turn.channel, 1 + TOKEN_IDS.index(token)]
            add_tone(samples, tone_hz, start_s, end_s=start_s + TOKEN_S, level=0.03, rate_hz=rate_hz)
    return samples.astype(np.float32)


def add_tone(
    samples: npt.NDArray[np.float64], tone_hz: float, start_s: float, *, end_s: float, level: float, rate_hz: int
) -> None:
    """With soft edges, so that a tone stays in its mel."""
    first, past = round(start_s * rate_hz), min(round(end_s * rate_hz), len(samples))
    time_s = np.arange(past - first) / rate_hz
    ramp = np.minimum(1, np.minimum(time_s, time_s[::-1]) / 0.01)
    samples[first:past] += level * ramp * np.sin(2 * np.pi * tone_hz * (time_s + start_s))


def mel_of_tone(tone_hz: float) -> int:
    """The mel a tone is loudest in."""
    edges = np.linspace(mel_of(20.0), mel_of(8000.0), 82)
    return int(np.abs(edges[1:-1] - mel_of(tone_hz)).argmin())


TONE_MELS = np.array([[mel_of_tone(tone) for tone in tones] for tones in TONES_HZ])  # (C, 7)


@dataclass
class ToneSession:
    """Reads tokens from mels, deterministically, two frames late. Remembers whether it was closed.

    `late_frames`: how much later than it hears a token it says so, as models may.
    """

    units: Units = UNITS
    frame_s: float = FRAME_S
    delay_s: float = DELAY_FRAMES * FRAME_S
    closed: bool = False
    largest_block: int = 0
    late_frames: int = 0
    _num_frames: int = 0
    _sounding: list[set[int]] = field(default_factory=lambda: [set(), set()])
    _due: list[list[Emission]] = field(default_factory=lambda: [[], []])
    _held: FloatArray = field(default_factory=lambda: np.full((DELAY_FRAMES * STRIDE, 80), -15.0, np.float32))

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        """(4k, 80)"""
        assert len(mels) % STRIDE == 0
        assert not self.closed
        self.largest_block = max(self.largest_block, len(mels))
        late = np.concatenate([self._held, mels])
        mels, self._held = late[: len(mels)], late[len(mels) :]
        frames = mels.reshape(-1, STRIDE, 80).max(axis=1)  # (k, M)
        first = self._num_frames
        self._num_frames += len(frames)
        emissions = tuple(self._tokens(frames, channel, first=first) for channel in (0, 1))
        activity = np.stack([frames[:, TONE_MELS[channel, 0]] > TONE_LOG_POWER for channel in (0, 1)])
        return RecognisedChunk(
            first_frame=first,
            emissions=(emissions[0], emissions[1]),
            partial=((), ()),
            activity=activity.astype(np.float32),
            masks=np.repeat(channel_masks()[:, None], len(mels), axis=1),
        )

    def tell(self, channel: int, voice: FloatArray | None) -> None:
        """Does not ask."""

    def finish(self) -> RecognisedChunk:
        return self.recognise(np.full((DELAY_FRAMES * STRIDE, 80), -15.0, np.float32))

    def close(self) -> None:
        self.closed = True

    def _tokens(self, frames: FloatArray, channel: int, *, first: int) -> tuple[Emission, ...]:
        """A token comes out where its tone sets in. A channel's tones never sound together: the loudest is the one."""
        heard_now = self._due[channel]
        tones = frames[:, TONE_MELS[channel, 1:]]  # (k, 6)
        loudest = tones.max(axis=1, keepdims=True)
        for offset, sounding in enumerate((tones > TONE_LOG_POWER) & (tones == loudest)):  # (6,)
            now = {token for token, heard in zip(TOKEN_IDS, sounding.tolist(), strict=True) if heard}
            frame = first + offset + self.late_frames
            heard_now += [Emission(token, frame, 0.9) for token in sorted(now - self._sounding[channel])]
            self._sounding[channel] = now
        past = first + len(frames)
        self._due[channel] = [token for token in heard_now if token.frame >= past]
        return tuple(token for token in heard_now if token.frame < past)


@cache
def channel_masks() -> FloatArray:
    """(C, 80) which mels are a channel's: its tones, and the voices of every other person."""
    masks = np.zeros((2, 80), np.float32)
    for person, pitch_hz in enumerate(PITCHES_HZ[:6]):
        mel = mel_of_tone(float(pitch_hz))
        masks[person % 2, mel - 2 : mel + 3] = 1
    for channel in (0, 1):
        masks[channel, TONE_MELS[channel]] = 1
    return masks
