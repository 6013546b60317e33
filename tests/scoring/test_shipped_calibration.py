"""The calibration that ships: for the embedder that ships, sane under all conditions, honest about its origin."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from svc.backends.campplus import DIMENSION, fingerprint_of
from svc.backends.lockfile import read_lock
from svc.scoring.calibration import Calibration, load_calibration
from svc.scoring.conditions import INPUTS, SideConditions
from svc.types import Band, Voiceprint
from tests.scoring.voices import GOOD_VOICE


@pytest.fixture(scope="module")
def shipped() -> Calibration:
    entry = read_lock()["campplus"]
    return load_calibration(None, fingerprint_of(entry.sha256, entry.architecture))


def voice(seed: int, **conditions: float) -> Voiceprint:
    vector = np.random.default_rng(seed).normal(size=DIMENSION)
    made = replace(GOOD_VOICE, vector=(vector / np.linalg.norm(vector)).astype(np.float32), **conditions)  # type: ignore[arg-type]
    return made


def as_heard(shipped: Calibration, heard: Voiceprint) -> Voiceprint:
    """With what all voices share under its conditions: a vector that shares nothing is no voice of theirs."""
    expected = SideConditions.of([heard]).inputs()[0] @ shipped.weights.expected
    vector = expected + np.sqrt(1 - expected @ expected) * heard.vector
    return replace(
        heard,
        vector=(vector / np.linalg.norm(vector)).astype(np.float32),
        model_fingerprint=shipped.model_fingerprint,
    )


@pytest.mark.parametrize("band", list(Band))
@pytest.mark.parametrize("speech_s", [0.5, 2.0, 30.0])
@pytest.mark.parametrize("snr_db", [0.0, 40.0])
def test_llr_rises_through_zero_under_any_condition(
    shipped: Calibration, band: Band, speech_s: float, snr_db: float
) -> None:
    sides = [
        as_heard(shipped, replace(voice(seed, net_speech_s=speech_s, snr_db=snr_db), band=band)) for seed in (0, 1)
    ]
    llrs = [shipped.llr_of(score, sides[0], sides[1]) for score in np.linspace(-0.2, 1, 25)]
    assert llrs[0] < 0 < llrs[-1]
    assert (np.diff(llrs) >= -1e-12).all()


def test_more_speech_is_stronger_evidence(shipped: Calibration) -> None:
    short, long = (
        [replace(voice(s, net_speech_s=speech_s), model_fingerprint=shipped.model_fingerprint) for s in (0, 1)]
        for speech_s in (1.0, 15.0)
    )
    assert shipped.llr_of(0.0, *long) < shipped.llr_of(0.0, *short)


def test_card_tells_data_licence_command_and_figures(shipped: Calibration) -> None:
    card = tomllib.loads(shipped.card_toml)
    assert "research only" in card["licence"] == shipped.licence
    assert "training.calibrate" in card["command"]
    assert {"cllr", "min_cllr", "n_target", "n_speakers"} <= card["figures"]["test"]["wuw-cross-session"].keys()


def test_expected_voice_is_of_the_embedder(shipped: Calibration) -> None:
    assert shipped.weights.expected.shape == (len(INPUTS), DIMENSION)


def test_cohort_is_of_the_embedder_and_of_no_single_person(shipped: Calibration) -> None:
    cohort = shipped.weights.cohort
    assert cohort is not None
    assert cohort.vectors.shape[1] == DIMENSION
    np.testing.assert_allclose(np.linalg.norm(cohort.vectors, axis=1), 1, rtol=1e-5)
    assert "mean of 3 or more people" in tomllib.loads(shipped.card_toml)["cohort"]


@pytest.mark.parametrize("score", [0.8, 0.9])
def test_much_clean_speech_of_one_voice_is_not_held_against_it(shipped: Calibration, score: float) -> None:
    """No talker of the calibration data has half a minute at a microphone: that far out nothing may turn over."""
    sides = [replace(voice(s, net_speech_s=30.0), model_fingerprint=shipped.model_fingerprint) for s in (0, 1)]
    assert shipped.llr_of(score, *sides) > 0
