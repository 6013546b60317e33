"""Frames into turns, against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.pipelines.reconstruction import (
    choose_speakers,
    count_speakers,
    overlaps_of,
    smooth,
    spans_of,
    union_of,
    vote_speakers,
    without,
)
from svc.pipelines.windows import FrameGrid
from svc.types import Span

GRID = FrameGrid(frame_samples=1600, offset_samples=0, window_samples=16000)  # frames of 0.1 s
END = 40
edges = st.tuples(st.integers(0, END), st.integers(1, 8)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
spans = st.lists(edges, max_size=8)


def depth(found: list[Span]) -> list[int]:
    """How many spans hold in each second."""
    return [sum(span.start_s <= second < span.end_s for span in found) for second in range(END + 10)]


@given(spans)
def test_union_and_overlap_hold_where_one_and_two_do(given_spans: list[Span]) -> None:
    assert depth(union_of(given_spans)) == [int(deep >= 1) for deep in depth(given_spans)]
    assert depth(overlaps_of(given_spans)) == [int(deep >= 2) for deep in depth(given_spans)]


@given(spans, spans)
def test_what_is_left_is_outside_the_holes(one: list[Span], other: list[Span]) -> None:
    one, holes = union_of(one), union_of(other)
    expected = [int(here and not hole) for here, hole in zip(depth(one), depth(holes), strict=True)]
    assert depth(without(one, holes)) == expected


@given(st.lists(st.booleans(), max_size=40))
def test_spans_hold_just_where_frames_do(frames: list[bool]) -> None:
    found = spans_of(np.array(frames, bool), GRID, end_s=100.0)
    marks = [any(span.start_s < (f + 0.5) / 10 < span.end_s for span in found) for f in range(len(frames))]
    assert marks == frames
    assert all(a.end_s < b.start_s for a, b in itertools.pairwise(found))


def test_spans_end_with_the_recording() -> None:
    assert spans_of(np.ones(10, bool), GRID, end_s=0.55) == [Span(0.0, 0.55)]
    assert spans_of(np.array([False, True]), GRID, end_s=0.1) == []


@given(spans)
def test_smoothed_spans_are_apart_and_long(given_spans: list[Span]) -> None:
    found = smooth(union_of(given_spans), min_gap_s=3, min_turn_s=2)
    assert all(b.start_s - a.end_s >= 3 for a, b in itertools.pairwise(found))
    assert all(span.duration_s >= 2 for span in found)


def test_pauses_are_bridged_before_short_turns_are_dropped() -> None:
    pieces = [Span(0.0, 0.2), Span(0.3, 0.5), Span(5.0, 5.1)]
    assert smooth(pieces, min_gap_s=0.25, min_turn_s=0.4) == [Span(0.0, 0.5)]


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_the_most_voted_talk_and_no_more_than_counted(seed: int, num_speakers: int) -> None:
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, 4, (20, num_speakers)).astype(np.float32)
    counts = rng.integers(0, 4, 20)
    chosen = choose_speakers(votes, counts)
    for heard, count, talks in zip(votes, counts, chosen, strict=True):
        assert talks.sum() == min(count, (heard > 0).sum())
        assert not talks.any() or talks.all() or heard[talks].min() >= heard[~talks].max()


@pytest.mark.parametrize("hop", [1, 3, 5, 10])
def test_windows_that_agree_give_back_their_timeline(hop: int) -> None:
    rng = np.random.default_rng(hop)
    timeline = rng.random((50, 3)) < 0.4
    starts = np.array([*range(0, 40, hop), 40])
    order = [rng.permutation(3) for _ in starts]
    active = np.stack([timeline[s : s + 10][:, o] for s, o in zip(starts, order, strict=True)])

    votes = vote_speakers(active, starts, np.stack(order), num_speakers=3)

    assert (choose_speakers(votes, count_speakers(active, starts)) == timeline).all()
