"""The transformer recognition encoder: Whisper's, made to stream.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356. Shapes and layers are
those of its encoder, so that its weights load; what differs is that convolutions look only back, attention sees the own
40 ms chunk and a fixed stretch before it, and positions run on a ring.

Letters: N sequences, T mel frames of 10 ms, S = T / 2 frames of 20 ms, M mels, E block width, A heads, P = left context
in frames of 20 ms, D encoder width. Attention runs in K blocks of W frames, so that a long sequence costs S x (W + P)
and not S x S.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import Encoder, State

CHUNK_FRAMES = 2  # frames of 20 ms in a chunk of 40 ms
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


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Which keys each query may see. Keys are the cached P frames, then the new ones."""

    num_blocks: int  # K
    block_frames: int  # W; K * W >= S, the rest is padding; with several blocks W >= P
    visible: Tensor  # (N * K, 1, W, W + P) bool

    @classmethod
    def over(cls, num_frames: int, filled: Tensor, left_context_frames: int) -> "Band":
        """For S new frames of sequences that have (N,) `filled` frames of left context."""
        num_blocks = max(1, num_frames // left_context_frames)
        block_frames = CHUNK_FRAMES * math.ceil(num_frames / num_blocks / CHUNK_FRAMES)
        key = torch.arange(block_frames + left_context_frames, device=filled.device)
        chunk_start = torch.arange(block_frames, device=filled.device) // CHUNK_FRAMES * CHUNK_FRAMES
        oldest, newest = chunk_start[:, None], chunk_start[:, None] + left_context_frames + CHUNK_FRAMES
        near = (key >= oldest) & (key < newest)  # (W, W + P)
        block_start = torch.arange(num_blocks, device=filled.device) * block_frames
        first_filled = left_context_frames - filled[:, None] - block_start  # (N, K)
        real = key >= first_filled.flatten()[:, None]  # (N K, W + P)
        return cls(num_blocks, block_frames, (near & real[:, None])[:, None])


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

    def forward(self, hidden: Tensor, cache: State, band: Band) -> tuple[Tensor, State]:
        """(N, S, E) and the keys and values of the left context, both (N, P, E) -> (N, S, E) and the next cache."""
        num_frames = hidden.shape[1]
        normed = self.attention_norm(hidden)
        keys, values = self.key(normed), self.value(normed)
        # Under autocast the new ones are narrower than an empty cache: joined as they are, all would widen.
        keys = torch.cat([cache[0].to(keys), keys], dim=1)  # (N, P + S, E)
        values = torch.cat([cache[1].to(values), values], dim=1)
        hidden = hidden + self.dropout(self.out(self._attend(self.query(normed), keys, values, band)))
        hidden = hidden + self.dropout(self.down(F.gelu(self.up(self.mlp_norm(hidden)))))
        return hidden, (keys[:, num_frames:], values[:, num_frames:])

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, band: Band) -> Tensor:
        """(N, S, E), (N, P + S, E) twice -> (N, S, E)."""
        batch, num_frames, width = queries.shape
        padding = (0, 0, 0, band.num_blocks * band.block_frames - num_frames)
        if padding[-1]:
            queries, keys, values = (F.pad(tensor, padding) for tensor in (queries, keys, values))
        attended = F.scaled_dot_product_attention(
            self._heads(queries.reshape(batch * band.num_blocks, band.block_frames, width)),
            self._heads(self._windows(keys, band)),
            self._heads(self._windows(values, band)),
            attn_mask=band.visible,
        )  # (N K, A, W, E / A)
        return attended.transpose(1, 2).reshape(batch, -1, width)[:, :num_frames]

    def _heads(self, frames: Tensor) -> Tensor:
        """(N K, W, E) -> (N K, A, W, E / A)."""
        return frames.view(*frames.shape[:2], self.num_heads, -1).transpose(1, 2)

    @staticmethod
    def _windows(frames: Tensor, band: Band) -> Tensor:
        """(N, P + K W, E) -> (N K, P + W, E): the stretch each block can see."""
        if band.num_blocks == 1:
            return frames
        context = band.visible.shape[-1] - band.block_frames  # P, at most W
        blocks = (frames.shape[0], band.num_blocks, band.block_frames, frames.shape[2])
        before = frames[:, : frames.shape[1] - context].view(blocks)[:, :, :context]
        return torch.cat([before, frames[:, context:].view(blocks)], dim=2).flatten(0, 1)


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
        position, filled, mel_tail, conv_tail, *caches = state
        mels = torch.cat([mel_tail, self.map_input(features)], dim=1)  # (N, 2 + T, M)
        local = F.gelu(self.conv1(mels.transpose(1, 2)))  # (N, E, T)
        local = torch.cat([conv_tail.transpose(1, 2), local], dim=2)  # (N, E, 1 + T)
        hidden = F.gelu(self.conv2(local)).transpose(1, 2)  # (N, S, E)
        num_frames = hidden.shape[1]
        hidden = hidden + self._positions_from(position, num_frames)
        band = Band.over(num_frames, filled, self.config.left_context_frames)
        next_caches: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            hidden, cache = block(hidden, (caches[2 * number], caches[2 * number + 1]), band)
            next_caches += cache
        hidden = self.final_norm(hidden).view(len(features), -1, CHUNK_FRAMES * hidden.shape[2])  # (N, T', 2 E)
        position = (position + num_frames) % POSITION_RING
        filled = (filled + num_frames).clamp(max=self.config.left_context_frames)
        tails = mels[:, -2:], local[:, :, -1:].transpose(1, 2)
        return self.project(hidden), (position, filled, *tails, *next_caches)

    def _positions_from(self, position: Tensor, num_frames: int) -> Tensor:
        """(N,) -> (N, S, E): positions wrap after 30 s, so that a stream may last for hours."""
        index = position[:, None] + torch.arange(num_frames, device=position.device)
        return self.positions[index % POSITION_RING]


def sinusoids(num_positions: int, width: int) -> Tensor:
    """(positions, width): Whisper's table, sines in the first half and cosines in the second."""
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(num_positions)[:, None] * rates  # (positions, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
