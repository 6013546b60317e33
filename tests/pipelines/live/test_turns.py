"""Tokens into turns and words: whatever the model emits, nothing is lost and no time runs backwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.backends.protocols import Emission
from svc.pipelines.live.transcription_events import FinalWord, TranscribedWord, TurnEnded, TurnStarted
from svc.pipelines.live.turns import TurnConfig, TurnEvent, TurnTracker
from svc.units import END_OF_TURN as EOT
from svc.units import START_OF_TURN as SOT
from svc.units import Units

UNITS = Units(("\u2581sev", "en", "\u2581two", "\u2581"))
SEV, EN, TWO, MARK = 4, 5, 6, 7
FRAME_S, DELAY_S = 0.04, 0.08
# (frames to wait, channel, token): a frame may hold several.
scripts = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1), st.sampled_from([1, SOT, EOT, SEV, EN, TWO, MARK])))


@dataclass
class Transcript:
    """What the events amount to; refuses events out of order."""

    open: dict[int, TurnStarted] = field(default_factory=dict)
    turns: list[tuple[TurnStarted, TurnEnded]] = field(default_factory=list)
    words: list[TranscribedWord] = field(default_factory=list)

    def take(self, events: Sequence[TurnEvent], *, now_s: float) -> None:
        for event in events:
            match event:
                case TurnStarted():
                    assert all(other.channel != event.channel for other in self.open.values())
                    assert 0 <= event.start_s <= now_s
                    self.open[event.turn_id] = event
                case FinalWord(word=word):
                    assert self.open[word.turn_id].channel == word.channel
                    assert self.open[word.turn_id].start_s <= word.start_s <= word.end_s <= now_s + 1e-9
                    self.words.append(word)
                case TurnEnded():
                    assert self.open[event.turn_id].start_s <= event.end_s <= now_s + 1e-9
                    self.turns.append((self.open.pop(event.turn_id), event))

    def texts(self, channel: int) -> list[str]:
        return [word.text for word in self.words if word.channel == channel]


def emissions_of(script: Sequence[tuple[int, int, int]]) -> list[tuple[list[Emission], list[Emission]]]:
    """Per frame and channel."""
    frames: list[tuple[list[Emission], list[Emission]]] = [([], [])]
    for wait, channel, token_id in script:
        frames += [([], []) for _ in range(wait)]
        frames[-1][channel].append(Emission(token_id, len(frames) - 1))
    return frames


def follow(
    script: Sequence[tuple[int, int, int]], *, active: Sequence[tuple[int, int]] = (), config: TurnConfig | None = None
) -> Transcript:
    """Tracks a script; `active` are stretches of frames, end exclusive, in which channel 0 speaks."""
    tracker, transcript = TurnTracker(UNITS, frame_s=FRAME_S, delay_s=DELAY_S, config=config), Transcript()
    frames = emissions_of(script)
    for frame, emitted in enumerate(frames):
        speech = np.array([float(any(a <= frame < b for a, b in active)), 0.0], np.float32)
        transcript.take(tracker.step(frame, emitted, speech), now_s=(frame + 1) * FRAME_S)
    transcript.take(tracker.flush(), now_s=len(frames) * FRAME_S)
    assert not transcript.open
    return transcript


@given(scripts)
def test_no_letter_is_lost_or_said_twice(script: list[tuple[int, int, int]]) -> None:
    transcript = follow(script)
    for channel in (0, 1):
        said = UNITS.text([token for _, on, token in script if on == channel])
        assert "".join(transcript.texts(channel)) == said.replace(" ", "")


@given(scripts)
def test_times_never_run_backwards_on_a_channel(script: list[tuple[int, int, int]]) -> None:
    transcript = follow(script, active=[(3, 40), (90, 120)])
    for channel in (0, 1):
        times = [
            time_s for word in transcript.words if word.channel == channel for time_s in (word.start_s, word.end_s)
        ]
        assert times == sorted(times)
        turns = [(start.start_s, end.end_s) for start, end in transcript.turns if start.channel == channel]
        assert [time_s for turn in turns for time_s in turn] == sorted(time_s for turn in turns for time_s in turn)


@given(scripts)
def test_turns_are_numbered_in_order(script: list[tuple[int, int, int]]) -> None:
    turn_ids = sorted(start.turn_id for start, _ in follow(script).turns)
    assert turn_ids == list(range(len(turn_ids)))


def test_a_turn_as_it_should_be() -> None:
    script = [(5, 0, SOT), (5, 0, SEV), (1, 0, EN), (9, 0, TWO), (6, 0, EOT)]
    transcript = follow(script, active=[(4, 23)])
    ((start, end),) = transcript.turns
    assert not end.forced
    assert start.start_s == pytest.approx(4 * FRAME_S - DELAY_S)
    assert transcript.texts(0) == ["seven", "two"]
    assert [word.end_s for word in transcript.words] == pytest.approx([12 * FRAME_S - DELAY_S, 21 * FRAME_S - DELAY_S])
    assert transcript.words[1].start_s == pytest.approx(transcript.words[0].end_s)
    assert end.end_s == pytest.approx(23 * FRAME_S - DELAY_S)  # where speech ends, not where <eot> comes


def test_after_a_pause_a_word_starts_where_speech_sets_in_again() -> None:
    transcript = follow([(0, 0, SOT), (5, 0, TWO), (20, 0, TWO), (0, 0, EOT)], active=[(0, 6), (18, 26)])
    assert transcript.words[1].start_s == pytest.approx(18 * FRAME_S - DELAY_S)


def test_the_watchdog_closes_an_idle_turn_after_its_time() -> None:
    ((start, end),) = follow([(0, 0, SOT), (5, 0, TWO), (100, 1, TWO)], active=[(0, 10)]).turns[:1]
    assert (end.forced, start.channel) == (True, 0)
    assert end.end_s == pytest.approx(10 * FRAME_S - DELAY_S)


def test_speech_without_tokens_keeps_a_turn_open_up_to_the_limit() -> None:
    config = TurnConfig(idle_s=1.0, longest_turn_s=4.0)
    transcript = follow([(0, 0, SOT), (300, 0, TWO)], active=[(0, 200)], config=config)
    first, second = transcript.turns
    assert first[1].forced
    assert first[1].end_s == pytest.approx(4.0 - DELAY_S + FRAME_S)
    assert second[0].start_s >= first[1].end_s


def test_tokens_the_decoder_holds_back_keep_a_turn_open() -> None:
    tracker = TurnTracker(UNITS, frame_s=FRAME_S, delay_s=DELAY_S)
    silence = np.zeros(2, np.float32)
    tracker.step(0, ([Emission(SOT, 0)], []), silence)
    for frame in range(1, 100):
        assert not tracker.step(frame, ([], []), silence, pending=(True, False))
    assert tracker.step(100, ([], []), silence)


def test_a_word_before_its_sot_is_in_the_turn_the_sot_announces() -> None:
    transcript = follow([(5, 0, SEV), (2, 0, SOT), (2, 0, EN), (1, 0, EOT)], active=[(2, 10)])
    assert (len(transcript.turns), transcript.texts(0)) == (1, ["seven"])


def test_a_second_sot_closes_the_first_turn() -> None:
    transcript = follow([(0, 0, SOT), (5, 0, TWO), (5, 0, SOT), (5, 0, TWO), (0, 0, EOT)])
    assert [end.forced for _, end in transcript.turns] == [True, False]


def test_unstable_words_continue_the_held_one_and_change_nothing() -> None:
    tracker = TurnTracker(UNITS, frame_s=FRAME_S, delay_s=DELAY_S)
    tracker.step(0, ([Emission(SOT, 0), Emission(SEV, 0)], []), np.ones(2, np.float32))
    tracker.step(1, ([], []), np.ones(2, np.float32))
    for _ in range(2):
        (words,) = tracker.unstable_words(([Emission(EN, 1), Emission(TWO, 1)], [])).values()
        assert [word.text for word in words] == ["seven", "two"]
    ((held,),) = tracker.unstable_words(([], [])).values()
    assert held.text == "sev"


def test_no_time_lies_past_the_end_of_the_audio() -> None:
    tracker = TurnTracker(UNITS, frame_s=FRAME_S, delay_s=0.0)
    tracker.end_at(0.05)
    events = tracker.step(3, ([Emission(TWO, 3), Emission(EOT, 3)], []), np.ones(2, np.float32))
    assert max(event.end_s for event in events if isinstance(event, TurnEnded)) <= 0.05


@pytest.mark.parametrize("bad", [{"idle_s": 0.0}, {"idle_s": 90.0}, {"active_probability": 1.0}, {"letter_s": -1.0}])
def test_a_config_that_cannot_work_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"need|negative"):
        TurnConfig(**bad)
