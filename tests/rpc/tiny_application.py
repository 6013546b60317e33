"""A whole Application with the real pipelines, scoring and database, around models of a few lines without files."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from svc.application import Application
from svc.backends.batching import BatchingEmbedder
from svc.config import AudioConfig, EquivoxConfig, ProfileConfig, ServerConfig, TranscriptionConfig
from svc.scoring.calibration import Calibration, CalibrationWeights
from svc.scoring.conditions import FEATURES
from svc.types import MODEL_RATE_HZ, FloatArray
from tests.rpc.toy_transcriber import ToyTranscriber

TINY_FINGERPRINT = "7177" * 4
NUM_BANDS = 16
LIMITS = AudioConfig(max_bytes=2**20, max_duration_s=60.0)


class BandEmbedder:
    """A clip's mean log spectrum in 16 bands, without its level: two tones sound like two people."""

    fingerprint, dimension, runtime = TINY_FINGERPRINT, NUM_BANDS, "none"

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips -> (B, 16)."""
        return np.stack([self._embed(clip) for clip in clips])

    def _embed(self, clip: FloatArray) -> FloatArray:
        power = np.abs(np.fft.rfft(clip.astype(np.float64), 4096)) ** 2
        bands = np.log([band.mean() + 1e-6 for band in np.array_split(power, NUM_BANDS)])
        bands -= bands.mean() + 1e-9
        unit: FloatArray = (bands / np.linalg.norm(bands)).astype(np.float32)
        return unit


class EnergyVoiceActivity:
    """Whatever is loud is speech."""

    frame_s = 0.032

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        """(N,) -> (F,)."""
        length = round(self.frame_s * MODEL_RATE_HZ)
        frames = np.pad(samples, (0, -len(samples) % length)).reshape(-1, length)
        loud: FloatArray = (np.sqrt((frames**2).mean(axis=1)) > 0.01).astype(np.float32)
        return loud


class EnergySegmenter:
    """One local speaker, who talks whenever it is loud."""

    fingerprint, window_s, frame_s = "5e9" * 5 + "5", 10.0, 0.02
    frame_offset_s = 0.0

    def activities(self, windows: FloatArray) -> FloatArray:
        """(B, 160000) -> (B, 500, 3)."""
        frames = windows.reshape(len(windows), 500, -1)
        active = np.zeros((len(windows), 500, 3), np.float32)
        active[:, :, 0] = np.sqrt((frames**2).mean(axis=2)) > 0.01
        return active


def tiny_config(
    folder: Path,
    *,
    audio: AudioConfig = LIMITS,
    server: ServerConfig | None = None,
    transcription: TranscriptionConfig | None = None,
) -> EquivoxConfig:
    """A database in `folder`, small limits."""
    return EquivoxConfig(
        audio=audio,
        profiles=ProfileConfig(database=folder / "profiles.sqlite3"),
        server=server or ServerConfig(),
        transcription=transcription or TranscriptionConfig(),
    )


class TinyApplication(Application):
    """Replaces the models; everything else is the product's."""

    @cached_property
    def embedder(self) -> BatchingEmbedder:
        return BatchingEmbedder(BandEmbedder(), workers=2, max_batch=4, max_queued_clips=64, on_batch=self.on_batch)

    @cached_property
    def voice_activity(self) -> EnergyVoiceActivity:
        return EnergyVoiceActivity()

    @cached_property
    def segmenter(self) -> EnergySegmenter:
        return EnergySegmenter()

    @property
    def can_transcribe(self) -> bool:
        return True

    @cached_property
    def transcriber(self) -> ToyTranscriber:
        return ToyTranscriber()

    @cached_property
    def calibration(self) -> Calibration:
        num_weights = 1 + len(FEATURES)
        slope, offset = np.zeros(num_weights), np.zeros(num_weights)
        slope[0], offset[0] = np.log(20.0), -12.0  # even odds at a cosine of 0.6
        weights = CalibrationWeights(slope=slope, offset=offset, doubt=np.array([1e-4, 1e-4]))
        return Calibration(
            calibration_id="tiny",
            model_fingerprint=TINY_FINGERPRINT,
            weights=weights,
            card_toml='name = "tiny"',
            folder=self.config.profiles.database.parent,
        )
