"""From a raw score and the conditions it was made under to a natural-log likelihood ratio.

    llr = bounded(exp(slope . x) centred(score) + offset . x),  x = (1, features of Conditions, of likeness to a Cohort)

Logistic regression whose slope and offset depend on how much speech there is, how noisy it is and which band it has
(quality measure functions as in Mandasari et al., IEEE TASLP 2013, here on the slope too, which is log-linear). The
slope is positive whatever the weights, so under any one condition a higher score is never a lower LLR.
Letters: T trials, Q features, those of the cohort (svc.scoring.normalisation) included where there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from svc.artifact import Artifact, load_artifact
from svc.errors import ArtifactError, FingerprintMismatchError
from svc.scoring.centring import centred
from svc.scoring.conditions import FEATURES, INPUTS, Array, Conditions
from svc.scoring.cosine import check_same_model
from svc.scoring.normalisation import LIKENESS, Cohort
from svc.types import FloatArray, Voiceprint

KIND = "calibration"
TENSORS = ("slope", "offset", "doubt", "expected")
COHORT_TENSORS = ("cohort", "likeness_range")
SCORE = "cosine"
"""What a calibration's card says it takes."""
SHIPPED = Path(__file__).parents[1] / "artifacts"
REMEDY = (
    "calibrate it on your own trials: python -m training.calibrate --trials T.csv --audio-root DIR --embedder NAME "
    "--out FOLDER, then set verification.calibration to FOLDER"
)
# exp of more does not overflow, and no data will ask for it.
MAX_LOG_SLOPE = 20.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CalibrationWeights:
    """Slope and offset: (1 + Q,). Doubt: (2,) the share of target trials that look like nontargets whatever the voice
    (wrong label, another person on the line), and the reverse: no score is better evidence than that. Expected: (I, D)
    the voice to be expected under given conditions (svc.scoring.centring); D = 0 takes scores as they are.
    Without a cohort nothing is normalised.
    """

    slope: Array
    offset: Array
    doubt: Array
    expected: Array = field(default_factory=lambda: np.zeros((len(INPUTS), 0)))
    cohort: Cohort | None = None

    def __post_init__(self) -> None:
        wanted = (1 + len(FEATURES) + (len(LIKENESS) if self.cohort else 0),)
        if self.slope.shape != wanted or self.offset.shape != wanted or self.doubt.shape != (2,):
            raise ValueError(f"slope and offset must be {wanted} and doubt (2,)")
        if self.expected.ndim != 2 or len(self.expected) != len(INPUTS):
            raise ValueError(f"expected must be ({len(INPUTS)}, D)")
        if not all(np.isfinite(part).all() for part in (self.slope, self.offset, self.expected)):
            raise ValueError("slope, offset and expected must be finite")
        # Written so that NaN fails too. Together 1 or more would turn the LLR upside down.
        if not (self.doubt.min() > 0 and self.doubt.sum() < 1):
            raise ValueError("doubt must be two shares > 0 that add up to less than 1")

    def llr_under(self, scores: npt.ArrayLike, conditions: Conditions) -> Array:
        """(T,) raw scores -> (T,) LLRs: what serving and fitting both measure."""
        features = conditions.features()
        if self.cohort:
            features = np.concatenate([features, self.cohort.features(conditions, self.expected)], axis=-1)
        return self.llr(centred(scores, conditions, self.expected), features)

    def llr(self, scores: npt.ArrayLike, features: Array) -> Array:
        """(T,) centred scores and (T, Q) features -> (T,) LLRs, between log doubt[0] and -log doubt[1]."""
        log_slope = self.slope[0] + features @ self.slope[1:]
        offset = self.offset[0] + features @ self.offset[1:]
        linear = np.exp(np.clip(log_slope, -MAX_LOG_SLOPE, MAX_LOG_SLOPE)) * np.asarray(scores, np.float64) + offset
        miss, alarm = self.doubt
        # Both halves of the ratio over exp(up) when that is large: else rounding shows where the LLR levels off.
        up, down = np.maximum(linear, 0.0), np.minimum(linear, 0.0)
        above = np.logaddexp(np.log1p(-miss) + down, np.log(miss) - up)
        return np.asarray(above - np.logaddexp(np.log1p(-alarm) - up, np.log(alarm) + down))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Calibration:
    """Weights fitted for one model. `card_toml` tells the data, its licence and the figures."""

    calibration_id: str
    model_fingerprint: str
    weights: CalibrationWeights
    card_toml: str = ""
    licence: str = ""
    # Of the artifact; None = of none.
    folder: Path | None = None

    def llr(self, scores: npt.ArrayLike, conditions: Conditions) -> Array:
        """(T,) raw scores -> (T,) natural-log LLRs."""
        return self.weights.llr_under(scores, conditions)

    def llr_of(self, score: float, enrolment: Voiceprint, test: Voiceprint) -> float:
        """One trial. Raises FingerprintMismatchError for voiceprints of a model it was not fitted for."""
        self.check_model(enrolment, test)
        return float(self.llr([score], Conditions.of_pair(enrolment, test))[0])

    def check_model(self, enrolment: Voiceprint, test: Voiceprint) -> None:
        """Raises FingerprintMismatchError for voiceprints of a model it was not fitted for."""
        check_same_model(enrolment, test)
        if test.model_fingerprint != self.model_fingerprint:
            raise FingerprintMismatchError(
                f"voices of model {test.model_fingerprint}, calibration {self.calibration_id} is for "
                f"{self.model_fingerprint}: embed them again with the model this server runs"
            )


def load_calibration(path: Path | None, fingerprint: str) -> Calibration:
    """The artifact at `path`, or the one shipped for the model `fingerprint`.

    Raises ArtifactError, with the command that mends it, when there is none, it is broken or of another model.
    """
    if path is None:
        return _shipped(fingerprint)
    calibration = from_artifact(load_artifact(path), path)
    if calibration.model_fingerprint != fingerprint:
        raise ArtifactError(
            f"calibration {path} is for model {calibration.model_fingerprint}, this embedder is {fingerprint}; {REMEDY}"
        )
    return calibration


def _shipped(fingerprint: str) -> Calibration:
    calibrations = [from_artifact(load_artifact(folder), folder) for folder in sorted(SHIPPED.glob("calibration-*"))]
    for calibration in calibrations:
        if calibration.model_fingerprint == fingerprint:
            return calibration
    known = ", ".join(f"{each.calibration_id} for {each.model_fingerprint}" for each in calibrations) or "none"
    raise ArtifactError(f"no calibration is shipped for embedder {fingerprint} (shipped: {known}); {REMEDY}")


def from_artifact(artifact: Artifact, path: Path) -> Calibration:
    """Raises ArtifactError when it is no calibration, or one for other features than this version's."""
    artifact.check_kind(KIND, path)
    card = artifact.card
    if (tuple(card.get("features", ())), card.get("score")) != (FEATURES, SCORE):
        raise ArtifactError(f"calibration {path} was fitted by another version of Equivox; {REMEDY}")
    try:
        weights = weights_from(artifact.tensors)
        return Calibration(
            calibration_id=f"{card['name']}-{artifact.digest[:8]}",
            model_fingerprint=str(card["model_fingerprint"]),
            weights=weights,
            card_toml=artifact.card_toml,
            licence=str(card.get("licence", "")),
            folder=path,
        )
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"calibration {path} is broken: {error}; {REMEDY}") from error


def weights_from(tensors: Mapping[str, FloatArray]) -> CalibrationWeights:
    """Of an artifact. Raises KeyError, ValueError."""
    plain = {name: tensors[name].astype(np.float64) for name in (*TENSORS, *COHORT_TENSORS) if name in tensors}
    cohort = Cohort(*(plain.pop(name) for name in COHORT_TENSORS)) if "cohort" in tensors else None
    slope, offset, doubt, expected = (plain[name] for name in TENSORS)
    return CalibrationWeights(slope=slope, offset=offset, doubt=doubt, expected=expected, cohort=cohort)


def tensors_of(weights: CalibrationWeights) -> dict[str, FloatArray]:
    """For an artifact."""
    tensors = {name: getattr(weights, name) for name in TENSORS}
    if weights.cohort:
        tensors |= dict(zip(COHORT_TENSORS, (weights.cohort.vectors, weights.cohort.likeness_range), strict=True))
    return {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
