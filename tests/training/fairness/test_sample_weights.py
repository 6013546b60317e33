"""Weights from opinions: their mean, their guards, their order."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training.fairness.sample_weights import arl_weights, guarded, normalised_entropy

OPINIONS = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(lambda values: torch.tensor(values).double())
GUARDS = st.tuples(st.floats(1, 6), st.floats(0, 1))


def entropy(shares: Tensor) -> float:
    return -float(sum(share * math.log(share) for share in shares.tolist() if share > 0))


@given(OPINIONS.filter(lambda opinions: float(opinions.max()) > 0))
def test_weights_have_mean_one_and_leave_nobody_out(opinions: Tensor) -> None:
    weights = arl_weights(opinions.log())
    assert float(weights.mean()) == pytest.approx(1)
    assert float(weights.min()) >= 0.5


@given(st.integers(1, 50), st.floats(0.01, 1))
def test_equal_opinions_are_weights_of_one(count: int, opinion: float) -> None:
    torch.testing.assert_close(
        arl_weights(torch.full((count,), math.log(opinion))), torch.ones(count), rtol=1e-6, atol=1e-6
    )


@given(OPINIONS.filter(lambda opinions: float(opinions.sum()) > 1e-3), GUARDS)
def test_guards_hold_and_the_mean_and_order_stay(opinions: Tensor, guards: tuple[float, float]) -> None:
    weights = arl_weights(opinions.log())
    safe = guarded(weights, largest=guards[0], least_entropy=guards[1])
    assert float(safe.mean()) == pytest.approx(1)
    assert float(safe.max()) <= guards[0] + 1e-9
    assert normalised_entropy(safe) >= guards[1] - 1e-9
    assert (safe[weights.argsort(stable=True)].diff() >= 0).all()


def test_weights_within_the_guards_are_left_alone() -> None:
    weights = torch.tensor([0.5, 1.0, 1.5])
    torch.testing.assert_close(guarded(weights, largest=1.5, least_entropy=0.5), weights, rtol=0, atol=0)


@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=20))
def test_entropy_is_one_of_uniform_weights_and_else_its_formula(values: list[float]) -> None:
    shares = torch.tensor(values).double()
    shares /= shares.sum()
    assert normalised_entropy(shares * len(values)) == pytest.approx(entropy(shares) / math.log(len(values)))
    assert normalised_entropy(torch.ones(len(values))) == pytest.approx(1)
