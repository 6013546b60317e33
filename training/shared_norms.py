"""Batch norms over the batches of all processes, so that two of them train as one with the doubled batch does.

torch's own works on GPUs alone; this one computes the same and works anywhere, so that it can be tested.
Letters: B clips, C channels.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.distributed import World


def share_norms(module: nn.Module, world: World) -> None:
    """Lets the batch norms inside the module, in place, see all ranks' batches; nothing to do for one rank."""
    if world.size == 1:
        return
    if world.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, _SharedNorm(child, world))
        else:
            share_norms(child, world)


def running_statistics(module: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """The running mean and variance of each batch norm inside the module, and a copy of it.

    They move in the forward pass: before it is known whether its step will be taken.
    """
    norms = (norm for norm in module.modules() if isinstance(norm, _BatchNorm))
    moving = (buffer for norm in norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None)
    return [(buffer, buffer.clone()) for buffer in moving]


def restore_statistics(kept: Iterable[tuple[Tensor, Tensor]]) -> None:
    """As they were when `running_statistics` gave them."""
    for buffer, before in kept:
        buffer.copy_(before)


class _SharedNorm(_BatchNorm):
    """A batch norm of any number of dimensions, with the parameters and statistics of the one it takes over from."""

    def __init__(self, norm: _BatchNorm, world: World) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.world = world
        self.load_state_dict(norm.state_dict())
        self.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any will do."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, ..) -> the same shape and precision, float32 within: bfloat16 cannot even count what it sums."""
        if not self.training:
            return super().forward(hidden)
        wide = hidden.float()
        others = [axis for axis in range(hidden.dim()) if axis != 1]
        shape = (1, -1, *[1] * (hidden.dim() - 2))
        count = wide.new_full((1,), hidden.numel() // hidden.shape[1])
        sums = self.world.summed(torch.cat([wide.sum(others), count]))  # (C + 1,)
        count, mean = sums[-1], sums[:-1] / sums[-1]
        # A pass of its own: of channels far from zero, squares less the squared mean leave nothing but roundings.
        centred = wide - mean.view(shape)
        variance = self.world.summed(centred.square().sum(others)) / count
        self._remember(mean.detach(), (variance * count / (count - 1)).detach())
        normal: Tensor = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(hidden.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            share = self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance, share)
