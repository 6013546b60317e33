"""Centred cosines against subtracting vectors one by one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.scoring.centring import centred
from svc.scoring.conditions import INPUTS, Array, Conditions, SideConditions
from svc.types import Band, Voiceprint
from tests.scoring.voices import GOOD_VOICE

WIDTH = 6
NOTHING = np.zeros((len(INPUTS), 0))


def random_voices(number: int, random: np.random.Generator) -> list[Voiceprint]:
    vectors = random.normal(size=(number, WIDTH))
    return [
        replace(
            GOOD_VOICE,
            vector=(vector / np.linalg.norm(vector)).astype(np.float32),
            net_speech_s=float(random.uniform(0.3, 30)),
            snr_db=float(random.uniform(-5, 50)),
            band=Band.TELEPHONE if random.random() < 0.5 else Band.WIDE,
        )
        for vector in vectors
    ]


def one_by_one(enrolment: Voiceprint, test: Voiceprint, expected: Array) -> float:
    left = [voice.vector - SideConditions.of([voice]).inputs()[0] @ expected for voice in (enrolment, test)]
    return float(left[0] @ left[1] / (np.linalg.norm(left[0]) * np.linalg.norm(left[1])))


@given(st.integers(0, 10**6))
def test_centred_cosine_is_the_cosine_of_what_is_left_of_each_vector(seed: int) -> None:
    random = np.random.default_rng(seed)
    voices, expected = random_voices(5, random), random.normal(0, 0.15, (len(INPUTS), WIDTH))
    enrolment, test = random.integers(5, size=(2, 20))
    sides = SideConditions.of(voices)
    raw = [float(voices[e].vector @ voices[t].vector) for e, t in zip(enrolment, test, strict=True)]
    ours = centred(raw, Conditions(sides.take(enrolment), sides.take(test)), expected)
    oracle = [one_by_one(voices[e], voices[t], expected) for e, t in zip(enrolment, test, strict=True)]
    np.testing.assert_allclose(ours, oracle, atol=1e-4)


def test_one_voice_against_many_is_each_pair() -> None:
    random = np.random.default_rng(0)
    voices, expected = random_voices(4, random), random.normal(0, 0.15, (len(INPUTS), WIDTH))
    raw = [float(voices[0].vector @ voice.vector) for voice in voices]
    together = centred(raw, Conditions(SideConditions.of(voices), SideConditions.of(voices[:1])), expected)
    np.testing.assert_allclose(together, [one_by_one(voice, voices[0], expected) for voice in voices], atol=1e-4)


@given(st.integers(0, 10**6), st.floats(-1, 1), st.floats(-1, 1))
def test_centred_score_rises_with_the_score(seed: int, low: float, high: float) -> None:
    random = np.random.default_rng(seed)
    conditions = Conditions.of_pair(*random_voices(2, random))
    expected = random.normal(0, 0.3, (len(INPUTS), WIDTH))
    assert (centred([low], conditions, expected) <= centred([high], conditions, expected)) or low > high


@pytest.mark.parametrize("expected", [NOTHING, np.ones((len(INPUTS), WIDTH))], ids=["nothing expected", "no vectors"])
def test_scores_stay_as_they_are_where_nothing_can_be_taken(expected: Array) -> None:
    sides = SideConditions.of([GOOD_VOICE, GOOD_VOICE])
    if expected.size:
        sides = replace(sides, vectors=None)
    np.testing.assert_array_equal(centred([0.1, 0.9], Conditions(sides, sides), expected), [0.1, 0.9])
