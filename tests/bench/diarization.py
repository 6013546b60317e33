"""Time and memory of diarizing a long recording, made by repeating the sample that ships inside pyannote.audio.

usage: python -m tests.bench diarization, or python -m tests.bench.diarization MINUTES (two hours: 120)
"""

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

from svc.application import Application
from svc.config import EquivoxConfig
from svc.types import DiarizationResult, Waveform
from tests.bench.timing import Row, show
from training.data.recordings import read_pyannote_sample

MINUTES = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationBench:
    """What was measured. Memory is the most the process ever held, the recording, models and libraries included."""

    minutes: float
    took_s: float
    idle_bytes: int
    peak_bytes: int
    result: DiarizationResult

    def rows(self) -> list[Row]:
        length = f"{self.minutes:g} minutes"
        return [
            Row(f"real-time factor, {length}", f"{self.took_s / (60 * self.minutes):.3f}"),
            Row(f"peak memory, {length}", f"{self.peak_bytes / 2**30:.2f} GiB", "< 2.5 GiB at 120 minutes"),
            Row("of which models and libraries", f"{self.idle_bytes / 2**30:.2f} GiB"),
            Row("speakers found (two talk)", str(len(self.result.speakers))),
        ]


def peak_bytes() -> int:
    """Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(application: Application, minutes: float) -> DiarizationBench:
    """Warms up, then diarizes once."""
    sample = read_pyannote_sample().waveform
    application.diarizer.diarize(sample)
    idle = peak_bytes()
    num_samples = round(minutes * 60 * sample.sample_rate_hz)
    recording = Waveform(np.resize(sample.samples, num_samples), sample.sample_rate_hz)
    began_s = time.perf_counter()
    result = application.diarizer.diarize(recording)
    took_s = time.perf_counter() - began_s
    return DiarizationBench(minutes=minutes, took_s=took_s, idle_bytes=idle, peak_bytes=peak_bytes(), result=result)


def measure(minutes: float = MINUTES) -> list[Row]:
    application = Application(EquivoxConfig())
    try:
        return run(application, minutes).rows()
    finally:
        application.close()


if __name__ == "__main__":
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    show(f"Diarization of {wanted:g} minutes", measure(wanted))
