"""What is wrong with a stream's audio, said while it runs: clipping, dead silence, a band narrower than its rate."""

from collections.abc import Iterator

import numpy as np

from svc.audio.quality import FRAME_S, FULL_SCALE, band_of, frames_of
from svc.pipelines.transcription_events import StreamWarning, WarningReason
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
# From this rate on, speech has more than the telephone's band unless somebody cut it.
WIDE_RATE_HZ = 12_000
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
        yield from self._judge_band(frames[rms > LOUD_RMS])

    def _judge_band(self, loud: FloatArray) -> Iterator[StreamWarning]:
        if self.rate_hz < WIDE_RATE_HZ or len(loud) * FRAME_S < MIN_LOUD_S:
            return
        if band_of(loud, self.rate_hz) is Band.TELEPHONE:
            message = f"nothing above 4 kHz though the rate is {self.rate_hz} Hz: telephone audio, or a wrong rate?"
            yield StreamWarning(reason=WarningReason.BAND_MISMATCH, message=message)

    def _is_news(self, warning: StreamWarning) -> bool:
        last_s = self._said_s.get(warning.reason)
        if last_s is not None and self._now_s - last_s < REPEAT_S:
            return False
        self._said_s[warning.reason] = self._now_s
        return True
