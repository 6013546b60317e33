"""Voiceprints: made of speech alone, averaged over bounded windows, refused when there is too little."""

from contextvars import copy_context
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.backends.call_scope import CallScope, current_call
from svc.errors import CallAbandonedError, TooLittleSpeechError
from svc.pipelines.extraction import MAX_WINDOWS, WINDOW_S, VoiceprintExtractor, windows_of
from svc.types import MODEL_RATE_HZ, Band, Waveform
from tests.pipelines.toy_speech import TONES_HZ, ToneEmbedder, tone

WINDOW_SAMPLES = round(WINDOW_S * MODEL_RATE_HZ)


def test_only_the_speech_is_embedded_and_counted(extractor: VoiceprintExtractor, embedder: ToneEmbedder) -> None:
    extraction = extractor.extract(tone(TONES_HZ[2], 2.0))
    assert embedder.calls[0][0] == pytest.approx(2.0 * MODEL_RATE_HZ, rel=0.05)
    assert extraction.quality.net_speech_s == pytest.approx(2.0, rel=0.05)
    assert extraction.quality.duration_s == pytest.approx(2.5)
    assert int(np.argmax(extraction.voiceprint.vector)) == 2


def test_voiceprint_carries_model_and_quality(extractor: VoiceprintExtractor, embedder: ToneEmbedder) -> None:
    voiceprint, quality = (extraction := extractor.extract(tone(400, 2.0, 8000))).voiceprint, extraction.quality
    assert voiceprint.model_fingerprint == embedder.fingerprint
    assert np.linalg.norm(voiceprint.vector) == pytest.approx(1, abs=1e-6)
    assert voiceprint.band is quality.band is Band.TELEPHONE
    assert (voiceprint.net_speech_s, voiceprint.snr_db) == (quality.net_speech_s, quality.snr_db)


def test_rate_does_not_change_the_voice(extractor: VoiceprintExtractor) -> None:
    vectors = [extractor.extract(tone(700, 2.0, rate)).voiceprint.vector for rate in (8000, 16_000, 44_100)]
    assert min(float(vectors[1] @ vector) for vector in vectors) > 0.999


@pytest.mark.parametrize("speech_s", [0.0, 0.4])
def test_too_little_speech_is_refused_with_both_figures(extractor: VoiceprintExtractor, speech_s: float) -> None:
    with pytest.raises(TooLittleSpeechError, match=r"s of speech in .* s of audio, a voiceprint needs 0.5 s"):
        extractor.extract(tone(700, speech_s))


def test_many_clips_are_one_call_and_each_is_as_alone(extractor: VoiceprintExtractor, embedder: ToneEmbedder) -> None:
    clips = [tone(pitch, 1.0) for pitch in TONES_HZ[:3]] + [tone(TONES_HZ[3], 40.0)]
    together = extractor.extract_many(clips)
    assert [len(call) for call in embedder.calls] == [5]
    for clip, extraction in zip(clips, together, strict=True):
        np.testing.assert_allclose(extraction.voiceprint.vector, extractor.extract(clip).voiceprint.vector, atol=1e-6)


def test_no_clips_are_no_call(extractor: VoiceprintExtractor, embedder: ToneEmbedder) -> None:
    assert extractor.extract_many([]) == []
    assert embedder.calls == []


def test_nothing_is_done_for_a_clip_that_nobody_waits_for(extractor: VoiceprintExtractor) -> None:
    scope, context = CallScope(), copy_context()
    scope.cancelled.set()
    context.run(current_call.set, scope)
    with pytest.raises(CallAbandonedError):
        context.run(extractor.extract, tone(700, 2.0))


def test_error_names_the_clip(extractor: VoiceprintExtractor) -> None:
    with pytest.raises(TooLittleSpeechError) as error:
        extractor.extract_many([tone(700, 2.0), tone(700, 0.1)])
    assert error.value.field == "utterances[1]"


def test_long_speech_averages_its_windows(extractor: VoiceprintExtractor) -> None:
    halves = [tone(pitch, 45.0).samples for pitch in TONES_HZ[[1, 4]]]
    vector = extractor.extract(Waveform(np.concatenate(halves), MODEL_RATE_HZ)).voiceprint.vector
    assert vector[1] == pytest.approx(vector[4], rel=0.1)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@given(st.integers(1, 700 * MODEL_RATE_HZ))
def test_windows_are_bounded_equal_and_reach_from_start_to_end(num_samples: int) -> None:
    windows = windows_of([np.broadcast_to(np.float32(0), num_samples)])
    assert len(windows) <= MAX_WINDOWS
    assert {len(window) for window in windows} == {min(num_samples, WINDOW_SAMPLES)}


def test_windows_of_long_speech_cover_it_while_there_are_enough() -> None:
    speech = np.arange(100 * MODEL_RATE_HZ, dtype=np.float32)
    windows = windows_of([speech])
    assert windows[0][0] == 0
    assert windows[-1][-1] == speech[-1]
    assert all(window[-1] >= following[0] - 1 for window, following in pairwise(windows))


@given(st.lists(st.integers(1, 50 * MODEL_RATE_HZ), max_size=8), st.integers(1, 400 * MODEL_RATE_HZ))
def test_windows_of_pieces_are_those_of_the_whole(cuts: list[int], num_samples: int) -> None:
    speech = np.arange(num_samples, dtype=np.float32)
    pieces = np.split(speech, sorted(cut for cut in cuts if cut <= num_samples))
    for window, expected in zip(windows_of(pieces), windows_of([speech]), strict=True):
        np.testing.assert_array_equal(window, expected)
