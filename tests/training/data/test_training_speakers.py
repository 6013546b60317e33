"""Cuts come from as many sessions as there are, do not overlap where they need not, and lie within their session."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.toy_voices import VoicesInMemory, clip, clips_of, toy_speakers
from training.data.training_speakers import Cut, Session, TrainingSpeaker, draw_cuts, read_cut, training_speakers

LENGTHS = st.lists(st.floats(0.5, 9), min_size=1, max_size=4)


def speaker_of(lengths_s: list[float]) -> TrainingSpeaker:
    return TrainingSpeaker(
        "t0", tuple(Session((clip("t0", n, duration_s=length_s),), 0) for n, length_s in enumerate(lengths_s))
    )


def cuts_of(speaker: TrainingSpeaker, count: int, seed: int = 0) -> tuple[Cut, ...]:
    return draw_cuts(np.random.default_rng(seed), speaker, count, duration_s=1.0)


@given(LENGTHS, st.integers(1, 6), st.integers(0, 99))
def test_sessions_are_used_alike(lengths_s: list[float], count: int, seed: int) -> None:
    speaker = speaker_of(lengths_s)
    cuts = cuts_of(speaker, count, seed)
    times = [sum(cut.session == session for cut in cuts) for session in speaker.sessions]
    assert sum(times) == count
    assert max(times) - min(times) <= 1


@given(LENGTHS, st.integers(1, 6), st.integers(0, 99))
def test_cuts_lie_within_their_session_and_apart_where_they_can(lengths_s: list[float], count: int, seed: int) -> None:
    cuts = sorted(cuts_of(speaker_of(lengths_s), count, seed), key=lambda cut: cut.start_s)
    for number, cut in enumerate(cuts):
        length_s = cut.session.duration_s
        assert 0 <= cut.start_s <= max(0.0, length_s - 1.0)
        others = [other for other in cuts[number + 1 :] if other.session == cut.session]
        together = 1 + sum(other.session == cut.session for other in cuts[:number]) + len(others)
        if length_s >= together and others:
            assert others[0].start_s >= cut.start_s + 1.0 - 1e-9


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_a_cut_at_any_speed_has_the_length_asked_for(speed: float) -> None:
    (speaker,) = toy_speakers(1, speeds=(speed,))
    (cut,) = cuts_of(speaker, 1)
    assert len(read_cut(cut, VoicesInMemory(), speed=speed)) == pytest.approx(16_000, abs=1)


def test_clips_of_a_session_are_heard_one_after_the_other() -> None:
    session, speech = Session((clip("t0", 0), clip("t0", 1)), 0), VoicesInMemory()
    heard = read_cut(Cut(session, 0.25, 1.5), speech, speed=1.0)
    expected = [speech.read(session.clips[0].path, 0.25, 1.0), speech.read(session.clips[1].path, 0.0, 0.75)]
    np.testing.assert_array_equal(heard, np.concatenate(expected))


def test_a_short_session_goes_round() -> None:
    heard = read_cut(Cut(Session((clip("t0", 0, duration_s=0.5),), 0), 0.0, 1.25), VoicesInMemory(), speed=1.0)
    np.testing.assert_array_equal(heard[8_000:16_000], heard[:8_000])


def test_each_speed_makes_another_talker_and_who_says_too_little_is_left_out() -> None:
    clips = [*clips_of(3), clip("t9", 0)]
    groups = {each.path: 0 for each in clips}
    speakers = training_speakers(clips, groups, speeds=(0.9, 1.0), min_speech_s=2.0)
    assert [(each.name, each.speed) for each in speakers] == [(f"t{n}", s) for s in (0.9, 1.0) for n in range(3)]


def test_a_session_in_two_groups_is_taken_apart() -> None:
    clips = clips_of(1, sessions=1)
    speakers = training_speakers(clips, {clips[0].path: 0, clips[1].path: 1}, speeds=(1.0,), min_speech_s=1.0)
    assert [session.group for session in speakers[0].sessions] == [0, 1]
