"""The peers behind one face, on toy recognisers that hear how loud it is."""

from collections.abc import Sequence

import numpy as np
import pytest

from svc.errors import InvalidRequestError
from svc.pipelines.live.transcription import StreamOptions
from svc.types import DiarizationResult, FloatArray, Span, Turn, Waveform
from tests.rpc.toy_transcriber import TALK, ToyTranscriber, talk
from training.data.transcripts import Transcript, TranscriptTurn, TranscriptWord, in_order, spread_words
from training.grammar_recogniser import BEGIN, END, GrammarRecogniser, arpa_of, pairs_of
from training.metrics.transcription import transcription_errors
from training.transcribing_systems import diarize_then_recognise, grammar_system, live_system, recognise_alone

SECOND = 16_000


class LevelRecogniser:
    """One word for each whole second that sounds: its rounded level."""

    def transcribe(self, samples: FloatArray) -> Sequence[TranscriptWord]:
        levels = samples[: len(samples) // SECOND * SECOND].reshape(-1, SECOND).mean(axis=1)
        return [
            TranscriptWord(text=str(round(level)), start_s=float(second), end_s=second + 1.0)
            for second, level in enumerate(levels.tolist())
            if level
        ]


class KnownTurns:
    """A diarizer that is told the answer."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = turns

    def diarize(self, waveform: Waveform) -> DiarizationResult:
        return DiarizationResult(
            turns=self.turns, overlaps=(), speakers=(), duration_s=waveform.duration_s, model_fingerprint="known"
        )


def seconds_of(*levels: float) -> FloatArray:
    return np.repeat(np.array(levels, np.float32), SECOND)


def summary(transcript: Transcript) -> list[tuple[str, int, list[tuple[str, float]]]]:
    return [(turn.speaker, turn.channel, [(word.text, word.start_s) for word in turn.words]) for turn in transcript]


def test_each_turn_is_recognised_by_itself_and_overlapping_ones_lie_on_two_channels() -> None:
    turns = Turn(Span(1.0, 3.0), "ann"), Turn(Span(2.0, 4.0), "bob"), Turn(Span(4.5, 4.55), "too short")
    system = diarize_then_recognise("both", KnownTurns(*turns), LevelRecogniser())
    assert summary(system.transcribe(seconds_of(0, 1, 2, 3, 4), "any")) == [
        ("ann", 0, [("1", 1.0), ("2", 2.0)]),
        ("bob", 1, [("2", 2.0), ("3", 3.0)]),
    ]


def test_alone_a_pause_ends_a_turn_and_all_are_one_speaker() -> None:
    system = recognise_alone("alone", LevelRecogniser())
    assert summary(system.transcribe(seconds_of(1, 2, 0, 0, 3), "any")) == [
        ("S0", 0, [("1", 0.0), ("2", 1.0)]),
        ("S0", 0, [("3", 4.0)]),
    ]


def test_each_domain_has_its_own_grammar_and_others_are_silence() -> None:
    system = grammar_system("grammar", {"digits": LevelRecogniser()})
    assert len(system.transcribe(seconds_of(1), "digits")) == 1
    assert system.transcribe(seconds_of(1), "letters") == ()


def test_a_real_live_stream_is_right_and_never_tells_of_sound_to_come() -> None:
    transcriber = ToyTranscriber()
    options = StreamOptions(sample_rate_hz=16_000, partials=False)
    heard = live_system("live", lambda: transcriber.open(options)).transcribe(talk(), "any")
    reference = in_order(
        TranscriptTurn(
            speaker=str(said.person),
            channel=said.channel,
            start_s=said.start_s,
            end_s=said.end_s,
            words=spread_words(said.words, said.start_s, said.end_s),
        )
        for said in TALK
    )
    errors = transcription_errors(reference, heard)
    assert (errors.orc.errors, errors.turns.exact, transcriber.held) == (0, 1, set())
    assert len(errors.word_latency.seconds) == 6
    assert all(word.said_at_s is not None and word.said_at_s >= word.end_s for turn in heard for word in turn.words)


def test_what_follows_a_word_has_probability_one_in_all() -> None:
    lines = [line.split() for line in arpa_of(pairs_of({("go", "on"): 3, ("go",): 1, ("stop",): 2})).splitlines()]
    ones = {
        line[1]: (10 ** float(line[0]), 10 ** float(line[2])) for line in lines if len(line) == 3 and line[2][0] == "-"
    }
    twos = {(line[1], line[2]): 10 ** float(line[0]) for line in lines if len(line) == 3 and line[2][0] != "-"}
    for given, (_, backoff) in ones.items():
        if given != END:
            total = sum(
                twos.get((given, word), backoff * chance) for word, (chance, _) in ones.items() if word != BEGIN
            )
            assert total == pytest.approx(1, abs=1e-3)
    assert twos["go", "on"] > twos["go", "stop"] > ones["stop"][0] * ones["go"][1]


@pytest.mark.slow  # pocketsphinx takes 8 s for a language model of any size
def test_grammar_leaves_out_what_the_dictionary_cannot_pronounce() -> None:
    pytest.importorskip("pocketsphinx")
    recogniser = GrammarRecogniser(["Go on!", "go on", "zzyzxq now", "5"])
    assert recogniser.phrases == {("five",): 1, ("go", "on"): 2}
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert {word.text for word in recogniser.transcribe(noise)} <= {"five", "go", "on"}
    with pytest.raises(InvalidRequestError, match="none"):
        GrammarRecogniser(["zzyzxq"])
