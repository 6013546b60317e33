"""Real speech for the benches, from the recording that ships inside pyannote.audio."""

import io
from importlib import resources
from pathlib import Path

import numpy as np
import soundfile as sf

from svc.audio.resample import resample
from svc.types import MODEL_RATE_HZ, FloatArray
from training.data.audio_files import load_waveform

CLIP_S = 3.0
FIRST_WORD_S = 6.5  # nobody speaks before


def speech_clips(number: int, *, seed: int = 0) -> list[FloatArray]:
    """3 s pieces at random places of the recording that ships inside pyannote.audio; (48000,) at 16 kHz each."""
    samples = resample(load_waveform(sample_path())).samples
    length = round(CLIP_S * MODEL_RATE_HZ)
    starts = np.random.default_rng(seed).integers(round(FIRST_WORD_S * MODEL_RATE_HZ), len(samples) - length, number)
    return [np.ascontiguousarray(samples[start : start + length]) for start in starts]


def sample_path() -> Path:
    """30 s of two talkers."""
    return Path(str(resources.files("pyannote.audio") / "sample" / "sample.wav"))


def wav(samples: FloatArray) -> bytes:
    """(N,) at 16 kHz -> a 16-bit WAV file."""
    file = io.BytesIO()
    sf.write(file, samples, MODEL_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()
