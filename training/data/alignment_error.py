"""How far off aligned word edges are, on speech whose edges are known: isolated digits joined with known pauses.

    python -m training.data.alignment_error [--trials 40] [--seed 0]

The digits (fsdd) are cut where their energy starts and stops, so the truth of edges beside pauses comes from the same
energy the aligner refines by: there the figure says that nothing went astray. Without pauses it says what words in
fluent speech can expect, at best: real ones run into each other.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from svc.audio.resample import resample
from svc.backends.store import ModelStore
from svc.backends.whisper import MODEL_NAME, WhisperRecogniser
from svc.config import default_cache
from svc.types import MODEL_RATE_HZ, FloatArray, Span
from training.command_line import from_zero, mistakes_told, positive
from training.data.audio_files import load_waveform
from training.data.corpus_readings import Aligner, aligned_words
from training.data.manifest import data_root, read_manifest
from training.data.pauses import FRAME_SAMPLES, speech_mask

PAUSES_S = ((0.0, 0.0), (0.05, 0.15), (0.1, 0.6), (0.6, 1.5))
WORDS_A_TRIAL = 5
TAKEN_EVERY = 7
LEAD_S = 0.2
LOUDNESS, HISS = 0.05, 0.0005


@dataclass(frozen=True, slots=True, eq=False)
class JoinedWords:
    """Isolated words put one after the other: (N,) samples at 16 kHz and the true edges of each word."""

    samples: FloatArray
    texts: tuple[str, ...]
    spans: tuple[Span, ...]


def trimmed(samples: FloatArray) -> FloatArray:
    """(N,) at 16 kHz -> from where its speech starts to where it stops, at a set loudness."""
    frames = np.flatnonzero(speech_mask(samples))
    if not len(frames):
        return samples[:0]
    cut = samples[frames[0] * FRAME_SAMPLES : (frames[-1] + 1) * FRAME_SAMPLES]
    return np.asarray(LOUDNESS * cut / np.sqrt(np.mean(cut**2)), np.float32)


def join_words(
    words: Sequence[tuple[str, FloatArray]], pause_s: tuple[float, float], random: np.random.Generator
) -> JoinedWords:
    """The words in order, with pauses drawn between the two bounds and a little hiss over all."""
    pieces, spans, at = [np.zeros(round(LEAD_S * MODEL_RATE_HZ), np.float32)], [], round(LEAD_S * MODEL_RATE_HZ)
    for _, samples in words:
        pause = round(random.uniform(*pause_s) * MODEL_RATE_HZ)
        spans.append(Span(at / MODEL_RATE_HZ, (at + len(samples)) / MODEL_RATE_HZ))
        pieces += [samples, np.zeros(pause, np.float32)]
        at += len(samples) + pause
    joined = np.concatenate(pieces)
    hiss = random.normal(0, HISS, len(joined)).astype(np.float32)
    return JoinedWords(joined + hiss, tuple(text for text, _ in words), tuple(spans))


def edge_errors_s(joined: JoinedWords, aligner: Aligner) -> npt.NDArray[np.float64]:
    """(2 W,) found minus true: the start and the end of each word."""
    words, _ = aligned_words(joined.texts, joined.samples, aligner)
    found = np.array([[word.start_s, word.end_s] for word in words])
    return np.asarray(found - [[span.start_s, span.end_s] for span in joined.spans]).reshape(-1)


def draw_trials(
    talkers: Mapping[str, Sequence[tuple[str, FloatArray]]], pause_s: tuple[float, float], trials: int, seed: int
) -> list[JoinedWords]:
    """Each of one talker's words, drawn without replacement."""
    random = np.random.default_rng(seed)
    names = sorted(talkers)
    drawn = []
    for _ in range(trials):
        words = talkers[names[random.integers(len(names))]]
        chosen = random.choice(len(words), WORDS_A_TRIAL, replace=False)
        drawn.append(join_words([words[index] for index in chosen], pause_s, random))
    return drawn


def _digits() -> dict[str, list[tuple[str, FloatArray]]]:
    talkers: dict[str, list[tuple[str, FloatArray]]] = defaultdict(list)
    clips = [clip for clip in read_manifest(data_root() / "manifest.csv") if clip.corpus == "fsdd"]
    # In the manifest's order all recordings of one digit follow each other.
    for clip in clips[::TAKEN_EVERY]:
        samples = trimmed(resample(load_waveform(data_root() / clip.path)).samples)
        if len(samples):
            talkers[clip.speaker].append((clip.text, samples))
    return talkers


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=positive, default=40, help="of five words, for each range of pauses")
    parser.add_argument("--seed", type=from_zero, default=0)
    options = parser.parse_args(arguments)
    table = Table("pauses s", "edges", "mean |error| ms", "median", "90 %", "bias ms", title="word edges")
    with mistakes_told():
        aligner = WhisperRecogniser(ModelStore(default_cache()).path(MODEL_NAME))
        talkers = _digits()
    for low_s, high_s in PAUSES_S:
        trials = draw_trials(talkers, (low_s, high_s), options.trials, options.seed)
        errors_ms = 1000 * np.concatenate([edge_errors_s(trial, aligner) for trial in trials])
        size_ms = np.abs(errors_ms)
        figures = (size_ms.mean(), np.median(size_ms), np.percentile(size_ms, 90), errors_ms.mean())
        table.add_row(f"{low_s} to {high_s}", str(len(errors_ms)), *(f"{figure:.0f}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
