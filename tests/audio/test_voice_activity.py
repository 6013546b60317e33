"""From probabilities to spans, against a frame-by-frame state machine; and real speech with the real detector."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig, keep_speech, with_hysteresis
from svc.backends.loading import load_voice_activity
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.types import MODEL_RATE_HZ, FloatArray, Span, Waveform
from training.data.audio_files import load_waveform

FRAME_S = 0.032
PLAIN = VoiceActivityConfig(min_speech_s=0, min_silence_s=0, pad_s=0)
PROBABILITIES = st.lists(st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.49, 0.51, 0.9, 1.0]), max_size=60)


@dataclass(frozen=True)
class ToldDetector:
    """A detector that answers what it was told."""

    probabilities: FloatArray
    frame_s: float = FRAME_S

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        return self.probabilities


def found(probabilities: Sequence[float], config: VoiceActivityConfig) -> tuple[Span, ...]:
    told = np.array(probabilities, np.float32)
    waveform = Waveform(np.zeros(round(len(told) * FRAME_S * 16_000), np.float32), 16_000)
    return SpeechFinder(ToldDetector(told), config).find(waveform)


def in_frames(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(round(span.start_s / FRAME_S), round(span.end_s / FRAME_S)) for span in spans]


@given(PROBABILITIES)
def test_hysteresis_equals_a_state_machine(probabilities: list[float]) -> None:
    expected, speaking = [], False
    for probability in probabilities:
        speaking = probability >= PLAIN.threshold or (speaking and probability >= PLAIN.release)
        expected.append(speaking)
    assert with_hysteresis(np.array(probabilities, np.float32), config=PLAIN).tolist() == expected


@given(PROBABILITIES, st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.3))
def test_spans_are_apart_in_order_and_inside(probs: list[float], speech: float, silence: float, pad: float) -> None:
    config = VoiceActivityConfig(min_speech_s=speech, min_silence_s=silence, pad_s=pad)
    spans = found(probs, config)
    edges = [edge for span in spans for edge in (span.start_s, span.end_s)]
    assert all(a < b for a, b in pairwise(edges))
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(probs) * FRAME_S + 1e-9)


@given(PROBABILITIES)
def test_without_rules_spans_are_the_active_frames(probabilities: list[float]) -> None:
    active = with_hysteresis(np.array(probabilities, np.float32), config=PLAIN)
    frames = [frame for start, end in in_frames(found(probabilities, PLAIN)) for frame in range(start, end)]
    assert frames == np.flatnonzero(active).tolist()


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([1] * 5 + [0] * 3 + [1] * 5, [(0, 13)]),  # a gap below 0.1 s closes
        ([1] * 5 + [0] * 4 + [1] * 5, [(0, 5), (9, 14)]),
        ([0, 1, 1, 1, 0, 0, 0, 0], []),  # 0.096 s is no speech
        ([0, 1, 1, 1, 1, 0, 0, 0], [(1, 5)]),
        ([1, 1, 0, 1, 1, 0, 0, 0, 0], [(0, 5)]),  # gaps close before short stretches go
    ],
)
def test_short_gaps_close_and_short_stretches_go(probabilities: list[float], expected: list[tuple[int, int]]) -> None:
    assert in_frames(found(probabilities, VoiceActivityConfig(pad_s=0))) == expected


def test_padding_stays_inside_and_joins() -> None:
    spans = found([1] * 4 + [0] * 4 + [1] * 4, VoiceActivityConfig(pad_s=0.07))
    assert in_frames(spans) == [(0, 12)]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), max_size=5))
def test_speech_kept_is_as_long_as_its_spans(edges: list[tuple[float, float]]) -> None:
    waveform = Waveform(np.arange(100, dtype=np.float32), 100)
    spans = [Span(min(pair), max(pair)) for pair in edges]
    expected = [n for s in spans for n in range(100) if round(s.start_s * 100) <= n < round(s.end_s * 100)]
    assert keep_speech(waveform, spans).tolist() == expected


def test_another_rate_is_a_bug_that_is_named() -> None:
    with pytest.raises(ValueError, match="resample first"):
        SpeechFinder(ToldDetector(np.zeros(0, np.float32)), PLAIN).find(Waveform(np.zeros(8, np.float32), 8_000))


@pytest.mark.parametrize("wrong", [{"release": 0.6}, {"threshold": 1.1}, {"release": 0.0}, {"pad_s": -0.1}])
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"release|negative"):
        VoiceActivityConfig(**wrong)


def test_real_speech_between_silences_is_found(data_root: Path, tmp_path: Path) -> None:
    detector = load_voice_activity(ModelConfig(), ModelStore(tmp_path, offline=True))
    speech = load_waveform(min((data_root / "libri").rglob("*.opus")))
    silence = 1e-4 * np.random.default_rng(0).standard_normal(3 * MODEL_RATE_HZ, np.float32)
    waveform = Waveform(np.concatenate([silence, speech.samples, silence]), MODEL_RATE_HZ)
    spans = SpeechFinder(detector, VoiceActivityConfig()).find(waveform)
    assert spans[0].start_s == pytest.approx(3.0, abs=0.8)
    assert spans[-1].end_s == pytest.approx(3.0 + speech.duration_s, abs=0.8)
    assert len(keep_speech(waveform, spans)) > 0.6 * len(speech.samples)
