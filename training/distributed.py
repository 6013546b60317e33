"""One process or many: rank, world size and the sums over all ranks, under torchrun or without it."""

import atexit
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Which of how many processes this is, and the device it trains on."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """The one that writes files and talks to people."""
        return self.rank == 0

    def wrap(self, module: nn.Module, *, partly_used: bool = True) -> nn.Module:
        """The module with gradients averaged over the ranks; itself when there is one rank.

        `partly_used`: some parameters may have no part in a step.
        """
        if self.size == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices, find_unused_parameters=partly_used)

    def mean(self, values: Tensor) -> Tensor:
        """Elementwise mean over the ranks; every rank gets it."""
        if self.size == 1:
            return values
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total / self.size

    def joined(self, values: Tensor) -> Tensor:
        """(n, ..) of each rank, n the same -> (size * n, ..) in order of rank, with a gradient to this rank's own part.

        Meant for losses over all pairs of the whole batch: when every rank computes the same from what was joined, the
        mean of the ranks' gradients, as `wrap` takes it, is that of one process with the whole batch.
        """
        return values if self.size == 1 else _Joined.apply(values, self)

    def summed(self, values: Tensor) -> Tensor:
        """Elementwise sum over the ranks, with a gradient to every rank's values."""
        return values if self.size == 1 else _Summed.apply(values)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Of parameters outside `wrap` that every rank has: keeps ranks from drifting apart by rounding."""
        for parameter in parameters:
            if self.size > 1 and parameter.grad is not None:
                parameter.grad.copy_(self.mean(parameter.grad))

    def seed_noise(self, seed: int, step: int, first: Tensor) -> None:
        """Seeds what torch draws from a step on: other noise in every process and at every start.

        `first`: the state from which the first process's CPU goes on instead, so that a run in one process ends with
        the same bits whether it was cut or not.
        """
        entropy = np.random.SeedSequence((seed, step, self.rank))
        torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
        if self.is_first:
            torch.set_rng_state(first)


class _Joined(torch.autograd.Function):
    """All ranks' values; back comes this rank's part, times the number of ranks, which the mean over them takes off."""

    @staticmethod
    def forward(context: Any, values: Tensor, world: World) -> Tensor:  # noqa: ANN401 - torch gives it no type
        parts = [torch.empty_like(values) for _ in range(world.size)]
        torch.distributed.all_gather(parts, values.contiguous())
        context.world = world
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        world: World = context.world
        return gradient.chunk(world.size)[world.rank] * world.size, None


class _Summed(torch.autograd.Function):
    """A sum that every rank goes on from: what comes back to it is the sum of what comes back to each."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:  # noqa: ANN401
        return _Summed._sum(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        return _Summed._sum(gradient)

    @staticmethod
    def _sum(values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total


@contextmanager
def joined_world() -> Iterator[World]:
    """The world torchrun set up (RANK, WORLD_SIZE, LOCAL_RANK), or one process alone on the best device there is."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    if size == 1:
        yield World(device=device)
        return
    if device.type == "cuda":
        # Else what names no device of its own, such as the barrier, would take the first GPU in every process.
        torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl", device_id=device)
    else:
        torch.distributed.init_process_group("gloo")
    try:
        yield World(rank=rank, size=size, device=device)
        # No rank leaves while another still talks to it.
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()
    atexit.register(_leave)


def _leave() -> None:
    """Ends a process that has done its work, without taking the interpreter down.

    DistributedDataParallel keeps gloo's threads alive beyond the end of their group, and with these a process now and
    then aborts on its way out, all results written, which torchrun takes for a failed run.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
