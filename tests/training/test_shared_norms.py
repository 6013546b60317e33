"""Batch norms that see all processes' batches."""

import torch

from svc.models.streaming_layers import FrameNorm
from training.distributed import World
from training.shared_norms import restore_statistics, running_statistics, share_norms


class TwoAlike(World):
    """Of two ranks that hold the same."""

    def __init__(self) -> None:
        super().__init__(size=2)

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        return 2 * values


def norms() -> tuple[torch.nn.Module, torch.nn.Module]:
    """An encoder's norm by itself, and one that is shared."""
    plain, shared = torch.nn.Sequential(FrameNorm(3)), torch.nn.Sequential(FrameNorm(3))
    share_norms(shared, TwoAlike())
    return plain, shared


def test_a_norm_of_frames_is_shared_over_channels_not_over_time() -> None:
    plain, shared = norms()
    for shape in ((4, 10, 3), (4, 10, 3, 5)):
        frames = torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 2
        torch.testing.assert_close(shared(frames), plain(frames), rtol=1e-4, atol=1e-5)


def test_channels_far_from_zero_are_as_exact_as_others() -> None:
    plain, shared = norms()
    frames = 100 + 0.01 * torch.randn((4, 500, 3), generator=torch.Generator().manual_seed(0))
    # Of a deviation; torch is off by half of it.
    torch.testing.assert_close(shared(frames), plain(frames), rtol=0, atol=0.02)
    for (mine, _), (theirs, _) in zip(running_statistics(shared), running_statistics(plain), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_in_bfloat16_sums_and_statistics_are_of_full_precision() -> None:
    plain, shared = norms()
    frames = torch.randn(4, 500, 3, generator=torch.Generator().manual_seed(0)).bfloat16() + 2
    found = shared(frames)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, plain(frames))
    for (mine, _), (theirs, _) in zip(running_statistics(shared), running_statistics(plain), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_statistics_are_put_back_as_they_were() -> None:
    _, shared = norms()
    kept = running_statistics(shared)
    shared(torch.full((2, 2, 3), torch.inf))
    assert any(not buffer.isfinite().all() for buffer, _ in kept)
    restore_statistics(kept)
    assert all(buffer.isfinite().all() for buffer, _ in running_statistics(shared))
