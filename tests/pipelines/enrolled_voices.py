"""People who hum chords, a model that hears chords, and real pipelines around them: enrolment with a known answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig
from svc.pipelines.enrolment import Enroller
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.identification import Identifier
from svc.pipelines.verification import Verifier
from svc.profiles.index import VoiceIndex
from svc.profiles.sqlite import SqliteProfileStore
from svc.scoring.calibration import Calibration, CalibrationWeights
from svc.scoring.conditions import FEATURES
from svc.scoring.normalisation import Cohort
from svc.types import FloatArray, Waveform

RATE_HZ = 16_000
PITCHES_HZ = np.arange(300.0, 3900.0, 75.0)
MODEL = "c0ffee00c0ffee00"
TENANT = "acme"


def chord(person: int) -> FloatArray:
    """(P,) how strongly a person hums each pitch."""
    return np.random.default_rng(person).uniform(0, 1, len(PITCHES_HZ)).astype(np.float32)


def hummed(strengths: FloatArray, *, speech_s: float = 2.5, noise: float = 1e-4, take: int = 0) -> Waveform:
    """A chord between two quiet half seconds; each take has phases and noise of its own."""
    random = np.random.default_rng(take)
    time_s = np.arange(round(speech_s * RATE_HZ)) / RATE_HZ
    phases = random.uniform(0, 6, len(PITCHES_HZ))
    waves = np.sin(2 * np.pi * PITCHES_HZ * time_s[:, None] + phases)  # (N, P)
    silence = np.zeros(RATE_HZ // 2)
    clean = np.concatenate([silence, 0.03 * waves @ strengths, silence])
    return Waveform((clean + random.normal(0, noise, len(clean))).astype(np.float32), RATE_HZ)


@cache
def clip_of(person: int, *, speech_s: float = 2.5, noise: float = 1e-4, take: int = 0) -> Waveform:
    """One person humming."""
    return hummed(chord(person), speech_s=speech_s, noise=noise, take=take)


@dataclass
class ChordEmbedder:
    """The direction of a chord, less what all chords share. Counts what it is asked to embed."""

    fingerprint: str = MODEL
    dimension: int = len(PITCHES_HZ)
    runtime: str = "numpy"
    num_embedded: int = field(default=0)

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips -> (B, P)."""
        self.num_embedded += len(clips)
        return np.stack([self._embed_one(clip) for clip in clips])

    def _embed_one(self, clip: FloatArray) -> FloatArray:
        spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
        heard = spectrum[np.round(PITCHES_HZ * len(clip) / RATE_HZ).astype(int)]  # (P,)
        centred = heard / heard.sum() - 1 / len(heard)
        unit: FloatArray = (centred / np.linalg.norm(centred)).astype(np.float32)
        return unit


class LoudnessDetector:
    """Whatever is loud is speech."""

    frame_s = 0.02

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        """(N,) -> (F,)."""
        frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        loud: FloatArray = (np.sqrt((frames**2).mean(axis=1)) > 0.01).astype(np.float32)
        return loud


def toy_calibration(*, doubt: float = 1e-9) -> Calibration:
    """llr = 30 score - 12 whatever the conditions, within +-log doubt."""
    weights = np.zeros(1 + len(FEATURES))
    slope, offset = weights.copy(), weights.copy()
    slope[0], offset[0] = np.log(30), -12
    bounded = CalibrationWeights(slope=slope, offset=offset, doubt=np.array([doubt, doubt]))
    return Calibration(calibration_id="toy", model_fingerprint=MODEL, weights=bounded)


def with_cohort(calibration: Calibration) -> Calibration:
    """The same, less what likeness to six strangers explains."""
    vectors = np.stack([chord(1000 + stranger) - 0.5 for stranger in range(6)])
    cohort = Cohort(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.array([-0.5, 0.5]))
    weights = calibration.weights
    slope, offset = np.r_[weights.slope, 0.1, 0.1], np.r_[weights.offset, -3.0, -1.0]
    return replace(calibration, weights=replace(weights, slope=slope, offset=offset, cohort=cohort))


class Service:
    """The real pipelines over one store."""

    def __init__(self, database: Path, *, calibration: Calibration | None = None) -> None:
        self.calibration = calibration or toy_calibration()
        self.embedder = ChordEmbedder()
        finder = SpeechFinder(LoudnessDetector(), VoiceActivityConfig())
        self.extractor = VoiceprintExtractor(embedder=self.embedder, speech_finder=finder, min_net_speech_s=0.5)
        self.store = SqliteProfileStore(database, key=None)
        self.index = VoiceIndex(self.store)
        self.verifier = Verifier(extractor=self.extractor, calibration=self.calibration)
        self.enroller = Enroller(
            extractor=self.extractor,
            store=self.store,
            index=self.index,
            calibration=self.calibration,
            max_utterances=20,
        )
        self.identifier = Identifier(
            extractor=self.extractor, store=self.store, index=self.index, calibration=self.calibration
        )

    def close(self) -> None:
        self.index.close()
        self.store.close()

    def add(self, name: str, *clips: Waveform) -> None:
        """Creates a profile and, with clips, enrols them."""
        self.store.create(TENANT, profile_id=name, consent_reference="form")
        if clips:
            self.enroller.enroll(TENANT, name, clips)
