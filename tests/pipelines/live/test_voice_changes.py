"""Where the voice changes within a turn: between words, at every change that lasts, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.pipelines.live.voice_changes import VoiceChangeConfig, VoiceChanges, VoiceSearch
from svc.types import FloatArray, Span
from tests.pipelines.live.label_voices import calibration
from tests.pipelines.toy_voices import HumEmbedder, hum, turn

CHANGES = VoiceChanges(HumEmbedder(), calibration())
WORD_S = 0.5
NO_PAUSES = np.zeros(0, np.float32)


def words_of(duration_s: float) -> list[Span]:
    return [Span(start_s, start_s + WORD_S) for start_s in np.arange(0.0, duration_s, WORD_S).tolist()]


def searched(people: list[tuple[int, float]], changes: VoiceChanges) -> VoiceSearch:
    """People one after the other, each for some seconds, a word every half second."""
    turns, end_s = [], 0.0
    for person, seconds in people:
        turns.append(turn(end_s, end_s + seconds, person))
        end_s += seconds
    heard = hum(turns, duration_s=end_s, noise=1e-4)
    return changes.find(heard.samples, words_of(end_s), NO_PAUSES)


def found(people: list[tuple[int, float]], changes: VoiceChanges = CHANGES) -> list[int]:
    return [*searched(people, changes).places]


@settings(max_examples=15)
@given(st.lists(st.sampled_from([2.5, 3.0, 4.5]), min_size=1, max_size=4))
def test_every_change_of_talkers_is_found(seconds: list[float]) -> None:
    people = [(number % 3, each) for number, each in enumerate(seconds)]
    changes_s = np.cumsum(seconds)[:-1]
    assert found(people) == pytest.approx(changes_s / WORD_S, abs=1)


@pytest.mark.parametrize("seconds", [1.0, 3.0, 20.0])
def test_one_person_is_never_cut(seconds: float) -> None:
    assert found([(0, seconds)]) == []


def test_the_voice_of_a_turn_without_doubts_comes_with_the_search() -> None:
    alone = searched([(0, 4.0)], CHANGES).only_voice
    assert alone is not None
    (whole,) = HumEmbedder().embed([hum([turn(0.0, 4.0, 0)], duration_s=4.0, noise=1e-4).samples])
    assert alone @ whole > 0.99
    assert searched([(0, 4.0), (1, 4.0)], CHANGES).only_voice is None


def test_a_side_that_is_too_short_is_no_other_person() -> None:
    patient = VoiceChanges(HumEmbedder(), calibration(), VoiceChangeConfig(min_side_s=3.0, max_side_s=9.0))
    assert found([(0, 4.0), (1, 2.0)], patient) == []


def test_a_turn_of_one_word_is_not_listened_to() -> None:
    class Deaf(HumEmbedder):
        def embed(self, clips: object) -> FloatArray:
            raise AssertionError

    samples = np.zeros(80_000, np.float32)
    assert VoiceChanges(Deaf(), calibration()).find(samples, [Span(0.0, 5.0)], NO_PAUSES).places == ()


@pytest.mark.parametrize("wrong", [{"window_s": 0.0}, {"min_side_s": 9.0}, {"split_llr": 1.0}])
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="window_s"):
        VoiceChangeConfig(**wrong)
