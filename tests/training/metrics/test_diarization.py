"""DER against a count on a grid of whole seconds, over all mappings of labels."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.types import Span, Turn
from training.metrics.diarization import DiarizationErrors, diarization_errors

SECONDS = 12
SCORED = Span(0.0, float(SECONDS))
talks = st.lists(st.lists(st.booleans(), min_size=SECONDS, max_size=SECONDS), max_size=3)


def turns_of(activity: list[list[bool]], name: str) -> list[Turn]:
    """Unjoined seconds, one turn each."""
    return [
        Turn(Span(float(second), second + 1.0), f"{name}{speaker}")
        for speaker, row in enumerate(activity)
        for second, here in enumerate(row)
        if here
    ]


def brute_force(reference: list[list[bool]], hypothesis: list[list[bool]]) -> tuple[float, float, float]:
    """Missed, false alarm and confusion, with the mapping that confuses least."""
    size = max(len(reference), len(hypothesis))
    silent = [[False] * SECONDS]
    reference, hypothesis = (rows + silent * (size - len(rows)) for rows in (reference, hypothesis))
    counts = [(sum(r[t] for r in reference), sum(h[t] for h in hypothesis)) for t in range(SECONDS)]
    correct = max(
        sum(r[t] and hypothesis[p][t] for r, p in zip(reference, order, strict=True) for t in range(SECONDS))
        for order in permutations(range(size))
    )
    missed = sum(max(0, r - h) for r, h in counts)
    false_alarm = sum(max(0, h - r) for r, h in counts)
    return missed, false_alarm, sum(min(r, h) for r, h in counts) - correct


@settings(max_examples=60)
@given(talks, talks)
def test_errors_equal_the_brute_force_count(reference: list[list[bool]], hypothesis: list[list[bool]]) -> None:
    errors = diarization_errors(turns_of(reference, "r"), turns_of(hypothesis, "h"), scored=SCORED)
    found = (errors.missed_s, errors.false_alarm_s, errors.confusion_s)
    assert found == pytest.approx(brute_force(reference, hypothesis))
    assert errors.total_s == pytest.approx(sum(map(sum, reference)))


def test_only_the_scored_part_counts() -> None:
    errors = diarization_errors([Turn(Span(0, 4), "a")], [Turn(Span(0, 9), "x")], scored=Span(2, 5))
    assert (errors.total_s, errors.false_alarm_s) == (2.0, 1.0)


def test_a_collar_forgives_on_both_sides_of_a_boundary() -> None:
    reference, late = [Turn(Span(2, 8), "a")], [Turn(Span(2.25, 8.25), "x")]
    assert diarization_errors(reference, late, scored=SCORED).error_s == pytest.approx(0.5)
    assert diarization_errors(reference, late, scored=SCORED, collar_s=0.25).error_s == pytest.approx(0.0)


def test_counts_add_and_rates_follow_the_speech() -> None:
    long = DiarizationErrors(missed_s=1.0, total_s=90.0, recordings=1)
    short = DiarizationErrors(false_alarm_s=2.0, confusion_s=2.0, total_s=10.0, recordings=1)
    both = sum([long, short], DiarizationErrors.zero)
    assert (both.rate, both.recordings) == (0.05, 2)


def test_silence_diarized_as_silence_is_no_error() -> None:
    assert diarization_errors([], [], scored=SCORED).rate == 0.0
    assert diarization_errors([], [Turn(Span(1, 2), "x")], scored=SCORED).rate == float("inf")
