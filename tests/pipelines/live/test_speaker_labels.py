"""Labels of a stream: one a person, never renamed, and corrected when later evidence says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.pipelines.live.speaker_labels import LabelConfig, SpeakerLabels
from svc.pipelines.live.voice_sums import VoiceSum
from tests.pipelines.live.label_voices import calibration, direction, person, voice


def labels_of(config: LabelConfig | None = None) -> SpeakerLabels:
    return SpeakerLabels(calibration(), config)


@given(st.lists(st.integers(0, 4), max_size=30))
def test_well_separated_people_have_a_label_each(people: list[int]) -> None:
    labels, given_labels = labels_of(), []
    for turn_id, number in enumerate(people):
        given_labels.append(labels.place(turn_id, person(number, take=turn_id)).label)
        assert labels.revise() == {}
    first_seen = list(dict.fromkeys(people))
    assert given_labels == [first_seen.index(number) for number in people]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.5, 9)), min_size=1, max_size=20), st.integers(1, 6))
def test_placing_a_turn_again_is_placing_its_last_voice(turns: list[tuple[int, float]], times: int) -> None:
    once, again = labels_of(), labels_of()
    for turn_id, (number, speech_s) in enumerate(turns):
        once.place(turn_id, person(number, take=turn_id, speech_s=speech_s + 1))
        for take in [*range(100, 99 + times), turn_id]:
            again.place(turn_id, person(number, take=take, speech_s=speech_s + 1))
    assert once.labels == again.labels
    for label in once.labels:
        np.testing.assert_allclose(once.voiceprint(label).vector, again.voiceprint(label).vector, atol=1e-5)


def test_a_known_voice_is_certain_and_a_doubtful_one_less() -> None:
    labels = labels_of()
    labels.place(0, person(0))
    sure = labels.place(1, person(0, take=1))
    doubtful = labels.place(2, voice(direction(0.6, 0.0, 0.8)))
    assert sure.label == doubtful.label == 0
    assert 0.5 < doubtful.confidence < sure.confidence <= 1


def test_too_little_speech_founds_no_label_but_joins_one() -> None:
    labels = labels_of()
    assert labels.place(0, person(0, speech_s=0.7)).label is None
    assert labels.place(1, person(0, take=1)).label == 0
    assert labels.revise()[0].label == 0


def test_only_much_overlapped_speech_founds_a_label() -> None:
    assert labels_of().place(0, voice(direction(1.0), speech_s=2.9, alone_s=0.0)).label is None
    assert labels_of().place(0, voice(direction(1.0), speech_s=3.1, alone_s=0.0)).label == 0


def test_a_voice_between_two_people_is_unknown() -> None:
    labels = labels_of()
    labels.place(0, person(0, noise=0.0))
    labels.place(1, person(1, noise=0.0))
    assert labels.place(2, voice(direction(1.0, 1.0))).label is None


def test_an_unknown_turn_is_told_when_its_speaker_is_known_better() -> None:
    labels = labels_of()
    labels.place(0, voice(direction(1.0, 0.0, 1.85)))
    assert labels.place(1, voice(direction(1.0, 0.0, 0.0))).label is None
    labels.place(2, voice(direction(1.0, 0.0, 1.0), speech_s=60.0))
    assert {turn_id: placement.label for turn_id, placement in labels.revise().items()} == {1: 0}


def test_two_labels_that_prove_to_be_one_person_become_the_older() -> None:
    labels = labels_of()
    labels.place(0, voice(direction(1.0, 0.0, 1.7)))
    assert labels.place(1, voice(direction(1.0, 1.7))).label == 1
    labels.place(2, voice(direction(1.0, 0.0, 0.3), speech_s=30.0))
    labels.place(3, voice(direction(1.0, 0.6), speech_s=30.0))
    changed = labels.revise()
    assert labels.labels == (0,)
    assert {placement.label for placement in changed.values()} == {0}


def test_numbers_are_never_given_out_again() -> None:
    labels = labels_of()
    labels.place(0, person(0))
    labels.place(1, person(1))
    labels.place(1, person(0, take=1))  # it was person 0 after all: label 1 is gone
    assert labels.labels == (0,)
    assert labels.place(2, person(1, take=2)).label == 2


def test_labels_and_turns_are_bounded() -> None:
    labels = labels_of(LabelConfig(max_labels=3, kept_turns=10))
    found = [labels.place(turn_id, person(turn_id % 8, take=turn_id)).label for turn_id in range(200)]
    labels.revise()
    assert set(found) == {0, 1, 2, None}
    assert len(labels._turns) == 10
    # What is forgotten still counts.
    assert labels.voiceprint(0).net_speech_s == pytest.approx(2.0 * 25)


@given(st.lists(st.floats(0.5, 50), min_size=1, max_size=20))
def test_a_voice_put_in_and_taken_out_leaves_nothing(speech_s: list[float]) -> None:
    voices = [VoiceSum.of(person(0, take=take, speech_s=each).voiceprint) for take, each in enumerate(speech_s)]
    total = voices[0]
    for each in voices[1:]:
        total += each
    assert total.voiceprint("x").net_speech_s == pytest.approx(sum(speech_s))
    for each in voices:
        total -= each
    assert total.is_empty
    with pytest.raises(ValueError, match="no voice"):
        total.voiceprint("x")


@pytest.mark.parametrize("bad", [{"found_llr": 1.0}, {"new_prior": 0.0}, {"max_labels": 0}, {"move_llr": -1.0}])
def test_a_config_that_cannot_work_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need"):
        LabelConfig(**bad)  # type: ignore[arg-type]
