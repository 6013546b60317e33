"""A figure in words, and what its interval says of a claim."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.figure_text import bold_where_sure, figure_text, verdict
from training.metrics.bootstrap import Figure

edges = st.floats(-10, 10)


@given(edges, edges)
def test_a_change_is_sure_where_both_edges_are_on_one_side(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = Figure((low + high) / 2, (low, high))
    sure = low > 0 or high < 0
    assert found.excludes_zero == sure
    assert bold_where_sure("x", found) == ("**x**" if sure else "x")
    assert ("includes zero" in verdict(found, -1.0)) != sure
    assert ("cannot be told" in verdict(found, -1.0)) == (not sure and low <= -1)


def test_a_figure_is_written_with_its_interval_sign_and_unit() -> None:
    assert figure_text(Figure(0.1234, (0.1, 0.2))) == "12.3 [10.0, 20.0]"
    assert figure_text(Figure(0.1234, None), digits=0, sign="+", unit=" %") == "+12 %"
    assert figure_text(Figure(None, None), missing="n/a") == "n/a"


@pytest.mark.parametrize(
    ("value", "told"), [(-0.3, "as large as claimed"), (-0.1, "smaller than claimed"), (0.3, "the other way round")]
)
def test_a_claim_holds_by_sign_and_size(value: float, told: str) -> None:
    assert told in verdict(Figure(value, (value - 0.05, value + 0.05)), -0.2)


def test_a_claim_without_a_size_holds_by_its_sign() -> None:
    assert verdict(Figure(-0.1, (-0.2, -0.05)), -1.0, sized=False) == "holds here"
    assert "other way round" in verdict(Figure(0.1, (0.05, 0.2)), -1.0, sized=False)
    assert verdict(Figure(-0.1, (-0.4, 0.3)), -1.0, sized=False) == "cannot be told: the interval includes zero"
