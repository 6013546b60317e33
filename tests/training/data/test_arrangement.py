"""Turns go to the channels that the two rules name, and never over one another."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.types import Span
from training.data.arrangement import Arrangement, arrange

BOTH: tuple[Arrangement, ...] = ("overlap", "heat")
turns = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 40), st.integers(1, 12))


def overlapping(one: Span, other: Span) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s


def at_most_two_at_once(spans: list[Span]) -> list[Span]:
    """The spans in order of start, without those that would be a third voice."""
    kept: list[Span] = []
    for span in sorted(spans):
        if sum(overlapping(span, other) for other in kept if other.end_s > span.start_s) < 2:
            kept.append(span)
    return kept


def heat_by_brute_force(spans: list[Span]) -> tuple[int, ...]:
    """Every instant a turn starts, look at all turns before it."""
    channels: list[int] = []
    for index, span in enumerate(spans):
        ends = [
            max((s.end_s for s, c in zip(spans[:index], channels, strict=True) if c == channel), default=0)
            for channel in (0, 1)
        ]
        busy = [end > span.start_s for end in ends]
        channels.append(busy.index(False) if False in busy else ends.index(min(ends)))
    return tuple(channels)


@pytest.mark.parametrize("how", BOTH)
@given(spans=st.lists(turns, max_size=12))
def test_no_channel_overlaps_itself_when_at_most_two_talk_at_once(how: Arrangement, spans: list[Span]) -> None:
    spans = at_most_two_at_once(spans)
    channels = arrange(spans, how=how)
    for one, other in combinations(range(len(spans)), 2):
        assert channels[one] != channels[other] or not overlapping(spans[one], spans[other])


@given(spans=st.lists(turns, max_size=12))
def test_heat_is_what_looking_at_every_earlier_turn_gives(spans: list[Span]) -> None:
    spans = sorted(spans)
    assert arrange(spans, how="heat") == heat_by_brute_force(spans)


@given(spans=st.lists(turns, max_size=12))
def test_by_overlap_the_channel_changes_exactly_where_a_turn_interrupts_it(spans: list[Span]) -> None:
    spans = at_most_two_at_once(spans)
    channels = arrange(spans, how="overlap")
    for index in range(1, len(spans)):
        on_current = [s for s, c in zip(spans[:index], channels, strict=False) if c == channels[index - 1]]
        interrupts = any(overlapping(spans[index], span) for span in on_current)
        assert (channels[index] != channels[index - 1]) == interrupts


def test_the_rules_differ_after_an_interruption() -> None:
    spans = [Span(0, 3), Span(2, 5), Span(6, 8)]
    assert arrange(spans, how="overlap") == (0, 1, 1)
    assert arrange(spans, how="heat") == (0, 1, 0)


def test_spans_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="order of start"):
        arrange([Span(1, 2), Span(0, 1)])
