"""The trials a fairness study judges its runs on: lists of dev and of test talkers, and the features of their sides.

Features are made once, with the service's own voice activity and front end, and kept on disk: what differs between runs
is the network alone. Letters: S sides, T frames, F mels, W pooled statistics, D embedding width.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svc.application import Application
from svc.audio.filterbank import Filterbank
from svc.audio.resample import resample
from svc.audio.voice_activity import SpeechFinder, keep_speech
from svc.backends.campplus import FRONT_END
from svc.types import MODEL_RATE_HZ, FloatArray, Waveform
from training import audit_shipped
from training.audit_shipped import BY, FIRST_LANGUAGE, shipped_people, shipped_rows
from training.data import cuts
from training.data import trials as trial_sets
from training.data.audio_files import file_ages
from training.data.cached_array import cached_array
from training.data.manifest import TEST, read_manifest
from training.data.segments import SegmentReader
from training.data.trial_list import Trial, TrialList, read_trials, write_trials
from training.data.trials import draw_trials
from training.embeddings import source_digest
from training.evaluate import Attributes
from training.fairness.groups import SEX
from training.systems import READING_SOURCES

READ, CALLS, INDIAN, DIGITS = "saa", "wuw", "hyke", "azdigits"
DRAWING_SOURCES = (Path(audit_shipped.__file__), Path(cuts.__file__), Path(trial_sets.__file__))
# What is known of the people of read English, telephone calls, talkers of one country, and digits in another language.
ATTRIBUTES = {READ: BY, CALLS: (SEX, FIRST_LANGUAGE), INDIAN: (SEX,), DIGITS: (SEX,)}
# Slope and offset are fitted on dev talkers of these; the others have too few.
CHOSEN_ON = (READ, CALLS)
SEED = 0

Features = Callable[[Waveform], FloatArray]
"""One recording to (T, F); T = 0 without enough speech in it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SideFeatures:
    """Features of all sides of a list, one after the other. A side without enough speech has no frames."""

    frames: FloatArray  # (sum of T, F)
    lengths: npt.NDArray[np.int64]  # (S,)

    def __iter__(self) -> Iterator[FloatArray]:
        """(T, F) of each side."""
        ends = np.cumsum(self.lengths)
        for end, length in zip(ends, self.lengths, strict=True):
            yield np.array(self.frames[end - length : end])

    @property
    def heard(self) -> npt.NDArray[np.bool_]:
        """(S,)"""
        return np.asarray(self.lengths > 0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JudgedList:
    """Trials, their sides' features and a name for both, and what is known of the people."""

    name: str
    trials: TrialList
    sides: SideFeatures
    digest: str
    attributes: Attributes

    def select(self, mask: npt.NDArray[np.bool_]) -> "JudgedList":
        """The trials where `mask` (T,) holds; of all sides, so that what is kept of these stays what it is."""
        return replace(self, trials=self.trials.select(mask))

    @property
    def asked_for(self) -> npt.NDArray[np.bool_]:
        """(S,) sides that are in a trial."""
        return np.isin(np.arange(len(self.trials.sides)), [self.trials.enrolment, self.trials.test])


def judged_lists(split: str, *, root: Path, cache: Path, features: Features) -> Mapping[str, JudgedList]:
    """By corpus; of dev talkers those of CHOSEN_ON, whose calls are compared within a call: they called only once."""
    calls = "wuw-cross-session" if split == TEST else "wuw-same-session"
    draws: dict[str, Callable[[], Iterable[Trial]]] = {
        READ: lambda: (trial for _, trial in shipped_rows(root, seed=SEED, split=split)),
        CALLS: lambda: draw_trials(calls, split=split, seed=SEED, root=root),
        INDIAN: lambda: draw_trials("hyke-degraded", split=split, seed=SEED, root=root),
        DIGITS: lambda: draw_trials("azdigits-degraded", split=split, seed=SEED, root=root),
    }
    lists = {}
    for corpus in draws if split == TEST else CHOSEN_ON:
        trials = kept_trials(draws[corpus], made_from=[corpus, split, SEED], root=root, cache=cache)
        lists[corpus] = judged_list(corpus, trials, splits=(split,), root=root, cache=cache, features=features)
    return lists


def kept_trials(
    draw: Callable[[], Iterable[Trial]], *, made_from: Sequence[object], root: Path, cache: Path
) -> TrialList:
    """Draws a list once, ever, for that reads every recording: of the same manifest and files by the same code."""
    manifest = root / "manifest.csv"
    recordings = file_ages((clip.path for clip in read_manifest(manifest) if (root / clip.path).is_file()), root)
    digest = hashlib.sha256(json.dumps([*made_from, recordings]).encode() + manifest.read_bytes())
    digest.update(source_digest((*READING_SOURCES, *DRAWING_SOURCES)).encode())
    path = cache / f"trials-{digest.hexdigest()[:16]}.csv"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        write_trials(path, draw())
    return read_trials(path)


def judged_list(
    corpus: str, trials: TrialList, *, splits: Sequence[str], root: Path, cache: Path, features: Features
) -> JudgedList:
    """Trials of talkers of these splits, with what is to be heard and known of them."""
    reader = SegmentReader(root)
    digest = _digest(trials, reader)
    people = shipped_people(read_manifest(root / "manifest.csv"), corpus=corpus, splits=splits)
    return JudgedList(
        name=f"{corpus} {' '.join(splits)}",
        trials=trials,
        sides=side_features(trials, reader, features, made_from=digest, cache=cache),
        digest=digest,
        attributes=Attributes(people=people, by=ATTRIBUTES[corpus]),
    )


def side_features(
    trials: TrialList, reader: SegmentReader, features: Features, *, made_from: object, cache: Path
) -> SideFeatures:
    """Reads every side once, ever."""
    made: list[FloatArray] = []

    def make() -> list[FloatArray]:
        if not made:
            made.extend(features(reader.read(reader.parse(side))) for side in trials.sides)
        return made

    lengths = cached_array(cache, "side-frames", made_from, lambda: np.array([len(side) for side in make()]))
    frames = cached_array(cache, "side-features", made_from, lambda: np.concatenate(make()))
    return SideFeatures(frames=frames, lengths=np.asarray(lengths))


def service_features(application: Application) -> Features:
    """What the service's embedder is given of a recording."""
    extractor = application.extractor
    return features_of_speech(extractor.speech_finder, min_speech_s=extractor.min_net_speech_s)


def features_of_speech(finder: SpeechFinder, *, min_speech_s: float) -> Features:
    """Net speech at the model's rate to log-mel energies without the clip's mean."""
    filterbank = Filterbank(FRONT_END)

    def features(waveform: Waveform) -> FloatArray:
        at_model_rate = resample(waveform, MODEL_RATE_HZ)
        speech = keep_speech(at_model_rate, finder.find(at_model_rate))
        if len(speech) < min_speech_s * MODEL_RATE_HZ:
            return np.zeros((0, FRONT_END.num_mels), np.float32)
        frames = filterbank(speech)
        centred: FloatArray = frames - frames.mean(axis=0)
        return centred

    return features


def _digest(trials: TrialList, reader: SegmentReader) -> str:
    """Of the sides, their files and all code between a file and its features."""
    digest = hashlib.sha256("\n".join(trials.sides).encode())
    paths = {path for side in trials.sides for path in reader.parse(side).paths}
    digest.update(json.dumps(file_ages(paths, reader.root)).encode())
    digest.update(source_digest(READING_SOURCES).encode())
    return digest.hexdigest()[:16]
