"""The live stream as a whole: right words at the right times, whatever the rate and however the audio is cut."""

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.backends.protocols import Emission, RecognisedChunk
from svc.errors import AudioFormatError, AudioNotFiniteError
from svc.pipelines.live.transcription import (
    MAX_BLOCK_FRAMES,
    STALLED_S,
    SilentFollower,
    StreamOptions,
    TranscriptionStream,
)
from svc.pipelines.live.transcription_events import (
    FinalWord,
    PartialWords,
    StreamWarning,
    TranscribedWord,
    TranscriptionEvent,
    TurnEnded,
    TurnStarted,
    WarningReason,
)
from svc.pipelines.live.turns import LATEST_TOKEN_FRAMES
from svc.types import FloatArray
from tests.pipelines.live.toy_conversation import TOKEN_S, Said, ToneSession, conversation

TALK = (
    Said(0, 0, 0.5, 2.5, ("one", "two", "three")),
    Said(1, 1, 2.0, 4.0, ("three", "one")),
    Said(0, 0, 4.3, 5.2, ("two",)),
)
DURATION_S = 6.0
MIXTURE = conversation(TALK, duration_s=DURATION_S)


def stream(rate_hz: int = 16_000, *, partials: bool = True) -> tuple[TranscriptionStream, ToneSession]:
    session = ToneSession()
    options = StreamOptions(sample_rate_hz=rate_hz, partials=partials)
    return TranscriptionStream(session, SilentFollower(), options=options), session


@dataclass
class UnsureSession(ToneSession):
    """Holds what it heard back for so many frames, as a beam does that does not agree."""

    unsure_frames: int = 0
    _unsure: list[list[Emission]] = field(default_factory=lambda: [[], []])

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        chunk = super().recognise(mels)
        past = chunk.first_frame + chunk.activity.shape[1]
        settled: list[tuple[Emission, ...]] = []
        for channel, heard in enumerate(chunk.emissions):
            tokens = [*self._unsure[channel], *heard]
            settled.append(tuple(token for token in tokens if token.frame + self.unsure_frames < past))
            self._unsure[channel] = tokens[len(settled[-1]) :]
        first, second = map(tuple, self._unsure)
        return replace(chunk, emissions=(settled[0], settled[1]), partial=(first, second))

    def finish(self) -> RecognisedChunk:
        self.unsure_frames = 0
        return super().finish()


def transcribe(samples: FloatArray, cuts: list[int], rate_hz: int = 16_000) -> list[TranscriptionEvent]:
    live, _ = stream(rate_hz)
    events = [event for piece in np.split(samples, sorted(cuts)) for event in live.push(piece)]
    return events + live.close()


def words_of(events: list[TranscriptionEvent]) -> list[TranscribedWord]:
    return [event.word for event in events if isinstance(event, FinalWord)]


def lasting(events: list[TranscriptionEvent]) -> list[TranscriptionEvent]:
    return [event for event in events if not isinstance(event, PartialWords)]


@cache
def in_one_piece() -> list[TranscriptionEvent]:
    return lasting(transcribe(MIXTURE, []))


def test_everyone_is_heard_also_where_two_talk() -> None:
    words = words_of(transcribe(MIXTURE, []))
    for channel in (0, 1):
        said = [word for turn in TALK if turn.channel == channel for word in turn.words]
        assert [word.text for word in words if word.channel == channel] == said


def test_words_and_turns_lie_where_they_were_said() -> None:
    events = transcribe(MIXTURE, [])
    starts = [event for event in events if isinstance(event, TurnStarted)]
    ends = {event.turn_id: event for event in events if isinstance(event, TurnEnded)}
    for said, start in zip(TALK, starts, strict=True):
        assert start.start_s == pytest.approx(said.start_s, abs=0.08)
        assert ends[start.turn_id].end_s == pytest.approx(said.end_s, abs=0.08)
        words = [word for word in words_of(events) if word.turn_id == start.turn_id]
        assert all(said.start_s - 0.08 <= word.start_s <= word.end_s <= said.end_s for word in words)


@settings(max_examples=15)
@given(st.lists(st.integers(0, len(MIXTURE)), max_size=30))
def test_chunking_never_changes_the_words(cuts: list[int]) -> None:
    assert lasting(transcribe(MIXTURE, cuts)) == in_one_piece()


@pytest.mark.parametrize("size", [1, 160, 441, 12_000])
def test_no_chunk_is_too_small_or_too_large(size: int) -> None:
    samples = MIXTURE[:16_000]
    assert lasting(transcribe(samples, list(range(size, len(samples), size)))) == lasting(transcribe(samples, []))


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000])
def test_the_rate_does_not_matter(rate_hz: int) -> None:
    samples = conversation(TALK, duration_s=DURATION_S, rate_hz=rate_hz)
    heard, expected = words_of(transcribe(samples, [1, 77], rate_hz)), words_of(transcribe(MIXTURE, []))
    assert [(word.text, word.channel) for word in heard] == [(word.text, word.channel) for word in expected]
    for one, other in zip(heard, expected, strict=True):
        assert one.end_s == pytest.approx(other.end_s, abs=0.05)


def test_partial_words_come_before_final_ones_and_are_replaced() -> None:
    live, _ = stream()
    events = [event for piece in np.split(MIXTURE, 60) for event in live.push(piece)]
    partials = [event for event in events if isinstance(event, PartialWords)]
    texts = [[word.text for word in event.words] for event in partials if event.turn_id == 0]
    assert ["thr"] in texts
    assert texts.index(["thr"]) < texts.index(["three"])
    without, _ = stream(partials=False)
    assert not [event for event in without.push(MIXTURE) if isinstance(event, PartialWords)]


def test_partial_words_are_also_those_the_decoder_may_take_back() -> None:
    options = StreamOptions(sample_rate_hz=16_000)
    live = TranscriptionStream(UnsureSession(unsure_frames=25), SilentFollower(), options=options)
    events = [event for piece in np.split(MIXTURE, 60) for event in live.push(piece)] + live.close()
    partials = [[word.text for word in event.words] for event in events if isinstance(event, PartialWords)]
    # Only the last word of what is stable is held back.
    assert ["one", "two"] in partials
    assert ["three", "one"] in partials
    assert sorted(word.text for word in words_of(events)) == sorted(word for turn in TALK for word in turn.words)


def test_a_turn_is_not_idle_while_the_decoder_is_unsure_of_what_it_said() -> None:
    said = Said(0, 0, 0.5, 1.2, ("one",), with_eot=False)
    options = StreamOptions(sample_rate_hz=16_000)
    # The word is settled 2 s after it was said, 1.6 s after the last sound of its turn.
    live = TranscriptionStream(UnsureSession(unsure_frames=50), SilentFollower(), options=options)
    events = [event for piece in np.split(conversation([said], duration_s=4.0), 100) for event in live.push(piece)]
    assert [type(event) for event in lasting(events)] == [TurnStarted, FinalWord, TurnEnded]


def test_flush_closes_open_turns_and_the_stream_goes_on() -> None:
    live, _ = stream()
    before = live.push(MIXTURE[: int(1.6 * 16_000)])
    flushed = live.flush()
    (ended,) = [event for event in flushed if isinstance(event, TurnEnded)]
    assert ended.forced
    assert ended.end_s <= 1.6
    after = live.push(MIXTURE[int(1.6 * 16_000) :]) + live.close()
    texts = sorted(word.text for word in words_of(before + flushed + after))
    assert texts == sorted(word for turn in TALK for word in turn.words)


def test_turns_of_a_stream_that_stalls_are_closed_by_the_clock() -> None:
    now_s = [100.0]
    options = StreamOptions(sample_rate_hz=16_000)
    live = TranscriptionStream(ToneSession(), SilentFollower(), options=options, clock=lambda: now_s[0])
    live.push(MIXTURE[: int(1.6 * 16_000)])
    nothing = MIXTURE[:0]
    now_s[0] += STALLED_S - 0.1
    assert live.push(nothing) == []
    now_s[0] += 0.2
    (*_, ended) = live.push(nothing)
    assert isinstance(ended, TurnEnded)
    assert ended.forced
    assert live.push(nothing) == []


def test_audio_that_ends_within_a_turn_is_heard_to_its_end() -> None:
    events = transcribe(MIXTURE[: int(1.3 * 16_000)], [])
    assert [word.text for word in words_of(events)] == ["one", "two"]
    (ended,) = [event for event in events if isinstance(event, TurnEnded)]
    assert ended.forced
    assert ended.end_s <= 1.3


@pytest.mark.parametrize("late_frames", [1, 6, LATEST_TOKEN_FRAMES])
def test_a_word_that_comes_late_comes_though_the_audio_ends_with_it(late_frames: int) -> None:
    said = Said(0, 0, 0.5, 2.5, ("one", "two", "three"), with_eot=False)
    last_s = said.tokens[-1][0] + TOKEN_S
    session = ToneSession(late_frames=late_frames)
    live = TranscriptionStream(session, SilentFollower(), options=StreamOptions(sample_rate_hz=16_000))
    events = live.push(conversation([said], duration_s=6.0)[: round(last_s * 16_000)]) + live.close()
    words = words_of(events)
    assert [word.text for word in words] == ["one", "two", "three"]
    assert words[-1].end_s <= last_s


@pytest.mark.parametrize("num_samples", [0, 1, 639, 641])
def test_hardly_any_audio_is_no_trouble(num_samples: int) -> None:
    assert transcribe(np.zeros(num_samples, np.float32), []) == []


def test_leaving_frees_the_session_and_closing_after_it_is_nothing() -> None:
    live, session = stream()
    live.push(MIXTURE[:9000])
    live.abandon()
    assert (session.closed, live.close()) == (True, [])
    live.abandon()
    with pytest.raises(ValueError, match="closed"):
        live.push(MIXTURE)


def test_blocks_stay_small_however_much_is_pushed_at_once() -> None:
    live, session = stream(48_000)
    live.push(np.zeros(48_000 * 20, np.float32))
    assert session.largest_block <= 4 * (MAX_BLOCK_FRAMES + 1)


def test_a_sample_that_is_no_number_is_refused_and_the_stream_lives_on() -> None:
    live, _ = stream()
    bad = MIXTURE[16_000:20_000].copy()
    bad[7] = np.nan
    events = live.push(MIXTURE[:16_000])
    with pytest.raises(AudioNotFiniteError, match="sample 16007"):
        live.push(bad)
    events += live.push(MIXTURE[16_000:]) + live.close()
    assert lasting(events) == in_one_piece()


def test_samples_that_are_not_scaled_are_refused() -> None:
    with pytest.raises(AudioFormatError, match="32768"):
        stream()[0].push(20_000 * MIXTURE)


def test_what_is_wrong_with_the_audio_is_said() -> None:
    loud = transcribe(np.clip(40 * MIXTURE, -1, 1), [])
    assert [event.reason for event in loud if isinstance(event, StreamWarning)] == [WarningReason.CLIPPED]


def test_a_turn_nobody_ends_is_ended_by_the_watchdog() -> None:
    said = Said(0, 0, 0.2, 1.2, ("one",), with_eot=False)
    (ended,) = [event for event in transcribe(conversation([said], duration_s=5.0), []) if isinstance(event, TurnEnded)]
    assert ended.forced
    assert ended.end_s == pytest.approx(1.2, abs=0.08)
