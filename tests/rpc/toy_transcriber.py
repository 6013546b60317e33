"""A live transcriber of a few lines: what is loud is a turn, and each 0.2 s of it a word named after its pitch."""

from dataclasses import dataclass, field

import numpy as np

from svc.application import LiveOptions
from svc.errors import OverloadedError
from svc.pipelines.transcription_events import (
    AttributedSpeaker,
    FinalWord,
    PartialWords,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)
from svc.types import FloatArray

FRAME_S, WORD_FRAMES, LOUD = 0.04, 5, 0.01
SOMEBODY = AttributedSpeaker(label="S0", confidence=0.9)


@dataclass
class ToyStream:
    """Turns count up; a word's text is its number of zero crossings, to the hundred."""

    transcriber: "ToyTranscriber"
    rate_hz: int
    waiting: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    num_frames: int = 0
    turn_id: int = -1
    loud_frames: list[FloatArray] | None = None

    def push(self, samples: FloatArray) -> list[TranscriptionEvent]:
        self.waiting = np.concatenate([self.waiting, samples])
        length, events = round(FRAME_S * self.rate_hz), []
        while len(self.waiting) >= length:
            frame, self.waiting = self.waiting[:length], self.waiting[length:]
            events += self._hear(frame)
            self.num_frames += 1
        return events

    def flush(self) -> list[TranscriptionEvent]:
        return self._end(forced=True)

    def close(self) -> list[TranscriptionEvent]:
        return self._end(forced=True)

    def abandon(self) -> None:
        self.transcriber.open_streams.discard(id(self))

    def _hear(self, frame: FloatArray) -> list[TranscriptionEvent]:
        if np.sqrt((frame**2).mean()) < LOUD:
            return self._end(forced=False)
        events: list[TranscriptionEvent] = []
        if self.loud_frames is None:
            self.turn_id, self.loud_frames = self.turn_id + 1, []
            events.append(TurnStarted(turn_id=self.turn_id, channel=0, start_s=self.num_frames * FRAME_S))
        self.loud_frames.append(frame)
        word = self._word()
        if len(self.loud_frames) < WORD_FRAMES:
            return [*events, PartialWords(turn_id=self.turn_id, words=(word,))]
        self.loud_frames = []
        return [*events, FinalWord(word=word)]

    def _word(self) -> TranscribedWord:
        sound = np.concatenate(self.loud_frames or [np.zeros(2, np.float32)])
        crossings = int((np.diff(np.signbit(sound)) != 0).sum()) // 100
        end_s = (self.num_frames + 1) * FRAME_S
        start_s = end_s - len(sound) / self.rate_hz
        return TranscribedWord(
            turn_id=self.turn_id, text=f"w{crossings}", start_s=start_s, end_s=end_s, channel=0, speaker=SOMEBODY
        )

    def _end(self, *, forced: bool) -> list[TranscriptionEvent]:
        if self.loud_frames is None:
            return []
        self.loud_frames = None
        end_s = self.num_frames * FRAME_S
        return [TurnEnded(turn_id=self.turn_id, end_s=end_s, speaker=SOMEBODY, forced=forced)]


@dataclass
class ToyTranscriber:
    """Knows which of its streams are still held."""

    fingerprint: str = "70ca" * 4
    algorithmic_latency_s: float = 0.08
    max_streams: int = 1000
    open_streams: set[int] = field(default_factory=set)
    opened: list[LiveOptions] = field(default_factory=list)

    def open(self, options: LiveOptions) -> ToyStream:
        if len(self.open_streams) >= self.max_streams:
            raise OverloadedError("too many")
        stream = ToyStream(self, options.sample_rate_hz)
        self.open_streams.add(id(stream))
        self.opened.append(options)
        return stream
