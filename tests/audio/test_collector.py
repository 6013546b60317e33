"""Collecting blocks: any split gives the same recording, and a long one comes down to 16 kHz."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.audio import collector as module
from svc.audio.collector import SampleCollector
from svc.audio.resample import resample
from svc.config import AudioConfig
from svc.errors import AudioTooLongError
from svc.types import Waveform
from tests.audio.containers import tone


def collected(samples: np.ndarray, cuts: list[int], *, rate_hz: int, promised: int | None) -> Waveform:
    collector = SampleCollector(rate_hz, limits=AudioConfig(), field="container", promised_samples=promised)
    for piece in np.split(samples, sorted(cuts)):
        collector.add(piece)
    return collector.finish()


@given(st.lists(st.integers(0, 30_000)), st.sampled_from([None, 1, 10, 30_000, 10**6]))
def test_any_split_and_any_promise_give_the_same_samples(cuts: list[int], promised: int | None) -> None:
    samples = tone(30_000)[:, 0]
    np.testing.assert_array_equal(collected(samples, cuts, rate_hz=16_000, promised=promised).samples, samples)


@given(st.lists(st.integers(0, 48_000)), st.sampled_from([None, 1, 48_000, 10**6]))
def test_a_long_recording_equals_the_whole_resampled(cuts: list[int], promised: int | None) -> None:
    samples = tone(48_000, rate_hz=48_000)[:, 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEEP_RATE_S", 0.3)
        waveform = collected(samples, cuts, rate_hz=48_000, promised=promised)
    assert waveform.sample_rate_hz == 16_000
    np.testing.assert_array_equal(waveform.samples, resample(Waveform(samples, 48_000)).samples)


def test_a_promise_over_the_limit_is_refused_before_any_sample() -> None:
    with pytest.raises(AudioTooLongError, match="longer than 2 s"):
        SampleCollector(8_000, limits=AudioConfig(max_duration_s=2), field="x", promised_samples=16_001)
