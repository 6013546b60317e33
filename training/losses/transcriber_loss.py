"""What a transcriber is trained on: a weighted sum of the transducer's loss, four that help it along, and compute.

Letters: B mixtures, C = 2 channels, N = B * C, T mel frames, T' encoder frames, M mels, D encoder width, U labels,
V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Protocol

from torch import Tensor

from svc.typed_config import check_at_least
from training.losses.arc_biases import AlignmentBand
from training.losses.arcs import arcs_of_sequences
from training.losses.auxiliary import (
    MeanCount,
    activity_loss,
    alone,
    compute_loss,
    ctc_loss,
    frame_label_loss,
    separation_loss,
)
from training.losses.banded_arcs import JointNodes, arcs_in_band, nodes_in_band
from training.losses.transducer import TransducerLossConfig, transducer_loss_of_arcs


class ModelOutput(Protocol):
    """What the losses need of a transcriber's pass over whole mixtures."""

    @property
    def masked(self) -> Tensor: ...  # (B, C, T, M) log mels

    @property
    def frames(self) -> Tensor: ...  # (B, C, T', D)

    @property
    def activity(self) -> Tensor: ...  # (B, C, T') logits

    @property
    def ctc(self) -> Tensor | None: ...  # (B, C, T', V) logits

    @property
    def compute_share(self) -> Tensor | None: ...  # (B, C, T') of the encoder's operations


class Targets(Protocol):
    """What the losses need of a batch. A token's due frame counts encoder frames."""

    @property
    def mel_lengths(self) -> Tensor: ...  # (B,)

    @property
    def source_mels(self) -> Tensor: ...  # (B, C, T, M)

    @property
    def targets(self) -> Tensor: ...  # (B, C, U)

    @property
    def target_lengths(self) -> Tensor: ...  # (B, C)

    @property
    def token_frames(self) -> Tensor: ...  # (B, C, U)

    @property
    def activity(self) -> Tensor: ...  # (B, C, T')

    @property
    def frame_labels(self) -> Tensor: ...  # (B, C, T')


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """Weights of the terms, 0 = not computed. CTC and frame labels need the model's CTC head, and compute an encoder
    that skips work: it is what the encoder does above the share `compute_target` of all it could do.
    """

    transducer: float = 1.0
    ctc: float = 0.2
    activity: float = 0.2
    separation: float = 0.2
    frames: float = 0.0
    compute: float = 0.0
    compute_target: float = 0.0
    # Mel frames in one encoder frame.
    stride_frames: int = 4
    blank_frame_weight: float = 0.1
    # Natural log mel below which sources need not be told apart.
    separation_floor: float = -12.0
    separation_squared: bool = False
    transducer_terms: TransducerLossConfig = field(default_factory=TransducerLossConfig)

    def __post_init__(self) -> None:
        check_at_least(
            0, self, "transducer", "ctc", "activity", "separation", "frames", "compute", "blank_frame_weight"
        )
        check_at_least(1, self, "stride_frames")
        if not 0 <= self.compute_target < 1:
            raise ValueError(f"compute_target must be from 0 and below 1, got {self.compute_target}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LossTerms:
    """Scalars before weighting, none = weight 0: nats per target token, or per frame for activity and
    frames; a share for compute.
    """

    total: Tensor
    transducer: Tensor | None = None
    ctc: Tensor | None = None
    activity: Tensor | None = None
    separation: Tensor | None = None
    frames: Tensor | None = None
    compute: Tensor | None = None

    def plain(self) -> dict[str, float]:
        """Name -> value of what was computed, for curves."""
        values = ((term.name, getattr(self, term.name)) for term in fields(self))
        return {name: value.item() for name, value in values if value is not None}


def transcriber_loss(
    output: ModelOutput,
    batch: Targets,
    *,
    joint_logits: Callable[[Tensor, Tensor], Tensor],
    config: LossConfig,
    joint_nodes: JointNodes | None = None,
    separated: tuple[ModelOutput, Targets] | None = None,
    mean_count: MeanCount = alone,
) -> LossTerms:
    """`joint_logits` is (N, T', D), (N, U) -> (N, T', U + 1, V). Raises ValueError if a term's head is missing.

    `separated`: what the separator is judged by where the rest hears only some of its channels.
    With `joint_nodes` a band leaves the joint uncomputed outside it, instead of only making paths there costly.
    `mean_count` makes processes with different numbers of frames and tokens average to the loss of the whole batch.
    """
    lengths = encoder_lengths(batch.mel_lengths, config.stride_frames).repeat_interleave(output.masked.shape[1])  # (N,)
    arcs_of = partial(_arcs, joint_logits=joint_logits, joint_nodes=joint_nodes, band=config.transducer_terms.band)

    def tokens() -> Tensor:
        # A silent channel counts as one, so that a batch of silence has a loss of ordinary size.
        return mean_count(batch.target_lengths.clamp(min=1).sum().float())

    computed: dict[str, Callable[[], Tensor]] = {
        "transducer": lambda: _transducer(output, batch, lengths, arcs_of, config=config) / tokens(),
        "ctc": lambda: _ctc(output, batch, lengths) / tokens(),
        "activity": lambda: activity_loss(
            output.activity.flatten(0, 1), batch.activity.flatten(0, 1), lengths=lengths, mean_count=mean_count
        ),
        "separation": lambda: _separation(*(separated or (output, batch)), config, mean_count),
        "frames": lambda: frame_label_loss(
            _ctc_logits(output),
            batch.frame_labels.flatten(0, 1),
            lengths=lengths,
            blank_weight=config.blank_frame_weight,
            mean_count=mean_count,
        ),
        "compute": lambda: compute_loss(
            _compute_share(output), lengths=lengths, target=config.compute_target, mean_count=mean_count
        ),
    }
    weights = {name: float(getattr(config, name)) for name in computed}
    terms = {name: compute() for name, compute in computed.items() if weights[name]}
    total = sum((weights[name] * term for name, term in terms.items()), start=output.masked.new_zeros(()))
    return LossTerms(total=total, **terms)


def encoder_lengths(mel_lengths: Tensor, stride_frames: int) -> Tensor:
    """(B,) mel frames -> (B,) encoder frames that hold any of them: the last one may be partly padding."""
    return -(-mel_lengths // stride_frames)


def _transducer(
    output: ModelOutput, batch: Targets, lengths: Tensor, arcs_of: Callable[..., Tensor], *, config: LossConfig
) -> Tensor:
    longest = int(batch.target_lengths.max())
    lattice = {
        "logit_lengths": lengths,
        "target_lengths": batch.target_lengths.flatten(),
        "token_frames": batch.token_frames.flatten(0, 1)[:, :longest],
    }
    targets = batch.targets.flatten(0, 1)[:, :longest]
    arcs = arcs_of(output.frames.flatten(0, 1)[:, : int(lengths.max())], targets, **lattice)  # (N, T', U+1, 2)
    return transducer_loss_of_arcs(arcs, targets, config=config.transducer_terms, **lattice).sum()


def _arcs(
    frames: Tensor,
    targets: Tensor,
    *,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    token_frames: Tensor,
    joint_logits: Callable[[Tensor, Tensor], Tensor],
    joint_nodes: JointNodes | None,
    band: AlignmentBand | None,
) -> Tensor:
    """(N, T', U + 1, 2): the whole lattice, or what a band leaves of it."""
    if joint_nodes is None or band is None:
        return arcs_of_sequences(
            joint_logits, frames, targets, logit_lengths=logit_lengths.tolist(), target_lengths=target_lengths.tolist()
        )
    nodes = nodes_in_band(token_frames, logit_lengths=logit_lengths, target_lengths=target_lengths, band=band)
    return arcs_in_band(joint_nodes, frames, targets, nodes=nodes, outside_nats=band.penalty_nats)


def _ctc(output: ModelOutput, batch: Targets, lengths: Tensor) -> Tensor:
    target_lengths = batch.target_lengths.flatten()
    losses = ctc_loss(
        _ctc_logits(output), batch.targets.flatten(0, 1), frame_lengths=lengths, target_lengths=target_lengths
    )
    return losses.sum()


def _separation(output: ModelOutput, batch: Targets, config: LossConfig, mean_count: MeanCount) -> Tensor:
    masked, sources = output.masked.flatten(0, 1), batch.source_mels.flatten(0, 1)
    lengths = batch.mel_lengths.repeat_interleave(output.masked.shape[1])
    return separation_loss(
        masked,
        sources,
        lengths=lengths,
        floor=config.separation_floor,
        squared=config.separation_squared,
        mean_count=mean_count,
    )


def _compute_share(output: ModelOutput) -> Tensor:
    """(N, T')."""
    if output.compute_share is None:
        raise ValueError("the compute loss needs an encoder that skips work: the amortised one")
    return output.compute_share.flatten(0, 1)


def _ctc_logits(output: ModelOutput) -> Tensor:
    """(N, T', V)."""
    if output.ctc is None:
        raise ValueError("the CTC and frame-label losses need the model's CTC head: set ctc in its config")
    return output.ctc.flatten(0, 1)
