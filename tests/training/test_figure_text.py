"""A figure in words, and what its interval says of a claim."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from training.figure_text import bold_where_sure, figure_text, verdict
from training.metrics.bootstrap import Figure

edges = st.floats(-10, 10)


@given(edges, edges)
def test_a_change_is_sure_where_both_edges_are_on_one_side(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assume(low < (low + high) / 2 < high)
    found = Figure((low + high) / 2, (low, high))
    sure = low > 0 or high < 0
    assert found.excludes_zero == sure
    assert bold_where_sure("x", found) == ("**x**" if sure else "x")
    assert ("includes zero" in verdict(found, -1.0)) != sure
    assert ("cannot be told" in verdict(found, -1.0)) == (low <= -1 <= high)


def test_nothing_is_sure_of_an_interval_that_is_no_number() -> None:
    assert not Figure(0.1, (math.nan, math.nan)).excludes_zero


def test_a_figure_is_written_with_its_interval_sign_and_unit() -> None:
    assert figure_text(Figure(0.1234, (0.1, 0.2))) == "12.3 [10.0, 20.0]"
    assert figure_text(Figure(0.1234, None), digits=0, sign="+", unit=" %") == "+12 %"
    assert figure_text(Figure(None, None), missing="n/a") == "n/a"


@pytest.mark.parametrize("value", [0.0, -0.3])
def test_what_no_draw_moves_says_nothing_of_a_claim(value: float) -> None:
    assert verdict(Figure(value, (value, value)), -0.2) == "cannot be told: no draw moves it"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (-0.3, "holds here, as large as claimed or larger"),
        (-0.22, "holds here; whether as large as claimed cannot be told"),
        (-0.18, "holds here; whether as large as claimed cannot be told"),
        (-0.1, "holds here, but smaller than claimed"),
        (0.3, "does not hold here: it is the other way round"),
    ],
)
def test_a_claim_holds_by_sign_and_by_the_size_of_the_whole_interval(value: float, told: str) -> None:
    assert verdict(Figure(value, (value - 0.05, value + 0.05)), -0.2) == told
    assert verdict(Figure(-value, (-value - 0.05, -value + 0.05)), 0.2) == told


@given(st.floats(-10, -0.01), st.floats(0.01, 5), st.floats(-10, -0.01))
def test_the_size_is_judged_where_the_interval_lies_to_one_side_of_the_claim(
    low: float, width: float, claimed: float
) -> None:
    high = min(low + width, -0.001)
    said = verdict(Figure((low + high) / 2, (low, high)), claimed)
    assert ("cannot be told" in said) == (low <= claimed <= high)


def test_a_claim_without_a_size_holds_by_its_sign() -> None:
    assert verdict(Figure(-0.1, (-0.2, -0.05)), -1.0, sized=False) == "holds here"
    assert "other way round" in verdict(Figure(0.1, (0.05, 0.2)), -1.0, sized=False)
    assert verdict(Figure(-0.1, (-0.4, 0.3)), -1.0, sized=False) == "cannot be told: the interval includes zero"
