"""THE log-mel front end: Kaldi's filterbank, whole and streamed.

It computes what `torchaudio.compliance.kaldi.fbank(num_mel_bins=80, dither=0)` and kaldi-native-fbank compute, on which
CAM++ and most published speaker models were trained. Removing the mean over time belongs to the model, not to it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from svc.types import FloatArray

# Kaldi's defaults, which none of the published models changes.
PREEMPHASIS = 0.97
LOW_HZ = 20.0
POVEY_POWER = 0.85
LOG_FLOOR = np.finfo(np.float32).eps
# Frames per pass: 64 frames of 512 samples stay in the cache (twice as fast as 512 frames), and memory stays flat.
BLOCK_FRAMES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterbankConfig:
    """Log-mel front end. A model only works with the one it was trained on."""

    sample_rate_hz: int = 16_000
    window_ms: float = 25.0
    hop_ms: float = 10.0
    num_mels: int = 80

    def __post_init__(self) -> None:
        if not 0 < self.hop_ms <= self.window_ms:
            raise ValueError(f"need 0 < hop_ms <= window_ms, got {self.hop_ms} and {self.window_ms}")
        if self.sample_rate_hz <= 2 * LOW_HZ or self.num_mels < 1 or self.hop_samples < 1:
            raise ValueError(f"need a rate above {2 * LOW_HZ:.0f} Hz, a mel and a hop of a sample, got {self}")

    @property
    def window_samples(self) -> int:
        return int(self.sample_rate_hz * self.window_ms / 1000)

    @property
    def hop_samples(self) -> int:
        return int(self.sample_rate_hz * self.hop_ms / 1000)

    @property
    def fft_size(self) -> int:
        """The next power of two, as Kaldi pads."""
        return 1 << (self.window_samples - 1).bit_length()

    def num_frames(self, num_samples: int) -> int:
        """Frames that lie wholly inside so many samples (Kaldi's snip_edges)."""
        return max(0, 1 + (num_samples - self.window_samples) // self.hop_samples)


class Filterbank:
    """(N,) samples in +-1 -> (T, M) natural logs of mel energies. Safe to call from several threads at once.

    Shapes: N samples, T frames, W window, F = fft_size / 2 + 1 frequencies, M mels.
    """

    def __init__(self, config: FilterbankConfig) -> None:
        self.config = config
        self._window = povey_window(config.window_samples)  # (W,)
        weights = mel_weights(config)
        # Frequencies below 20 Hz and the Nyquist line have no weight in any mel: they are never multiplied.
        (used,) = np.nonzero(weights.any(axis=1))
        self._used = slice(int(used[0]), int(used[-1]) + 1)
        self._weights = np.ascontiguousarray(weights[self._used])  # (F', M)

    def __call__(self, samples: FloatArray) -> FloatArray:
        """(N,) -> (T, M); no frame when N is shorter than a window."""
        samples = np.ascontiguousarray(samples, np.float32)
        mels = np.empty((self.config.num_frames(len(samples)), self.config.num_mels), np.float32)
        if len(mels):
            windows = np.lib.stride_tricks.sliding_window_view(samples, self.config.window_samples)
            frames = windows[:: self.config.hop_samples]  # (T, W), a view
            for start in range(0, len(mels), BLOCK_FRAMES):
                block = slice(start, start + BLOCK_FRAMES)
                mels[block] = self._energies(frames[block])
        np.maximum(mels, LOG_FLOOR, out=mels)
        return np.log(mels, out=mels)

    def _energies(self, frames: FloatArray) -> FloatArray:
        """(T, W) -> (T, M) mel energies."""
        frames = frames - frames.mean(axis=1, keepdims=True)
        padded = np.zeros((len(frames), self.config.fft_size), np.float32)
        emphasised = padded[:, : frames.shape[1]]
        emphasised[:, 1:] = frames[:, 1:] - PREEMPHASIS * frames[:, :-1]
        # Kaldi takes the sample before the first to be equal to it.
        emphasised[:, 0] = (1 - PREEMPHASIS) * frames[:, 0]
        emphasised *= self._window
        spectrum = scipy.fft.rfft(padded, axis=1, overwrite_x=True)[:, self._used]  # (T, F')
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        return power @ self._weights  # type: ignore[no-any-return]


class StreamingFilterbank:
    """The same frames from a stream in pieces of any size; holds less than a window and a hop between calls."""

    def __init__(self, config: FilterbankConfig) -> None:
        self.config = config
        self._filterbank = Filterbank(config)
        self.reset()

    def reset(self) -> None:
        """Forgets what is held back, for the next stream."""
        self._held = np.zeros(0, np.float32)

    def push(self, samples: FloatArray) -> FloatArray:
        """(N,) -> the frames (T, M) that are complete by now."""
        held = np.concatenate([self._held, samples])
        frames = self._filterbank(held)
        self._held = held[len(frames) * self.config.hop_samples :].copy()
        return frames

    def flush(self) -> FloatArray:
        """Ends the stream. (0, M): frames that reach past the end are never made (snip_edges)."""
        self.reset()
        return np.zeros((0, self.config.num_mels), np.float32)


def povey_window(window_samples: int) -> FloatArray:
    """(W,) symmetric Hann window to the power 0.85: Kaldi's own."""
    return (np.hanning(window_samples) ** POVEY_POWER).astype(np.float32)


def mel_weights(config: FilterbankConfig) -> FloatArray:
    """(F, M) triangles, equal in width on Kaldi's mel scale, from 20 Hz to the Nyquist frequency."""
    edges = np.linspace(mel_of(LOW_HZ), mel_of(config.sample_rate_hz / 2), config.num_mels + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    frequencies_hz = np.arange(config.fft_size // 2 + 1) * config.sample_rate_hz / config.fft_size
    mels = mel_of(frequencies_hz)[:, None]  # (F, 1)
    rising, falling = (mels - left) / (centre - left), (right - mels) / (right - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[-1] = 0  # Kaldi leaves the Nyquist line out
    return weights.astype(np.float32)


def mel_of(frequency_hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The mel scale of HTK and Kaldi."""
    return 1127 * np.log1p(np.asarray(frequency_hz, np.float64) / 700)
