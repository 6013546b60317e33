"""What is wrong with a stream's audio, said while it runs: clipping, dead silence, a band or a pitch that its declared
rate does not explain.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft

from svc.audio.quality import FRAME_S, FULL_SCALE, band_of, frames_of
from svc.pipelines.live.transcription_events import StreamWarning, WarningReason
from svc.types import Band, FloatArray, Waveform

# Judged over stretches of this length, whatever the chunks.
STRETCH_S = 5.0
MAX_CLIPPED_SHARE = 0.005
# A muted line or an unplugged microphone is below it; the quietest room is not.
SILENT_RMS = 10 ** (-80 / 20)
SILENT_S = 10.0
# Frames louder than this are taken for speech when the band is measured.
LOUD_RMS = 10 ** (-45 / 20)
MIN_LOUD_S = 2.0
MIN_RATE_S = 5.0
# From this rate on, speech has more than the telephone's band unless somebody cut it.
WIDE_RATE_HZ = 12_000
# Speech has its strongest formant below 550 Hz. Sent at 8 kHz and declared as 16, it has moved up an octave: of 12
# training speakers each of four telephone and microphone corpora, all keep above -9 dB at their true rate, most of the
# telephone ones fall below -10 dB at twice the rate.
LOW_HZ, MIDDLE_HZ = (100.0, 550.0), (700.0, 3000.0)
SUSPECT_DB = -10.0
# The same thing is said again no sooner.
REPEAT_S = 60.0


class StreamHealth:
    """Listens at the source's rate. Its warnings depend on the samples only, not on how they are cut."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._held = np.zeros(round(STRETCH_S * rate_hz), np.float32)
        self._num_held = 0
        self._now_s = 0.0
        self._silent_s = 0.0
        self._powers = np.zeros(2)
        self._loud_s = 0.0
        self._said_s: dict[WarningReason, float] = {}

    def push(self, samples: FloatArray) -> list[StreamWarning]:
        """(N,) the next samples."""
        warnings: list[StreamWarning] = []
        while len(samples):
            taken = samples[: len(self._held) - self._num_held]
            self._held[self._num_held : self._num_held + len(taken)] = taken
            self._num_held += len(taken)
            samples = samples[len(taken) :]
            if self._num_held == len(self._held):
                self._num_held = 0
                self._now_s += STRETCH_S
                warnings += [warning for warning in self._judge(self._held) if self._is_news(warning)]
        return warnings

    def _judge(self, stretch: FloatArray) -> Iterator[StreamWarning]:
        clipped = float(np.mean(np.abs(stretch) >= FULL_SCALE))
        if clipped > MAX_CLIPPED_SHARE:
            message = f"{100 * clipped:.1f} % of the samples are at full scale: turn the input down"
            yield StreamWarning(reason=WarningReason.CLIPPED, message=message)
        frames = frames_of(Waveform(stretch, self.rate_hz))
        rms = np.sqrt(np.mean(np.square(frames), axis=1))
        self._silent_s = self._silent_s + STRETCH_S if rms.max() < SILENT_RMS else 0.0
        if self._silent_s >= SILENT_S:
            message = f"no sound for {self._silent_s:.0f} s: is the microphone muted?"
            yield StreamWarning(reason=WarningReason.SILENCE, message=message)
        loud = frames[rms > LOUD_RMS]
        yield from self._judge_band(loud)
        yield from self._judge_rate(loud)

    def _judge_band(self, loud: FloatArray) -> Iterator[StreamWarning]:
        if self.rate_hz < WIDE_RATE_HZ or len(loud) * FRAME_S < MIN_LOUD_S:
            return
        if band_of(loud, self.rate_hz) is Band.TELEPHONE:
            message = f"nothing above 4 kHz though the rate is {self.rate_hz} Hz: telephone audio, or a wrong rate?"
            yield StreamWarning(reason=WarningReason.BAND_MISMATCH, message=message)

    def _judge_rate(self, loud: FloatArray) -> Iterator[StreamWarning]:
        """Over all speech so far: one stretch may hold nothing but fricatives."""
        self._loud_s += len(loud) * FRAME_S
        self._powers += band_powers(loud, self.rate_hz)
        if self.rate_hz < WIDE_RATE_HZ or self._loud_s < MIN_RATE_S:
            return
        low, middle = self._powers
        if low < middle * 10 ** (SUSPECT_DB / 10):
            message = (
                f"hardly a sound below {LOW_HZ[1]:.0f} Hz: was this recorded at a lower rate than {self.rate_hz} Hz?"
            )
            yield StreamWarning(reason=WarningReason.RATE_SUSPECT, message=message)

    def _is_news(self, warning: StreamWarning) -> bool:
        last_s = self._said_s.get(warning.reason)
        if last_s is not None and self._now_s - last_s < REPEAT_S:
            return False
        self._said_s[warning.reason] = self._now_s
        return True


def band_powers(frames: FloatArray, rate_hz: int) -> npt.NDArray[np.float64]:
    """(T, W) -> (2,) total power of the low and of the middle band."""
    powers = np.abs(scipy.fft.rfft(frames * np.hanning(frames.shape[1]).astype(np.float32), axis=1)) ** 2  # (T, F)
    frequencies_hz = np.fft.rfftfreq(frames.shape[1], 1 / rate_hz)
    bands = [(frequencies_hz >= start) & (frequencies_hz < end) for start, end in (LOW_HZ, MIDDLE_HZ)]
    return np.array([powers[:, band].sum(dtype=np.float64) for band in bands])
