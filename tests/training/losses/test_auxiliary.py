"""The auxiliary losses against loops, enumeration and finite differences."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.losses.auxiliary import (
    NO_LABEL,
    MeanCount,
    activity_loss,
    compute_loss,
    ctc_loss,
    frame_label_loss,
    separation_loss,
)

LENGTHS = torch.tensor([5, 0, 3])


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inside(tensor: Tensor) -> Tensor:
    """Rows of real frames, (N, T, ..) -> (8, ..)."""
    return torch.cat([row[:length] for row, length in zip(tensor, LENGTHS, strict=True)])


def said_by(path: tuple[int, ...]) -> list[int]:
    """A CTC path without repeats and blanks."""
    return [token for token, before in zip(path, (0, *path), strict=False) if token not in (0, before)]


def test_activity_is_the_cross_entropy_of_the_real_frames() -> None:
    logits, speech = random_logits(3, 6), torch.arange(18).view(3, 6) % 2
    probability = torch.where(inside(speech) == 1, inside(logits).sigmoid(), 1 - inside(logits).sigmoid())
    torch.testing.assert_close(activity_loss(logits, speech, lengths=LENGTHS), -probability.log().mean())


@pytest.mark.parametrize("target", [0.0, 0.3, 0.9])
def test_compute_is_the_mean_of_the_real_frames_above_the_target(target: float) -> None:
    shares = random_logits(3, 6).sigmoid()
    expected = torch.relu(inside(shares).mean() - target)
    torch.testing.assert_close(compute_loss(shares, lengths=LENGTHS, target=target), expected)


def test_compute_of_two_processes_is_that_of_the_whole_batch() -> None:
    """Halves above and below the target, with different numbers of frames."""
    shares = [torch.full((1, 1), 0.9), torch.full((1, 3), 0.3)]
    lengths = [torch.tensor([1]), torch.tensor([3])]
    for target in (0.4, 0.5):
        whole = max(0.0, (0.9 + 3 * 0.3) / 4 - target)
        parts = [
            compute_loss(mine, lengths=long, target=target, mean_count=mean_of_ranks(value))
            for mine, long, value in zip(shares, lengths, (0.45, 0.45), strict=True)
        ]
        assert float(torch.stack(parts).mean()) == pytest.approx(whole)


def mean_of_ranks(mean_share: float) -> MeanCount:
    """Of two ranks with four frames and this mean share between them: their count first, then their mean."""
    answers = iter([torch.tensor(2.0), torch.tensor(mean_share)])
    return lambda count: next(answers)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 3), max_size=3), st.integers(1, 4), st.integers(0, 99))
def test_ctc_is_the_sum_over_every_path(labels: list[int], frames: int, seed: int) -> None:
    logits = random_logits(1, 4, 4, seed=seed)
    log_probs = logits[0].log_softmax(-1)
    paths = [path for path in product(range(4), repeat=frames) if said_by(path) == labels]
    ways = [sum(log_probs[t, token] for t, token in enumerate(path)) for path in paths]
    expected = -torch.logsumexp(torch.stack([torch.as_tensor(way) for way in ways]), 0) if ways else torch.zeros(())
    ours = ctc_loss(
        logits,
        torch.tensor([labels]).view(1, -1),
        frame_lengths=torch.tensor([frames]),
        target_lengths=torch.tensor([len(labels)]),
    )
    torch.testing.assert_close(ours[0], expected.to(ours))


def test_frame_labels_weigh_blank_and_skip_the_unknown() -> None:
    logits, labels = random_logits(3, 6, 5), torch.randint(0, 5, (3, 6), generator=torch.Generator().manual_seed(1))
    labels[0, 2] = NO_LABEL
    losses, weights = [], []
    for frame, label in zip(inside(logits), inside(labels), strict=True):
        if label != NO_LABEL:
            weights.append(0.25 if label == 0 else 1.0)
            losses.append(-frame.log_softmax(0)[label].item() * weights[-1])
    ours = frame_label_loss(logits, labels, lengths=LENGTHS, blank_weight=0.25)
    assert ours.item() == pytest.approx(sum(losses) / sum(weights))


@pytest.mark.parametrize(
    ("masked", "source", "distance"),
    [(-3, -5, 2), (-30, -5, 25), (-3, -30, 7), (-30, -12, 0), (-10, -10, 0)],
)
def test_separation_knows_nothing_below_the_floor(masked: float, source: float, distance: float) -> None:
    pair = torch.full((1, 2, 4), masked), torch.full((1, 2, 4), source)
    for squared, power in ((False, 1), (True, 2)):
        loss = separation_loss(*pair, lengths=torch.tensor([1]), floor=-10, squared=squared)
        assert loss.item() == pytest.approx(distance**power)


def test_separation_is_the_mean_distance_of_the_real_frames() -> None:
    masked, sources = random_logits(3, 6, 2), random_logits(3, 6, 2, seed=1)
    ours = separation_loss(masked, sources, lengths=LENGTHS, floor=-100)
    torch.testing.assert_close(ours, (inside(masked) - inside(sources)).abs().mean())


LOSSES = {
    "activity": lambda logits: activity_loss(logits[..., 0], logits[..., 1] > 0, lengths=LENGTHS),
    "frames": lambda logits: frame_label_loss(
        logits, torch.arange(18).view(3, 6) % 4, lengths=LENGTHS, blank_weight=0.1
    ),
    "separation": lambda logits: separation_loss(logits, random_logits(3, 6, 4, seed=9), lengths=LENGTHS, floor=-1),
    "squared separation": lambda logits: separation_loss(
        logits, random_logits(3, 6, 4, seed=9), lengths=LENGTHS, floor=-1, squared=True
    ),
    "ctc": lambda logits: ctc_loss(
        logits,
        torch.tensor([[1, 2], [0, 0], [3, 3]]),
        frame_lengths=torch.tensor([5, 1, 4]),
        target_lengths=torch.tensor([2, 0, 2]),
    ).sum(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    assert torch.autograd.gradcheck(LOSSES[name], (random_logits(3, 6, 4).requires_grad_(),))


@pytest.mark.parametrize("name", ["activity", "frames", "separation"])
def test_padding_is_neither_read_nor_taught(name: str) -> None:
    logits = random_logits(3, 6, 4).requires_grad_()
    loss = LOSSES[name](logits)
    (gradient,) = torch.autograd.grad(loss, logits)
    padding = torch.arange(6) >= LENGTHS.unsqueeze(1)
    assert not gradient[padding].any()
    spoilt = torch.where(padding.unsqueeze(-1), torch.inf, logits.detach())
    torch.testing.assert_close(LOSSES[name](spoilt), loss.detach())


def test_a_batch_without_a_frame_costs_nothing() -> None:
    logits = random_logits(1, 4).requires_grad_()
    loss = activity_loss(logits, torch.ones(1, 4), lengths=torch.tensor([0]))
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, logits)[0].any()
