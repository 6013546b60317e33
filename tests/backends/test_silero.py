"""Voice activity by ONNX Runtime alone, against silero-vad's own torch model on real speech."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from svc.backends import silero
from svc.backends.call_scope import CallScope, current_call
from svc.backends.loading import load_voice_activity
from svc.backends.silero import LEAD_WINDOWS, WINDOW_SAMPLES, WINDOWS_PER_RUN, SileroVoiceActivity, with_context
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.errors import CallAbandonedError, ModelUnavailableError
from svc.types import FloatArray
from training.data.audio_files import load_waveform


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> SileroVoiceActivity:
    """Nothing need be pulled: the file is inside the installed package."""
    store = ModelStore(tmp_path_factory.mktemp("cache"), offline=True)
    detector = load_voice_activity(ModelConfig(), store)
    assert isinstance(detector, SileroVoiceActivity)
    return detector


def noise(num_samples: int) -> FloatArray:
    return 0.1 * np.random.default_rng(0).standard_normal(num_samples, np.float32)


@pytest.mark.parametrize(("num_samples", "num_frames"), [(0, 0), (1, 1), (512, 1), (513, 2), (16_000, 32)])
def test_every_started_window_has_a_probability(
    detector: SileroVoiceActivity, num_samples: int, num_frames: int
) -> None:
    probabilities = detector.speech_probabilities(noise(num_samples))
    assert probabilities.shape == (num_frames,)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_windows_carry_the_end_of_the_one_before() -> None:
    samples = np.arange(1, 1101, dtype=np.float32)
    windows = with_context(samples, -1, 3)
    assert windows.shape == (4, 576)
    assert not windows[0].any()
    assert not windows[1, :64].any()
    np.testing.assert_array_equal(windows[2], np.arange(449, 1025))
    assert windows[3, :140].tolist() == list(range(961, 1101))
    assert not windows[3, 140:].any()
    for first in range(-1, 3):
        np.testing.assert_array_equal(with_context(samples, first, first + 1)[0], windows[first + 1])


@dataclass(frozen=True, slots=True, eq=False)
class LeavingScope(CallScope):
    """Of a caller who leaves after being asked about once."""

    answers: Iterator[bool] = field(default_factory=lambda: iter([True]))

    def check(self) -> None:
        if not next(self.answers, False):
            raise CallAbandonedError("gone")


def test_nothing_more_is_run_for_a_caller_who_left(
    detector: SileroVoiceActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silero, "WINDOWS_PER_RUN", 16)
    context = copy_context()
    context.run(current_call.set, LeavingScope())
    assert len(context.run(detector.speech_probabilities, noise(6 * WINDOW_SAMPLES))) == 6
    context.run(current_call.set, LeavingScope())
    with pytest.raises(CallAbandonedError):
        context.run(detector.speech_probabilities, noise(7 * WINDOW_SAMPLES))


def test_a_recording_run_in_parts_equals_one_run_at_once(
    detector: SileroVoiceActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = noise(100 * WINDOW_SAMPLES)
    monkeypatch.setattr(silero, "WINDOWS_PER_RUN", 10**6)
    whole = detector.speech_probabilities(samples)
    monkeypatch.setattr(silero, "WINDOWS_PER_RUN", 16)
    np.testing.assert_allclose(detector.speech_probabilities(samples), whole, atol=1e-5)


def test_a_corrupt_file_names_its_mend(tmp_path: Path) -> None:
    (tmp_path / "vad.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelUnavailableError, match="equivox models pull silero-vad --force"):
        SileroVoiceActivity(tmp_path / "vad.onnx")


def test_neither_torch_nor_the_package_is_imported() -> None:
    program = (
        "import sys; from svc.backends.loading import load_voice_activity; from svc.backends.store import ModelStore;"
        "from svc.config import ModelConfig;"
        "load_voice_activity(ModelConfig(), ModelStore(ModelConfig().cache_dir, offline=True));"
        "sys.exit(bool({'torch', 'silero_vad', 'huggingface_hub'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_probabilities_equal_those_of_the_torch_model(detector: SileroVoiceActivity, data_root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package loads a TorchScript file, which torch says is old
        from silero_vad import load_silero_vad

        model = load_silero_vad()
    clips = [load_waveform(path).samples for path in sorted((data_root / "libri").rglob("*.*"))[:4]]
    joined = np.concatenate(clips)
    assert len(joined) > 2 * WINDOWS_PER_RUN * WINDOW_SAMPLES
    for samples in (*clips, joined):
        model.reset_states()
        led = torch.from_numpy(np.concatenate([np.zeros(LEAD_WINDOWS * WINDOW_SAMPLES, np.float32), samples]))
        expected = model.audio_forward(led[None], sr=16_000).numpy()[0, LEAD_WINDOWS:]
        np.testing.assert_allclose(detector.speech_probabilities(samples), expected, atol=1e-4)


@pytest.mark.slow
def test_speech_is_heard_from_the_first_word_of_a_cut(detector: SileroVoiceActivity, data_root: Path) -> None:
    heard = []
    for path in sorted((data_root / "saa").rglob("*.*"))[:16]:
        samples = load_waveform(path).samples
        speaking = detector.speech_probabilities(samples) > 0.9
        # Cut in the middle of a word: seven windows before and after are speech.
        cut = next(start for start in range(60, len(speaking)) if speaking[start - 7 : start + 7].all())
        heard.append((detector.speech_probabilities(samples[cut * WINDOW_SAMPLES :])[:7] > 0.5).mean())
    assert np.mean(heard) > 0.9
