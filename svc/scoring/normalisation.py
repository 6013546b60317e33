"""Adaptive symmetric score normalisation (AS-norm; Matejka et al., Interspeech 2017) against a cohort of strangers.

A score is restated as standard deviations above the scores each side gets against the voices of the cohort most like
it. No cohort ships: on train and dev talkers taking away the expected voice (svc.scoring.centring) did better, without
keeping anyone's voice (wuw EER 7.1 % against 7.4 %, plain cosine 9.6 %; saa of mixed quality 6.1 %, 10.3 %, 9.7 %).
Letters: C cohort voices, D embedding width, T trials, K top_k.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svc.artifact import load_artifact
from svc.errors import ArtifactError
from svc.types import FloatArray

KIND = "cohort"
COSINE = "cosine"
"""Name of the raw score, as a calibration's card states what it was fitted on."""
# A cohort of near copies of one voice has no spread to divide by.
MIN_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """(C, D) unit-length voices of people who are never enrolled, and how many of the nearest count."""

    vectors: FloatArray
    model_fingerprint: str
    top_k: int
    digest: str

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not 2 <= self.top_k <= len(self.vectors):
            raise ValueError(f"need (C, D) voices and 2 <= top_k <= C, got {self.vectors.shape} and {self.top_k}")

    @property
    def score_name(self) -> str:
        """What a calibration fitted on these scores says in its card."""
        return f"as-norm {self.digest}"

    def normalise(
        self, scores: npt.NDArray[np.float64], enrolment: FloatArray, test: FloatArray
    ) -> npt.NDArray[np.float64]:
        """(T,) cosines and both sides (T, D) -> (T,) normalised scores, symmetric in the sides."""
        means_e, spreads_e = self._statistics(enrolment)
        means_t, spreads_t = self._statistics(test)
        return np.asarray(((scores - means_e) / spreads_e + (scores - means_t) / spreads_t) / 2)

    def _statistics(self, voices: FloatArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        against = (voices @ self.vectors.T).astype(np.float64)  # (T, C)
        nearest = np.partition(against, -self.top_k, axis=1)[:, -self.top_k :]  # (T, K)
        return nearest.mean(axis=1), np.maximum(nearest.std(axis=1), MIN_SPREAD)


def load_cohort(folder: Path, fingerprint: str) -> Cohort:
    """Raises ArtifactError when it is missing, broken, no cohort, or of another model than `fingerprint`."""
    artifact = load_artifact(folder)
    card = artifact.card
    if card.get("kind") != KIND or "vectors" not in artifact.tensors:
        raise ArtifactError(f"artifact {folder} is a {card.get('kind', 'nameless thing')}, not a {KIND}")
    if card.get("model_fingerprint") != fingerprint:
        raise ArtifactError(
            f"cohort {folder} is of model {card.get('model_fingerprint')}, this server runs {fingerprint}; "
            "embed the cohort with this model"
        )
    try:
        return Cohort(artifact.tensors["vectors"], fingerprint, int(card.get("top_k", 0)), artifact.digest[:8])
    except ValueError as error:
        raise ArtifactError(f"cohort {folder}: {error}") from error
