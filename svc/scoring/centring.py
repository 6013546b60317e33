"""Takes from a cosine what any two voices share under the conditions they were heard in.

Embeddings of short, noisy or telephone speech are pulled towards one another, whoever speaks: strangers on the
telephone are more alike than strangers at a microphone. The voice to be expected of anyone under a side's conditions
(linear in them, learned from many talkers) is subtracted from that side, and the cosine taken of what is left.
Letters: T trials, S sides, U voices, D embedding width, I = len(INPUTS).
"""

import numpy as np
import numpy.typing as npt

from svc.scoring.conditions import Array, Conditions, SideConditions
from svc.scoring.cosine import unit_rows


def centred(scores: npt.ArrayLike, conditions: Conditions, expected: Array) -> Array:
    """(T,) cosines of unit-length vectors and `expected` (I, D) -> (T,), rising with the cosine.

    As they are where there is nothing to expect (D = 0) or the conditions carry no vectors.
    """
    raw = np.asarray(scores, dtype=np.float64)
    sides = conditions.enrolment, conditions.test
    if not expected.size or any(side.vectors is None for side in sides):
        return raw
    # e - m_e against t - m_t, from each side's products with the rows of `expected`: T trials never need (T, D).
    (along_e, along_t), (inputs_e, inputs_t) = [_along(side, expected) for side in sides], [s.inputs() for s in sides]
    gram = expected @ expected.T  # (I, I)
    left = raw - _dot(along_e, inputs_t) - _dot(along_t, inputs_e) + _dot(inputs_e @ gram, inputs_t)
    squares = [1 - 2 * _dot(a, i) + _dot(i @ gram, i) for a, i in ((along_e, inputs_e), (along_t, inputs_t))]
    return np.asarray(left / np.sqrt(np.maximum(squares[0] * squares[1], 1e-12)))


def centred_voices(side: SideConditions, expected: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """Each voice once, less what is expected under its conditions, of unit length (U, D); and which is whose (T,)."""
    rows = np.arange(len(side.net_speech_s)) if side.rows is None else side.rows
    _, firsts, back = np.unique(rows, return_index=True, return_inverse=True)
    voices = np.asarray(side.vectors, np.float64)[rows[firsts]]
    if expected.size:
        voices = voices - side.inputs()[firsts] @ expected
    return unit_rows(voices), back


def _along(side: SideConditions, expected: Array) -> Array:
    """(T, I) products of each side's vector with each row of `expected`."""
    vectors = np.asarray(side.vectors)  # (S, D)
    products = vectors @ expected.T  # (S, I)
    return np.asarray(products if side.rows is None else products[side.rows])


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.sum(a * b, axis=-1))
