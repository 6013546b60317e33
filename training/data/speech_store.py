"""All utterances decoded once to 16 kHz in 16 bits: an hour is 115 MB, shared by every process that opens it."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svc.audio.resample import resample
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform
from training.data.audio_files import file_ages, read_recording
from training.data.augment import noise_for
from training.data.cached_array import cached_array
from training.data.manifest import Clip
from training.data.utterances import Utterance

FULL_SCALE = 32_767


class SpeechStore:
    """Cuts of utterances by their id."""

    def __init__(self, samples: npt.NDArray[np.int16], places: dict[str, tuple[int, int]]) -> None:
        self._samples = samples
        self._places = places

    @classmethod
    def open(cls, utterances: Sequence[Utterance], *, root: Path, folder: Path) -> "SpeechStore":
        """The speech of these utterances from recordings under `root`; decoded audio is kept in `folder`.

        Raises InvalidRequestError naming the file when one is missing or cannot be read.
        """
        ordered = sorted(utterances, key=lambda utterance: (utterance.path, utterance.start_s, utterance.utterance_id))
        cut = [[utterance.path, utterance.start_s, utterance.end_s] for utterance in ordered]
        made_from = [cut, file_ages((utterance.path for utterance in ordered), root)]
        samples = cached_array(folder, "speech", made_from, lambda: np.concatenate(list(_decoded(ordered, root))))
        edges = np.cumsum([0, *map(num_samples, ordered)]).tolist()
        ids = (utterance.utterance_id for utterance in ordered)
        return cls(samples, dict(zip(ids, pairwise(edges), strict=True)))

    def read(self, utterance_id: str, start_s: float, end_s: float) -> FloatArray:
        """(N,) of the utterance from start_s to end_s within it, at 16 kHz; shorter where the utterance ends."""
        first, last = self._places[utterance_id]
        begin, end = (min(last, first + round(edge_s * MODEL_RATE_HZ)) for edge_s in (start_s, end_s))
        return self._samples[begin:end].astype(np.float32) / np.float32(FULL_SCALE)


def num_samples(utterance: Utterance) -> int:
    """Of the utterance at 16 kHz, whatever rate it was recorded at."""
    return round(utterance.duration_s * MODEL_RATE_HZ)


def load_noises(clips: Sequence[Clip], root: Path) -> dict[str, Waveform]:
    """Noise recordings by path, at 16 kHz and without their pauses, so that this is done once."""
    noises = {}
    for clip in clips:
        recording = resample(read_recording(root / clip.path))
        cleaned = noise_for(len(recording.samples), recording, 0.0)
        noises[clip.path] = Waveform(cleaned, MODEL_RATE_HZ)
    return noises


def _decoded(ordered: Sequence[Utterance], root: Path) -> Iterator[npt.NDArray[np.int16]]:
    for path, of_recording in groupby(ordered, key=lambda utterance: utterance.path):
        recording = resample(read_recording(root / path)).samples
        for utterance in of_recording:
            yield _cut(recording, utterance)


def _cut(recording: FloatArray, utterance: Utterance) -> npt.NDArray[np.int16]:
    cut: npt.NDArray[Any] = np.zeros(num_samples(utterance), np.int16)
    samples = recording[round(utterance.start_s * MODEL_RATE_HZ) :][: len(cut)]
    cut[: len(samples)] = np.round(np.clip(samples, -1, 1) * FULL_SCALE)
    return cut
