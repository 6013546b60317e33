"""A live transcription's events as a transcript, with the time each was given at, on a clock that never sleeps.

The audio is handed over in pieces as they would come from a microphone. Work that takes longer than a piece makes the
next one wait, so the times hold what the machine costs as well as what the model waits for.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from svc.pipelines.live.transcription_events import (
    AttributedSpeaker,
    FinalWord,
    SpeakerRevised,
    TextRevised,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
)
from svc.types import MODEL_RATE_HZ, FloatArray
from training.data.transcripts import Transcript, TranscriptTurn, TranscriptWord, in_order


class LiveStream(Protocol):
    """One live transcription of audio at 16 kHz."""

    def push(self, samples: FloatArray) -> Sequence[TranscriptionEvent]: ...

    def close(self) -> Sequence[TranscriptionEvent]: ...


def play(
    stream: LiveStream, samples: FloatArray, *, piece_s: float, clock: Callable[[], float] = time.perf_counter
) -> Transcript:
    """(N,) at 16 kHz in pieces of `piece_s` -> what the stream made of them; closes the stream."""
    transcript, piece_samples, now_s = EventTranscript(), round(piece_s * MODEL_RATE_HZ), 0.0
    for start in range(0, len(samples), piece_samples):
        piece = samples[start : start + piece_samples]
        # Nobody can have it sooner than its last sample.
        now_s = max(now_s, (start + len(piece)) / MODEL_RATE_HZ)
        began_s = clock()
        events = stream.push(piece)
        now_s += clock() - began_s
        transcript.add(events, now_s)
    began_s = clock()
    transcript.add(stream.close(), now_s + clock() - began_s)
    return transcript.turns


class EventTranscript:
    """Turns put together from events; later revisions of words and speakers replace what was said before."""

    def __init__(self) -> None:
        self._turns: dict[int, TranscriptTurn] = {}

    @property
    def turns(self) -> Transcript:
        """As far as they are known; one without a word was still told of."""
        return in_order(self._turns.values())

    def add(self, events: Sequence[TranscriptionEvent], at_s: float) -> None:
        """Events given at `at_s` seconds of the recording; those that say nothing of a transcript are passed over."""
        for event in events:
            self._add(event, at_s)

    def _add(self, event: TranscriptionEvent, at_s: float) -> None:
        if isinstance(event, TurnStarted):
            self._turns[event.turn_id] = TranscriptTurn(
                speaker="",
                channel=event.channel,
                start_s=event.start_s,
                end_s=event.start_s,
                words=(),
                started_at_s=at_s,
            )
        elif isinstance(event, FinalWord):
            turn = self._turns[event.word.turn_id]
            words = (*turn.words, _word_of(event.word, at_s))
            self._turns[event.word.turn_id] = replace(turn, words=words, end_s=max(turn.end_s, event.word.end_s))
        elif isinstance(event, TurnEnded):
            turn = replace(self._turns[event.turn_id], ended_at_s=at_s)
            self._turns[event.turn_id] = _by(replace(turn, end_s=max(turn.start_s, event.end_s)), event.speaker)
        elif isinstance(event, SpeakerRevised):
            self._turns[event.turn_id] = _by(self._turns[event.turn_id], event.speaker)
        elif isinstance(event, TextRevised):
            turn, words = self._turns[event.turn_id], tuple(_word_of(word, at_s) for word in event.words)
            end_s = turn.end_s if event.end_s is None else event.end_s
            self._turns[event.turn_id] = replace(turn, words=words, end_s=end_s)


def _by(turn: TranscriptTurn, speaker: AttributedSpeaker) -> TranscriptTurn:
    return replace(turn, speaker=speaker.profile_id or speaker.label)


def _word_of(word: TranscribedWord, at_s: float) -> TranscriptWord:
    return TranscriptWord(text=word.text, start_s=word.start_s, end_s=word.end_s, said_at_s=at_s)
