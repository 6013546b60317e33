"""When each token may be said."""

import pytest
import torch

from training.losses.arc_biases import AlignmentBand, LatencyPenalty, label_arc_penalties

NONE = LatencyPenalty()
ONE_PER_FRAME = LatencyPenalty(early_per_frame=1, late_per_frame=1)
WIDE = AlignmentBand(left_frames=12, right_frames=24, penalty_nats=20)


def penalties_of(targets: list[int], due: list[int], *, start: LatencyPenalty, end: LatencyPenalty) -> torch.Tensor:
    """(T = 4, U)."""
    return label_arc_penalties(
        torch.tensor([targets]),
        torch.tensor([due]),
        logit_lengths=torch.tensor([4]),
        start=start,
        end=end,
        band=None,
    )[0]


def test_only_turn_boundaries_are_penalised_and_each_by_its_own() -> None:
    penalties = penalties_of([2, 7, 3], [1, 2, 3], start=ONE_PER_FRAME, end=NONE)
    assert penalties.T.tolist() == [[1, 0, 1, 2], [0, 0, 0, 0], [0, 0, 0, 0]]
    penalties = penalties_of([2, 7, 3], [1, 2, 3], start=NONE, end=ONE_PER_FRAME)
    assert penalties.T.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [3, 2, 1, 0]]


def test_a_token_due_after_the_end_is_due_at_the_last_frame() -> None:
    assert penalties_of([3], [9], start=NONE, end=ONE_PER_FRAME).T.tolist() == [[3, 2, 1, 0]]


def test_what_would_reward_lateness_is_refused() -> None:
    with pytest.raises(ValueError, match="reward"):
        LatencyPenalty(late_per_frame=-1)
    with pytest.raises(ValueError, match="widths"):
        AlignmentBand(left_frames=-1, right_frames=0)
