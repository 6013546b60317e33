"""The raw score: cosine of two unit-length voice embeddings of one model, and the embedding several come to."""

import numpy as np
import numpy.typing as npt

from svc.errors import FingerprintMismatchError
from svc.types import FloatArray, Voiceprint


def cosine(a: FloatArray, b: FloatArray) -> FloatArray:
    """(.., D) and (.., D), broadcast, of any length -> (..); 0 for a vector of zeros, which points nowhere."""
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    products = np.sum(a * b, axis=-1)
    return np.asarray(np.clip(products / np.maximum(norms, np.finfo(np.float32).tiny), -1, 1), dtype=np.float32)


def mean_direction(voices: FloatArray) -> FloatArray:
    """(W, D) voices of one person -> (D,), unit length; zeros where they cancel out."""
    mean = voices.mean(axis=0)
    unit: FloatArray = (mean / max(float(np.linalg.norm(mean)), np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def unit_rows(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, D) -> (N, D), rows of unit length; zeros stay zeros."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def score(enrolment: Voiceprint, test: Voiceprint) -> float:
    """-1..1. Raises FingerprintMismatchError for voiceprints of different models."""
    check_same_model(enrolment, test)
    return float(cosine(enrolment.vector, test.vector))


def check_same_model(enrolment: Voiceprint, test: Voiceprint) -> None:
    """Raises FingerprintMismatchError: vectors of different models point nowhere in each other's space."""
    if enrolment.model_fingerprint != test.model_fingerprint:
        raise FingerprintMismatchError(
            f"enrolment is of model {enrolment.model_fingerprint}, test of model {test.model_fingerprint}: "
            "their scores mean nothing; embed or enrol both with the same model",
            field="enrolment",
        )
