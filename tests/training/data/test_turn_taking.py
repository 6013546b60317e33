"""Turns are placed as people take them: never three at once, overlapping as much as asked for."""

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.pipelines.rttm import read_rttm
from svc.types import Span, Turn
from training.data.turn_taking import (
    MEETINGS,
    TurnTaking,
    gaps_for_overlap,
    overlap_ratio,
    place_turns,
)

# A talker who goes on after less than this has not begun another turn.
SAME_TURN_PAUSE_S = 0.5
durations = st.lists(st.floats(0.2, 8), min_size=1, max_size=10)


def overlapping(one: Span, other: Span) -> bool:
    return one.start_s < other.end_s - 1e-9 and other.start_s < one.end_s - 1e-9


@given(durations, st.integers(0, 2**32), st.integers(1, 4))
def test_never_three_at_once_and_never_a_talker_over_himself(lengths: list[float], seed: int, num_talkers: int) -> None:
    random = np.random.default_rng(seed)
    speakers = [str(random.integers(num_talkers)) for _ in lengths]
    spans = place_turns(lengths, speakers, MEETINGS.gaps_s(len(lengths) - 1, random))
    for instant in (span.start_s for span in spans):
        assert sum(span.start_s <= instant < span.end_s - 1e-9 for span in spans) <= 2
    for one, other in combinations(range(len(spans)), 2):
        assert speakers[one] != speakers[other] or not overlapping(spans[one], spans[other])


@given(durations, st.integers(0, 2**32))
def test_spans_keep_their_lengths_and_start_in_order(lengths: list[float], seed: int) -> None:
    speakers = [str(index % 2) for index in range(len(lengths))]
    spans = place_turns(lengths, speakers, MEETINGS.gaps_s(len(lengths) - 1, np.random.default_rng(seed)))
    assert [span.duration_s for span in spans] == pytest.approx(lengths)
    assert all(one.start_s < other.start_s for one, other in pairwise(spans))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3])
def test_two_talk_for_the_share_asked_for(share: float) -> None:
    random = np.random.default_rng(0)
    ratios = []
    for _ in range(100):
        lengths = random.uniform(2, 4, 8).tolist()
        gaps = gaps_for_overlap(lengths, share, turn_taking=MEETINGS, random=random)
        ratios.append(overlap_ratio(place_turns(lengths, list("abcdabcd"), gaps)))
    assert np.median(ratios) == pytest.approx(share, abs=0.01)


@given(st.lists(st.builds(lambda a, b: Span(a, a + b), st.integers(0, 30), st.integers(1, 9)), max_size=6))
def test_overlap_ratio_is_what_counting_instants_gives(spans: list[Span]) -> None:
    counts = np.zeros(50, int)
    for span in spans:
        counts[int(span.start_s) : int(span.end_s)] += 1
    expected = np.mean(counts[counts > 0] > 1) if counts.any() else 0.0
    assert overlap_ratio(spans) == pytest.approx(expected)


def fit_turn_taking(recordings: Iterable[Sequence[Turn]]) -> TurnTaking:
    """The fit to the gaps where the talker changes."""
    gaps = np.array([gap for turns in recordings for gap in gaps_between(whole_turns(turns))])
    pauses, interruptions = np.log(gaps[gaps > 0]), np.log(-gaps[gaps < 0])
    return TurnTaking(
        interruption_share=round(len(interruptions) / len(gaps), 3),
        pause_log_mean=round(float(pauses.mean()), 3),
        pause_log_std=round(float(pauses.std()), 3),
        interruption_log_mean=round(float(interruptions.mean()), 3),
        interruption_log_std=round(float(interruptions.std()), 3),
    )


def whole_turns(turns: Sequence[Turn]) -> list[Turn]:
    """Turns by start, each with what its talker adds after less than SAME_TURN_PAUSE_S."""
    whole: list[Turn] = []
    last_of: dict[str, int] = {}
    for turn in sorted(turns):
        at = last_of.get(turn.speaker)
        if at is not None and turn.span.start_s - whole[at].span.end_s < SAME_TURN_PAUSE_S:
            whole[at] = Turn(Span(whole[at].span.start_s, max(whole[at].span.end_s, turn.span.end_s)), turn.speaker)
        else:
            last_of[turn.speaker] = len(whole)
            whole.append(turn)
    return whole


def gaps_between(turns: Sequence[Turn]) -> list[float]:
    """Seconds from the latest end so far to each next start, where that end is another talker's."""
    gaps: list[float] = []
    latest: Turn | None = None
    for turn in turns:
        if latest is not None and turn.speaker != latest.speaker:
            gaps.append(turn.span.start_s - latest.span.end_s)
        if latest is None or turn.span.end_s > latest.span.end_s:
            latest = turn
    return gaps


def test_a_fit_finds_the_distribution_that_gaps_were_drawn_from() -> None:
    truth = TurnTaking(
        interruption_share=0.4,
        pause_log_mean=-1.0,
        pause_log_std=0.3,
        interruption_log_mean=-0.5,
        interruption_log_std=0.2,
    )
    lengths = [20.0] * 2000
    speakers = [str(index % 3) for index in range(2000)]
    spans = place_turns(lengths, speakers, truth.gaps_s(1999, np.random.default_rng(0)))
    fit = fit_turn_taking([[Turn(span, who) for span, who in zip(spans, speakers, strict=True)]])
    assert fit.interruption_share == pytest.approx(0.4, abs=0.05)
    assert fit.pause_log_mean == pytest.approx(-1.0, abs=0.05)
    assert fit.interruption_log_mean == pytest.approx(-0.5, abs=0.05)
    assert fit.interruption_log_std == pytest.approx(0.2, abs=0.03)


def test_short_pauses_do_not_end_a_turn_and_own_pauses_are_no_gaps() -> None:
    turns = [Turn(Span(0, 1), "a"), Turn(Span(1.2, 2), "a"), Turn(Span(3, 4), "a"), Turn(Span(3.5, 5), "b")]
    assert whole_turns(turns) == [Turn(Span(0, 2), "a"), Turn(Span(3, 4), "a"), Turn(Span(3.5, 5), "b")]
    assert gaps_between(whole_turns(turns)) == [-0.5]


def test_the_constants_are_the_fit_to_the_meetings(data_root: Path) -> None:
    files = sorted((data_root / "ami" / "rttm").glob("*.rttm"))
    assert fit_turn_taking([turns for file in files for turns in read_rttm(file).values()]) == MEETINGS
