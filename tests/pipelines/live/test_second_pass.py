"""The second pass: text revisions of closed turns, never in the way of the first pass."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.audio.filterbank import FilterbankConfig, StreamingFilterbank
from svc.pipelines.live.second_pass import ClosedTurn, SecondPass, SecondPassDesk
from svc.pipelines.live.transcription_events import TextRevised, TranscribedWord, TranscriptionEvent, WarningReason
from svc.types import FloatArray, RecognisedWord
from tests.pipelines.live.attributed_stream import Account, Parts, attributed_stream
from tests.pipelines.live.toy_conversation import (
    DELAY_FRAMES,
    FRAME_S,
    SPELLING,
    STRIDE,
    Said,
    ToneSession,
    conversation,
)
from tests.pipelines.toy_voices import PITCHES_HZ, pitch_strengths

TALK = (Said(0, 0, 0.5, 2.5, ("one", "two")), Said(1, 1, 1.5, 4.0, ("three",)))
MIXTURE = conversation(TALK, duration_s=4.5)


@dataclass
class PitchRecogniser:
    """Names the loudest voices of a clip. Works only while `may_work` is set."""

    may_work: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    num_heard: int = 0

    def transcribe(self, samples: FloatArray) -> Sequence[RecognisedWord]:
        self.began.set()
        assert self.may_work.wait(10)
        self.num_heard += 1
        if not len(samples):
            raise RuntimeError("no samples")
        loud = pitch_strengths(samples) > 0.02
        end_s = len(samples) / 16_000
        return [
            RecognisedWord(text=f"{pitch:.0f}", start_s=0.0, end_s=end_s, probability=1.0)
            for pitch, heard in zip(PITCHES_HZ, loud, strict=True)
            if heard
        ]


@contextmanager
def second_pass(recogniser: PitchRecogniser, *, max_queued: int = 8) -> Iterator[SecondPass]:
    worker = SecondPass(recogniser, max_queued=max_queued)
    try:
        yield worker
    finally:
        recogniser.may_work.set()
        worker.close()


def busy() -> PitchRecogniser:
    return PitchRecogniser()


def ready() -> PitchRecogniser:
    recogniser = PitchRecogniser()
    recogniser.may_work.set()
    return recogniser


def turn(turn_id: int = 0, num_samples: int = 16_000) -> ClosedTurn:
    return ClosedTurn(turn_id=turn_id, channel=0, start_s=1.0, samples=np.zeros(num_samples, np.float32))


def run(
    recogniser: PitchRecogniser, *, samples: FloatArray = MIXTURE, patience_s: float = 10.0
) -> list[TranscriptionEvent]:
    with second_pass(recogniser) as worker:
        live = attributed_stream(Parts(second_pass=SecondPassDesk(worker, patience_s=patience_s)))
        return live.push(samples) + live.close()


def test_each_closed_turn_is_heard_again_without_the_other_talker() -> None:
    account = Account().read(run(ready()))
    assert account.texts() == [["500"], ["1000"]]
    assert account.labels() == [("S0",), ("S1",)]
    assert [words[0].channel for _, words in sorted(account.words.items())] == [0, 1]


def test_the_new_words_lie_in_the_turn() -> None:
    revisions = [event for event in run(ready()) if isinstance(event, TextRevised)]
    for said, revision in zip(TALK, revisions, strict=True):
        assert revision.words[0].start_s == pytest.approx(said.start_s - 0.2, abs=0.1)
        assert revision.words[0].end_s == pytest.approx(said.end_s, abs=0.2)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.04, 0.1, 0.3])), min_size=2, max_size=5))
def test_no_sound_of_a_channel_is_heard_again_for_two_turns(plan: list[tuple[int, float]]) -> None:
    said, end_s = [], 0.3
    for channel, gap_s in plan:
        said.append(Said(channel, channel, end_s + gap_s, end_s + gap_s + 1.0, ("one", "two")))
        end_s = said[-1].end_s
    revisions = run(ready(), samples=conversation(said, duration_s=end_s + 0.5))
    by_channel = [hearings_of(revisions, channel) for channel in (0, 1)]
    assert sum(map(len, by_channel)) == len(said)
    for words in by_channel:
        assert all(one.end_s <= other.start_s + 1e-6 for one, other in pairwise(words))


def hearings_of(events: Sequence[TranscriptionEvent], channel: int) -> list[TranscribedWord]:
    """One a turn: the recogniser's word that spans all it heard."""
    words = [event.words[0] for event in events if isinstance(event, TextRevised)]
    return [word for word in words if word.channel == channel]


class SecondsRecogniser(PitchRecogniser):
    """Hears a word every half second."""

    def transcribe(self, samples: FloatArray) -> Sequence[RecognisedWord]:
        starts_s = np.arange(0.0, len(samples) / 16_000 - 0.4, 0.5).tolist()
        return [
            RecognisedWord(text=str(number), start_s=start_s, end_s=start_s + 0.4, probability=1.0)
            for number, start_s in enumerate(starts_s)
        ]


def test_new_words_of_a_turn_that_was_cut_go_to_whoever_spoke_then() -> None:
    merged = Said(0, 0, 0.5, 6.5, ("one", "two", "three", "one", "two"), then=(1, 3.5))
    account = Account().read(run(SecondsRecogniser(), samples=conversation([merged], duration_s=7.0)))
    said = [word for words in account.words.values() for word in words]
    assert [word.text for word in said] == [str(number) for number in range(len(said))]
    assert account.labels() == [("S0",), ("S1",)]
    (changed_s,) = (after.start_s for word, after in pairwise(said) if word.speaker != after.speaker)
    assert changed_s == pytest.approx(3.5, abs=1.0)


class OneGuessRecogniser(PitchRecogniser):
    """Takes all it hears for two words at the very start."""

    def transcribe(self, samples: FloatArray) -> Sequence[RecognisedWord]:
        return [
            RecognisedWord(text=text, start_s=start_s, end_s=start_s + 0.4, probability=1.0)
            for text, start_s in (("all", 0.2), ("words", 0.7))
        ]


def test_a_cut_turn_keeps_its_words_where_the_new_ones_leave_a_piece_without() -> None:
    merged = Said(0, 0, 0.5, 6.5, ("one", "two", "three", "one", "two"), then=(1, 3.5))
    account = Account().read(run(OneGuessRecogniser(), samples=conversation([merged], duration_s=7.0)))
    assert [text for texts in account.texts() for text in texts] == list(merged.words)
    assert account.labels() == [("S0",), ("S1",)]


class ToneReader(PitchRecogniser):
    """Hears the words whose tones are in the sound, on channel 0."""

    def transcribe(self, samples: FloatArray) -> Sequence[RecognisedWord]:
        mels = StreamingFilterbank(FilterbankConfig()).push(np.append(samples, np.zeros(9600, np.float32)))
        tokens = ToneSession().recognise(mels[: len(mels) // STRIDE * STRIDE]).emissions[0]
        starts = {first: text for text, (first, *_) in SPELLING.items()}
        return [
            RecognisedWord(text=f"{starts[token.token_id]}!", start_s=at_s - 0.1, end_s=at_s, probability=1.0)
            for token in tokens
            if token.token_id in starts
            for at_s in [max(0.1, (token.frame - DELAY_FRAMES) * FRAME_S)]
        ]


@pytest.mark.parametrize("after_s", np.arange(0.02, 0.6, 0.06).tolist())
def test_no_word_is_said_twice_where_a_flush_came_before_it(after_s: float) -> None:
    said = Said(0, 0, 0.5, 3.0, ("one", "two", "three", "one"), with_eot=False)
    samples = conversation([said], duration_s=5.0)
    flushed_at = round((said.tokens[-1][0] + after_s) * 16_000)
    with second_pass(ToneReader()) as worker:
        live = attributed_stream(Parts(second_pass=SecondPassDesk(worker, patience_s=10.0), late_frames=8))
        events = live.push(samples[:flushed_at]) + live.flush() + live.push(samples[flushed_at:]) + live.close()
    texts = [text.rstrip("!") for texts in Account().read(events).texts() for text in texts]
    assert texts == list(said.words)


def test_without_time_the_first_words_stay_and_the_caller_is_told() -> None:
    recogniser = busy()
    with second_pass(recogniser) as worker:
        live = attributed_stream(Parts(second_pass=SecondPassDesk(worker, patience_s=0.01)))
        account = Account().read(live.push(MIXTURE) + live.close())
    assert account.texts() == [list(said.words) for said in TALK]
    assert [warning.reason for warning in account.warnings] == [WarningReason.SECOND_PASS_BEHIND]


def test_what_the_queue_cannot_hold_is_dropped_at_once() -> None:
    recogniser = busy()
    with second_pass(recogniser, max_queued=2) as worker:
        desk = SecondPassDesk(worker, patience_s=0.0)
        taken = [desk.hand_in(turn(0))]
        # One is under way: else it could make room at any time.
        assert recogniser.began.wait(10)
        taken += [desk.hand_in(turn(number)) for number in range(1, 6)]
        assert taken.count(True) == 3
        assert taken[-1] is False
        assert desk.collect(wait=False) == ([], taken.count(True))


def test_a_turn_that_cannot_be_recognised_does_not_stop_the_others() -> None:
    with second_pass(ready()) as worker:
        desk = SecondPassDesk(worker, patience_s=10.0)
        for number, num_samples in enumerate((0, 16_000)):
            assert desk.hand_in(turn(number, num_samples))
        hearings, num_missing = desk.collect(wait=True)
    assert [hearing.words for hearing in hearings] == [None, ()]
    assert num_missing == 0


def test_of_a_stream_that_is_gone_nothing_more_is_recognised() -> None:
    recogniser = busy()
    with second_pass(recogniser) as worker:
        gone, here = (SecondPassDesk(worker, patience_s=10.0) for _ in range(2))
        for number in range(4):
            gone.hand_in(turn(number))
        gone.close()
        here.hand_in(turn())
        recogniser.may_work.set()
        assert len(here.collect(wait=True)[0]) == 1
    assert recogniser.num_heard <= 2
    assert gone.collect(wait=False)[0] == []
