"""Voiceprints of diarized speakers."""

import numpy as np
import pytest

from svc.pipelines.speaker_voiceprints import VoiceprintLimits, speaker_voiceprints
from svc.types import Span, Voiceprint
from tests.pipelines.toy_voices import HumEmbedder, hum, turn


def voiceprints(spans: dict[str, list[Span]], *, noise: float = 0.0, limits: VoiceprintLimits) -> dict[str, Voiceprint]:
    said = [turn(span.start_s, span.end_s, int(label[1:])) for label, found in spans.items() for span in found]
    return speaker_voiceprints(hum(said, duration_s=80.0, noise=noise), spans, embedder=HumEmbedder(), limits=limits)


def test_overlapped_speech_is_left_out() -> None:
    found = voiceprints({"S0": [Span(0, 10)], "S1": [Span(8, 20)]}, limits=VoiceprintLimits())
    assert found["S0"].vector[0] > 0.99
    assert found["S1"].vector[1] > 0.99
    assert found["S0"].net_speech_s == pytest.approx(8.0, abs=0.1)


def test_a_long_speaker_rests_on_the_limit() -> None:
    limits = VoiceprintLimits(max_speech_s=12.0, max_clip_s=5.0)
    found = voiceprints({"S0": [Span(0, 10), Span(20, 40), Span(50, 70)]}, limits=limits)
    assert found["S0"].net_speech_s == pytest.approx(12.0, abs=0.1)
    assert np.linalg.norm(found["S0"].vector) == pytest.approx(1.0)


def test_too_little_alone_makes_none() -> None:
    spans = {"S0": [Span(0, 10)], "S1": [Span(2, 9), Span(10.5, 11)]}
    assert set(voiceprints(spans, limits=VoiceprintLimits())) == {"S0"}


def test_noise_in_the_pauses_lowers_the_snr() -> None:
    spans = {"S0": [Span(0, 10)]}
    quiet, loud = (voiceprints(spans, noise=noise, limits=VoiceprintLimits())["S0"] for noise in (0.001, 0.05))
    assert quiet.snr_db > loud.snr_db + 10
