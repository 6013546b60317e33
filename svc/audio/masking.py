"""Samples with a part of the mel spectrum taken out: what a separator's mel masks leave of a mixture, to listen to.

The masks weigh mel power; the short-time spectrum is weighed by their square root, spread from mels to frequencies by
the filterbank's own triangles, and added up again. Letters: N samples, T frames, M mels, F frequencies.
"""

import numpy as np
import scipy.fft

from svc.audio.filterbank import FilterbankConfig, mel_weights
from svc.types import FloatArray

# Where no window reaches, nothing is divided by nothing.
MIN_WINDOW_POWER = 1e-3


class MelMasker:
    """Applies mel masks to samples. Safe to call from several threads at once."""

    def __init__(self) -> None:
        self.config = FilterbankConfig()
        self._window = np.sqrt(np.hanning(self.config.window_samples + 2)[1:-1]).astype(np.float32)  # (W,)
        self._spread = spread_to_frequencies(self.config)  # (M, F)

    def apply(self, samples: FloatArray, masks: FloatArray) -> FloatArray:
        """(N,) and (T, M) in 0..1, frame t over the samples from t hops on -> (N,); silence where no frame reaches.

        Masks of ones give the samples back, but for the first and last few where windows only begin to reach.
        """
        hop_samples, window_samples = self.config.hop_samples, self.config.window_samples
        num_frames = min(len(masks), self.config.num_frames(len(samples)))
        masked: FloatArray = np.zeros(len(samples), np.float32)
        reached = np.zeros(len(samples), np.float32)
        if not num_frames:
            return masked
        windows = np.lib.stride_tricks.sliding_window_view(samples, window_samples)[::hop_samples][:num_frames]
        gains = np.sqrt(np.clip(masks[:num_frames], 0, 1) @ self._spread)  # (T, F)
        spectrum = scipy.fft.rfft(windows * self._window, n=self.config.fft_size, axis=1) * gains
        frames = scipy.fft.irfft(spectrum, n=self.config.fft_size, axis=1)[:, :window_samples] * self._window
        for frame, start in zip(frames, range(0, num_frames * hop_samples, hop_samples), strict=True):
            masked[start : start + window_samples] += frame
            reached[start : start + window_samples] += self._window**2
        masked /= np.maximum(reached, MIN_WINDOW_POWER)
        masked[reached <= MIN_WINDOW_POWER] = 0
        return masked


def spread_to_frequencies(config: FilterbankConfig) -> FloatArray:
    """(M, F): each column adds up to 1. Below the lowest and above the highest triangle the nearest mel counts."""
    weights = mel_weights(config).T.astype(np.float64)  # (M, F)
    (reached,) = np.nonzero(weights.any(axis=0))
    nearest = np.clip(np.arange(weights.shape[1]), reached[0], reached[-1])
    spread: FloatArray = (weights[:, nearest] / weights[:, nearest].sum(axis=0)).astype(np.float32)
    return spread
