"""Masks over mels, applied to samples: all, nothing, one of two tones, one of two moments."""

import numpy as np
import pytest

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.audio.masking import MelMasker, spread_to_frequencies
from svc.types import FloatArray

CONFIG = FilterbankConfig()
MASKER = MelMasker()


def tone(pitch_hz: float, num_samples: int = 16_000) -> FloatArray:
    return (0.1 * np.sin(2 * np.pi * pitch_hz * np.arange(num_samples) / 16_000)).astype(np.float32)


def open_masks(num_samples: int = 16_000) -> FloatArray:
    return np.ones((CONFIG.num_frames(num_samples), 80), np.float32)


def loudness(samples: FloatArray) -> float:
    return float(np.sqrt(np.mean(samples[400:-400] ** 2)))


def test_open_masks_give_the_samples_back() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    masked = MASKER.apply(noise, open_masks())
    np.testing.assert_allclose(masked[20:-200], noise[20:-200], atol=1e-5)


def test_closed_masks_leave_silence() -> None:
    assert not MASKER.apply(tone(500), np.zeros((98, 80), np.float32)).any()


def test_the_mask_weighs_power() -> None:
    quarter = MASKER.apply(tone(1000), open_masks() / np.float32(4))
    assert loudness(quarter) == pytest.approx(loudness(tone(1000)) / 2, rel=1e-3)


def test_of_two_tones_the_masked_one_goes() -> None:
    low, high = tone(500), tone(4000)
    masks = np.exp(Filterbank(CONFIG)(low)) > np.exp(Filterbank(CONFIG)(high))
    kept = MASKER.apply(low + high, masks.astype(np.float32))
    assert loudness(kept - low) < 0.1 * loudness(low)


def test_a_mask_in_time_takes_out_a_moment() -> None:
    masks = open_masks()
    masks[50:] = 0
    kept = MASKER.apply(tone(700), masks)
    assert np.abs(kept[: 45 * 160] - tone(700)[: 45 * 160])[20:].max() < 1e-4
    assert np.abs(kept[55 * 160 :]).max() < 1e-6


def test_frames_and_samples_need_not_match_and_less_than_a_window_is_silence() -> None:
    assert len(MASKER.apply(tone(500, 1000), open_masks())) == 1000
    assert not MASKER.apply(tone(500, 100), open_masks()).any()


def test_every_frequency_gets_one_whole_weight() -> None:
    np.testing.assert_allclose(spread_to_frequencies(CONFIG).sum(axis=0), 1, rtol=1e-5)
