"""Two symbols of the lattice are the log-softmax of all V at those places."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.training.losses.lattices import Problem, arcs_of_logits, dense_arcs, problems
from training.losses.arcs import arc_log_probs


def arcs_of(problem: Problem, logits: Tensor) -> Tensor:
    lengths = {"logit_lengths": problem.logit_lengths, "target_lengths": problem.target_lengths}
    return arcs_of_logits(logits, problem.targets, **lengths)


@settings(max_examples=40)
@given(problems())
def test_arcs_are_the_log_softmax_at_blank_and_next_label(problem: Problem) -> None:
    arcs, expected = arcs_of(problem, problem.logits), dense_arcs(problem.logits, problem.targets)
    for n, (frames, labels) in enumerate(zip(problem.logit_lengths, problem.target_lengths, strict=True)):
        blank, label = arcs[n, :frames].unbind(-1)
        torch.testing.assert_close(blank[:, : labels + 1], expected[n, :frames, : labels + 1, 0])
        torch.testing.assert_close(label[:, :labels], expected[n, :frames, :labels, 1])
        assert not label[:, labels:].any()


@settings(max_examples=40)
@given(problems(), st.integers(0, 1000))
def test_nothing_past_a_sequences_lengths_is_read_or_taught(problem: Problem, seed: int) -> None:
    logits = problem.logits.requires_grad_()
    inside = torch.zeros(logits.shape[:3], dtype=torch.bool)
    for n, (frames, labels) in enumerate(zip(problem.logit_lengths, problem.target_lengths, strict=True)):
        inside[n, :frames, : labels + 1] = True
    arcs_of(problem, logits).square().sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad[~inside].any()
    spoilt = torch.where(inside.unsqueeze(-1), logits, torch.nan)
    torch.testing.assert_close(arcs_of(problem, spoilt), arcs_of(problem, logits))


@settings(max_examples=10)
@given(problems())
def test_gradients_are_those_of_finite_differences(problem: Problem) -> None:
    logits = problem.logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda tensor: arcs_of(problem, tensor), (logits,))


def test_gradients_are_those_of_plain_log_softmax() -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 4, 7, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.tensor([3, 1, 6]), torch.randn(5, 4, 2, dtype=torch.float64)
    ours, plain = arc_log_probs(logits, targets), dense_arcs(logits[None], targets[None])[0]
    gradients = [torch.autograd.grad((arcs * weights).sum(), logits)[0] for arcs in (ours, plain)]
    torch.testing.assert_close(*gradients)
