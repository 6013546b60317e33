"""Diarization of the speech that ships inside pyannote.audio, with the published models."""

import numpy as np
import pytest

from svc.backends.loading import load_embedder, load_segmenter
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.pipelines.diarization import Diarizer
from svc.types import MODEL_RATE_HZ, DiarizationResult, Waveform
from training.data.recordings import Recording, read_pyannote_sample
from training.metrics.diarization import diarization_errors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def diarizer(store: ModelStore) -> Diarizer:
    models = ModelConfig()
    return Diarizer(segmenter=load_segmenter(models, store), embedder=load_embedder(models, store))


@pytest.fixture(scope="module")
def sample() -> Recording:
    return read_pyannote_sample()


@pytest.fixture(scope="module")
def result(diarizer: Diarizer, sample: Recording) -> DiarizationResult:
    return diarizer.diarize(sample.waveform)


def test_two_speakers_are_told_apart(sample: Recording, result: DiarizationResult) -> None:
    assert [speaker.label for speaker in result.speakers] == ["S0", "S1"]
    assert diarization_errors(sample.turns, result.turns, scored=sample.scored).rate < 0.08


def test_their_voiceprints_differ(result: DiarizationResult) -> None:
    one, other = (speaker.voiceprint for speaker in result.speakers)
    assert one is not None
    assert other is not None
    assert float(one.vector @ other.vector) < 0.6
    assert min(one.net_speech_s, other.net_speech_s) > 5.0


def test_the_same_audio_gives_the_same_turns(diarizer: Diarizer, sample: Recording, result: DiarizationResult) -> None:
    assert diarizer.diarize(sample.waveform, num_speakers=2).turns == result.turns


def test_noise_is_no_speaker(diarizer: Diarizer) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 12 * MODEL_RATE_HZ).astype(np.float32)
    assert diarizer.diarize(Waveform(noise, MODEL_RATE_HZ)).speakers == ()
