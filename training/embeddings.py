"""Every side of a trial list embedded once, in parallel, and kept on disk for the next run when a folder is given.

Letters: S sides, T trials, D embedding width.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from svc.errors import InvalidRequestError, ServiceError, TooLittleSpeechError
from svc.scoring.conditions import Conditions, SideConditions
from svc.types import Band, FloatArray, Voiceprint, Waveform
from svc.whole_file import replacing
from training.data.audio_files import file_ages
from training.data.segments import Segment, SegmentReader
from training.data.trial_list import IndexArray, TrialList

Embed = Callable[[Waveform], Voiceprint]
"""One clip to its voice; raises TooLittleSpeechError when there is none in it."""

COSINE_BLOCK = 65_536
SAVE_EVERY_S = 240.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Voices:
    """The sides of a list; one without enough speech has heard = False and a voiceprint of zeros."""

    voiceprints: tuple[Voiceprint, ...]  # (S,)
    vectors: FloatArray  # (S, D)
    heard: npt.NDArray[np.bool_]  # (S,)

    def conditions(self, enrolment: IndexArray, test: IndexArray) -> Conditions:
        """(T,) and (T,) sides -> what the calibration wants to know about them."""
        sides = SideConditions.of(self.voiceprints)
        return Conditions(sides.take(enrolment), sides.take(test))

    def cosines(self, enrolment: IndexArray, test: IndexArray) -> npt.NDArray[np.float64]:
        """(T,) and (T,) sides -> (T,) scores, in blocks, so that ten million trials need no gigabytes."""
        scores = np.empty(len(enrolment))
        for start in range(0, len(enrolment), COSINE_BLOCK):
            block = slice(start, start + COSINE_BLOCK)
            scores[block] = np.einsum("td,td->t", self.vectors[enrolment[block]], self.vectors[test[block]])
        return scores


class VoiceCache:
    """Voiceprints of one system on disk, by segment and the size and age of its files; one .npz, replaced whole.

    Raises InvalidRequestError for a file of something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Voiceprint | None] = _loaded(path) if path.is_file() else {}
        self._saved_s = time.monotonic()

    def save(self) -> None:
        """Writes beside and renames."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as beside, beside.open("wb") as file:
            np.savez(file, **_saved(dict(self.known)))
        self._saved_s = time.monotonic()

    def save_when_due(self) -> None:
        """Every few minutes: a run that is killed loses no more than those."""
        if time.monotonic() - self._saved_s > SAVE_EVERY_S:
            self.save()


def embed_sides(
    trials: TrialList,
    reader: SegmentReader,
    embed: Embed,
    *,
    cache: VoiceCache | None = None,
    on_side: Callable[[], None] = lambda: None,
) -> Voices:
    """Raises InvalidRequestError naming the line of the list whose file is missing (before any work) or unreadable;
    `on_side` is called as each side is done.
    """
    work = _Embedding(trials, reader, embed, {} if cache is None else cache.known)
    try:
        # Two callers a core: while one reads and resamples another embeds, and a batching embedder sees company.
        with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            voices = []
            for voice in pool.map(work.voice_of, range(len(trials.sides))):
                voices.append(voice)
                on_side()
                if cache:
                    cache.save_when_due()
    finally:
        if cache:
            cache.save()
    return _columns(voices)


def source_digest(sources: Sequence[Path]) -> str:
    """8 hex digits of these files and all Python code in these folders: other code makes other voices."""
    digest = hashlib.sha256()
    for source in sources:
        for file in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


class _Embedding:
    """Sides of one list on their way to voices; what is known already is not done again."""

    def __init__(
        self, trials: TrialList, reader: SegmentReader, embed: Embed, known: dict[str, Voiceprint | None]
    ) -> None:
        self.named_at, self.reader, self.embed, self.known = trials.named_at, reader, embed, known
        self.segments = []
        for text, where in zip(trials.sides, trials.named_at, strict=True):
            with _naming(where):
                self.segments.append(reader.parse(text))

    def voice_of(self, side: int) -> Voiceprint | None:
        key = _key(self.segments[side], self.reader.root)
        if key not in self.known:
            with _naming(self.named_at[side]):
                self.known[key] = self._heard(self.reader.read(self.segments[side]))
        return self.known[key]

    def _heard(self, waveform: Waveform) -> Voiceprint | None:
        try:
            return self.embed(waveform)
        except TooLittleSpeechError:
            return None


@contextmanager
def _naming(where: str) -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        raise InvalidRequestError(f"{where}: {error}", field=error.field) from error


def _key(segment: Segment, root: Path) -> str:
    return f"{segment} {' '.join(age for _, age in file_ages(segment.paths, root))}"


def _columns(voices: Sequence[Voiceprint | None]) -> Voices:
    heard = [voice for voice in voices if voice is not None]
    if not heard:
        raise InvalidRequestError("no recording of the list holds enough speech for a voiceprint", field="trials")
    blank = replace(
        heard[0], vector=np.zeros_like(heard[0].vector), net_speech_s=0.0, snr_db=0.0, clipped_share=0.0, band=Band.WIDE
    )
    return Voices(
        voiceprints=tuple(voice or blank for voice in voices),
        vectors=np.stack([(voice or blank).vector for voice in voices]),
        heard=np.array([voice is not None for voice in voices]),
    )


HEARD_COLUMNS = ("keys", "vectors", "numbers", "bands", "fingerprints")
VOICE_COLUMNS = (*HEARD_COLUMNS, "unheard")
_NUMBERS = ("net_speech_s", "snr_db", "clipped_share")


def _saved(known: Mapping[str, Voiceprint | None]) -> dict[str, Any]:
    heard = {key: voice for key, voice in known.items() if voice is not None}
    voices = list(heard.values())
    return {
        "keys": np.array(list(heard), dtype=str),
        "unheard": np.array(sorted(known.keys() - heard.keys()), dtype=str),
        "vectors": np.array([voice.vector for voice in voices], dtype=np.float32),
        "numbers": np.array([[getattr(voice, name) for name in _NUMBERS] for voice in voices], dtype=np.float64),
        "bands": np.array([voice.band.value for voice in voices], dtype=str),
        "fingerprints": np.array([voice.model_fingerprint for voice in voices], dtype=str),
    }


def _loaded(path: Path) -> dict[str, Voiceprint | None]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            columns = {name: saved[name] for name in VOICE_COLUMNS}
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InvalidRequestError(f"{path} is no file of voiceprints: delete it", field="voices") from error
    known: dict[str, Voiceprint | None] = dict.fromkeys(columns["unheard"].tolist())
    for key, vector, numbers, band, fingerprint in zip(*(columns[name] for name in HEARD_COLUMNS), strict=True):
        known[str(key)] = Voiceprint(
            vector=vector,
            model_fingerprint=str(fingerprint),
            band=Band(str(band)),
            **dict(zip(_NUMBERS, map(float, numbers), strict=True)),
        )
    return known
