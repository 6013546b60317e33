"""The mean voiceprint."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.profiles.averaging import mean_voiceprint
from svc.types import Band
from tests.profiles.voices import voice


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6))
def test_the_mean_is_of_unit_length_and_independent_of_order(seeds: list[int]) -> None:
    voices = [voice(seed) for seed in seeds]
    mean = mean_voiceprint(voices)
    assert np.linalg.norm(mean.vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(mean_voiceprint(voices[::-1]).vector, mean.vector, atol=1e-5)


def test_the_mean_of_one_is_that_one() -> None:
    mean = mean_voiceprint([voice(1)])
    np.testing.assert_allclose(mean.vector, voice(1).vector, atol=1e-6)
    assert (mean.net_speech_s, mean.snr_db, mean.band) == (3.0, 20.0, Band.WIDE)


def test_speech_adds_and_conditions_weigh_by_speech() -> None:
    long = replace(voice(1), net_speech_s=9.0, snr_db=10.0, band=Band.TELEPHONE)
    short = replace(voice(2), net_speech_s=1.0, snr_db=30.0, clipped_share=0.5)
    mean = mean_voiceprint([long, short])
    assert (mean.net_speech_s, mean.band) == (10.0, Band.TELEPHONE)
    assert (mean.snr_db, mean.clipped_share) == pytest.approx((12.0, 0.05))


def test_voices_that_cancel_out_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cancel"):
        mean_voiceprint([voice(1), replace(voice(1), vector=-voice(1).vector)])
