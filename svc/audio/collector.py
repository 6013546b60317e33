"""Takes decoded blocks one by one, holds the limits while they come, and joins them without a second copy."""

import numpy as np

from svc.audio.resample import StreamResampler
from svc.backends.call_scope import check_wanted
from svc.config import AudioConfig
from svc.errors import AudioFormatError, AudioNotFiniteError, AudioTooLongError
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform

# No model hears above 16 kHz. Clips keep their rate, on which clipping and bandwidth are measured best; a recording
# past this length comes down to 16 kHz while it is decoded, so that hours at 48 kHz take a third of the memory.
KEEP_RATE_S = 600.0
# 24 dB above full scale: no codec overshoots so far, but 16-bit integers stored as floats do.
MAX_AMPLITUDE = 16.0
FIRST_CAPACITY_S = 30.0


class SampleCollector:
    """Collects one channel. Never holds more than the limits allow, whatever a header promised."""

    def __init__(self, rate_hz: int, *, limits: AudioConfig, field: str, promised_samples: int | None = None) -> None:
        self.source_hz = rate_hz
        self.rate_hz = rate_hz
        self.num_received = 0
        self._limits = limits
        self._field = field
        self._resampler: StreamResampler | None = None
        self._length = 0
        if promised_samples is not None:
            self._check_length(promised_samples)
        # A promise costs nothing until it is kept: memory that was never written to is not there yet.
        self._expected = int(FIRST_CAPACITY_S * rate_hz) if promised_samples is None else promised_samples
        most = int(KEEP_RATE_S * rate_hz) if rate_hz > MODEL_RATE_HZ else self._expected
        self._samples = np.empty(min(self._expected, most), np.float32)

    def add(self, samples: FloatArray) -> None:
        """Takes the next samples (N,). Raises AudioTooLongError, AudioNotFiniteError or AudioFormatError, and
        CallAbandonedError once nobody waits for them.
        """
        check_wanted()
        self._check_length(self.num_received + len(samples))
        check_values(samples, self.num_received, self.source_hz, field=self._field)
        self.num_received += len(samples)
        if (
            self._resampler is None
            and self.source_hz > MODEL_RATE_HZ
            and self._seconds(self.num_received) > KEEP_RATE_S
        ):
            self._lower_rate()
        self._append(samples if self._resampler is None else self._resampler.push(samples))

    def finish(self) -> Waveform:
        """All that was collected."""
        if self._resampler is not None:
            self._append(self._resampler.flush())
        return Waveform(self._samples[: self._length], self.rate_hz)

    def _seconds(self, num_samples: int) -> float:
        return num_samples / self.source_hz

    def _check_length(self, num_samples: int) -> None:
        if self._seconds(num_samples) > self._limits.max_duration_s:
            raise AudioTooLongError(
                f"the audio lasts longer than {self._limits.max_duration_s:g} s, the most one request may carry: "
                "split it",
                field=self._field,
            )

    def _lower_rate(self) -> None:
        """From here on at 16 kHz, what is held already included."""
        held = self._samples[: self._length]
        self._resampler = StreamResampler(self.source_hz, MODEL_RATE_HZ)
        self.rate_hz = MODEL_RATE_HZ
        expected_s = max(self._seconds(self._expected), 2 * KEEP_RATE_S)
        self._samples, self._length = np.empty(int(expected_s * MODEL_RATE_HZ) + 1, np.float32), 0
        self._append(self._resampler.push(held))

    def _append(self, samples: FloatArray) -> None:
        end = self._length + len(samples)
        if end > len(self._samples):
            grown = np.empty(max(end, len(self._samples) * 3 // 2), np.float32)
            grown[: self._length] = self._samples[: self._length]
            self._samples = grown
        self._samples[self._length : end] = samples
        self._length = end


def check_values(samples: FloatArray, num_before: int, rate_hz: int, *, field: str) -> None:
    """Refuses samples (N,), which come after `num_before` others, that are no finite number or far past full scale.

    Raises AudioNotFiniteError or AudioFormatError.
    """
    # NaN and infinity survive both extremes, so two passes tell all.
    low, high = (float(samples.min()), float(samples.max())) if len(samples) else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        first = num_before + int(np.flatnonzero(~np.isfinite(samples))[0])
        raise AudioNotFiniteError(
            f"sample {first} (at {first / rate_hz:.3f} s) is not a finite number: clean the recording", field=field
        )
    if max(-low, high) > MAX_AMPLITUDE:
        raise AudioFormatError(
            f"samples reach {max(-low, high):g} where full scale is 1: divide 16-bit values by 32768", field=field
        )
