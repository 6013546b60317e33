"""The voice of one turn: from what its talker says alone, or else from what the separator leaves of the overlap.

In two steps: `hear` copies what is needed out of the recent sound, at once and cheaply; `voice` may take its time.
"""

from dataclasses import dataclass

import numpy as np

from svc.audio.quality import measure_quality
from svc.backends.protocols import Embedder
from svc.pipelines.recent_sound import IntArray, RecentSound, SeparatedSound
from svc.types import MODEL_RATE_HZ, FloatArray, Span, Voiceprint, Waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnVoiceConfig:
    """How much speech of a turn its voice is taken from."""

    # With less than this alone, overlapped speech is used too, masked.
    min_alone_s: float = 0.8
    # With less in all there is no voice.
    min_speech_s: float = 0.5
    # The embedder's time grows with the clip, its accuracy hardly beyond some seconds; the latest are taken.
    max_speech_s: float = 6.0
    # Pauses heard beside the speech, to tell noise from voice, and how far back they may lie.
    max_pause_s: float = 3.0
    pause_window_s: float = 20.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.min_speech_s <= self.min_alone_s <= self.max_speech_s:
            raise ValueError(f"need 0.1 <= min_speech_s <= min_alone_s <= max_speech_s, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class TurnVoice:
    """A turn's voiceprint; `alone_s` of speech without anyone else, 0 when it was taken from masked overlap."""

    voiceprint: Voiceprint
    alone_s: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TurnSpeech:
    """What was heard of a turn, a copy: its speech (N,), the pauses around it (N,), and seconds of it without anyone
    else, 0 when it lies in overlap.
    """

    speech: FloatArray | SeparatedSound
    pauses: FloatArray
    alone_s: float


class TurnListener:
    """Takes voices from recent sound. `voice` is safe to call from several threads at once."""

    def __init__(self, embedder: Embedder, config: TurnVoiceConfig | None = None) -> None:
        self.embedder = embedder
        self.config = config or TurnVoiceConfig()

    def hear(self, sound: RecentSound, channel: int, *, span: Span, last_frame: int) -> TurnSpeech | None:
        """The speech on a channel within a stretch, as far as frames up to `last_frame` tell; None for too little."""
        frames = sound.frames(span.start_s, span.end_s, last=last_frame)
        active = sound.active(frames)  # (F, C)
        own, alone = active[:, channel], active[:, channel] & ~active[:, 1 - channel]
        alone_s = float(alone.sum()) * sound.frame_s
        if alone_s >= self.config.min_alone_s or (alone_s >= self.config.min_speech_s and (own == alone).all()):
            chosen = self._latest(frames[alone], sound)
        else:
            alone_s, chosen = 0.0, self._latest(frames[own], sound)
        if len(chosen) * sound.frame_s < self.config.min_speech_s:
            return None
        return TurnSpeech(
            speech=sound.mixture(chosen) if alone_s else sound.separation(chosen, channel),
            pauses=self._pauses(sound, last_frame),
            alone_s=alone_s,
        )

    def voice(self, heard: TurnSpeech) -> TurnVoice:
        """The voice of what was heard; raises what the embedder raises."""
        speech = heard.speech.samples() if isinstance(heard.speech, SeparatedSound) else heard.speech
        return TurnVoice(self._voiceprint(speech, heard.pauses), heard.alone_s)

    def _latest(self, frames: IntArray, sound: RecentSound) -> IntArray:
        return frames[-round(self.config.max_speech_s / sound.frame_s) :]

    def _pauses(self, sound: RecentSound, last_frame: int) -> FloatArray:
        """(N,) the latest samples in which nobody spoke."""
        now_s = (last_frame + 1) * sound.frame_s
        frames = sound.frames(now_s - self.config.pause_window_s, now_s, last=last_frame)
        silent = frames[~sound.active(frames).any(axis=1)]
        return sound.mixture(silent[-round(self.config.max_pause_s / sound.frame_s) :])

    def _voiceprint(self, speech: FloatArray, pauses: FloatArray) -> Voiceprint:
        heard = Waveform(np.concatenate([speech, pauses]), MODEL_RATE_HZ)
        quality = measure_quality(heard, [Span(0.0, len(speech) / MODEL_RATE_HZ)])
        vector = self.embedder.embed([speech])[0]
        return Voiceprint.of(vector, quality, model_fingerprint=self.embedder.fingerprint)
