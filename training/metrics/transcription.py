"""Errors of a transcript: words (ORC-WER, cpWER, tcpWER), turns counted, and how late starts, ends and words come.

ORC-WER lets every reference turn lie on the channel that suits it best, so it judges words alone; cpWER maps speakers
one to one, so it judges who said them too; tcpWER matches only words within a collar of their time. meeteval does the
counting (von Neumann et al., CHiME 2023). Where far too many words were heard, ORC-WER is an upper bound and counted as
one. Texts are compared as they are: normalise first.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from meeteval.io import SegLST
from meeteval.wer import ErrorRate, cp_word_error_rate, greedy_orc_word_error_rate, orc_word_error_rate
from meeteval.wer import time_constrained_minimum_permutation_word_error_rate as tcp_word_error_rate
from scipy.optimize import linear_sum_assignment

from training.data.transcripts import TranscriptTurn, TranscriptWord, in_order
from training.metrics.additive import Additive
from training.metrics.bootstrap import Figure
from training.metrics.resampling import pooled_figure, rate_figure
from training.metrics.word_alignment import word_pairs

LOG = logging.getLogger(__name__)
COLLAR_S = 5.0
# Of the exact ORC-WER of one recording, about 3 s: reference words times the words heard on either channel.
MAX_ORC_STEPS = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WordErrors(Additive):
    """Counts add, so the rate of a sum weighs recordings by their words."""

    zero: ClassVar["WordErrors"]

    insertions: int = 0
    deletions: int = 0
    substitutions: int = 0
    words: int = 0  # of the reference

    @property
    def errors(self) -> int:
        return self.insertions + self.deletions + self.substitutions

    @property
    def rate(self) -> float:
        """WER as a fraction; may exceed 1. No reference words: 0 without errors, else infinite."""
        if self.words == 0:
            return 0.0 if self.errors == 0 else float("inf")
        return self.errors / self.words


WordErrors.zero = WordErrors()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCounts(Additive):
    """How many turns there were and were found."""

    zero: ClassVar["TurnCounts"]

    reference: int = 0
    hypothesis: int = 0
    recordings: int = 0
    exact: int = 0  # recordings with the right number


TurnCounts.zero = TurnCounts()


@dataclass(frozen=True, slots=True)
class Delays(Additive):
    """Seconds after the truth, negative = early; they add by lying side by side."""

    zero: ClassVar["Delays"]

    seconds: tuple[float, ...] = ()


Delays.zero = Delays()


def delay_percentile(delays_s: Sequence[Sequence[float]], percent: float) -> Figure:
    """Of the delays of each recording, all together."""
    return pooled_figure(delays_s, lambda pooled: float(np.percentile(pooled, percent)))


def share_early(delays_s: Sequence[Sequence[float]]) -> Figure:
    """Of the delays of each recording, those under zero."""
    early = [sum(delay < 0 for delay in of_one) for of_one in delays_s]
    return rate_figure(early, [len(of_one) for of_one in delays_s])


def median_distance(delays_s: Sequence[Sequence[float]]) -> Figure:
    """Of the delays of each recording, early and late alike."""
    return pooled_figure(delays_s, lambda pooled: float(np.median(np.abs(pooled))))


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionErrors(Additive):
    """Everything measured on some recordings. Latencies are of live systems alone: offline, they are empty."""

    zero: ClassVar["TranscriptionErrors"]

    orc: WordErrors = WordErrors.zero
    # Recordings with too many words for the exact ORC-WER: theirs is an upper bound, of a good assignment.
    orc_bounds: int = 0
    cp: WordErrors = WordErrors.zero
    tcp: WordErrors = WordErrors.zero
    turns: TurnCounts = TurnCounts.zero
    start_latency: Delays = Delays.zero  # a turn's start reported, after it started
    end_latency: Delays = Delays.zero  # a turn's end reported, after it ended
    word_latency: Delays = Delays.zero  # a right word given for good, after it ended
    word_start: Delays = Delays.zero  # a right word's time against the reference's
    word_end: Delays = Delays.zero


TranscriptionErrors.zero = TranscriptionErrors()


def transcription_errors(
    reference: Sequence[TranscriptTurn], hypothesis: Sequence[TranscriptTurn], *, collar_s: float = COLLAR_S
) -> TranscriptionErrors:
    """One recording's. Turns without words count as turns; speakers' names need not agree, only who is who."""
    reference, hypothesis = in_order(reference), in_order(hypothesis)
    turns = matched_turns(reference, hypothesis)
    words = _right_words(turns)
    by_words = _segments(reference, words=True), _segments(hypothesis, words=True)
    is_bound = _orc_steps(reference, hypothesis) > MAX_ORC_STEPS
    return TranscriptionErrors(
        orc=_orc(reference, hypothesis, greedily=is_bound),
        orc_bounds=int(is_bound),
        cp=_counts(cp_word_error_rate(_segments(reference), _segments(hypothesis))),
        tcp=_counts(tcp_word_error_rate(*by_words, collar=collar_s)),
        turns=TurnCounts(
            reference=len(reference),
            hypothesis=len(hypothesis),
            recordings=1,
            exact=int(len(reference) == len(hypothesis)),
        ),
        start_latency=_delays([(true.start_s, found.started_at_s) for true, found in turns]),
        end_latency=_delays([(true.end_s, found.ended_at_s) for true, found in turns]),
        word_latency=_delays([(true.end_s, found.said_at_s) for true, found in words]),
        word_start=_delays([(true.start_s, found.start_s) for true, found in words]),
        word_end=_delays([(true.end_s, found.end_s) for true, found in words]),
    )


def matched_turns(
    reference: Sequence[TranscriptTurn], hypothesis: Sequence[TranscriptTurn]
) -> list[tuple[TranscriptTurn, TranscriptTurn]]:
    """Pairs, one to one, that share the most time in all; what meets no other turn is left out."""
    shared = np.array([[_shared_s(true, found) for found in hypothesis] for true in reference])
    if not shared.size:
        return []
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return [(reference[r], hypothesis[h]) for r, h in zip(rows, columns, strict=True) if shared[r, h] > 0]


def _shared_s(one: TranscriptTurn, other: TranscriptTurn) -> float:
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def _orc_steps(reference: Sequence[TranscriptTurn], hypothesis: Sequence[TranscriptTurn]) -> int:
    """What the exact algorithm takes; a diverged model's words would keep it busy for days."""
    heard: dict[int, int] = {}
    for turn in hypothesis:
        heard[turn.channel] = heard.get(turn.channel, 0) + len(turn.words)
    return sum(len(turn.words) for turn in reference) * math.prod(count + 1 for count in heard.values())


def _orc(reference: Sequence[TranscriptTurn], hypothesis: Sequence[TranscriptTurn], *, greedily: bool) -> WordErrors:
    # meeteval fails on a hypothesis without a word.
    if not any(turn.words for turn in hypothesis):
        num_words = sum(len(turn.words) for turn in reference)
        return WordErrors(deletions=num_words, words=num_words)
    if greedily:
        num_heard = sum(len(turn.words) for turn in hypothesis)
        LOG.warning("%d words heard are too many for an exact ORC-WER: taking an upper bound", num_heard)
    rate = greedy_orc_word_error_rate if greedily else orc_word_error_rate
    return _counts(rate(_segments(reference), _segments(hypothesis, by_channel=True)))


def _right_words(
    turns: Sequence[tuple[TranscriptTurn, TranscriptTurn]],
) -> list[tuple[TranscriptWord, TranscriptWord]]:
    """Pairs of a word and the same word heard, of turns that were found; others may match by chance, far away."""
    return [
        (true.words[r], found.words[h])
        for true, found in turns
        for r, h in word_pairs([word.text for word in true.words], [word.text for word in found.words])
        if r is not None and h is not None and true.words[r].text == found.words[h].text
    ]


def _delays(times: Sequence[tuple[float, float | None]]) -> Delays:
    return Delays(tuple(found_s - true_s for true_s, found_s in times if found_s is not None))


def _segments(turns: Sequence[TranscriptTurn], *, words: bool = False, by_channel: bool = False) -> SegLST:
    """meeteval's segments: turns or single words, their streams speakers or channels."""
    return SegLST(
        [
            {
                "session_id": "recording",
                "speaker": str(turn.channel) if by_channel else turn.speaker,
                "words": " ".join(word.text for word in piece),
                "start_time": piece[0].start_s if words else turn.start_s,
                "end_time": piece[0].end_s if words else turn.end_s,
            }
            for turn in turns
            for piece in ([(word,) for word in turn.words] if words else [turn.words])
        ]
    )


def _counts(counted: ErrorRate) -> WordErrors:
    return WordErrors(
        insertions=counted.insertions,
        deletions=counted.deletions,
        substitutions=counted.substitutions,
        words=counted.length,
    )
