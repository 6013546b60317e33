"""Sample rate conversion by soxr, whole and streamed."""

import numpy as np
import soxr

from svc.types import MODEL_RATE_HZ, FloatArray, Waveform

# 20 bits of precision: beyond what 16-bit speech holds; VHQ costs more and changes no embedding.
QUALITY = "HQ"


def resample(waveform: Waveform, rate_hz: int = MODEL_RATE_HZ) -> Waveform:
    """The waveform at another rate; the very same object when it has it already."""
    if waveform.sample_rate_hz == rate_hz:
        return waveform
    samples = soxr.resample(waveform.samples, waveform.sample_rate_hz, rate_hz, quality=QUALITY)
    return Waveform(samples.astype(np.float32, copy=False), rate_hz)


class StreamResampler:
    """Resamples a stream in pieces of any size; all pieces together equal the whole resampled at once."""

    def __init__(self, source_hz: int, target_hz: int) -> None:
        self.source_hz = source_hz
        self.target_hz = target_hz
        self.reset()

    def reset(self) -> None:
        """Forgets what is held back, for the next stream."""
        same = self.source_hz == self.target_hz
        self._stream = (
            None if same else soxr.ResampleStream(self.source_hz, self.target_hz, 1, dtype="float32", quality=QUALITY)
        )

    def push(self, samples: FloatArray) -> FloatArray:
        """(N,) -> what can be told by now, at the target rate."""
        return self._process(samples, last=False)

    def flush(self) -> FloatArray:
        """Ends the stream: what was held back for the filter's delay; then ready for the next."""
        rest = self._process(np.zeros(0, np.float32), last=True)
        self.reset()
        return rest

    def _process(self, samples: FloatArray, *, last: bool) -> FloatArray:
        samples = np.ascontiguousarray(samples, np.float32)
        if self._stream is None:
            return samples
        return self._stream.resample_chunk(samples, last=last)  # type: ignore[no-any-return]
