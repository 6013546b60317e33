"""Systems that transcribe behind one face: samples of a conversation in, turns of words out. Ours, and three peers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from svc.pipelines.transcript import SpokenWord
from svc.types import MODEL_RATE_HZ, DiarizationResult, FloatArray, Span, Turn, Waveform
from training.data.arrangement import arrange
from training.data.transcripts import Transcript, TranscriptTurn, TranscriptWord, in_order, joined
from training.event_transcript import LiveStream, play

# How audio comes from a microphone or a telephone line, at most.
PIECE_S = 0.1
# Of a piece of speech that Whisper hears alone; shorter ones are padded by it to 30 s all the same.
MIN_SEGMENT_S = 0.1


class SpeechRecogniser(Protocol):
    """Words of one stretch of audio, (N,) at 16 kHz."""

    def transcribe(self, samples: FloatArray) -> Sequence[SpokenWord]: ...


class SpeakerDiarizer(Protocol):
    """Who spoke when."""

    def diarize(self, waveform: Waveform) -> DiarizationResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribingSystem:
    """`transcribe` takes (N,) samples at 16 kHz and the name of their domain, which only a grammar asks for. A `live`
    one says when each word came.
    """

    name: str
    transcribe: Callable[[FloatArray, str], Transcript]
    live: bool = False


def live_system(name: str, open_stream: Callable[[], LiveStream]) -> TranscribingSystem:
    """A live transcription as it is served, in pieces of 100 ms."""
    return TranscribingSystem(
        name=name, transcribe=lambda samples, domain: play(open_stream(), samples, piece_s=PIECE_S), live=True
    )


def diarize_then_recognise(name: str, diarizer: SpeakerDiarizer, recogniser: SpeechRecogniser) -> TranscribingSystem:
    """Offline: who spoke when, then words of each turn by itself; two who overlap are both heard in both."""

    def transcribe(samples: FloatArray, domain: str) -> Transcript:
        turns = diarizer.diarize(Waveform(samples, MODEL_RATE_HZ)).turns
        turns = tuple(sorted(turn for turn in turns if turn.span.duration_s >= MIN_SEGMENT_S))
        channels = arrange([turn.span for turn in turns], how="overlap")
        return in_order(
            _turn(turn, channel, _words_within(recogniser, samples, turn.span))
            for turn, channel in zip(turns, channels, strict=True)
        )

    return TranscribingSystem(name=name, transcribe=transcribe)


def recognise_alone(name: str, recogniser: SpeechRecogniser) -> TranscribingSystem:
    """Offline: words of the whole mixture; one speaker, turns where there is a pause."""

    def transcribe(samples: FloatArray, domain: str) -> Transcript:
        return _turns_at_pauses(recogniser.transcribe(samples))

    return TranscribingSystem(name=name, transcribe=transcribe)


def grammar_system(name: str, recognisers: Mapping[str, SpeechRecogniser]) -> TranscribingSystem:
    """Offline: the domain's grammar over the whole mixture; a domain without a recogniser is heard as silence."""

    def transcribe(samples: FloatArray, domain: str) -> Transcript:
        recogniser = recognisers.get(domain)
        return _turns_at_pauses(recogniser.transcribe(samples)) if recogniser else ()

    return TranscribingSystem(name=name, transcribe=transcribe)


def _words_within(recogniser: SpeechRecogniser, samples: FloatArray, span: Span) -> list[TranscriptWord]:
    first, last = (round(edge_s * MODEL_RATE_HZ) for edge_s in (span.start_s, span.end_s))
    offset_s = first / MODEL_RATE_HZ
    return [
        TranscriptWord(text=word.text, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)
        for word in recogniser.transcribe(samples[first:last])
    ]


def _turn(turn: Turn, channel: int, words: Sequence[TranscriptWord]) -> TranscriptTurn:
    return TranscriptTurn(
        speaker=turn.speaker,
        channel=channel,
        start_s=turn.span.start_s,
        end_s=turn.span.end_s,
        words=tuple(words),
    )


def _turns_at_pauses(words: Sequence[SpokenWord]) -> Transcript:
    said = [TranscriptWord(text=word.text, start_s=word.start_s, end_s=word.end_s) for word in words]
    pieces = [_turn(Turn(Span(word.start_s, word.end_s), "S0"), 0, [word]) for word in said]
    return in_order(joined(pieces))
