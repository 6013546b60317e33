"""The voice of one turn: from what its talker says alone, or else from what the separator leaves of the overlap.

In two steps: `hear` copies what is needed out of the recent sound, at once and cheaply; `parts` may take its time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from svc.audio.quality import measure_beside
from svc.backends.protocols import Embedder
from svc.pipelines.live.recent_sound import BoolArray, RecentSound, SoundStretch
from svc.pipelines.live.voice_changes import VoiceChanges, VoiceSearch
from svc.types import FloatArray, Span, Voiceprint

# What the separator leaves of a frame rests on windows that begin in the frame before.
MARGIN_FRAMES = 1


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


@dataclass(frozen=True, slots=True, eq=False)
class VoiceFrames:
    """The frames of a stretch that its voice is taken from, (F,), and `alone_s` of all of it, as a TurnVoice has it."""

    chosen: BoolArray
    alone_s: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TurnSpeech:
    """What was heard of a turn, a copy: its sound, the pauses around it (N,), and where its words are in the stream;
    none while it lasts. Without `needs_voice` only changes are looked for.

    Without words the sound begins where the voice is taken from, which may be long after the turn does.
    """

    start_s: float
    sound: SoundStretch
    voice_frames: VoiceFrames
    pauses: FloatArray
    words: tuple[Span, ...] = ()
    needs_voice: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class TurnPart:
    """What one person says of a turn, from a second of the stream on; no voice when it is too little to tell."""

    start_s: float
    voice: TurnVoice | None


class TurnListener:
    """Takes voices from recent sound. `parts` is safe to call from several threads at once."""

    def __init__(
        self, embedder: Embedder, config: TurnVoiceConfig | None = None, *, changes: VoiceChanges | None = None
    ) -> None:
        self.embedder = embedder
        self.config = config or TurnVoiceConfig()
        self.changes = changes

    def hear(
        self,
        sound: RecentSound,
        channel: int,
        *,
        span: Span,
        last_frame: int,
        words: Sequence[Span] = (),
        needs_voice: bool = True,
    ) -> TurnSpeech | None:
        """What is on a channel within a stretch, as far as frames up to `last_frame` tell; None for too little speech.

        With the `words` of a turn that is over the listener looks for another voice in it; one whose voice is known
        well enough needs no more than that.
        """
        words = tuple(words) if self.changes and len(words) > 1 else ()
        if not (words or needs_voice):
            return None
        frames = sound.frames(span.start_s, span.end_s, last=last_frame)
        voice_frames = self._voice_frames(sound.active(frames), channel, sound.frame_s)
        if voice_frames is None:
            return None
        start_s = sound.start_s(int(frames[0]))
        if not words:
            first = max(0, int(np.argmax(voice_frames.chosen)) - MARGIN_FRAMES)
            frames, voice_frames = frames[first:], replace(voice_frames, chosen=voice_frames.chosen[first:])
        return TurnSpeech(
            start_s=start_s,
            sound=sound.stretch(frames, channel),
            voice_frames=voice_frames,
            pauses=self._pauses(sound, last_frame),
            words=words,
            needs_voice=needs_voice,
        )

    def parts(self, heard: TurnSpeech) -> tuple[TurnPart, ...]:
        """Who speaks in what was heard, one after the other; at least one. Raises what the embedder raises."""
        found = self._changes(heard)
        if found.places:
            return tuple(self._parted(heard, found.places))
        active = heard.sound.active
        is_alone = not (active[:, 0] & active[:, 1]).any()
        known = found.only_voice if is_alone else None
        if known is None and not heard.needs_voice:
            return (TurnPart(heard.start_s, None),)
        return (TurnPart(heard.start_s, self._voice(heard.sound, heard.voice_frames, heard.pauses, known=known)),)

    def _parted(self, heard: TurnSpeech, places: Sequence[int]) -> Iterator[TurnPart]:
        """Another voice begins with each of these words."""
        starts_s = [heard.start_s, *(heard.words[place].start_s for place in places)]
        for start_s, end_s in pairwise([*starts_s, heard.sound.end_s]):
            sound = heard.sound.within(Span(start_s, end_s))
            frames = self._voice_frames(sound.active, sound.channel, sound.frame_s)
            yield TurnPart(start_s, self._voice(sound, frames, heard.pauses) if frames else None)

    def _changes(self, heard: TurnSpeech) -> VoiceSearch:
        """Where another voice begins."""
        if self.changes is None or not heard.words:
            return VoiceSearch()
        sound = heard.sound
        words = [Span(word.start_s - sound.start_s, word.end_s - sound.start_s) for word in heard.words]
        return self.changes.find(sound.mixture, words, heard.pauses)

    def _voice(
        self, sound: SoundStretch, frames: VoiceFrames, pauses: FloatArray, known: FloatArray | None = None
    ) -> TurnVoice:
        """`known` is the voice of all of it (D,) if it is there already."""
        # Alone, or else out of the overlap, masked.
        speech = sound.mixed(frames.chosen) if frames.alone_s else sound.separated(frames.chosen)
        vector = self.embedder.embed([speech])[0] if known is None else known
        quality = measure_beside(speech, pauses)
        return TurnVoice(Voiceprint.of(vector, quality, model_fingerprint=self.embedder.fingerprint), frames.alone_s)

    def _voice_frames(self, active: BoolArray, channel: int, frame_s: float) -> VoiceFrames | None:
        """(F, C) -> those in which the channel's talker is alone, or else all of his; None for too little."""
        own = active[:, channel]
        alone = own & ~active[:, 1 - channel]
        alone_s = float(alone.sum()) * frame_s
        config = self.config
        if not (alone_s >= config.min_alone_s or (alone_s >= config.min_speech_s and (own == alone).all())):
            alone_s = 0.0
        chosen = self._latest(alone if alone_s else own, frame_s)
        return VoiceFrames(chosen, alone_s) if chosen.sum() * frame_s >= config.min_speech_s else None

    def _latest(self, chosen: BoolArray, frame_s: float) -> BoolArray:
        latest = np.zeros_like(chosen)
        latest[np.flatnonzero(chosen)[-round(self.config.max_speech_s / frame_s) :]] = True
        return latest

    def _pauses(self, sound: RecentSound, last_frame: int) -> FloatArray:
        """(N,) the latest samples in which nobody spoke."""
        now_s = (last_frame + 1) * sound.frame_s
        frames = sound.frames(now_s - self.config.pause_window_s, now_s, last=last_frame)
        silent = frames[~sound.active(frames).any(axis=1)]
        return sound.mixture(silent[-round(self.config.max_pause_s / sound.frame_s) :])
