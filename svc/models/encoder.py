"""What the recognition encoder's slot asks for, and streaming state: a plain tuple of tensors, batch on dim 0.

Letters: N sequences (streams x channels), T feature frames of 10 ms, T' = T / stride_frames, M mels, D encoder width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State: TypeAlias = tuple[Tensor, ...]

FRAMES_PER_S = 100  # of 10 ms


def stack_states(states: Sequence[State]) -> State:
    """States of several streams as the state of one batch, in that order."""
    return tuple(torch.cat(tensors) for tensors in zip(*states, strict=True))


def split_states(state: State, num_parts: int | None = None) -> list[State]:
    """The state of a batch as one state per sequence, or in `num_parts` equal parts.

    Copies: a view would keep the whole batch alive.
    """
    batch = len(state[0])
    parts = [torch.split(tensor, batch // (num_parts or batch)) for tensor in state]
    return [tuple(tensor.clone() for tensor in one) for one in zip(*parts, strict=True)]


def rows_up_to(rows: Tensor, ends: Tensor, length: int) -> Tensor:
    """(B, L, ..) and where each is at its end (B,) -> (B, length, ..), the last ones before."""
    places = ends[:, None] - length + torch.arange(length, device=rows.device)  # (B, length)
    return rows[torch.arange(len(rows), device=rows.device)[:, None], places]


def state_bytes(state: State) -> int:
    """What the tensors of a state hold."""
    return sum(tensor.numel() * tensor.element_size() for tensor in state)


class Encoder(nn.Module, ABC):
    """Causal: log-mels to one frame of width D for every `stride_frames`.

    Feeding a stream in chunks, each a multiple of `stride_frames` long and each with the state the last one returned,
    gives the same output as feeding it whole. Output frame i depends on no input past
    stride_frames * (i + 1) + lookahead_frames.

    `input_map` and `input_bias` fit our log-mels to what the weights expect; they are set, never learnt.
    """

    stride_frames = 4
    lookahead_frames = 0
    # Whether `step_streams` takes pieces of different lengths.
    takes_uneven = False

    input_map: Tensor
    input_bias: Tensor

    def __init__(self, num_mels: int, width: int) -> None:
        super().__init__()
        self.num_mels = num_mels
        self.width = width
        self.register_buffer("input_map", torch.eye(num_mels))
        self.register_buffer("input_bias", torch.zeros(num_mels))

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """The state of `batch` sequences of which nothing was heard."""

    @abstractmethod
    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, M), T a multiple of `stride_frames`, and the previous state -> (N, T', D) and the next state."""

    def forward_counted(self, features: Tensor, state: State) -> tuple[Tensor, State, Tensor | None]:
        """As `forward`, and the share each frame took of the compute that `flops` tells, (N, T'); None = always all."""
        return *self(features, state), None

    @abstractmethod
    def flops(self, num_frames: int) -> int:
        """Operations for so many mel frames of one sequence that has heard enough to fill its memory."""

    @property
    def flops_per_s(self) -> int:
        """Operations for a second of audio of one sequence, at most."""
        return self.flops(FRAMES_PER_S)

    @property
    def least_flops_per_s(self) -> int:
        """And at least: less only for an encoder that skips some of its work."""
        return self.flops_per_s

    def input_flops(self, num_frames: int) -> int:
        """Of `map_input`."""
        return 2 * num_frames * self.num_mels**2

    def open_stream(self, channels: int) -> State:
        """The state of one live stream of so many sequences, for `step_streams` alone."""
        return self.initial_state(channels)

    def step_streams(
        self, features: Tensor, states: Sequence[State], counts: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """(B C, T, M) of B live streams and their states -> (B C, T', D) and the next states. The states given are used
        up: they may be changed in place. `counts` (B,): frames out of T' that each stream has, what lies behind them is
        nobody's; None = all. Raises ValueError for counts where it does not take them.
        """
        if counts is not None:
            raise ValueError("this encoder takes pieces of one length only")
        frames, state = self(features, stack_states(states))
        return frames, split_states(state, len(states))

    def narrow(self) -> None:
        """Computes in bfloat16 from now on, if the encoder knows how: two digits, for half the memory traffic."""

    def map_input(self, features: Tensor) -> Tensor:
        """(N, T, M) -> (N, T, M). Raises ValueError for a T that is no multiple of the stride."""
        if features.shape[1] % self.stride_frames:
            raise ValueError(f"need a multiple of {self.stride_frames} frames, got {features.shape[1]}")
        return F.linear(features, self.input_map, self.input_bias)
