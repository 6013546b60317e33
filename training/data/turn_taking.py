"""When people take turns: pauses and interruptions as distributions fitted to meetings, and turns placed by them.

A gap is counted from the latest end so far to the next start: positive = a pause, negative = an interruption.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from svc.types import Span

# Before a talker's next turn: when nobody spoke since, else the two would be one turn; and when somebody did.
MIN_OWN_PAUSE_S = 0.8
MIN_RETURN_S = 0.2
MAX_PAUSE_S = 3.0
# Closer starts are heard as a chorus, and their order is arbitrary.
MIN_STAGGER_S = 0.2
SPREADING_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaking:
    """Log-normal pauses and interruptions, by the mean and the deviation of their logarithms (seconds)."""

    interruption_share: float
    pause_log_mean: float
    pause_log_std: float
    interruption_log_mean: float
    interruption_log_std: float

    def gaps_s(self, num_gaps: int, random: np.random.Generator) -> list[float]:
        """(num_gaps,) pauses and interruptions as they fall."""
        interrupts = random.random(num_gaps) < self.interruption_share
        lengths = np.exp(random.normal(self.interruption_log_mean, self.interruption_log_std, num_gaps))
        return [
            -float(length) if cut else self.pause_s(random) for cut, length in zip(interrupts, lengths, strict=True)
        ]

    def pause_s(self, random: np.random.Generator) -> float:
        """One pause, never longer than MAX_PAUSE_S."""
        return min(MAX_PAUSE_S, float(np.exp(random.normal(self.pause_log_mean, self.pause_log_std))))


# Fitted to the 69 gaps of the 13 ami excerpts where the talker changes; test_turn_taking.py fits them anew.
MEETINGS = TurnTaking(
    interruption_share=0.725,
    pause_log_mean=-0.413,
    pause_log_std=1.988,
    interruption_log_mean=0.198,
    interruption_log_std=1.696,
)


def gaps_for_overlap(
    durations_s: Sequence[float], share: float, *, turn_taking: TurnTaking, random: np.random.Generator
) -> list[float]:
    """(turns - 1,) gaps such that about `share` of the time in which anybody speaks, two do.

    The overlap is spread over random borders, in random parts, none longer than the shorter of its two turns.
    """
    num_gaps = max(0, len(durations_s) - 1)
    pauses = [turn_taking.pause_s(random) for _ in range(num_gaps)]
    if not share or not num_gaps:
        return pauses
    most = np.array([0.95 * min(pair) for pair in itertools.pairwise(durations_s)])
    overlaps = np.zeros(num_gaps)
    # Two at once for a share r of the union U: O = r U, and all turns together last U + O.
    wanted_s = share / (1 + share) * sum(durations_s)
    parts = random.exponential(size=num_gaps) * (random.random(num_gaps) < 0.4 + 2 * share)
    for _ in range(SPREADING_ROUNDS):
        open_parts = np.where(overlaps < most, parts + 1e-6, 0.0)
        if (missing_s := wanted_s - overlaps.sum()) < 1e-3 or not open_parts.any():
            break
        overlaps = np.minimum(most, overlaps + missing_s * open_parts / open_parts.sum())
    return [-float(overlap) if overlap > 0.05 else pause for overlap, pause in zip(overlaps, pauses, strict=True)]


def place_turns(durations_s: Sequence[float], speakers: Sequence[str], gaps_s: Sequence[float]) -> list[Span]:
    """Spans in order of start, from 0 on; gaps are kept where they can be.

    Never three at once and never a talker over himself: a turn that would be waits until it is not.
    """
    spans: list[Span] = []
    for index, (duration_s, speaker) in enumerate(zip(durations_s, speakers, strict=True)):
        start_s = 0.0
        if spans:
            ends_s = sorted((span.end_s for span in spans), reverse=True)
            third_voice_until_s = ends_s[1] if len(ends_s) > 1 else 0.0
            start_s = max(
                ends_s[0] + gaps_s[index - 1],
                spans[-1].start_s + MIN_STAGGER_S,
                third_voice_until_s,
                _own_turn_until_s(speaker, spans, speakers),
            )
        spans.append(Span(start_s, start_s + duration_s))
    return spans


def _own_turn_until_s(speaker: str, spans: Sequence[Span], speakers: Sequence[str]) -> float:
    own_s = max((span.end_s for span, who in zip(spans, speakers, strict=False) if who == speaker), default=None)
    if own_s is None:
        return 0.0
    alone_since = all(span.end_s <= own_s for span in spans)
    return own_s + (MIN_OWN_PAUSE_S if alone_since else MIN_RETURN_S)


def overlap_ratio(spans: Sequence[Span]) -> float:
    """Share of the time in which anybody speaks that two or more do; 0 when nobody speaks."""
    borders = sorted([(span.start_s, 1) for span in spans] + [(span.end_s, -1) for span in spans])
    spoken_s = shared_s = before_s = 0.0
    talking = 0
    for at_s, change in borders:
        spoken_s += (at_s - before_s) * (talking > 0)
        shared_s += (at_s - before_s) * (talking > 1)
        talking, before_s = talking + change, at_s
    return shared_s / spoken_s if spoken_s else 0.0
