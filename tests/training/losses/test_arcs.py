"""Two symbols of the lattice are the log-softmax of all V at those places."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from tests.training.losses.lattices import Problem, problems
from training.losses.arcs import arc_log_probs


def arcs_of(problem: Problem, logits: Tensor) -> Tensor:
    return arc_log_probs(
        logits,
        problem.targets,
        logit_lengths=problem.logit_lengths.tolist(),
        target_lengths=problem.target_lengths.tolist(),
    )


@settings(max_examples=40)
@given(problems())
def test_arcs_are_the_log_softmax_at_blank_and_next_label(problem: Problem) -> None:
    arcs, log_probs = arcs_of(problem, problem.logits), problem.logits.log_softmax(-1)
    for n, (frames, labels) in enumerate(zip(problem.logit_lengths, problem.target_lengths, strict=True)):
        torch.testing.assert_close(arcs[n, :frames, : labels + 1, 0], log_probs[n, :frames, : labels + 1, 0])
        for u in range(int(labels)):
            expected = log_probs[n, :frames, u, int(problem.targets[n, u])]
            torch.testing.assert_close(arcs[n, :frames, u, 1], expected)


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
    logits = torch.randn(1, 5, 4, 7, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.tensor([[3, 1, 6]]), torch.randn(1, 5, 4, 2, dtype=torch.float64)
    arcs = arc_log_probs(logits, targets, logit_lengths=[5], target_lengths=[3])
    (ours,) = torch.autograd.grad((arcs * weights).sum(), logits)
    log_probs = logits.log_softmax(-1)
    label = log_probs[:, :, :3].gather(3, targets.view(1, 1, 3, 1).expand(-1, 5, -1, -1)).squeeze(3)
    plain = (log_probs[..., 0] * weights[..., 0]).sum() + (F.pad(label, (0, 1)) * weights[..., 1]).sum()
    torch.testing.assert_close(ours, torch.autograd.grad(plain, logits)[0])
