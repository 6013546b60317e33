"""The transducer loss against every alignment enumerated, the library on all V symbols, and its own promises."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchaudio.functional import rnnt_loss

from tests.training.losses.lattices import Problem, arcs_of_logits, enumerated_loss, problems
from training.losses.arc_biases import AlignmentBand, LatencyPenalty, label_arc_penalties
from training.losses.transducer import TransducerLossConfig, transducer_loss_of_arcs

PLAIN = TransducerLossConfig(fastemit=0)
EVERYTHING = TransducerLossConfig(
    fastemit=0,
    start_of_turn=LatencyPenalty(early_per_frame=0.3, late_per_frame=0.2),
    end_of_turn=LatencyPenalty(early_per_frame=0.1, late_per_frame=0.4, buffer_frames=1),
    band=AlignmentBand(left_frames=1, right_frames=1, penalty_nats=5),
)


def transducer_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    config: TransducerLossConfig,
    token_frames: Tensor | None = None,
    **lengths: Tensor,
) -> Tensor:
    """(N, T, U + 1, V) logits, (N, U) targets, (N,) lengths, (N, U) due frames -> (N,) nats, as training has them."""
    arcs = arcs_of_logits(logits, targets, **lengths)
    longest = arcs.shape[2] - 1
    due = None if token_frames is None else token_frames[:, :longest]
    return transducer_loss_of_arcs(arcs, targets[:, :longest], **lengths, config=config, token_frames=due)


def loss_of(problem: Problem, config: TransducerLossConfig, *, logits: Tensor | None = None) -> Tensor:
    return transducer_loss(
        problem.logits if logits is None else logits,
        problem.targets,
        logit_lengths=problem.logit_lengths,
        target_lengths=problem.target_lengths,
        config=config,
        token_frames=problem.token_frames,
    )


def penalties_of(problem: Problem, config: TransducerLossConfig) -> Tensor:
    return label_arc_penalties(
        problem.targets,
        problem.token_frames,
        logit_lengths=problem.logit_lengths,
        start=config.start_of_turn,
        end=config.end_of_turn,
        band=config.band,
    )


@settings(max_examples=40)
@given(problems())
def test_loss_is_that_of_all_alignments_enumerated(problem: Problem) -> None:
    expected = torch.stack([enumerated_loss(problem, n) for n in range(len(problem.logits))])
    torch.testing.assert_close(loss_of(problem, PLAIN), expected.float(), rtol=1e-4, atol=1e-4)


@settings(max_examples=40)
@given(problems())
def test_penalties_and_band_lower_each_alignment_by_what_its_arcs_cost(problem: Problem) -> None:
    penalties = penalties_of(problem, EVERYTHING)
    expected = torch.stack([enumerated_loss(problem, n, penalties[n]) for n in range(len(problem.logits))])
    torch.testing.assert_close(loss_of(problem, EVERYTHING), expected.float(), rtol=1e-4, atol=1e-4)


@settings(max_examples=40)
@given(problems())
def test_gradients_are_those_of_all_alignments_enumerated(problem: Problem) -> None:
    problem.logits.requires_grad_()
    penalties = penalties_of(problem, EVERYTHING)
    (ours,) = torch.autograd.grad(loss_of(problem, EVERYTHING).sum(), problem.logits)
    expected = sum(enumerated_loss(problem, n, penalties[n]) for n in range(len(problem.logits)))
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(ours, torch.autograd.grad(expected, problem.logits)[0], rtol=1e-3, atol=1e-4)


def test_two_symbols_give_the_loss_and_gradients_of_all_of_them() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 20, 8, 12, requires_grad=True)
    targets, lengths = torch.randint(1, 12, (3, 7), dtype=torch.int32), torch.tensor([20, 13, 5], dtype=torch.int32)
    labels = torch.tensor([7, 0, 4], dtype=torch.int32)
    ours = transducer_loss(logits, targets, logit_lengths=lengths, target_lengths=labels, config=PLAIN)
    plain = rnnt_loss(logits, targets, lengths, labels, blank=0, reduction="none")
    torch.testing.assert_close(ours, plain)
    gradients = [torch.autograd.grad(loss.sum(), logits)[0] for loss in (ours, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@settings(max_examples=40)
@given(problems(), st.floats(1e-3, 1))
def test_fastemit_scales_the_gradients_of_label_arcs_alone(problem: Problem, fastemit: float) -> None:
    frames, labels = int(problem.logit_lengths.max()), int(problem.target_lengths.max())
    arcs = problem.logits[:, :frames, : labels + 1, :2].log_softmax(-1).float().requires_grad_()

    def gradient(config: TransducerLossConfig) -> Tensor:
        lengths = {"logit_lengths": problem.logit_lengths, "target_lengths": problem.target_lengths}
        losses = transducer_loss_of_arcs(arcs, problem.targets[:, :labels], **lengths, config=config)
        return torch.autograd.grad(losses.sum(), arcs)[0]

    plain, hastened = gradient(PLAIN), gradient(replace(PLAIN, fastemit=fastemit))
    torch.testing.assert_close(hastened[..., 0], plain[..., 0])
    torch.testing.assert_close(hastened[..., 1], plain[..., 1] * (1 + fastemit))


@settings(max_examples=40)
@given(problems())
def test_fastemit_leaves_the_loss_as_it_is(problem: Problem) -> None:
    problem.logits.requires_grad_()
    torch.testing.assert_close(loss_of(problem, TransducerLossConfig(fastemit=0.5)), loss_of(problem, PLAIN))


@settings(max_examples=40)
@given(problems(), st.floats(0, 2), st.floats(0, 2))
def test_steeper_penalties_never_lower_the_loss(problem: Problem, slope: float, more: float) -> None:
    def at(per_frame: float) -> Tensor:
        penalty = LatencyPenalty(early_per_frame=per_frame, late_per_frame=per_frame)
        return loss_of(problem, TransducerLossConfig(start_of_turn=penalty, end_of_turn=penalty))

    assert (at(slope + more) >= at(slope) - 1e-4).all()


@pytest.mark.parametrize(("late_frames", "nats"), [(-2, 0.6), (-1, 0.3), (0, 0.0), (1, 0.0), (2, 0.5), (4, 1.5)])
def test_penalty_grows_from_the_due_frame_and_from_the_buffer(late_frames: float, nats: float) -> None:
    penalty = LatencyPenalty(early_per_frame=0.3, late_per_frame=0.5, buffer_frames=1)
    assert float(penalty.of(torch.tensor(late_frames))) == pytest.approx(nats)


@settings(max_examples=40)
@given(problems())
def test_band_leaves_only_the_alignments_near_the_reference(problem: Problem) -> None:
    band = AlignmentBand(left_frames=0, right_frames=1, penalty_nats=200)
    penalties = penalties_of(problem, replace(PLAIN, band=band))
    inside = torch.where(penalties > 0, torch.inf, 0.0)
    expected = torch.stack([enumerated_loss(problem, n, inside[n]) for n in range(len(problem.logits))])
    torch.testing.assert_close(loss_of(problem, replace(PLAIN, band=band)), expected.float(), rtol=1e-4, atol=1e-4)


def test_every_kind_of_gradient_is_finite_under_a_reference_no_path_can_follow() -> None:
    logits = torch.zeros(1, 4, 3, 5, requires_grad=True)
    losses = transducer_loss(
        logits,
        torch.tensor([[2, 3]]),
        logit_lengths=torch.tensor([4]),
        target_lengths=torch.tensor([2]),
        token_frames=torch.tensor([[3, 0]]),
        config=TransducerLossConfig(band=AlignmentBand(left_frames=0, right_frames=0)),
    )
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert 30 < losses.item() < 80
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_gradients_hold_no_number_that_slows_the_processor_down() -> None:
    torch.manual_seed(0)
    logits = (torch.randn(1, 200, 20, 30) * 20).requires_grad_()
    losses = transducer_loss(
        logits,
        torch.randint(1, 30, (1, 19)),
        logit_lengths=torch.tensor([200]),
        target_lengths=torch.tensor([19]),
        config=TransducerLossConfig(),
    )
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    sizes = logits.grad.abs()
    assert sizes[sizes > 0].min() > torch.finfo(torch.float32).tiny
    assert (sizes == 0).any()


def test_no_labels_anywhere_is_the_cost_of_silence() -> None:
    logits = torch.randn(2, 5, 1, 6)
    none, lengths = torch.zeros(2, 0, dtype=torch.int32), torch.tensor([5, 3])
    losses = transducer_loss(
        logits,
        none,
        logit_lengths=lengths,
        target_lengths=torch.zeros_like(lengths),
        token_frames=none,
        config=EVERYTHING,
    )
    blanks = -logits.log_softmax(-1)[:, :, 0, 0]
    torch.testing.assert_close(losses, torch.stack([blanks[0].sum(), blanks[1, :3].sum()]))
