"""The transformer recognition encoder: Whisper's, made to stream.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356. Shapes and layers are
those of its encoder, so that its weights load; what differs is that convolutions look only back, attention sees the own
40 ms chunk and a fixed stretch before it, and positions run on a ring.

Letters: N sequences, T mel frames of 10 ms, S = T / 2 frames of 20 ms, M mels, E block width, A heads, P = left context
in frames of 20 ms, D encoder width, R ring slots.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.attention import CHUNK_FRAMES, Band, CachedMemory, Memory, RingMemory
from svc.models.encoder import Encoder, State, split_states, stack_states

MAX_STEP_FRAMES = 16  # frames of 20 ms in one step of a live stream
POSITION_RING = 1500  # Whisper's 30 s of positions


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkedTransformerConfig:
    """Sizes; the defaults are those of Whisper tiny's encoder."""

    block_width: int = 384
    num_heads: int = 6
    num_layers: int = 4
    left_context_frames: int = 120  # of 20 ms
    width: int = 384  # D
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.block_width % (2 * self.num_heads):
            raise ValueError(f"block_width {self.block_width} must be a multiple of 2 * num_heads ({self.num_heads})")
        if self.left_context_frames < CHUNK_FRAMES or self.left_context_frames % CHUNK_FRAMES:
            raise ValueError(f"left_context_frames must be a multiple of {CHUNK_FRAMES}: {self.left_context_frames}")


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and MLP. As in Whisper the key projection has no bias."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, memory: Memory, layer: int) -> Tensor:
        """(N, S, E) -> (N, S, E). `memory` holds what lies to the left and does the attending."""
        normed = self.attention_norm(hidden)
        attended = memory.attend(layer, self.query(normed), self.key(normed), self.value(normed))
        hidden = hidden + self.dropout(self.out(attended))
        return hidden + self.dropout(self.down(F.gelu(self.up(self.mlp_norm(hidden)))))  # type: ignore[no-any-return]


class ChunkedTransformer(Encoder):
    """See the module's text. The output lags the input by the 10 ms that Whisper's first convolution looks ahead."""

    positions: Tensor

    def __init__(self, config: ChunkedTransformerConfig, num_mels: int) -> None:
        super().__init__(num_mels, config.width)
        self.config = config
        width = config.block_width
        self.conv1 = nn.Conv1d(num_mels, width, 3)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2)
        self.register_buffer("positions", sinusoids(POSITION_RING, width), persistent=False)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.num_heads, config.dropout) for _ in range(config.num_layers)
        )
        self.final_norm = nn.LayerNorm(width)
        self.project = nn.Linear(CHUNK_FRAMES * width, config.width)

    def initial_state(self, batch: int, offset: Tensor | None = None) -> State:
        """`offset` (N,): where on the ring of positions each sequence starts; 0 unless told (random in training).

        State: position (N,), filled (N,), the frames the convolutions still need, (N, 2, M) and (N, 1, E), then keys
        and values of every block (N, P, E).
        """
        like, width = self.input_bias, self.config.block_width
        counter = torch.zeros(batch, dtype=torch.long, device=like.device)
        position = counter.clone() if offset is None else offset.to(counter) % POSITION_RING
        tails = like.new_zeros(batch, 2, self.num_mels), like.new_zeros(batch, 1, width)
        context = self.config.left_context_frames
        caches = (like.new_zeros(batch, context, width) for _ in range(2 * self.config.num_layers))
        return position, counter, *tails, *caches

    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, M) -> (N, T', D)."""
        position, filled, *tails = state[:4]
        num_frames = features.shape[1] // 2
        context = self.config.left_context_frames
        memory = CachedMemory(state[4:], Band.over(num_frames, filled, context), self.config.num_heads)
        frames, tails = self._run(features, position, tails, memory)
        position = (position + num_frames) % POSITION_RING
        return frames, (position, (filled + num_frames).clamp(max=context), *tails, *memory.next_caches)

    def open_stream(self, channels: int) -> State:
        """Position and frames heard (C,), the convolutions' tails, key and value rings of every block (C, A, R, E / A).

        R leaves room for the frames of one step beside the left context.
        """
        position, heard, *tails = self.initial_state(channels)[:4]
        slots = self.config.left_context_frames + MAX_STEP_FRAMES
        shape = channels, self.config.num_heads, slots, self.config.block_width // self.config.num_heads
        kind = next(self.blocks.parameters()).dtype
        rings = (self.input_bias.new_zeros(shape, dtype=kind) for _ in range(2 * self.config.num_layers))
        return position, heard, *tails, *rings

    def step_streams(self, features: Tensor, states: Sequence[State]) -> tuple[Tensor, list[State]]:
        """As the base class says. The rings, megabytes a stream, are neither gathered nor copied but written in place.

        Raises ValueError for more than MAX_STEP_FRAMES frames of 20 ms.
        """
        num_frames = features.shape[1] // 2
        if num_frames > MAX_STEP_FRAMES:
            raise ValueError(f"a step takes at most {2 * MAX_STEP_FRAMES} mel frames, got {features.shape[1]}")
        position, heard, *tails = stack_states([state[:4] for state in states])
        first_heard = heard[:: len(heard) // len(states)]
        rings = [state[4:] for state in states]
        memory = RingMemory(rings, first_heard, num_frames, self.config.left_context_frames)
        frames, tails = self._run(features, position, tails, memory)
        moved = (position + num_frames) % POSITION_RING, heard + num_frames, *tails
        small = split_states(moved, len(states))
        return frames, [(*one, *ring) for one, ring in zip(small, rings, strict=True)]

    def narrow(self) -> None:
        """The blocks, which are nearly all of the work, and with them the rings of streams opened from now on."""
        self.blocks.to(torch.bfloat16)

    def _run(
        self, features: Tensor, position: Tensor, tails: Sequence[Tensor], memory: Memory
    ) -> tuple[Tensor, list[Tensor]]:
        """(N, T, M) -> (N, T', D) and the convolutions' next tails."""
        mels = torch.cat([tails[0], self.map_input(features)], dim=1)  # (N, 2 + T, M)
        local = F.gelu(self.conv1(mels.transpose(1, 2)))  # (N, E, T)
        local = torch.cat([tails[1].transpose(1, 2), local], dim=2)  # (N, E, 1 + T)
        hidden = F.gelu(self.conv2(local)).transpose(1, 2)  # (N, S, E)
        hidden = (hidden + self._positions_from(position, hidden.shape[1])).to(next(self.blocks.parameters()))
        for layer, block in enumerate(self.blocks):
            hidden = block(hidden, memory, layer)
        hidden = self.final_norm(hidden.to(self.final_norm.weight)).view(
            len(features), -1, CHUNK_FRAMES * hidden.shape[2]
        )  # (N, T', 2 E)
        return self.project(hidden), [mels[:, -2:], local[:, :, -1:].transpose(1, 2)]

    def _positions_from(self, position: Tensor, num_frames: int) -> Tensor:
        """(N,) -> (N, S, E): positions wrap after 30 s, so that a stream may last for hours."""
        index = position[:, None] + torch.arange(num_frames, device=position.device)
        return self.positions[index % POSITION_RING]


def sinusoids(num_positions: int, width: int) -> Tensor:
    """(positions, width): Whisper's table, sines in the first half and cosines in the second."""
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(num_positions)[:, None] * rates  # (positions, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
