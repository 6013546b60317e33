"""Transducer loss (Graves 2012) with FastEmit, latency penalties on turn boundaries and an alignment band.

Letters: N sequences, T encoder frames, U labels, V vocabulary, blank = 0.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.functional import rnnt_loss

from svc.units import BLANK
from training.losses.arc_biases import AlignmentBand, LatencyPenalty, label_arc_penalties

# The one label of the two-symbol lattice.
LABEL = 1
# Arcs that matter less than this to the loss do not matter; see LEAST_LOG_POSTERIOR.
LEAST_GRADIENT = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class TransducerLossConfig:
    """What is added to the plain loss; the defaults add nothing but FastEmit's customary 0.001."""

    fastemit: float = 1e-3
    start_of_turn: LatencyPenalty = field(default_factory=LatencyPenalty)
    end_of_turn: LatencyPenalty = field(default_factory=LatencyPenalty)
    band: AlignmentBand | None = None

    def __post_init__(self) -> None:
        if self.fastemit < 0:
            raise ValueError(f"need fastemit >= 0, got {self.fastemit}")


def transducer_loss_of_arcs(
    arcs: Tensor,
    targets: Tensor,
    *,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    config: TransducerLossConfig,
    token_frames: Tensor | None = None,
) -> Tensor:
    """(N, T, U + 1, 2) log-probabilities of blank and next label -> (N,) losses; T and U are the longest lengths."""
    if token_frames is not None and targets.shape[1]:
        arcs = arcs - _arc_penalties(targets, token_frames, logit_lengths, config=config)
    if arcs.requires_grad:
        arcs = _hasten_labels(arcs, config.fastemit)
    losses: Tensor = rnnt_loss(
        arcs.float(),
        torch.full_like(targets, LABEL, dtype=torch.int32),
        logit_lengths.int(),
        target_lengths.int(),
        blank=BLANK,
        reduction="none",
        fused_log_softmax=False,
    )
    return losses


def _arc_penalties(
    targets: Tensor, token_frames: Tensor, logit_lengths: Tensor, *, config: TransducerLossConfig
) -> Tensor:
    """(N, T, U + 1, 2) nats, none on blank arcs."""
    penalties = label_arc_penalties(
        targets,
        token_frames,
        logit_lengths=logit_lengths,
        start=config.start_of_turn,
        end=config.end_of_turn,
        band=config.band,
    )  # (N, T, U)
    return F.pad(penalties.unsqueeze(-1), (1, 0, 0, 1))


def _hasten_labels(arcs: Tensor, fastemit: float) -> Tensor:
    """FastEmit (Yu et al. 2021): the same values, but label arcs learn 1 + lambda times as fast as blank ones.

    What is too little to matter is not passed on at all.
    """
    speed = arcs.new_tensor([1.0, 1.0 + fastemit])
    # A view of its own: a hook on the caller's tensor would stay there.
    hastened = arcs.view_as(arcs)
    hastened.register_hook(  # type: ignore[no-untyped-call]
        lambda gradient: (gradient * speed).masked_fill(gradient.abs() < LEAST_GRADIENT, 0.0)
    )
    return hastened
