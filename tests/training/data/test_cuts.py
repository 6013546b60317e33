"""Cuts lie in speech, inside the recording, and never overlap."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.types import Waveform
from tests.training.conftest import RATE_HZ, voice
from training.data.cuts import speech_cuts


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([0.5, 1.0, 2.0]), st.integers(1, 8))
def test_cuts_do_not_overlap_and_stay_inside(seed: int, length_s: float, max_cuts: int) -> None:
    recording = Waveform(voice(120, duration_s=6), RATE_HZ)
    cuts = speech_cuts(recording, length_s, max_cuts, np.random.default_rng(seed))
    assert 1 <= len(cuts) <= max_cuts
    assert all(one.end_s <= other.start_s + 1e-9 for one, other in pairwise(cuts))
    assert cuts[-1].end_s <= recording.duration_s
    assert all(cut.duration_s == pytest.approx(length_s) for cut in cuts)


def test_a_long_pause_is_never_cut_out_as_speech() -> None:
    samples = np.concatenate([voice(120, duration_s=3), np.zeros(5 * RATE_HZ, np.float32), voice(120, duration_s=3)])
    cuts = speech_cuts(Waveform(samples, RATE_HZ), 1.0, 20, np.random.default_rng(0))
    assert cuts
    assert all(cut.end_s <= 3.6 or cut.start_s >= 7.4 for cut in cuts)


@pytest.mark.parametrize("num_samples", [0, 10, RATE_HZ // 2])
def test_nothing_is_cut_from_too_little(num_samples: int) -> None:
    assert speech_cuts(Waveform(voice(120)[:num_samples], RATE_HZ), 1.0, 3, np.random.default_rng(0)) == []


def test_nothing_is_cut_from_silence() -> None:
    assert speech_cuts(Waveform(np.zeros(5 * RATE_HZ, np.float32), RATE_HZ), 1.0, 3, np.random.default_rng(0)) == []
