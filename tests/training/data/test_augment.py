"""Degradations do what their recipe says, the same each time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.errors import InvalidRequestError
from svc.types import FloatArray, Waveform
from training.data.augment import (
    Degradation,
    add_noise,
    degrade,
    draw_degradation,
    noise_for,
    reverberate,
    room_response,
    telephone,
)
from training.data.manifest import read_manifest


def hiss(num_samples: int, seed: int = 0) -> FloatArray:
    return (0.1 * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def tone(frequency_hz: float) -> Waveform:
    return Waveform((0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(16_000) / 16_000)).astype(np.float32), 16_000)


@given(st.floats(-5, 30))
@settings(max_examples=25)
def test_noise_is_added_at_the_snr_asked_for(snr_db: float) -> None:
    speech, noise = hiss(8000, 1), hiss(8000, 2)
    added = add_noise(speech, noise, snr_db) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.1)


def test_silent_noise_adds_nothing() -> None:
    np.testing.assert_array_equal(add_noise(hiss(100), np.zeros(100, np.float32), 5), hiss(100))


def test_pauses_of_a_noise_recording_are_passed_over() -> None:
    barks = np.zeros(48_000, np.float32)
    barks[16_000:16_640] = hiss(640)
    noise = noise_for(32_000, Waveform(barks, 16_000), 0.3)
    assert np.mean(noise**2) == pytest.approx(np.mean(hiss(640) ** 2), rel=0.01)


@pytest.mark.parametrize(("rt60_s", "ratio_db"), [(0.3, 0.0), (0.6, 6.0)])
def test_a_room_decays_by_60_db_in_rt60_and_keeps_its_direct_to_reverberant_ratio(
    rt60_s: float, ratio_db: float
) -> None:
    room = room_response(Degradation(rt60_s=rt60_s, direct_to_reverberant_db=ratio_db, seed=3), 16_000)
    tail = room[1:].astype(np.float64)
    early, late = (np.mean(part**2) for part in (tail[40:840], tail[-800:]))
    between_centres = (len(tail) - 840) / len(tail)
    assert 10 * np.log10(early / late) == pytest.approx(60 * between_centres, abs=2)
    assert 10 * np.log10(room[0] ** 2 / np.sum(tail**2)) == pytest.approx(ratio_db, abs=0.01)


def test_direct_sound_arrives_first_and_length_stays() -> None:
    click = np.zeros(4000, np.float32)
    click[100] = 1
    wet = reverberate(click, room_response(Degradation(rt60_s=0.2, seed=1), 16_000))
    assert len(wet) == 4000
    assert np.argmax(np.abs(wet)) == 100
    np.testing.assert_allclose(wet[:100], 0, atol=1e-6)


@pytest.mark.parametrize(("frequency_hz", "passes"), [(60, False), (1000, True), (3000, True), (6000, False)])
def test_only_the_telephone_band_passes(frequency_hz: float, passes: bool) -> None:
    narrow = telephone(tone(frequency_hz))
    level = np.sqrt(np.mean(narrow.samples[2000:] ** 2)) / (0.3 / np.sqrt(2))
    assert narrow.sample_rate_hz == 8000
    assert level == pytest.approx(1, abs=0.15) if passes else level < 0.1


def test_recipe_applied_twice_is_the_same_and_full_scale_holds(corpus_root: Path) -> None:
    noises = [clip for clip in read_manifest(corpus_root / "manifest.csv") if clip.corpus == "noise"]
    for seed in range(5):
        recipe = draw_degradation(np.random.default_rng(seed), noises)
        one, two = (degrade(tone(440), recipe, Waveform(hiss(8000), 8000)) for _ in range(2))
        np.testing.assert_array_equal(one.samples, two.samples)
        assert np.max(np.abs(one.samples)) <= 1


def test_recipes_mix_all_three_within_their_ranges(corpus_root: Path) -> None:
    noises = [clip for clip in read_manifest(corpus_root / "manifest.csv") if clip.corpus == "noise"]
    recipes = [draw_degradation(np.random.default_rng(seed), noises) for seed in range(300)]
    mixes = {(recipe.rt60_s > 0, recipe.noise != "", recipe.telephone) for recipe in recipes}
    assert len(mixes) == 7
    assert (False, False, False) not in mixes
    assert all(5 <= recipe.snr_db <= 20 for recipe in recipes if recipe.noise)
    assert all(0.2 <= recipe.rt60_s <= 0.8 for recipe in recipes if recipe.rt60_s)


def test_recipe_with_noise_and_no_recording_and_split_without_noises_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="needs the noise"):
        degrade(tone(440), Degradation(noise="a.wav", snr_db=5))
    with pytest.raises(InvalidRequestError, match="no noise clips"):
        draw_degradation(np.random.default_rng(0), [])
