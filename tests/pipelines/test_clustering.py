"""Clustering and assignment of voices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.pipelines.clustering import (
    UNASSIGNED,
    ClusteringConfig,
    LocalVoices,
    SpeakerBounds,
    assign_speakers,
    find_speakers,
)
from svc.types import FloatArray

WIDTH = 16


def voices_of(truth: list[int], *, spread: float = 0.1, clean_s: float = 3.0, seed: int = 0) -> LocalVoices:
    """Each voice near the axis of its speaker, two to a window."""
    noise = np.random.default_rng(seed).normal(0, spread / np.sqrt(WIDTH), (len(truth), WIDTH))
    vectors = np.eye(WIDTH)[truth] + noise
    return LocalVoices(
        vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
        windows=np.arange(len(truth)) // 2,
        speakers=np.arange(len(truth)) % 2,
        clean_s=np.full(len(truth), clean_s, np.float32),
    )


def nearest_axes(centroids: FloatArray) -> list[int]:
    return sorted(centroids.argmax(axis=1).tolist())


@given(st.lists(st.integers(0, 7), min_size=1, max_size=40), st.integers(0, 100))
def test_far_apart_voices_are_told_apart(once: list[int], seed: int) -> None:
    truth = once * 2  # each is heard long enough to count
    assert nearest_axes(find_speakers(voices_of(truth, seed=seed), SpeakerBounds(), ClusteringConfig())) == sorted(
        set(truth)
    )


def test_a_voice_heard_for_a_moment_makes_no_speaker() -> None:
    voices = voices_of([0] * 200 + [1] * 200 + [2])
    assert nearest_axes(find_speakers(voices, SpeakerBounds(), ClusteringConfig())) == [0, 1]


def test_unreliable_voices_make_no_speaker_unless_there_are_no_others() -> None:
    clear, short = voices_of([0, 0, 1, 1]), voices_of([2, 2, 3, 3], clean_s=0.5)
    together = LocalVoices.joined([clear, short])
    assert nearest_axes(find_speakers(together, SpeakerBounds(), ClusteringConfig())) == [0, 1]
    assert nearest_axes(find_speakers(short, SpeakerBounds(), ClusteringConfig())) == [2, 3]


@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 5])
def test_a_known_number_is_met_by_joining_or_splitting(wanted: int) -> None:
    voices = voices_of([0, 1, 2] * 10)
    bounds = SpeakerBounds(fewest=wanted, most=wanted)
    assert len(find_speakers(voices, bounds, ClusteringConfig())) == wanted


def test_more_speakers_than_voices_gives_a_speaker_a_voice() -> None:
    assert len(find_speakers(voices_of([0, 1]), SpeakerBounds(fewest=6, most=6), ClusteringConfig())) == 2


def test_a_sample_of_many_voices_finds_the_same_speakers() -> None:
    voices = voices_of([0, 1, 2, 3] * 100)
    assert nearest_axes(find_speakers(voices, SpeakerBounds(), ClusteringConfig(max_clustered=50))) == [0, 1, 2, 3]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=30, unique=True),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_no_speaker_is_taken_twice_in_a_window_while_others_are_free(
    places: list[tuple[int, int]], num_speakers: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    voices = LocalVoices(
        vectors=rng.normal(size=(len(places), WIDTH)).astype(np.float32),
        windows=np.array([window for window, _ in places]),
        speakers=np.array([local for _, local in places]),
        clean_s=np.ones(len(places), np.float32),
    )
    centroids = rng.normal(size=(num_speakers, WIDTH)).astype(np.float32)

    assigned = assign_speakers(voices, centroids, num_windows=10, num_local=3)

    assert {(w, k) for w, k in np.argwhere(assigned != UNASSIGNED).tolist()} == set(places)
    for window in assigned:
        taken = window[window != UNASSIGNED]
        assert len(set(taken.tolist())) == min(len(taken), num_speakers)


def test_an_overlapped_voice_that_resembles_its_neighbour_goes_to_the_other_speaker() -> None:
    centroids = np.eye(2, WIDTH, dtype=np.float32)
    vectors = np.array([[0.9, 0.1], [0.8, 0.3]], np.float32) @ centroids
    voices = LocalVoices(
        vectors=vectors, windows=np.zeros(2, int), speakers=np.arange(2), clean_s=np.ones(2, np.float32)
    )
    assert assign_speakers(voices, centroids, num_windows=1, num_local=2).tolist() == [[0, 1]]
