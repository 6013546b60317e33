"""Attention over a chunk and a fixed stretch before it: how the keys and values of that stretch are kept.

Two ways that give the same: caches passed in and out, in which a long sequence runs as a band (training, whole files),
and rings written in place, one per live stream (serving).

Letters: N sequences, S new frames, E block width, A heads, P left context frames, B streams of C channels (N = B C)
and R ring slots. A band runs in K blocks of W frames, so that a long sequence costs S x (W + P) and not S x S.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from svc.models.chosen_rows import ChosenRows
from svc.models.encoder import State

CHUNK_FRAMES = 2  # frames in a chunk; they see each other


class Memory(Protocol):
    """What lies to the left of the new frames, layer by layer."""

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(N, S, E) each, of the new frames -> (N, S, E). Remembers keys and values for the next call."""
        ...

    def attend_rows(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, *, chosen: Tensor) -> Tensor:
        """As `attend`, for the queries of some frames alone: (R, E), those of `chosen` (N, S) bool in turn -> (R, E).

        All frames' keys and values are remembered.
        """
        ...


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
        chunk_start = chunk_starts(block_frames, filled.device)
        oldest, newest = chunk_start[:, None], chunk_start[:, None] + left_context_frames + CHUNK_FRAMES
        near = (key >= oldest) & (key < newest)  # (W, W + P)
        block_start = torch.arange(num_blocks, device=filled.device) * block_frames
        first_filled = left_context_frames - filled[:, None] - block_start  # (N, K)
        real = key >= first_filled.flatten()[:, None]  # (N K, W + P)
        return cls(num_blocks, block_frames, (near & real[:, None])[:, None])


class CachedMemory:
    """Keys and values of every layer in turn, each (N, P, E), passed in; `next_caches` has those to pass in next."""

    def __init__(self, caches: State, band: Band, num_heads: int) -> None:
        self.caches = caches
        self.band = band
        self.num_heads = num_heads
        self.next_caches: list[Tensor] = []

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """As the protocol says."""
        batch, num_frames, width = queries.shape
        seen_keys, seen_values = self._seen(layer, keys, values)
        blocks = self._padded(queries).reshape(-1, self.band.block_frames, width)
        attended = F.scaled_dot_product_attention(
            self._heads(blocks), seen_keys, seen_values, attn_mask=self.band.visible
        )  # (N K, A, W, E / A)
        return attended.transpose(1, 2).reshape(batch, -1, width)[:, :num_frames]

    def attend_rows(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, *, chosen: Tensor) -> Tensor:
        """As the protocol says."""
        seen_keys, seen_values = self._seen(layer, keys, values)
        if not len(queries):
            return queries
        rows = ChosenRows(self._padded(chosen.unsqueeze(2)).reshape(-1, self.band.block_frames))  # (N K, W)
        visible = self.band.visible.take_along_dim(rows.order[:, None, :, None], dim=2)  # (N K, 1, Q, W + P)
        attended = F.scaled_dot_product_attention(
            self._heads(rows.by_group(queries)), seen_keys, seen_values, attn_mask=visible
        )  # (N K, A, Q, E / A)
        return rows.rows_of(attended.transpose(1, 2).flatten(2))

    def _seen(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, E) -> what each block of queries may look at, (N K, A, W + P, E / A), the cached frames first."""
        num_frames = keys.shape[1]
        cached_keys, cached_values = self.caches[2 * layer : 2 * layer + 2]
        # Under autocast the new ones are narrower than an empty cache: joined as they are, all would widen.
        keys = torch.cat([cached_keys.to(keys), keys], dim=1)  # (N, P + S, E)
        values = torch.cat([cached_values.to(values), values], dim=1)
        self.next_caches += keys[:, num_frames:], values[:, num_frames:]
        keys, values = (self._padded(tensor, behind=keys.shape[1] - num_frames) for tensor in (keys, values))
        return self._heads(self._windows(keys)), self._heads(self._windows(values))

    def _padded(self, frames: Tensor, behind: int = 0) -> Tensor:
        """(N, behind + S, E) -> (N, behind + K W, E)."""
        missing = behind + self.band.num_blocks * self.band.block_frames - frames.shape[1]
        return F.pad(frames, (0, 0, 0, missing)) if missing else frames

    def _heads(self, frames: Tensor) -> Tensor:
        """(N K, W, E) -> (N K, A, W, E / A)."""
        return frames.view(*frames.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _windows(self, frames: Tensor) -> Tensor:
        """(N, P + K W, E) -> (N K, P + W, E): the stretch each block can see."""
        band = self.band
        if band.num_blocks == 1:
            return frames
        context = band.visible.shape[-1] - band.block_frames  # P, at most W
        blocks = (frames.shape[0], band.num_blocks, band.block_frames, frames.shape[2])
        before = frames[:, : frames.shape[1] - context].view(blocks)[:, :, :context]
        return torch.cat([before, frames[:, context:].view(blocks)], dim=2).flatten(0, 1)


class RingMemory:
    """Rings of B streams, each a tuple of keys and values of every layer in turn, (C, A, R, E / A), written in place.

    Frame n of a stream lives in slot n mod R. Positions are in the frames themselves, so the order of slots is free.
    """

    def __init__(
        self,
        rings: Sequence[State],
        heard: Tensor,
        num_frames: int,
        left_context_frames: int,
        *,
        counts: Sequence[int] | None = None,
    ) -> None:
        """`heard` (B,): frames each stream had before; `counts`: those it has now, where they differ: then the frames
        given are all streams' own, one after the other, as one sequence.
        """
        self.rings = rings
        self.counts = counts or [num_frames] * len(rings)
        num_slots = rings[0][0].shape[2]
        self.slots = (heard[:, None] + torch.arange(num_frames, device=heard.device)) % num_slots  # (B, S)
        self.bias = ring_bias(heard, num_frames, num_slots, left_context_frames).to(rings[0][0].dtype)

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """As the protocol says. Stream by stream: to gather the rings would cost more than the attention itself."""
        rings = self._written(layer, keys, values)
        attended = [
            F.scaled_dot_product_attention(query, key_ring, value_ring, attn_mask=bias[: query.shape[2]])
            .transpose(1, 2)
            .reshape(-1, queries.shape[2])
            for query, (key_ring, value_ring), bias in zip(self._by_stream(queries), rings, self.bias, strict=True)
        ]
        return torch.cat(attended).view(queries.shape)

    def attend_rows(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, *, chosen: Tensor) -> Tensor:
        """As the protocol says."""
        rings = self._written(layer, keys, values)
        if not len(queries):
            return queries
        rows = ChosenRows(chosen)
        grouped = self._heads(rows.by_group(queries))  # (B, C, A, Q, E / A)
        streams = grouped.shape[:2]
        order, counts = rows.order.view(*streams, -1), rows.counts.view(streams)  # (B, C, Q) and (B, C)
        attended = torch.zeros_like(grouped)
        for stream, ((key_ring, value_ring), most) in enumerate(zip(rings, counts.amax(1).tolist(), strict=True)):
            query = grouped[stream, :, :, :most]
            bias = self.bias[stream][order[stream, :, :most]].unsqueeze(1)  # (C, 1, most, R)
            looked = F.scaled_dot_product_attention(query, key_ring, value_ring, attn_mask=bias)
            attended[stream, :, :, :most] = looked
        return rows.rows_of(attended.transpose(2, 3).reshape(*rows.real.shape, -1))

    def _written(self, layer: int, keys: Tensor, values: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The layer's two rings of each stream, the new frames in them."""
        rings = [(ring[2 * layer], ring[2 * layer + 1]) for ring in self.rings]
        new = zip(self.slots, self._by_stream(keys), self._by_stream(values), strict=True)
        for (key_ring, value_ring), (slots, key, value) in zip(rings, new, strict=True):
            key_ring.index_copy_(2, slots[: key.shape[2]], key)
            value_ring.index_copy_(2, slots[: key.shape[2]], value)
        return rings

    def _by_stream(self, frames: Tensor) -> list[Tensor]:
        """(N, S, E), or (1, all frames, E) where streams have different numbers -> each stream's (C, A, S, E / A)."""
        channels, heads = self.rings[0][0].shape[:2]
        pieces = torch.split(frames.reshape(-1, frames.shape[2]), [channels * count for count in self.counts])
        return [piece.view(channels, -1, heads, piece.shape[1] // heads).transpose(1, 2) for piece in pieces]

    def _heads(self, frames: Tensor) -> Tensor:
        """(N, S, E) -> (B, C, A, S, E / A)."""
        channels, heads = self.rings[0][0].shape[:2]
        return frames.view(len(self.rings), channels, frames.shape[1], heads, -1).transpose(2, 3)


def ring_bias(heard: Tensor, num_frames: int, num_slots: int, left_context_frames: int) -> Tensor:
    """(B,) -> (B, S, R): 0 where a query may look, minus infinity elsewhere."""
    last = heard[:, None] + num_frames - 1
    # The newest frame that lives in each slot once the new ones are written; negative: nothing yet.
    holds = last - (last - torch.arange(num_slots, device=heard.device)) % num_slots  # (B, R)
    start = heard[:, None] + chunk_starts(num_frames, heard.device)  # (B, S)
    age = start[:, :, None] - holds[:, None]  # (B, S, R)
    visible = (age <= left_context_frames) & (age > -CHUNK_FRAMES) & (holds >= 0)[:, None]
    return torch.zeros(visible.shape, device=heard.device).masked_fill(~visible, -math.inf)


def chunk_starts(num_frames: int, device: torch.device) -> Tensor:
    """(S,): the first frame of each frame's chunk."""
    return torch.arange(num_frames, device=device) // CHUNK_FRAMES * CHUNK_FRAMES
