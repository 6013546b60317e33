"""AS-norm against its definition by loops, and cohorts that do not fit."""

from pathlib import Path

import numpy as np
import pytest

from svc.artifact import save_artifact
from svc.errors import ArtifactError
from svc.scoring.normalisation import Cohort, load_cohort
from svc.types import FloatArray
from tests.scoring.voices import MODEL


def unit_voices(number: int, seed: int) -> FloatArray:
    voices = np.random.default_rng(seed).normal(size=(number, 8))
    unit: FloatArray = (voices / np.linalg.norm(voices, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_as_norm_is_the_mean_of_both_sides_z_scores_over_the_nearest_voices() -> None:
    cohort = Cohort(unit_voices(20, seed=0), MODEL, 5, "d")
    enrolment, test = unit_voices(6, seed=1), unit_voices(6, seed=2)
    raw = np.einsum("td,td->t", enrolment, test).astype(np.float64)
    expected = []
    for e, t, s in zip(enrolment, test, raw, strict=True):
        sides = [np.array(sorted(float(side @ voice) for voice in cohort.vectors)[-5:]) for side in (e, t)]
        expected.append(np.mean([(s - nearest.mean()) / nearest.std() for nearest in sides]))
    np.testing.assert_allclose(cohort.normalise(raw, enrolment, test), expected, rtol=1e-4)
    np.testing.assert_allclose(cohort.normalise(raw, test, enrolment), expected, rtol=1e-4)


@pytest.mark.parametrize("top_k", [0, 1, 21])
def test_cohort_smaller_than_its_top_k_is_refused(top_k: int) -> None:
    with pytest.raises(ValueError, match="top_k"):
        Cohort(unit_voices(20, seed=0), MODEL, top_k, "d")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"kind": "calibration", "model_fingerprint": MODEL, "top_k": 5}, "not a cohort"),
        ({"kind": "cohort", "model_fingerprint": "b" * 16, "top_k": 5}, "b{16}"),
        ({"kind": "cohort", "model_fingerprint": MODEL, "top_k": 50}, "top_k"),
    ],
)
def test_artifact_that_is_no_cohort_for_the_model_is_refused(
    tmp_path: Path, card: dict[str, object], message: str
) -> None:
    save_artifact(tmp_path, {"vectors": unit_voices(20, seed=0)}, card)
    with pytest.raises(ArtifactError, match=message):
        load_cohort(tmp_path, MODEL)


def test_saved_cohort_comes_back(tmp_path: Path) -> None:
    voices = unit_voices(20, seed=0)
    save_artifact(tmp_path, {"vectors": voices}, {"kind": "cohort", "model_fingerprint": MODEL, "top_k": 5})
    cohort = load_cohort(tmp_path, MODEL)
    np.testing.assert_array_equal(cohort.vectors, voices)
    assert cohort.score_name.startswith("as-norm ")
