"""THE log-mel front end: Kaldi's filterbank on +-1 samples, whole or streamed, shared by serving and training."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft, sparse

from svc.types import FloatArray

LOG_FLOOR = np.float32(np.finfo(np.float32).eps)
BLOCK_FRAMES = 1_000  # frames transformed at once: bounds memory on long clips and stays in cache


@dataclass(frozen=True, kw_only=True)
class FilterbankConfig:
    """Log-mel front end. A model only works with the one it was trained on."""

    sample_rate_hz: int = 16_000
    window_ms: float = 25.0
    hop_ms: float = 10.0
    num_mels: int = 80
    low_hz: float = 20.0
    preemphasis: float = 0.97

    def __post_init__(self) -> None:
        if not 0 < self.hop_ms <= self.window_ms:
            raise ValueError(f"need 0 < hop_ms <= window_ms, got {self.hop_ms} and {self.window_ms}")

    @property
    def hop_samples(self) -> int:
        return round(self.sample_rate_hz * self.hop_ms / 1000)

    @property
    def window_samples(self) -> int:
        return round(self.sample_rate_hz * self.window_ms / 1000)

    @property
    def fft_samples(self) -> int:
        """The next power of two, as Kaldi rounds."""
        return 1 << (self.window_samples - 1).bit_length()

    def num_frames(self, num_samples: int) -> int:
        """Frames that fit whole (snip_edges), 0 when not even one does."""
        return max(0, 1 + (num_samples - self.window_samples) // self.hop_samples)


class Filterbank:
    """(N,) samples in +-1 -> (T, num_mels) natural-log energies, without dither or mean removal.

    Equals torchaudio.compliance.kaldi.fbank and kaldi-native-fbank with dither 0 and otherwise default options.
    """

    def __init__(self, config: FilterbankConfig | None = None) -> None:
        self.config = config or FilterbankConfig()

    def __call__(self, samples: FloatArray) -> FloatArray:
        config = self.config
        num_frames = config.num_frames(len(samples))
        features = np.empty((num_frames, config.num_mels), np.float32)
        if num_frames:
            # Rows are views of the clip: no copy until a block is transformed.
            frames = np.lib.stride_tricks.sliding_window_view(samples, config.window_samples)[:: config.hop_samples]
            for start in range(0, num_frames, BLOCK_FRAMES):
                features[start : start + BLOCK_FRAMES] = self._log_mels(frames[start : start + BLOCK_FRAMES])
        return features

    def _log_mels(self, frames: FloatArray) -> FloatArray:
        """(T, window) -> (T, num_mels)."""
        centred = frames - frames.mean(axis=1, keepdims=True, dtype=np.float32)  # (T, window)
        # Kaldi repeats the first sample as its own predecessor.
        before = np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)  # (T, window)
        emphasised = (centred - np.float32(self.config.preemphasis) * before) * self._window
        spectrum = fft.rfft(emphasised, n=self.config.fft_samples, axis=1)[:, :-1]  # (T, fft/2)
        power = spectrum.real**2 + spectrum.imag**2
        # Two bins in a hundred are not zero: a sparse product, and no thread pool of BLAS to wake for it.
        energies: FloatArray = (self._mel_weights @ power.T).T  # (T, num_mels)
        return np.log(np.maximum(energies, LOG_FLOOR))

    @cached_property
    def _window(self) -> FloatArray:
        """Kaldi's Povey window: a Hann window to the power 0.85."""
        phase = 2 * np.pi * np.arange(self.config.window_samples) / (self.config.window_samples - 1)
        window: FloatArray = ((0.5 - 0.5 * np.cos(phase)) ** 0.85).astype(np.float32)
        return window

    @cached_property
    def _mel_weights(self) -> sparse.csr_array:
        """(num_mels, fft/2): triangles spaced evenly in mel, with slopes that are straight in mel, as Kaldi has them."""
        config = self.config
        bins = mel_of(np.arange(config.fft_samples // 2) * config.sample_rate_hz / config.fft_samples)[:, None]
        edges = np.linspace(mel_of(config.low_hz), mel_of(config.sample_rate_hz / 2), config.num_mels + 2)
        rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        return sparse.csr_array(np.maximum(0.0, np.minimum(rising, falling)).T.astype(np.float32))


class StreamingFilterbank:
    """The same frames from samples that arrive in pieces of any size."""

    def __init__(self, config: FilterbankConfig | None = None) -> None:
        self._filterbank = Filterbank(config)
        self._pending: FloatArray = np.empty(0, np.float32)

    def push(self, samples: FloatArray) -> FloatArray:
        """The next samples (N,) -> the frames (T, num_mels) they complete."""
        pending = np.concatenate([self._pending, samples])
        frames = self._filterbank(pending)
        self._pending = pending[len(frames) * self._filterbank.config.hop_samples :]
        return frames

    def flush(self) -> FloatArray:
        """Ends the stream. What is left is shorter than a window, so no frame comes of it."""
        self._pending = np.empty(0, np.float32)
        return np.empty((0, self._filterbank.config.num_mels), np.float32)


def mel_of(hz: float | np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Kaldi's mel scale."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))
