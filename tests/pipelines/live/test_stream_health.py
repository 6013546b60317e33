"""Warnings about a stream's audio: said when true, not said twice, and whatever the chunks."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.pipelines.live.stream_health import REPEAT_S, StreamHealth
from svc.pipelines.live.transcription_events import StreamWarning, WarningReason
from svc.types import FloatArray

RATE_HZ = 16_000


def babble(duration_s: float, *, bottom_hz: float = 100.0, top_hz: float = 7000.0, level: float = 0.1) -> FloatArray:
    """Noise of a band."""
    noise = np.random.default_rng(0).normal(0, 1, round(duration_s * RATE_HZ))
    sections = scipy.signal.butter(10, (bottom_hz, top_hz), "bandpass", fs=RATE_HZ, output="sos")
    filtered: FloatArray = (level * scipy.signal.sosfilt(sections, noise)).astype(np.float32)
    return filtered


def reasons(samples: FloatArray) -> list[WarningReason]:
    return [warning.reason for warning in StreamHealth(RATE_HZ).push(samples)]


def test_good_audio_is_not_complained_about() -> None:
    assert reasons(babble(20)) == []


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.clip(40 * babble(6), -1, 1), WarningReason.CLIPPED),
        (np.zeros(12 * RATE_HZ, np.float32), WarningReason.SILENCE),
        (babble(6, top_hz=2000), WarningReason.BAND_MISMATCH),
        (babble(11, bottom_hz=600), WarningReason.RATE_SUSPECT),
    ],
)
def test_bad_audio_is_named(samples: FloatArray, reason: WarningReason) -> None:
    assert reason in reasons(samples)


def test_the_same_is_said_again_only_after_a_while() -> None:
    assert reasons(np.zeros(round(2.5 * REPEAT_S) * RATE_HZ, np.float32)).count(WarningReason.SILENCE) == 3


@settings(max_examples=20)
@given(st.lists(st.integers(0, 20 * RATE_HZ), max_size=10))
def test_chunks_change_no_warning(cuts: list[int]) -> None:
    samples = np.concatenate([np.zeros(11 * RATE_HZ, np.float32), np.clip(40 * babble(9), -1, 1)])
    health = StreamHealth(RATE_HZ)
    said: list[StreamWarning] = [warning for piece in np.split(samples, sorted(cuts)) for warning in health.push(piece)]
    assert said == StreamHealth(RATE_HZ).push(samples)
