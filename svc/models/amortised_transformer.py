"""The compute-amortised transformer: at every frame each attention and each MLP is computed, or skipped.

"Compute Cost Amortized Transformer for Streaming ASR", arXiv 2207.02393: an arbitrator per block switches it on or off
frame by frame, learnt through straight-through Gumbel-softmax against a cost in operations. Ours are: an arbitrator of
one linear layer on the block's normed input, that it begins nearly always open, and the frame around the blocks.

What is skipped is not computed: frames are gathered, worked on and scattered back. Keys and values are made of every
frame, because a skipped one must still be attended to; those, the arbitrators and the convolutions cannot be skipped.

Letters: N sequences, S frames of 20 ms, E block width, R chosen frames.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.attention import Memory
from svc.models.attention_encoder import AttentionEncoder, BlockPass
from svc.models.chunked_transformer import ChunkedTransformerConfig, TransformerBlock
from svc.models.encoder import FRAMES_PER_S, State
from svc.models.flops import linear_flops

SKIP, COMPUTE = 0, 1  # the arbitrator's two logits


@dataclass(frozen=True, slots=True, kw_only=True)
class AmortisedTransformerConfig(ChunkedTransformerConfig):
    """The transformer's sizes, and how arbitrators learn. `open_logit`: by how much computing is preferred before the
    first step.
    """

    temperature: float = 1.0
    open_logit: float = 2.0

    def __post_init__(self) -> None:
        ChunkedTransformerConfig.__post_init__(self)  # with slots there is no super()
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")


class Arbitrator(nn.Module):
    """Says at which frames a block is computed."""

    def __init__(self, config: AmortisedTransformerConfig) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.logits = nn.Linear(config.block_width, 2)
        with torch.no_grad():
            self.logits.bias.copy_(torch.tensor([0.0, config.open_logit]))

    def forward(self, normed: Tensor) -> Tensor:
        """(N, S, E) -> (N, S) of 0 and 1: sampled in training, where gradients pass as those of a soft choice."""
        logits: Tensor = self.logits(normed)  # (N, S, 2)
        if self.training:
            chosen = F.gumbel_softmax(logits.float(), self.temperature, hard=True)
            return chosen[..., COMPUTE].to(normed.dtype)
        return (logits[..., COMPUTE] > logits[..., SKIP]).to(normed.dtype)

    @torch.no_grad()
    def fix(self, is_open: bool) -> None:
        """From now on computes at every frame, or at none, whatever it was taught: for measuring and tests."""
        self.logits.weight.zero_()
        self.logits.bias.copy_(torch.tensor([0.0, 1.0 if is_open else -1.0]))


class AmortisedBlock(TransformerBlock):
    """A transformer block whose two halves are added only where their arbitrators say so."""

    def __init__(self, config: AmortisedTransformerConfig) -> None:
        super().__init__(config.block_width, config.num_heads, config.dropout)
        self.attention_gate = Arbitrator(config)
        self.mlp_gate = Arbitrator(config)

    def gated(self, hidden: Tensor, memory: Memory, layer: int, *, skipping: bool) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, E) -> (N, S, E), and the gates of attention and MLP, (N, S) each.

        Without `skipping` all is computed and multiplied by the gates, through which gradients pass.
        """
        normed = self.attention_norm(hidden)
        attends = self.attention_gate(normed)
        if skipping:
            hidden = self._attend_some(hidden, normed, memory, layer, chosen=attends.bool())
        else:
            hidden = hidden + attends.unsqueeze(2) * self.dropout(self.attend(normed, memory, layer))
        normed = self.mlp_norm(hidden)
        works = self.mlp_gate(normed)
        if skipping:
            hidden = add_where(hidden, normed, works.bool(), self.mlp)
        else:
            hidden = hidden + works.unsqueeze(2) * self.dropout(self.mlp(normed))
        return hidden, attends, works

    def _attend_some(self, hidden: Tensor, normed: Tensor, memory: Memory, layer: int, *, chosen: Tensor) -> Tensor:
        keys, values = self.key(normed), self.value(normed)

        def attended(rows: Tensor) -> Tensor:
            looked = memory.attend_rows(layer, self.query(rows), keys, values, chosen=chosen)
            return self.out(looked)  # type: ignore[no-any-return]

        return add_where(hidden, normed, chosen, attended)

    def arbitrator_flops(self, num_frames: int) -> int:
        return linear_flops(self.attention_gate.logits, num_frames) + linear_flops(self.mlp_gate.logits, num_frames)

    def flops(self, num_frames: int, seen_frames: int) -> int:
        """As the base class says, everything computed."""
        return super().flops(num_frames, seen_frames) + self.arbitrator_flops(num_frames)


class AmortisedTransformer(AttentionEncoder):
    """See the module's text. With `skips` off it computes all and masks, as it does in training: the same, in full."""

    def __init__(self, config: AmortisedTransformerConfig, num_mels: int) -> None:
        super().__init__(config, num_mels, lambda: AmortisedBlock(config))
        self.config = config
        self.skips = True

    def through_blocks(self, hidden: Tensor, memory: Memory, state: State) -> BlockPass:
        """As the base class says."""
        skipping = self.skips and not self.training
        skipped = hidden.new_zeros(hidden.shape[:2], dtype=torch.float32)  # (N, S) operations
        for layer, block in enumerate(self.each_amortised()):
            hidden, attends, works = block.gated(hidden, memory, layer, skipping=skipping)
            skipped = skipped + (1 - attends.float()) * block.query_flops(1, self.seen_frames)
            skipped = skipped + (1 - works.float()) * block.mlp_flops(1)
        return BlockPass(hidden, state, 1 - skipped / (self.flops_per_s / (FRAMES_PER_S / 2)))

    def each_amortised(self) -> list[AmortisedBlock]:
        """The blocks in turn."""
        return [block for block in self.blocks if isinstance(block, AmortisedBlock)]

    @property
    def least_flops_per_s(self) -> int:
        """As the base class says: with every gate shut."""
        frames = FRAMES_PER_S // 2
        gated = (
            block.query_flops(frames, self.seen_frames) + block.mlp_flops(frames) for block in self.each_amortised()
        )
        return self.flops_per_s - sum(gated)


def add_where(hidden: Tensor, normed: Tensor, chosen: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
    """(N, S, E) hidden and normed, (N, S) bool -> hidden, with what `work` makes of the chosen rows (R, E) added."""
    return hidden.index_put((chosen,), work(normed[chosen]).to(hidden.dtype), accumulate=True)
