"""The demo: how it cuts people out of a recording, and that it ends well."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.types import Span, Turn
from training.demo_people import SPLIT_S, alone, cut_people

TICKS = st.integers(0, 60)
TURNS = st.lists(
    st.tuples(TICKS, st.integers(1, 20), st.sampled_from("ab")).map(
        lambda turn: Turn(Span(float(turn[0]), float(turn[0] + turn[1])), turn[2])
    ),
    max_size=8,
)


@given(TURNS)
def test_alone_is_where_one_talks_and_the_other_does_not(turns: list[Turn]) -> None:
    def talking(speaker: str, at_s: float) -> bool:
        return any(t.speaker == speaker and t.span.start_s < at_s < t.span.end_s for t in turns)

    free = alone(turns, "a")
    for tick in range(80):
        at_s = tick + 0.5
        inside = any(span.start_s < at_s < span.end_s for span in free)
        assert inside == (talking("a", at_s) and not talking("b", at_s))


def test_people_are_cut_before_and_after_the_split() -> None:
    rate_hz = 100
    later = [Turn(Span(SPLIT_S + 2, SPLIT_S + 6), "x"), Turn(Span(SPLIT_S + 5, SPLIT_S + 12), "y")]
    turns = [Turn(Span(2, 5), "x"), Turn(Span(5, 10), "y"), *later]
    samples = np.repeat(np.arange(30, dtype=np.float32), rate_hz)
    first, second = cut_people(samples, rate_hz, turns)
    assert [set(clip) for clip in first.enrolment] == [{2, 3, 4}]
    assert set(first.test) == {20, 21, 22}, "the overlapped second is left out"
    assert set(second.test) == set(range(24, 30))


@pytest.mark.slow
@pytest.mark.e2e
def test_the_demo_comes_out_as_it_should() -> None:
    run = subprocess.run([sys.executable, "-m", "training.demo"], capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "everything came out as it should" in run.stdout
