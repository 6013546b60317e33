"""Arcs inside a band: the full lattice's wherever a path may go, and the loss of the best paths with them."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.training.losses.lattices import dense_arcs
from training.losses.arc_biases import AlignmentBand
from training.losses.banded_arcs import arcs_in_band, nodes_in_band
from training.losses.transducer import TransducerLossConfig, transducer_loss_of_arcs

VOCABULARY = 5


def lattice(seed: int, num_frames: int, num_labels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (2, T, U + 1, V), targets (2, U), due frames (2, U) in order."""
    torch.manual_seed(seed)
    logits = torch.randn(2, num_frames, num_labels + 1, VOCABULARY)
    due = torch.randint(num_frames, (2, num_labels)).sort(dim=1).values
    return logits, torch.randint(1, VOCABULARY, (2, num_labels)), due


def loss_of(arcs: Tensor, targets: Tensor, due: Tensor, *, lengths: dict[str, Tensor], band: AlignmentBand) -> Tensor:
    config = TransducerLossConfig(fastemit=0, band=band)
    return transducer_loss_of_arcs(arcs, targets, config=config, token_frames=due, **lengths)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_the_loss_is_that_of_the_full_lattice_under_the_same_band(
    seed: int, num_frames: int, num_labels: int, left: int, right: int
) -> None:
    logits, targets, due = lattice(seed, num_frames, num_labels)
    band = AlignmentBand(left_frames=left, right_frames=right, penalty_nats=60)
    lengths = {
        "logit_lengths": torch.tensor([num_frames, num_frames - 1]),
        "target_lengths": torch.tensor([num_labels, 1]),
    }
    nodes = nodes_in_band(due, **lengths, band=band)
    banded = arcs_in_band(
        lambda frames, labels, at: logits[tuple(at.unbind(1))],
        torch.zeros(2, num_frames, 1),
        targets,
        nodes=nodes,
        outside_nats=60,
    )
    full = dense_arcs(logits, targets)
    ours = loss_of(banded, targets, due, lengths=lengths, band=band)
    torch.testing.assert_close(ours, loss_of(full, targets, due, lengths=lengths, band=band), rtol=1e-4, atol=1e-4)


def test_a_narrow_band_leaves_few_nodes() -> None:
    due = torch.arange(5, 100, 5)[None]
    lengths = {"logit_lengths": torch.tensor([100]), "target_lengths": torch.tensor([due.shape[1]])}
    nodes = nodes_in_band(due, **lengths, band=AlignmentBand(left_frames=2, right_frames=3))
    assert len(nodes) < 0.12 * 100 * (due.shape[1] + 1)


def test_a_silent_sequence_has_its_one_row() -> None:
    lengths = {"logit_lengths": torch.tensor([7]), "target_lengths": torch.tensor([0])}
    band = AlignmentBand(left_frames=1, right_frames=1)
    nodes = nodes_in_band(torch.zeros(1, 3, dtype=torch.long), **lengths, band=band)
    assert nodes.tolist() == [[0, frame, 0] for frame in range(7)]
