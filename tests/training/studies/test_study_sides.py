"""Sides of the fairness study's trials: read once, and heard as the service hears them."""

from pathlib import Path

import numpy as np
import pytest

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig
from svc.types import FloatArray, Waveform
from training.data.segments import SegmentReader
from training.data.trial_list import Trial
from training.data.trials import draw_trials, make_trials
from training.studies.study_sides import features_of_speech, kept_trials, side_features


class LoudIsSpeech:
    """A voice activity detector by level."""

    frame_s = 0.01

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
        return np.asarray(np.abs(frames).max(axis=1) > 0.01, np.float32)


@pytest.fixture(scope="module")
def finder() -> SpeechFinder:
    return SpeechFinder(LoudIsSpeech(), VoiceActivityConfig())


def noise(duration_s: float, level: float) -> Waveform:
    samples = np.random.default_rng(0).normal(0, level, round(duration_s * 16_000)).astype(np.float32)
    return Waveform(samples, 16_000)


def test_features_are_of_the_speech_alone_and_without_its_mean(finder: SpeechFinder) -> None:
    features = features_of_speech(finder, min_speech_s=0.5)
    speech, pause = noise(1.0, 0.1), np.zeros(16_000, np.float32)
    whole, padded = features(speech), features(Waveform(np.concatenate([speech.samples, pause]), 16_000))
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-4)
    assert len(whole) <= len(padded) < len(whole) + 10


def test_too_little_speech_has_no_frames(finder: SpeechFinder) -> None:
    assert features_of_speech(finder, min_speech_s=0.5)(noise(0.2, 0.1)).shape == (0, 80)


def test_a_list_is_drawn_once_and_is_the_one_that_was_drawn(corpus_root: Path, tmp_path: Path) -> None:
    drawn: list[int] = []

    def draw() -> list[Trial]:
        drawn.append(1)
        return draw_trials("hyke", root=corpus_root)

    first, again = (kept_trials(draw, made_from=["hyke"], root=corpus_root, cache=tmp_path) for _ in range(2))
    whole = make_trials("hyke", root=corpus_root)
    for kept in (first, again):
        assert (kept.sides, kept.units) == (whole.sides, whole.units)
        assert np.array_equal([kept.enrolment, kept.test, kept.target], [whole.enrolment, whole.test, whole.target])
    assert len(drawn) == 1
    kept_trials(draw, made_from=["hyke", 1], root=corpus_root, cache=tmp_path)
    assert len(drawn) == 2


def test_every_side_is_read_once_ever(corpus_root: Path, tmp_path: Path) -> None:
    trials = make_trials("hyke", root=corpus_root)
    read: list[int] = []

    def features(waveform: Waveform) -> FloatArray:
        read.append(len(waveform.samples))
        return np.full((len(read), 3), len(read), np.float32)

    reader = SegmentReader(corpus_root)
    first, again = (side_features(trials, reader, features, made_from="hyke", cache=tmp_path) for _ in range(2))
    assert len(read) == len(trials.sides)
    assert [side.shape for side in again] == [(count, 3) for count in range(1, len(read) + 1)]
    assert all((side == side[0, 0]).all() for side in again)
    assert first.heard.all()
