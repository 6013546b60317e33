"""DER beside pyannote's own pipeline on the same segmentation and voices: collar 0, overlapped speech scored.

    python -m training.benchmark_diarization [--json]

pyannote runs twice: as published (speaker-diarization-3.1, whose threshold was made for another embedder), and with the
threshold best on ami train. Our own settings were chosen on ami train and ami dev (training.tune_diarization), so that
only the sample is new to both. Every system gets the same audio and is told nothing about the number of speakers.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from svc.backends.loading import load_embedder
from svc.backends.pyannote import PyannoteSegmenter
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.pipelines.diarization import Diarizer
from svc.types import Turn, Waveform
from training.command_line import mistakes_told
from training.data.manifest import data_root
from training.data.recordings import Recording, read_ami, read_pyannote_sample
from training.metrics.diarization import DiarizationErrors, diarization_errors
from training.pyannote_pipeline import PipelineSetting, PyannotePipeline
from training.tables import markdown_table

THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 1.0)

Diarize = Callable[[Waveform], Sequence[Turn]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One system on one set."""

    recordings: str
    system: str
    errors: DiarizationErrors
    real_time_factor: float

    def plain(self) -> dict[str, str | float]:
        speech_s = self.errors.total_s
        return {
            "set": self.recordings,
            "system": self.system,
            "recordings": self.errors.recordings,
            "speech_s": round(speech_s, 1),
            "der": round(self.errors.rate, 4),
            "missed": round(self.errors.missed_s / speech_s, 4),
            "false_alarm": round(self.errors.false_alarm_s / speech_s, 4),
            "confusion": round(self.errors.confusion_s / speech_s, 4),
            "real_time_factor": round(self.real_time_factor, 3),
        }


def measure(name: str, system: str, diarize: Diarize, recordings: Sequence[Recording]) -> Row:
    """Errors summed over the recordings, and seconds of work per second of audio."""
    errors = DiarizationErrors.zero
    began_s = time.perf_counter()
    hypotheses = [diarize(recording.waveform) for recording in recordings]
    took_s = time.perf_counter() - began_s
    for recording, turns in zip(recordings, hypotheses, strict=True):
        errors += diarization_errors(recording.turns, turns, scored=recording.scored)
    audio_s = sum(recording.waveform.duration_s for recording in recordings)
    return Row(recordings=name, system=system, errors=errors, real_time_factor=took_s / audio_s)


def best_setting(peer: PyannotePipeline, recordings: Sequence[Recording]) -> PipelineSetting:
    """The threshold with the fewest errors, the models run once."""
    settings = [replace(PipelineSetting(), threshold=threshold) for threshold in THRESHOLDS]
    errors = [DiarizationErrors.zero for _ in settings]
    for recording in recordings:
        for index, turns in enumerate(peer.diarize(recording.waveform, settings)):
            errors[index] += diarization_errors(recording.turns, turns, scored=recording.scored)
    return min(zip(errors, settings, strict=True), key=lambda pair: pair[0].rate)[1]


def run() -> list[Row]:
    # Told in a moment when there is no data; the models take longer.
    sets = {"ami dev, ours tuned on it": read_ami(data_root(), "dev"), "pyannote sample": [read_pyannote_sample()]}
    train = sets["ami train"] = read_ami(data_root(), "train")
    models = ModelConfig()
    store = ModelStore(models.cache_dir, offline=models.offline)
    segmenter = PyannoteSegmenter(store.path("pyannote-segmentation-3.0"))
    embedder = load_embedder(models, store)
    ours, peer = Diarizer(segmenter=segmenter, embedder=embedder), PyannotePipeline(segmenter, embedder)
    tuned = best_setting(peer, train)
    systems: dict[str, Diarize] = {
        "equivox": lambda waveform: ours.diarize(waveform).turns,
        "pyannote 3.1 as published": lambda waveform: peer.diarize(waveform, [PipelineSetting()])[0],
        f"pyannote 3.1, threshold {tuned.threshold}": lambda waveform: peer.diarize(waveform, [tuned])[0],
    }
    return [
        measure(name, system, diarize, recordings)
        for name, recordings in sets.items()
        for system, diarize in systems.items()
    ]


def table(rows: Sequence[Row]) -> str:
    """Markdown, rates in percent."""
    header = ("set", "system", "DER %", "missed %", "false alarm %", "confusion %", "real-time factor")
    lines = []
    for row in rows:
        plain = row.plain()
        rates = (f"{100 * float(plain[name]):.1f}" for name in ("der", "missed", "false_alarm", "confusion"))
        lines.append((row.recordings, row.system, *rates, f"{row.real_time_factor:.2f}"))
    return markdown_table(header, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="rates as fractions, one object a row")
    options = parser.parse_args(arguments)
    with mistakes_told():
        rows = run()
    print(json.dumps([row.plain() for row in rows], indent=2) if options.json else table(rows), file=sys.stdout)


if __name__ == "__main__":
    main()
