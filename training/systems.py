"""Systems that compare voices behind one face: embed one side, compare two columns of sides. Ours, and two peers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import equivox_files
import svc
from svc.application import Application
from svc.audio.resample import resample
from svc.backends.protocols import Embedder
from svc.errors import InvalidRequestError
from svc.pipelines.extraction import VoiceprintExtractor
from svc.types import Band, Voiceprint, Waveform
from training.data import audio_files, augment, segments
from training.data.trial_list import IndexArray
from training.embeddings import Embed, Voices, source_digest
from training.metrics.verification import Array

_SERVICE, _FILES = Path(svc.__file__).parent, Path(equivox_files.__file__).parent
_RENDERING = (Path(audio_files.__file__), Path(segments.__file__), Path(augment.__file__))
# Peers hear whole clips: what finds and judges speech does not touch them.
_DECODING = tuple(_SERVICE / "audio" / f"{name}.py" for name in ("collector", "decode", "pcm", "resample"))
PEER_SOURCES = (*_DECODING, _FILES, *_RENDERING)
READING_SOURCES = (_SERVICE / "audio", _FILES, *_RENDERING)
EMBEDDER_SOURCES = (_SERVICE / "models", _SERVICE / "backends")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """(T,) raw scores and (T,) natural-log LLRs; the same when the system is not calibrated."""

    scores: Array
    llrs: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A way to make voices of recordings."""

    name: str
    fingerprint: str
    sources: tuple[Path, ...]  # all code between a file and a voice
    embed: Embed

    @property
    def version(self) -> str:
        """Of its weights and code, as the files are now: other ones make other voices."""
        return f"{self.fingerprint}-{source_digest(self.sources)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class System(Listener):
    """A way to compare them, too. Cllr only means something where `calibrated`."""

    calibrated: bool
    compare: Callable[[Voices, IndexArray, IndexArray], Comparison]
    calibration_id: str = ""


def equivox_listener(extractor: VoiceprintExtractor) -> Listener:
    """What `equivox embed` does: the embedding of net speech. It needs no calibration."""
    return Listener(
        name="equivox",
        fingerprint=extractor.embedder.fingerprint,
        sources=(*READING_SOURCES, *EMBEDDER_SOURCES, _SERVICE / "pipelines" / "extraction.py"),
        embed=lambda waveform: extractor.extract(waveform).voiceprint,
    )


def equivox_system(application: Application) -> System:
    """What `equivox verify` does: net speech, embedding, cosine, calibrated LLR."""
    listener, calibration = equivox_listener(application.extractor), application.verifier.calibration

    def compare(voices: Voices, enrolment: IndexArray, test: IndexArray) -> Comparison:
        scores = voices.cosines(enrolment, test)
        return Comparison(scores, calibration.llr(scores, voices.conditions(enrolment, test)))

    return System(
        name=listener.name,
        fingerprint=listener.fingerprint,
        calibrated=True,
        sources=listener.sources,
        embed=listener.embed,
        compare=compare,
        calibration_id=calibration.calibration_id,
    )


def plain_cosine_system(embedder: Embedder) -> System:
    """The same embedder on whole clips, pauses and all, scored by cosine alone."""
    return System(
        name="campplus-cosine",
        fingerprint=embedder.fingerprint,
        calibrated=False,
        sources=(*PEER_SOURCES, _SERVICE / "audio" / "filterbank.py", *EMBEDDER_SOURCES),
        embed=lambda waveform: _bare(embedder.embed([resample(waveform).samples])[0], waveform, embedder.fingerprint),
        compare=_compare_by_cosine,
    )


def resemblyzer_system() -> System:
    """Resemblyzer 0.1.4 (GE2E), its own preprocessing and voice activity included."""
    try:
        # A peer, installed by `make evaluation` alone; it pulls in librosa.
        from resemblyzer import VoiceEncoder, preprocess_wav
    except ImportError as error:
        message = f"Resemblyzer is not installed ({error}): run `make evaluation`, or pip install --no-deps resemblyzer"
        raise InvalidRequestError(message, field="system") from error
    encoder: Any = VoiceEncoder("cpu", verbose=False)

    def embed(waveform: Waveform) -> Voiceprint:
        speech = preprocess_wav(waveform.samples, waveform.sample_rate_hz)
        return _bare(encoder.embed_utterance(speech), waveform, "resemblyzer-0.1.4")

    return System(
        name="resemblyzer",
        fingerprint="0.1.4",
        calibrated=False,
        sources=PEER_SOURCES,
        embed=embed,
        compare=_compare_by_cosine,
    )


def _compare_by_cosine(voices: Voices, enrolment: IndexArray, test: IndexArray) -> Comparison:
    scores = voices.cosines(enrolment, test)
    return Comparison(scores, scores)


def _bare(vector: "np.ndarray[Any, np.dtype[np.float32]]", waveform: Waveform, fingerprint: str) -> Voiceprint:
    return Voiceprint(
        vector=np.asarray(vector, dtype=np.float32),
        model_fingerprint=fingerprint,
        net_speech_s=waveform.duration_s,
        band=Band.WIDE,
        snr_db=0.0,
        clipped_share=0.0,
    )
