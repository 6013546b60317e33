"""The features: symmetric, bounded, and in the order the artifact names them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.scoring.conditions import FEATURES, Conditions, SideConditions
from svc.types import Band, Voiceprint
from tests.scoring.voices import GOOD_VOICE

voices = st.builds(
    lambda speech_s, snr_db, band: replace(GOOD_VOICE, net_speech_s=speech_s, snr_db=snr_db, band=band),
    st.floats(0, 1e5),
    st.floats(-200, 200),
    st.sampled_from(Band),
)


def feature(name: str, enrolment: Voiceprint, test: Voiceprint) -> float:
    return float(Conditions.of_pair(enrolment, test).features()[0, FEATURES.index(name)])


@given(voices, voices)
def test_features_are_bounded_and_do_not_care_which_side_is_which(one: Voiceprint, other: Voiceprint) -> None:
    there, back = (Conditions.of_pair(*pair).features() for pair in ((one, other), (other, one)))
    np.testing.assert_array_equal(there, back)
    assert there.shape == (1, len(FEATURES))
    assert np.all(np.abs(there) <= 1)


def test_more_speech_on_the_shorter_side_moves_its_feature_alone() -> None:
    short, longer = replace(GOOD_VOICE, net_speech_s=1.0), replace(GOOD_VOICE, net_speech_s=2.0)
    assert feature("log_shorter_speech", longer, GOOD_VOICE) > feature("log_shorter_speech", short, GOOD_VOICE)
    assert feature("log_longer_speech", longer, GOOD_VOICE) == feature("log_longer_speech", short, GOOD_VOICE)


@pytest.mark.parametrize(
    ("bands", "both", "mismatch"),
    [
        ((Band.WIDE, Band.WIDE), -1, -1),
        ((Band.WIDE, Band.TELEPHONE), -1, 1),
        ((Band.TELEPHONE, Band.TELEPHONE), 1, -1),
    ],
)
def test_bands_are_told_apart(bands: tuple[Band, Band], both: float, mismatch: float) -> None:
    sides = [replace(GOOD_VOICE, band=band) for band in bands]
    assert feature("both_telephone", *sides) == both
    assert feature("band_mismatch", *sides) == mismatch


def test_one_side_against_many_is_each_pair() -> None:
    many = [replace(GOOD_VOICE, net_speech_s=float(speech_s)) for speech_s in (1, 3, 9)]
    together = Conditions(SideConditions.of([GOOD_VOICE]), SideConditions.of(many)).features()
    apart = [Conditions.of_pair(GOOD_VOICE, voice).features()[0] for voice in many]
    np.testing.assert_array_equal(together, apart)


def test_take_picks_sides() -> None:
    sides = SideConditions.of([replace(GOOD_VOICE, snr_db=float(snr_db)) for snr_db in range(5)])
    np.testing.assert_array_equal(sides.take(np.array([3, 3, 0])).snr_db, [3, 3, 0])
