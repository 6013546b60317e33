"""Layers that stream, for the convolutional encoders: a chain, a causal convolution, a norm, squeeze-excitation.

Letters: N sequences, T frames, C channels, K kernel frames, M mels where a layer keeps them apart.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import State
from svc.models.flops import convolution_flops, linear_flops


class StreamingLayer(nn.Module, ABC):
    """Causal: feeding frames in chunks, each with the state the last one returned, equals feeding them whole."""

    stride = 1  # frames taken for one given; chunks must be a multiple of it

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """The state of `batch` sequences of which no frame came; batch on dim 0."""

    @abstractmethod
    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, C) and the previous state -> (N, T / stride, C') and the next state."""

    @abstractmethod
    def flops(self, num_frames: int) -> int:
        """Operations for so many frames of one sequence."""


class Chain(StreamingLayer):
    """One layer after the other; its state is theirs, side by side."""

    def __init__(self, layers: Iterable[StreamingLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.state_sizes = [len(layer.initial_state(0)) for layer in self.each()]
        self.stride = math.prod(layer.stride for layer in self.each())

    def each(self) -> Iterator[StreamingLayer]:
        """The layers in turn."""
        return cast("Iterator[StreamingLayer]", iter(self.layers))

    def initial_state(self, batch: int) -> State:
        return tuple(chain.from_iterable(layer.initial_state(batch) for layer in self.each()))

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        left, after = iter(state), []
        for layer, size in zip(self.each(), self.state_sizes, strict=True):
            frames, own = layer(frames, tuple(next(left) for _ in range(size)))
            after += own
        return frames, tuple(after)

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        total = 0
        for layer in self.each():
            total += layer.flops(num_frames)
            num_frames //= layer.stride
        return total


class CausalConvolution(StreamingLayer):
    """A convolution over time that looks only back: (N, T, C) with a Conv1d, (N, T, C, M) with a Conv2d.

    State: the inputs the next frames still need, (N, (K - 1) * dilation + 1 - stride, C[, M]).
    """

    def __init__(self, conv: nn.Conv1d | nn.Conv2d, input_shape: tuple[int, ...]) -> None:
        """`input_shape`: C, or C and M. Raises ValueError when the stride skips inputs, or time is padded."""
        super().__init__()
        self.conv = conv
        self.input_shape = input_shape
        self.stride = conv.stride[0]
        self.tail_frames = (conv.kernel_size[0] - 1) * conv.dilation[0] + 1 - self.stride
        if self.tail_frames < 0 or conv.padding[0]:
            raise ValueError(f"need a kernel no shorter than the stride and no padding of time, got {conv}")

    @classmethod
    def depthwise(cls, channels: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> "CausalConvolution":
        """Every channel by itself."""
        conv = nn.Conv1d(channels, channels, kernel, stride=stride, dilation=dilation, groups=channels)
        return cls(conv, (channels,))

    def initial_state(self, batch: int) -> State:
        return (self.conv.weight.new_zeros(batch, self.tail_frames, *self.input_shape),)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        joined = torch.cat([state[0].to(frames), frames], dim=1)  # (N, tail + T, C[, M])
        convolved = self.conv(joined.transpose(1, 2)).transpose(1, 2)  # (N, T / stride, C'[, M'])
        return convolved, (joined[:, frames.shape[1] :],)

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        positions = num_frames // self.stride
        if isinstance(self.conv, nn.Conv2d):
            positions *= -(-self.input_shape[1] // self.conv.stride[1])
        return convolution_flops(self.conv, positions)


class FrameNorm(nn.Module):
    """Batch normalisation of channels, for (N, T, C) or (N, T, C, M). In training padded frames count as any others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, frames: Tensor) -> Tensor:
        """Same shape out."""
        return self.norm(frames.flatten(0, 1)).view(frames.shape)  # type: ignore[no-any-return]


class CumulativeSqueeze(StreamingLayer):
    """Squeeze-excitation (Hu et al., arXiv 1709.01507) made causal: its mean is over the frames so far, not over all.

    State: the sum of all frames (N, C) and their number (N,). The sum is kept in float64, which loses nothing for as
    long as a stream may last; in float32 the roundings of hours add up, and in the end the sum stops growing.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, squeezed)
        self.up = nn.Linear(squeezed, channels)

    def initial_state(self, batch: int) -> State:
        weight = self.down.weight
        total = weight.new_zeros(batch, self.down.in_features, dtype=torch.float64)
        return total, torch.zeros(batch, dtype=torch.long, device=weight.device)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says; as many channels out."""
        total, count = state
        sums = total.unsqueeze(1) + frames.double().cumsum(1)  # (N, T, C)
        counts = count.unsqueeze(1) + torch.arange(1, frames.shape[1] + 1, device=count.device)  # (N, T)
        mean = (sums / counts.unsqueeze(2)).to(frames.dtype)
        gates = torch.sigmoid(self.up(F.silu(self.down(mean))))
        return frames * gates, (sums[:, -1], counts[:, -1])

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        return linear_flops(self.down, num_frames) + linear_flops(self.up, num_frames)
