"""Cosine against scipy's, and the refusal to compare models."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cosine as cosine_distance

from svc.errors import FingerprintMismatchError
from svc.scoring.cosine import cosine, score, unit_rows
from tests.scoring.voices import GOOD_VOICE, voice_at

vectors = arrays(np.float32, 8, elements=st.floats(-10, 10, width=32)).filter(lambda v: float(np.linalg.norm(v)) > 0.1)


@given(vectors, vectors)
def test_cosine_is_one_minus_scipys_distance(a: np.ndarray, b: np.ndarray) -> None:
    assert cosine(a, b) == pytest.approx(1 - cosine_distance(a.astype(float), b.astype(float)), abs=1e-5)


def test_many_against_one_are_each_against_one() -> None:
    many, one = np.random.default_rng(0).normal(size=(2, 7, 5)).astype(np.float32)
    expected = [float(cosine(row, one[0])) for row in many]
    np.testing.assert_allclose(cosine(many, one[0]), expected, rtol=1e-6)


def test_rows_get_unit_length_and_keep_where_they_point_to() -> None:
    rows = np.random.default_rng(0).normal(size=(7, 5))
    rows[3] = 0
    units = unit_rows(rows)
    assert np.linalg.norm(units, axis=1) == pytest.approx([1, 1, 1, 0, 1, 1, 1])
    assert (rows * units).sum(axis=1) == pytest.approx(np.linalg.norm(rows, axis=1))


def test_vector_of_zeros_is_like_nothing() -> None:
    assert cosine(np.zeros(3, np.float32), GOOD_VOICE.vector) == 0


def test_score_is_symmetric_and_falls_with_the_angle() -> None:
    near, far = voice_at(0.3), voice_at(1.2)
    assert score(GOOD_VOICE, near) == score(near, GOOD_VOICE) == pytest.approx(np.cos(0.3))
    assert score(GOOD_VOICE, far) < score(GOOD_VOICE, near)


def test_voices_of_two_models_are_never_scored() -> None:
    other = replace(GOOD_VOICE, model_fingerprint="b" * 16)
    with pytest.raises(FingerprintMismatchError, match=r"b{16}"):
        score(GOOD_VOICE, other)
