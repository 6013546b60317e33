"""When a token may be said: biases on the label arcs' log-probabilities, from the frame where each token is due.

The penalty has the form of Li et al. 2020 for the end of a query: it grows with the distance from the due frame, on its
own slope before and after. The band restricts all alignments to the neighbourhood of the reference's.
Letters: N sequences, T encoder frames, U labels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from svc.units import END_OF_TURN, START_OF_TURN


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPenalty:
    """Nats per frame taken from an arc before its due frame, and after that plus a buffer."""

    early_per_frame: float = 0.0
    late_per_frame: float = 0.0
    buffer_frames: float = 0.0

    def __post_init__(self) -> None:
        if min(self.early_per_frame, self.late_per_frame, self.buffer_frames) < 0:
            raise ValueError(f"a latency penalty cannot reward: {self}")

    def of(self, late_frames: Tensor) -> Tensor:
        """Frames after the due frame, negative = before -> nats to take away, same shape."""
        late = (late_frames - self.buffer_frames).clamp(min=0) * self.late_per_frame
        return late + (-late_frames).clamp(min=0) * self.early_per_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentBand:
    """Every token from `left_frames` before its due frame to `right_frames` after it; outside, `penalty_nats` less.

    The penalty is finite so that a reference that leaves no path costs much instead of making infinities.
    """

    left_frames: float
    right_frames: float
    penalty_nats: float = 30.0

    def __post_init__(self) -> None:
        if min(self.left_frames, self.right_frames) < 0 or self.penalty_nats <= 0:
            raise ValueError(f"a band needs widths of 0 or more and a positive penalty, got {self}")

    def of(self, late_frames: Tensor) -> Tensor:
        """Frames after the due frame -> nats to take away, same shape."""
        outside = (late_frames < -self.left_frames) | (late_frames > self.right_frames)
        return outside * self.penalty_nats


def label_arc_penalties(
    targets: Tensor,
    token_frames: Tensor,
    *,
    logit_lengths: Tensor,
    start: LatencyPenalty,
    end: LatencyPenalty,
    band: AlignmentBand | None,
) -> Tensor:
    """(N, U) targets and due frames, (N,) lengths -> (N, T, U) nats to take from every label arc.

    A due frame past the end counts as the last frame: a token cannot be asked for after the audio.
    """
    frames = torch.arange(int(logit_lengths.max()), device=targets.device)  # (T,)
    due = token_frames.clamp(min=0).minimum(logit_lengths.unsqueeze(1) - 1)  # (N, U)
    late_frames = (frames.view(1, -1, 1) - due.unsqueeze(1)).float()  # (N, T, U)
    kinds = targets.unsqueeze(1)  # (N, 1, U)
    penalties = start.of(late_frames) * (kinds == START_OF_TURN)  # (N, T, U)
    penalties += end.of(late_frames) * (kinds == END_OF_TURN)
    return penalties if band is None else penalties + band.of(late_frames)
