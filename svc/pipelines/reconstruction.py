"""Labelled windows into one timeline: how many talk in each frame, and who."""

import numpy as np
import numpy.typing as npt

from svc.pipelines.clustering import UNASSIGNED, IntArray
from svc.pipelines.windows import FrameGrid
from svc.types import FloatArray, Span

BoolArray = npt.NDArray[np.bool_]

RANKED_FRAMES = 2**15


def count_speakers(active: BoolArray, starts: IntArray) -> IntArray:
    """(W, F, K) and first frames (W,) -> (T,) people talking at once: the mean over the windows that see a frame."""
    num_frames = active.shape[1]
    weights = window_weights(num_frames)
    total, seen = np.zeros((2, starts[-1] + num_frames))
    for window, start in zip(active, starts, strict=True):
        total[start : start + num_frames] += weights * window.sum(axis=1)
        seen[start : start + num_frames] += weights
    counts: IntArray = np.rint(total / seen).astype(np.int64)
    return counts


def vote_speakers(active: BoolArray, starts: IntArray, assigned: IntArray, *, num_speakers: int) -> FloatArray:
    """(W, F, K), (W,) and (W, K) -> (T, C) weight of the windows in which a speaker talks in a frame."""
    num_frames = active.shape[1]
    weights = window_weights(num_frames).astype(np.float32)
    votes = np.zeros((starts[-1] + num_frames, num_speakers), np.float32)
    for window, start, speakers in zip(active, starts, assigned, strict=True):
        for speaker in np.unique(speakers[speakers != UNASSIGNED]):
            votes[start : start + num_frames, speaker] += weights * window[:, speakers == speaker].any(axis=1)
    return votes


def window_weights(num_frames: int) -> npt.NDArray[np.float64]:
    """(F,) how far to trust each frame: at the edges of a window the network has heard but one side."""
    return np.hamming(num_frames)


def choose_speakers(votes: FloatArray, counts: IntArray) -> BoolArray:
    """(T, C) and (T,) -> (T, C) the `counts` speakers with most votes in each frame, none without a vote."""
    chosen = votes > 0
    # In blocks, because the ranks take four times the memory of the votes.
    for block in (slice(first, first + RANKED_FRAMES) for first in range(0, len(votes), RANKED_FRAMES)):
        order = np.argsort(-votes[block], axis=1, kind="stable")  # (T, C)
        rank = np.argsort(order, axis=1, kind="stable")  # (T, C)
        chosen[block] &= rank < counts[block, None]
    return chosen


def spans_of(frames: BoolArray, grid: FrameGrid, *, end_s: float) -> list[Span]:
    """(T,) -> runs of true frames in seconds, cut at the end of the recording."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]]).astype(np.int8)))
    spans = (
        Span(grid.time_s(first), min(grid.time_s(past), end_s))
        for first, past in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )
    return [span for span in spans if span.duration_s > 0]


def smooth(spans: list[Span], *, min_gap_s: float, min_turn_s: float) -> list[Span]:
    """Joins one speaker's spans over gaps shorter than `min_gap_s`, then drops those shorter than `min_turn_s`."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start_s - joined[-1].end_s < min_gap_s:
            joined[-1] = Span(joined[-1].start_s, span.end_s)
        else:
            joined.append(span)
    return [span for span in joined if span.duration_s >= min_turn_s]


def overlaps_of(spans: list[Span]) -> list[Span]:
    """Where two or more of the spans hold at once."""
    return _where_deep(spans, depth=2)


def union_of(spans: list[Span]) -> list[Span]:
    """Where any of the spans holds."""
    return _where_deep(spans, depth=1)


def without(spans: list[Span], holes: list[Span]) -> list[Span]:
    """The spans less the holes, both free of overlap and in order."""
    left: list[Span] = []
    for span in spans:
        start_s = span.start_s
        for hole in holes:
            if hole.end_s <= start_s or hole.start_s >= span.end_s:
                continue
            left.append(Span(start_s, hole.start_s))
            start_s = hole.end_s
        left.append(Span(start_s, span.end_s))
    return [span for span in left if span.duration_s > 0]


def _where_deep(spans: list[Span], *, depth: int) -> list[Span]:
    """Where at least `depth` of the spans hold at once."""
    # At equal times starts come before ends, so that stretches which touch are one.
    edges = sorted([(span.start_s, -1) for span in spans] + [(span.end_s, 1) for span in spans])
    found: list[Span] = []
    deep, began_s = 0, 0.0
    for time_s, closing in edges:
        if closing < 0 and deep == depth - 1:
            began_s = time_s
        if closing > 0 and deep == depth and time_s > began_s:
            found.append(Span(began_s, time_s))
        deep -= closing
    return found
