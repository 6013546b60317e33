"""The LLR: monotone in the score under any condition, bounded by doubt; artifacts that do not fit are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.artifact import save_artifact
from svc.errors import ArtifactError, FingerprintMismatchError
from svc.scoring.calibration import COHORT_TENSORS, TENSORS, CalibrationWeights, load_calibration, tensors_of
from svc.scoring.conditions import FEATURES, Conditions, SideConditions
from svc.scoring.cosine import score
from svc.scoring.normalisation import LIKENESS, Cohort
from svc.types import Voiceprint
from tests.scoring.voices import GOOD_VOICE, MODEL, calibration_of, voice_at, weights_of

CARD = {"kind": "calibration", "name": "toy", "model_fingerprint": MODEL, "features": list(FEATURES), "score": "cosine"}
features = st.lists(st.floats(-1, 1), min_size=len(FEATURES), max_size=len(FEATURES))


def save(folder: Path, weights: CalibrationWeights, **changes: object) -> Path:
    save_artifact(folder, tensors_of(weights), CARD | changes)
    return folder


def with_cohort(weights: CalibrationWeights, *, seed: int = 0) -> CalibrationWeights:
    """Moved by likeness to four strangers as well."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(4, 3))
    cohort = Cohort(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.array([-1.0, 1.0]))
    moved = random.normal(size=(2, len(LIKENESS)))
    return replace(weights, slope=np.r_[weights.slope, moved[0]], offset=np.r_[weights.offset, moved[1]], cohort=cohort)


def pair_of(seed: int) -> list[Voiceprint]:
    angles = np.random.default_rng(seed).uniform(0.1, 3, 2)
    return [replace(voice_at(angle), net_speech_s=5 * angle) for angle in angles]


@given(st.integers(0, 10**6))
def test_with_a_cohort_the_llr_rises_with_the_score_and_knows_no_order_of_the_sides(seed: int) -> None:
    calibration, (one, other) = calibration_of(with_cohort(weights_of(seed=seed), seed=seed)), pair_of(seed)
    llrs = [calibration.llr_of(score, one, other) for score in np.linspace(-1, 1, 21)]
    assert (np.diff(llrs) >= -1e-12).all()
    np.testing.assert_allclose(llrs[7], calibration.llr_of(-0.3, other, one))


def test_a_cohort_that_weighs_nothing_changes_no_number() -> None:
    weights, (one, other) = weights_of(seed=4), pair_of(4)
    cohort = with_cohort(weights).cohort
    blind = replace(weights, slope=np.r_[weights.slope, 0, 0], offset=np.r_[weights.offset, 0, 0], cohort=cohort)
    assert calibration_of(blind).llr_of(0.4, one, other) == calibration_of(weights).llr_of(0.4, one, other)


def test_a_cohort_comes_back_with_its_llrs(tmp_path: Path) -> None:
    weights, (one, other) = with_cohort(weights_of(seed=5)), pair_of(5)
    loaded = load_calibration(save(tmp_path / "c", weights), MODEL)
    assert loaded.llr_of(0.4, one, other) == pytest.approx(calibration_of(weights).llr_of(0.4, one, other), rel=1e-4)


def test_weights_for_a_cohort_without_one_are_refused() -> None:
    with pytest.raises(ValueError, match="slope and offset"):
        replace(with_cohort(weights_of()), cohort=None)


@given(st.integers(0, 10**6), features)
def test_higher_score_is_never_a_lower_llr_whatever_weights_and_conditions(seed: int, condition: list[float]) -> None:
    scores = np.linspace(-1, 1, 101)
    llrs = weights_of(seed=seed).llr(scores, np.tile(condition, (101, 1)))
    assert np.isfinite(llrs).all()
    # Where doubt levels the LLR off, neighbours differ by rounding alone.
    assert (np.diff(llrs) >= -1e-12).all()


@given(st.integers(0, 10**6), st.floats(-1, 1), features)
def test_llr_stays_within_what_the_doubts_allow(seed: int, raw: float, condition: list[float]) -> None:
    weights = weights_of(seed=seed)
    llr = weights.llr([raw], np.array([condition]))[0]
    assert np.log(weights.doubt[0]) - 1e-3 <= llr <= -np.log(weights.doubt[1]) + 1e-3


def test_llr_is_the_likelihood_ratio_of_the_mixture_the_doubts_describe() -> None:
    weights = weights_of(slope=np.log(10.0), offset=-5.0)
    odds = np.exp(10.0 * 0.8 - 5.0)
    miss, alarm = weights.doubt
    expected = np.log(((1 - miss) * odds + miss) / ((1 - alarm) + alarm * odds))
    assert weights.llr([0.8], np.zeros((1, len(FEATURES)))) == pytest.approx(expected)


def test_many_trials_at_once_are_each_trial_alone() -> None:
    calibration = calibration_of(weights_of(seed=3))
    voices = [replace(voice_at(angle), net_speech_s=5 * angle) for angle in (0.2, 0.6, 1.4)]
    scores = [score(GOOD_VOICE, voice) for voice in voices]
    together = calibration.llr(scores, Conditions(SideConditions.of([GOOD_VOICE]), SideConditions.of(voices)))
    alone = [calibration.llr_of(raw, GOOD_VOICE, voice) for raw, voice in zip(scores, voices, strict=True)]
    np.testing.assert_allclose(together, alone)


def test_voices_of_another_model_are_refused() -> None:
    with pytest.raises(FingerprintMismatchError, match="bbbb"):
        calibration_of(weights_of(), fingerprint="b" * 16).llr_of(0.5, GOOD_VOICE, GOOD_VOICE)


def test_saved_calibration_comes_back_with_its_id_and_its_llrs(tmp_path: Path) -> None:
    weights = weights_of(seed=1)
    loaded = load_calibration(save(tmp_path / "c", weights, licence="mine"), MODEL)
    assert loaded.calibration_id.startswith("toy-")
    assert (loaded.licence, loaded.model_fingerprint) == ("mine", MODEL)
    condition = np.zeros((1, len(FEATURES)))
    np.testing.assert_allclose(loaded.weights.llr([0.4], condition), weights.llr([0.4], condition), rtol=1e-5)


def test_other_weights_are_another_calibration_id(tmp_path: Path) -> None:
    ids = {load_calibration(save(tmp_path / str(s), weights_of(seed=s)), MODEL).calibration_id for s in (1, 2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_fingerprint": "b" * 16}, "for model b{16}.*python -m training.calibrate"),
        ({"features": ["loudness"]}, "another version.*python -m training.calibrate"),
        ({"score": "as-norm 1234"}, "another version.*python -m training.calibrate"),
        ({"kind": "cohort"}, "is a cohort, not a calibration"),
    ],
)
def test_artifact_for_something_else_is_refused_with_the_remedy(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = save(tmp_path / "c", weights_of(), **changes)
    with pytest.raises(ArtifactError, match=message):
        load_calibration(folder, MODEL)


@pytest.mark.parametrize("name", [*TENSORS, *COHORT_TENSORS])
def test_tensors_of_the_wrong_shape_are_refused(tmp_path: Path, name: str) -> None:
    tensors = tensors_of(with_cohort(weights_of(seed=0))) | {name: np.zeros(3, np.float32)}
    save_artifact(tmp_path / "c", tensors, CARD)
    with pytest.raises(ArtifactError, match="broken"):
        load_calibration(tmp_path / "c", MODEL)


@pytest.mark.parametrize("doubt", [[0.0, 0.1], [0.6, 0.6], [np.nan, 0.1], [-0.1, 0.1]])
def test_doubts_that_would_turn_the_llr_upside_down_are_refused(doubt: list[float]) -> None:
    with pytest.raises(ValueError, match="doubt"):
        replace(weights_of(), doubt=np.array(doubt))


def test_embedder_without_a_shipped_calibration_is_told_how_to_get_one() -> None:
    with pytest.raises(ArtifactError, match=r"python -m training.calibrate --trials T.csv --audio-root DIR"):
        load_calibration(None, "0" * 16)
