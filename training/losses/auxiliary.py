"""Losses beside the transducer's: speech activity, CTC, frame labels, separation, compute. Each counts real frames.

Letters: N sequences, T' encoder frames, T mel frames, M mels, U labels, V vocabulary, blank = 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from svc.units import BLANK
from training.losses.arcs import exact_dtype

# A frame that no token or silence is known for.
NO_LABEL = -1


# A count on this process -> its mean over all processes that share the batch.
MeanCount = Callable[[Tensor], Tensor]


def alone(count: Tensor) -> Tensor:
    """The mean count of one process."""
    return count


def activity_loss(logits: Tensor, speech: Tensor, *, lengths: Tensor, mean_count: MeanCount = alone) -> Tensor:
    """(N, T') logits, (N, T') 0 or 1, (N,) -> binary cross-entropy per frame."""
    logits = logits.to(exact_dtype(logits))
    losses = F.binary_cross_entropy_with_logits(logits, speech.to(logits), reduction="none")
    return _mean_over(losses, real_frames(lengths, logits.shape[1]), mean_count)


def ctc_loss(logits: Tensor, targets: Tensor, *, frame_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """(N, T', V) logits, (N, U) targets, (N,) lengths -> (N,) nats; 0 for targets too long for their frames."""
    return F.ctc_loss(
        logits.to(exact_dtype(logits)).log_softmax(-1).transpose(0, 1),  # (T', N, V)
        targets.long(),
        frame_lengths.long(),
        target_lengths.long(),
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )


def frame_label_loss(
    logits: Tensor, labels: Tensor, *, lengths: Tensor, blank_weight: float, mean_count: MeanCount = alone
) -> Tensor:
    """(N, T', V) logits, (N, T') ids or NO_LABEL, (N,) -> cross-entropy per frame, blank frames at `blank_weight`."""
    known = real_frames(lengths, logits.shape[1]) & (labels != NO_LABEL)
    logits = logits.to(exact_dtype(logits))
    losses = F.cross_entropy(logits.transpose(1, 2), labels.long().clamp(min=0), reduction="none")  # (N, T')
    return _mean_over(losses, known * torch.where(labels == BLANK, blank_weight, 1.0), mean_count)


def separation_loss(
    masked: Tensor,
    sources: Tensor,
    *,
    lengths: Tensor,
    floor: float,
    squared: bool = False,
    mean_count: MeanCount = alone,
) -> Tensor:
    """(N, T, M) masked and true log mels, (N,) -> their mean absolute or squared distance.

    Below `floor` nobody hears a difference, so there everything equals the floor; but a mask too low for real speech
    is still told so, which clamping both sides would not do.
    """
    masked = masked.to(exact_dtype(masked))
    distance = masked - sources.clamp(min=floor)  # (N, T, M)
    distance = torch.where((masked <= floor) & (sources <= floor), 0.0, distance)
    losses = distance.square() if squared else distance.abs()
    return _mean_over(losses.mean(-1), real_frames(lengths, masked.shape[1]), mean_count)


def compute_loss(shares: Tensor, *, lengths: Tensor, target: float, mean_count: MeanCount = alone) -> Tensor:
    """(N, T') shares of the encoder's operations -> by how much their mean over all processes is above `target`.

    With a target of 0 it is the cost of arXiv 2207.02393: operations done over operations there are.
    """
    shares = shares.to(exact_dtype(shares))
    mean = _mean_over(shares, real_frames(lengths, shares.shape[1]), mean_count)
    above = mean_count(mean.detach()) > target
    return (mean - target) * above


def real_frames(lengths: Tensor, num_frames: int) -> Tensor:
    """(N,) -> (N, num_frames), true inside each sequence."""
    return torch.arange(num_frames, device=lengths.device) < lengths.unsqueeze(1)


def _mean_over(losses: Tensor, weights: Tensor, mean_count: MeanCount) -> Tensor:
    """Weighted mean over all processes; 0 where nothing weighs, so that an empty batch teaches nothing."""
    weights = weights.to(losses)
    # A mask by product would let an infinity in the padding through.
    total = torch.where(weights > 0, losses * weights, 0.0).sum()
    return total / mean_count(weights.sum()).clamp(min=torch.finfo(losses.dtype).tiny)
