"""Resampling: streamed equals whole, tones keep their place, and what is above the new band is gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.audio.resample import StreamResampler, resample
from svc.types import Waveform

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


@given(st.sampled_from(RATES_HZ), st.lists(st.integers(0, 20_000), max_size=20), st.integers(0, 20_000))
def test_streamed_equals_whole(rate_hz: int, cuts: list[int], num_samples: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, num_samples).astype(np.float32)
    stream = StreamResampler(rate_hz, 16_000)
    for _ in range(2):  # the second time shows that flush() forgets
        pieces = [stream.push(piece) for piece in np.split(samples, sorted(cuts))]
        streamed = np.concatenate([*pieces, stream.flush()])
        np.testing.assert_array_equal(streamed, resample(Waveform(samples, rate_hz)).samples)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_stays_where_it_is(rate_hz: int) -> None:
    source = np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    expected = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    got = resample(Waveform(source, rate_hz))
    assert len(got.samples) == 16_000
    np.testing.assert_allclose(got.samples[500:-500], expected[500:-500], atol=1e-3)


def test_what_the_new_rate_cannot_hold_is_removed() -> None:
    source = np.sin(2 * np.pi * 6000 * np.arange(16_000) / 16_000).astype(np.float32)
    assert np.abs(resample(Waveform(source, 16_000), 8_000).samples[500:-500]).max() < 1e-4


def test_the_right_rate_is_left_alone() -> None:
    waveform = Waveform(np.zeros(10, np.float32), 16_000)
    assert resample(waveform) is waveform
