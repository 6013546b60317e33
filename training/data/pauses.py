"""Speech and pauses by energy, in frames of 10 ms, and word edges moved to where speech really starts and stops."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from svc.types import MODEL_RATE_HZ, FloatArray, Span

FRAME_S = 0.01
FRAME_SAMPLES = round(FRAME_S * MODEL_RATE_HZ)
# A frame is speech above this share of the way from the floor to the loud frames ..
THRESHOLD_SHARE = 0.3
# .. but at least so far, and at most so far, below the loud ones.
NEAREST_DB, FARTHEST_DB = 14.0, 36.0
# Nobody's speech is below this, though digital silence would be above its own threshold.
SILENCE_DB = -75.0
MIN_SPEECH_FRAMES = 4
MIN_PAUSE_FRAMES = 5
# A pause this long never lies inside a word, so it is given to the nearest edge, wherever that is.
LONG_PAUSE_S = 0.2
# A shorter one may be the closure of a plosive: it must lie this near to an edge.
NEAR_EDGE_S = 0.1
# Cross-attention marks a word that follows another without a pause so much late (training.data.alignment_error).
ATTENTION_LAG_S = 0.05
SHORTEST_WORD_S = 0.06
CLICKS_S = 0.15
# Words that touch are parted where the level is least, within this reach, nearer dips first.
DIP_REACH_S = 0.06
DIP_DB_PER_S = 400.0

SpeechMask = npt.NDArray[np.bool_]


def levels_db(samples: FloatArray) -> npt.NDArray[np.float64]:
    """(N,) samples at 16 kHz -> level of each whole frame of 10 ms, smoothed over three."""
    num_frames = len(samples) // FRAME_SAMPLES
    if not num_frames:
        return np.zeros(0)
    frames = samples[: num_frames * FRAME_SAMPLES].reshape(num_frames, FRAME_SAMPLES).astype(np.float64)
    power = np.pad(np.mean(frames**2, axis=1), 1, mode="edge")
    return np.asarray(10 * np.log10(np.convolve(power, np.full(3, 1 / 3), "valid") + 1e-12))


def speech_mask(samples: FloatArray) -> SpeechMask:
    """Which frames are speech; pauses and bursts too short to be any are filled in and left out."""
    level_db = levels_db(samples)
    if not len(level_db):
        return np.zeros(0, np.bool_)
    floor_db, loud_db = np.percentile(level_db, [5, 95])
    threshold_db = np.clip(
        floor_db + THRESHOLD_SHARE * (loud_db - floor_db), loud_db - FARTHEST_DB, loud_db - NEAREST_DB
    )
    mask: SpeechMask = level_db > max(threshold_db, SILENCE_DB)
    mask = bridged(mask, MIN_PAUSE_FRAMES * FRAME_S)
    for first, last in runs(mask):
        if last - first < MIN_SPEECH_FRAMES:
            mask[first:last] = False
    return mask


def runs(mask: SpeechMask) -> list[tuple[int, int]]:
    """The stretches [first, last) where the mask holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def pauses_of(mask: SpeechMask) -> list[Span]:
    """The pauses in seconds; what lies before and after all speech counts too, even if it is nothing."""
    if not mask.any():
        return []
    spans = [Span(first * FRAME_S, last * FRAME_S) for first, last in runs(~mask)]
    end_s = len(mask) * FRAME_S
    return [
        *([] if not mask[0] else [Span(0.0, 0.0)]), *spans, *([] if not mask[-1] else [Span(end_s, end_s)])
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Squeezed:
    """Samples whose long pauses were shortened, and how their times map back."""

    samples: FloatArray
    squeezed_s: npt.NDArray[np.float64]
    original_s: npt.NDArray[np.float64]

    def original_time_s(self, time_s: float) -> float:
        return float(np.interp(time_s, self.squeezed_s, self.original_s))


def squeeze_pauses(samples: FloatArray, mask: SpeechMask, *, longest_s: float = 0.5) -> Squeezed:
    """Takes the middle out of every pause longer than `longest_s`; an aligner goes astray in long ones."""
    half = round(longest_s / 2 / FRAME_S)
    keep = np.ones(len(mask), np.bool_)
    for first, last in runs(~mask):
        # Before the first word and after the last only the half that touches it is left.
        cut_first, cut_last = (first + half if first else 0), (last - half if last < len(mask) else last)
        keep[cut_first : max(cut_first, cut_last)] = False
    kept = runs(keep)
    pieces = [samples[first * FRAME_SAMPLES : last * FRAME_SAMPLES] for first, last in kept]
    original = np.array([edge for run in kept for edge in run], np.float64) * FRAME_S
    lengths = np.array([last - first for first, last in kept], np.float64) * FRAME_S
    ends = np.cumsum(lengths)
    squeezed = np.stack([ends - lengths, ends], axis=1).reshape(-1)
    joined = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Squeezed(joined, squeezed, original)


def refined_words(
    edges_s: Sequence[float], samples: FloatArray, mask: SpeechMask, *, lag_s: float = ATTENTION_LAG_S
) -> list[Span]:
    """N + 1 edges, `lag_s` late, as cross-attention gives them -> a stretch for each of the N words, by the energy
    around them."""
    level_db = levels_db(samples)
    rough_s = [_dip_near(max(edge_s - lag_s, 0.0), level_db) for edge_s in edges_s]
    return [without_clicks(word, mask) for word in widened(snap_edges(rough_s, pauses_of(mask)))]


def without_clicks(word: Span, mask: SpeechMask) -> Span:
    """The word's longest burst, when pauses no word has inside part it from no more than clicks."""
    first_frame, last_frame = round(word.start_s / FRAME_S), round(word.end_s / FRAME_S)
    bursts = runs(bridged(mask[first_frame:last_frame], LONG_PAUSE_S))
    if len(bursts) < 2:
        return word
    longest = max(bursts, key=lambda burst: burst[1] - burst[0])
    others_s = sum(last - first for first, last in bursts if (first, last) != longest) * FRAME_S
    if others_s > CLICKS_S:
        return word
    return Span((first_frame + longest[0]) * FRAME_S, (first_frame + longest[1]) * FRAME_S)


def bridged(mask: SpeechMask, longest_s: float) -> SpeechMask:
    """Shorter pauses between speech become speech."""
    filled = mask.copy()
    for first, last in runs(~mask):
        if first > 0 and last < len(mask) and (last - first) * FRAME_S < longest_s:
            filled[first:last] = True
    return filled


def widened(words: Sequence[Span]) -> list[Span]:
    """Words that came out shorter than any word is take what they lack from the longer of the words they touch."""
    edges = [[word.start_s, word.end_s] for word in words]
    for index, (start_s, end_s) in enumerate(edges):
        lack_s = SHORTEST_WORD_S - (end_s - start_s)
        if lack_s <= 0:
            continue
        sides = [side for side in (index - 1, index + 1) if 0 <= side < len(edges) and _touch(edges, index, side)]
        giver = max(sides, key=lambda side: edges[side][1] - edges[side][0], default=None)
        if giver is None or edges[giver][1] - edges[giver][0] < 2 * SHORTEST_WORD_S:
            continue
        if giver < index:
            edges[giver][1] = edges[index][0] = start_s - lack_s
        else:
            edges[giver][0] = edges[index][1] = end_s + lack_s
    return [Span(start_s, end_s) for start_s, end_s in edges]


def _touch(edges: Sequence[Sequence[float]], index: int, side: int) -> bool:
    first, last = min(index, side), max(index, side)
    return edges[last][0] - edges[first][1] < FRAME_S / 2


def _dip_near(edge_s: float, level_db: npt.NDArray[np.float64]) -> float:
    first = max(0, round((edge_s - DIP_REACH_S) / FRAME_S))
    last = min(len(level_db), round((edge_s + DIP_REACH_S) / FRAME_S) + 1)
    if last <= first:
        return edge_s
    times_s = (np.arange(first, last) + 0.5) * FRAME_S
    return float(times_s[np.argmin(level_db[first:last] + DIP_DB_PER_S * np.abs(times_s - edge_s))])


def snap_edges(edges_s: Sequence[float], pauses: Sequence[Span]) -> list[Span]:
    """N + 1 edges between N words -> a stretch for each word, free of the pauses beside it.

    Each pause goes to the edge nearest to it; of several at one edge the longest counts.
    """
    chosen: dict[int, Span] = {}
    for pause in pauses:
        distances_s = [max(pause.start_s - edge_s, edge_s - pause.end_s, 0.0) for edge_s in edges_s]
        nearest = int(np.argmin(distances_s))
        outer = nearest in (0, len(edges_s) - 1)
        reach_s = np.inf if pause.duration_s >= LONG_PAUSE_S or outer else NEAR_EDGE_S
        if distances_s[nearest] <= reach_s and (nearest not in chosen or chosen[nearest].duration_s < pause.duration_s):
            chosen[nearest] = pause
    gaps = [chosen.get(index, Span(edge_s, edge_s)) for index, edge_s in enumerate(edges_s)]
    spans, at_s = [], 0.0
    for before, after in pairwise(gaps):
        at_s = max(at_s, before.end_s)
        spans.append(Span(at_s, max(after.start_s, at_s)))
        at_s = spans[-1].end_s
    return spans
