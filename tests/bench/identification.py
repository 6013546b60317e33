"""Identify among a million enrolled voices, exactly, beside a plain numpy scan of the same vectors.

usage: python -m tests.bench identification, or python -m tests.bench.identification NUM_PROFILES
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.identification import Identifier
from svc.pipelines.ranking import MIN_CANDIDATES
from svc.profiles.encryption import new_key
from svc.profiles.index import VoiceIndex
from svc.profiles.records import conditions
from svc.profiles.sqlite import SqliteProfileStore
from svc.scoring.policy import NAMED_POLICIES
from svc.types import Band, FloatArray, Voiceprint
from tests.bench.timing import Row, Turns, show, take_turns
from tests.pipelines.enrolled_voices import MODEL, TENANT, ChordEmbedder, LoudnessDetector, toy_calibration

WIDTH = 192
NUM_QUERIES = 40
NUM_DELETIONS = 20
_SEED_BATCH = 20_000
_INSERT = (
    "INSERT INTO profiles (voice_id, tenant, profile_id, display_name, consent_reference, created_at_s, "
    "num_enrolments, model_fingerprint, net_speech_s, band, snr_db, clipped_share, vector, revision) "
    "VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyBench:
    """What was measured; the same hits in both systems on every query, else the bench fails."""

    num_profiles: int
    turns: Turns
    build_s: float
    resident_bytes: int
    delete_ms: float

    def rows(self) -> list[Row]:
        ours, peer = 1000 / self.turns.rate("identify"), 1000 / self.turns.rate("numpy")
        return [
            Row(f"Identify p50, {self.num_profiles:,} voices of {WIDTH} dimensions, exact", f"{ours:.1f} ms"),
            Row("numpy: matrix product and partial sort of the same vectors, p50", f"{peer:.1f} ms"),
            Row("Identify / numpy", f"{1 / self.turns.ratio('identify', 'numpy'):.2f} x its time"),
            Row("index built from the encrypted store", f"{self.build_s:.1f} s"),
            Row("memory of store and index", f"{self.resident_bytes / 2**20:.0f} MiB"),
            Row("Delete p50, disk and index", f"{self.delete_ms:.1f} ms"),
        ]


def measure() -> list[Row]:
    """For `python -m tests.bench`."""
    return bench_identify().rows()


def bench_identify(num_profiles: int = 1_000_000) -> IdentifyBench:
    """Seeds an encrypted store with random voices, builds the index and identifies noisy copies of some of them."""
    vectors = _unit(np.random.default_rng(0).standard_normal((num_profiles, WIDTH), np.float32))
    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteProfileStore(Path(folder) / "profiles.sqlite3", key=new_key()) as store,
    ):
        seed(store, vectors)
        before_bytes = psutil.Process(os.getpid()).memory_info().rss
        started_s = time.perf_counter()
        with VoiceIndex(store) as index:
            build_s = time.perf_counter() - started_s
            resident_bytes = psutil.Process(os.getpid()).memory_info().rss - before_bytes
            turns = _race(identifier_over(store, index), index, vectors)
            delete_ms = _time_deletions(store, num_profiles)
    return IdentifyBench(
        num_profiles=num_profiles,
        turns=turns,
        build_s=build_s,
        resident_bytes=resident_bytes,
        delete_ms=delete_ms,
    )


def seed(store: SqliteProfileStore, vectors: FloatArray) -> None:
    """(P, D): one profile a vector, sealed as enrolment seals it, in large transactions instead of one each."""
    for first in range(0, len(vectors), _SEED_BATCH):
        with store._database.writing() as connection:
            connection.executemany(_INSERT, _seed_rows(store, vectors[first : first + _SEED_BATCH], first))
            connection.execute("UPDATE clock SET revision = ?", (first + _SEED_BATCH,))


def identifier_over(store: SqliteProfileStore, index: VoiceIndex) -> Identifier:
    """Given voiceprints it embeds nothing: only the search is measured."""
    finder = SpeechFinder(LoudnessDetector(), VoiceActivityConfig())
    extractor = VoiceprintExtractor(embedder=ChordEmbedder(), speech_finder=finder, min_net_speech_s=0.5)
    return Identifier(extractor=extractor, store=store, index=index, calibration=toy_calibration())


def _seed_rows(store: SqliteProfileStore, vectors: FloatArray, first: int) -> Iterator[tuple[object, ...]]:
    for number, vector in enumerate(vectors, start=first):
        profile_id, voice, records = f"p{number:08d}", _voiceprint(vector), store._records
        sealed = records.sealed_vector(voice, TENANT, profile_id=profile_id, enrolment_id=0)
        name = records.sealed_text("", TENANT, profile_id=profile_id, column="display_name")
        consent = records.sealed_text("form", TENANT, profile_id=profile_id, column="consent_reference")
        yield number + 1, TENANT, profile_id, name, consent, 0.0, MODEL, *conditions(voice), sealed, number + 1


def _race(identifier: Identifier, index: VoiceIndex, vectors: FloatArray) -> Turns:
    random = np.random.default_rng(1)
    queries = [_noisy(vectors[random.integers(len(vectors))], random) for _ in range(NUM_QUERIES)]
    _check_same_hits(index, vectors, queries[:5])
    ours, theirs = iter(_cycle(queries)), iter(_cycle(queries))

    def identify() -> int:
        assert identifier.identify(TENANT, _voiceprint(next(ours)), NAMED_POLICIES["balanced"]).num_searched
        return 1

    def scan() -> int:
        _nearest_by_scan(vectors, next(theirs))
        return 1

    return take_turns({"identify": identify, "numpy": scan}, num_turns=NUM_QUERIES)


def _check_same_hits(index: VoiceIndex, vectors: FloatArray, queries: Sequence[FloatArray]) -> None:
    for query in queries:
        found = index.search(TENANT, _voiceprint(query), k=MIN_CANDIDATES).voice_ids - 1
        if set(found.tolist()) != set(_nearest_by_scan(vectors, query).tolist()):
            raise RuntimeError("the index and the scan disagree")


def _nearest_by_scan(vectors: FloatArray, query: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    scores = vectors @ query
    nearest = np.argpartition(-scores, MIN_CANDIDATES)[:MIN_CANDIDATES]
    return nearest[np.argsort(-scores[nearest])]


def _time_deletions(store: SqliteProfileStore, num_profiles: int) -> float:
    """Median milliseconds."""
    taken_s = []
    for number in np.random.default_rng(2).choice(num_profiles, NUM_DELETIONS, replace=False):
        started_s = time.perf_counter()
        store.delete(TENANT, f"p{number:08d}")
        taken_s.append(time.perf_counter() - started_s)
    return 1000 * float(np.median(taken_s))


def _cycle(queries: Sequence[FloatArray]) -> Iterator[FloatArray]:
    while True:
        yield from queries


def _noisy(vector: FloatArray, random: np.random.Generator) -> FloatArray:
    """At a cosine of about 0.7, as another recording of the same person."""
    return _unit(vector + random.standard_normal(WIDTH, np.float32) / np.float32(np.sqrt(WIDTH)))


def _unit(vectors: FloatArray) -> FloatArray:
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors


def _voiceprint(vector: FloatArray) -> Voiceprint:
    return Voiceprint(
        vector=vector, model_fingerprint=MODEL, net_speech_s=10.0, band=Band.WIDE, snr_db=20.0, clipped_share=0.0
    )


if __name__ == "__main__":
    show("Identify among many", bench_identify(*map(int, sys.argv[1:])).rows())
