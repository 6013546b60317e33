"""What the attending encoders share: two convolutions to frames of 20 ms, positions on a ring, streams' memories.

The frame around their blocks is that of Whisper's encoder (Radford et al., arXiv 2212.04356), made to stream:
convolutions look only back, attention sees the own 40 ms chunk and a fixed stretch before it.

Letters: N sequences, T mel frames of 10 ms, S = T / 2 frames of 20 ms, T' = T / 4, M mels, E block width, A heads,
P = left context in frames of 20 ms, D encoder width, R ring slots.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.attention import CHUNK_FRAMES, Band, CachedMemory, Memory, RingMemory
from svc.models.encoder import Encoder, State, rows_up_to, split_states, stack_states
from svc.models.flops import attention_flops, convolution_flops, linear_flops
from svc.typed_config import check_at_least

MAX_STEP_FRAMES = 16  # frames of 20 ms in one step of a live stream
POSITION_RING = 1500  # Whisper's 30 s of positions
NUM_FRONT_TENSORS = 4  # of a state, before those of the blocks


class AttentionSizes(Protocol):
    """What the frame around the blocks must know of a configuration."""

    @property
    def block_width(self) -> int: ...

    @property
    def num_heads(self) -> int: ...

    @property
    def num_layers(self) -> int: ...

    @property
    def left_context_frames(self) -> int: ...

    @property
    def width(self) -> int: ...


def check_sizes(sizes: AttentionSizes) -> None:
    """Raises ValueError for a size below 1, or when heads or chunks do not divide what they must."""
    check_at_least(1, sizes, "block_width", "num_heads", "num_layers", "width")
    if sizes.block_width % (2 * sizes.num_heads):
        raise ValueError(f"block_width {sizes.block_width} must be a multiple of 2 * num_heads ({sizes.num_heads})")
    if sizes.left_context_frames < CHUNK_FRAMES or sizes.left_context_frames % CHUNK_FRAMES:
        raise ValueError(f"left_context_frames must be a multiple of {CHUNK_FRAMES}: {sizes.left_context_frames}")


class AttendingBlock(nn.Module):
    """The attention every block begins from. As in Whisper the key projection has no bias."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def attend(self, normed: Tensor, memory: Memory, layer: int) -> Tensor:
        """(N, S, E) -> (N, S, E) to be added. `memory` holds what lies to the left and does the attending."""
        attended = memory.attend(layer, self.query(normed), self.key(normed), self.value(normed))
        return self.out(attended)  # type: ignore[no-any-return]

    def query_flops(self, num_frames: int, seen_frames: int) -> int:
        """Of the frames that look, each at so many."""
        looking = attention_flops(self.query.out_features, num_frames, seen_frames)
        return linear_flops(self.query, num_frames) + looking + linear_flops(self.out, num_frames)

    def memory_flops(self, num_frames: int) -> int:
        """Of the frames that may be looked at."""
        return linear_flops(self.key, num_frames) + linear_flops(self.value, num_frames)

    def flops(self, num_frames: int, seen_frames: int) -> int:
        """Of so many frames, each of which sees so many; a block with more than attention adds its own."""
        return self.query_flops(num_frames, seen_frames) + self.memory_flops(num_frames)


@dataclass(frozen=True, slots=True, eq=False)
class BlockPass:
    """What the blocks made of some frames. `share`: what each took of the encoder's compute; None = always all."""

    hidden: Tensor  # (N, S, E)
    state: State  # what blocks keep beside keys and values
    share: Tensor | None = None  # (N, S)


class AttentionEncoder(Encoder):
    """See the module's text. The output lags the input by the 10 ms that Whisper's first convolution looks ahead."""

    positions: Tensor

    def __init__(self, sizes: AttentionSizes, num_mels: int, build_block: Callable[[], AttendingBlock]) -> None:
        super().__init__(num_mels, sizes.width)
        self.sizes = sizes
        width = sizes.block_width
        self.conv1 = nn.Conv1d(num_mels, width, 3)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2)
        self.register_buffer("positions", sinusoids(POSITION_RING, width), persistent=False)
        self.blocks = nn.ModuleList(build_block() for _ in range(sizes.num_layers))
        self.final_norm = nn.LayerNorm(width)
        self.project = nn.Linear(CHUNK_FRAMES * width, sizes.width)

    def through_blocks(self, hidden: Tensor, memory: Memory, state: State) -> BlockPass:
        """(N, S, E) and what the blocks kept, as in `block_state`."""
        for layer, block in enumerate(self.blocks):
            hidden = block(hidden, memory, layer)
        return BlockPass(hidden, state)

    def block_state(self, batch: int) -> State:
        """What the blocks keep beside keys and values, of `batch` sequences of which nothing was heard."""
        return ()

    def initial_state(self, batch: int, offset: Tensor | None = None) -> State:
        """`offset` (N,): where on the ring of positions each sequence starts; 0 unless told (random in training).

        State: position (N,), filled (N,), the frames the convolutions still need, (N, 2, M) and (N, 1, E), what the
        blocks keep, then keys and values of every block (N, P, E).
        """
        like, width = self.input_bias, self.sizes.block_width
        counter = torch.zeros(batch, dtype=torch.long, device=like.device)
        position = counter.clone() if offset is None else offset.to(counter) % POSITION_RING
        tails = like.new_zeros(batch, 2, self.num_mels), like.new_zeros(batch, 1, width)
        context = self.sizes.left_context_frames
        caches = (like.new_zeros(batch, context, width) for _ in range(2 * self.sizes.num_layers))
        return position, counter, *tails, *self.block_state(batch), *caches

    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, M) -> (N, T', D)."""
        frames, state, _ = self.forward_counted(features, state)
        return frames, state

    def forward_counted(self, features: Tensor, state: State) -> tuple[Tensor, State, Tensor | None]:
        """As the base class says."""
        (position, filled, *tails), kept, caches = self._parts(state)
        num_frames = features.shape[1] // 2
        context = self.sizes.left_context_frames
        memory = CachedMemory(caches, Band.over(num_frames, filled, context), self.sizes.num_heads)
        front, tails = self._front(features, position, tails, num_frames)
        passed = self.through_blocks(front, memory, kept)
        moved = (position + num_frames) % POSITION_RING, (filled + num_frames).clamp(max=context)
        share = passed.share
        if share is not None:
            share = share.view(len(share), -1, CHUNK_FRAMES).mean(2)  # (N, T')
        return self._finish(passed.hidden), (*moved, *tails, *passed.state, *memory.next_caches), share

    def open_stream(self, channels: int) -> State:
        """Position and frames heard (C,), the convolutions' tails, what the blocks keep, key and value rings of every
        block (C, A, R, E / A).

        R leaves room for the frames of one step beside the left context.
        """
        front, kept, _ = self._parts(self.initial_state(channels))
        slots = self.sizes.left_context_frames + MAX_STEP_FRAMES
        shape = channels, self.sizes.num_heads, slots, self.sizes.block_width // self.sizes.num_heads
        kind = next(self.blocks.parameters()).dtype
        rings = (self.input_bias.new_zeros(shape, dtype=kind) for _ in range(2 * self.sizes.num_layers))
        return *front, *kept, *rings

    def step_streams(
        self, features: Tensor, states: Sequence[State], counts: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """As the base class says. The rings, megabytes a stream, are neither gathered nor copied but written in place.

        Raises ValueError for more than MAX_STEP_FRAMES frames of 20 ms.
        """
        num_frames = features.shape[1] // 2
        if num_frames > MAX_STEP_FRAMES:
            raise ValueError(f"a step takes at most {2 * MAX_STEP_FRAMES} mel frames, got {features.shape[1]}")
        if counts is not None and not self.takes_uneven:
            raise ValueError("this encoder takes pieces of one length only")
        fronts, kepts, rings = zip(*map(self._parts, states), strict=True)
        position, heard, *tails = stack_states(fronts)
        channels, context = len(heard) // len(states), self.sizes.left_context_frames
        own = None if counts is None else CHUNK_FRAMES * counts  # (B,) frames of 20 ms
        told = None if own is None else own.tolist()
        memory = RingMemory(rings, heard[::channels], num_frames, context, counts=told)
        new = num_frames if own is None else own.repeat_interleave(channels)  # (N,)
        front, tails = self._front(features, position, tails, new)
        passed = self._through_blocks_packed(front, memory, stack_states(kepts), new)
        moved = (position + new) % POSITION_RING, heard + new, *tails, *passed.state
        small = split_states(moved, len(states))
        return self._finish(passed.hidden), [(*one, *ring) for one, ring in zip(small, rings, strict=True)]

    def _through_blocks_packed(self, front: Tensor, memory: Memory, kept: State, counts: int | Tensor) -> BlockPass:
        """As `through_blocks`; where sequences have different numbers of frames, theirs alone, side by side."""
        if isinstance(counts, int):
            return self.through_blocks(front, memory, kept)
        own = torch.arange(front.shape[1], device=front.device) < counts[:, None]  # (N, S)
        passed = self.through_blocks(front[own][None], memory, kept)
        hidden = front.new_zeros(front.shape)
        hidden[own] = passed.hidden[0]
        return BlockPass(hidden, passed.state)

    @property
    def seen_frames(self) -> int:
        """What a frame of 20 ms sees at most, itself included."""
        return self.sizes.left_context_frames + CHUNK_FRAMES

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        front = convolution_flops(self.conv1, num_frames) + convolution_flops(self.conv2, num_frames // 2)
        blocks = sum(block.flops(num_frames // 2, self.seen_frames) for block in self.each_block())
        projected = linear_flops(self.project, num_frames // self.stride_frames)
        return self.input_flops(num_frames) + front + blocks + projected

    def each_block(self) -> Iterator[AttendingBlock]:
        """The blocks in turn."""
        return cast("Iterator[AttendingBlock]", iter(self.blocks))

    def narrow(self) -> None:
        """The blocks, which are nearly all of the work, and with them the rings of streams opened from now on."""
        self.blocks.to(torch.bfloat16)

    def _parts(self, state: State) -> tuple[State, State, State]:
        """What lies before the blocks; what they keep; keys and values."""
        cut = len(state) - 2 * self.sizes.num_layers
        return state[:NUM_FRONT_TENSORS], state[NUM_FRONT_TENSORS:cut], state[cut:]

    def _front(
        self, features: Tensor, position: Tensor, tails: Sequence[Tensor], counts: int | Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """(N, T, M) -> (N, S, E) and the convolutions' next tails, after so many frames of 20 ms."""
        mels = torch.cat([tails[0], self.map_input(features)], dim=1)  # (N, 2 + T, M)
        local = F.gelu(self.conv1(mels.transpose(1, 2)))  # (N, E, T)
        local = torch.cat([tails[1].transpose(1, 2), local], dim=2)  # (N, E, 1 + T)
        hidden = F.gelu(self.conv2(local)).transpose(1, 2)  # (N, S, E)
        hidden = (hidden + self._positions_from(position, hidden.shape[1])).to(next(self.blocks.parameters()))
        if isinstance(counts, int):
            return hidden, [mels[:, -2:], local[:, :, -1:].transpose(1, 2)]
        return hidden, [rows_up_to(mels, 2 + 2 * counts, 2), rows_up_to(local.transpose(1, 2), 1 + 2 * counts, 1)]

    def _finish(self, hidden: Tensor) -> Tensor:
        """(N, S, E) -> (N, T', D)."""
        hidden = self.final_norm(hidden.to(self.final_norm.weight))
        return self.project(hidden.view(len(hidden), -1, CHUNK_FRAMES * hidden.shape[2]))  # type: ignore[no-any-return]

    def _positions_from(self, position: Tensor, num_frames: int) -> Tensor:
        """(N,) -> (N, S, E): positions wrap after 30 s, so that a stream may last for hours."""
        index = position[:, None] + torch.arange(num_frames, device=position.device)
        return self.positions[index % POSITION_RING]


def sinusoids(num_positions: int, width: int) -> Tensor:
    """(positions, width): Whisper's table, sines in the first half and cosines in the second."""
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(num_positions)[:, None] * rates  # (positions, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
