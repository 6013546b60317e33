"""The Conformer recognition encoder, chunked and causal: attention and a depthwise convolution between two half MLPs.

Gulati et al., arXiv 2005.08100. Ours are: the frame around the blocks, which is the transformer's (so that the two
differ in their blocks alone), its positions on a ring in place of relative ones, and convolutions that look only back.

Letters: N sequences, S frames of 20 ms, E block width, K kernel frames.
"""

from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.attention import Memory
from svc.models.attention_encoder import AttendingBlock, AttentionEncoder, BlockPass, check_sizes
from svc.models.encoder import State
from svc.models.flops import linear_flops
from svc.models.streaming_layers import CausalConvolution, FrameNorm, StreamingLayer
from svc.typed_config import check_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformerConfig:
    """Sizes. `mlp_factor`: inner width of each of a block's two MLPs, in block widths."""

    block_width: int = 256
    num_heads: int = 4
    num_layers: int = 6
    left_context_frames: int = 120  # of 20 ms
    kernel: int = 15  # K, frames of 20 ms
    mlp_factor: int = 4
    width: int = 384  # D
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_at_least(1, self, "mlp_factor")
        check_at_least(2, self, "kernel")


class ConvolutionModule(StreamingLayer):
    """Gated pointwise, depthwise and pointwise convolution, to be added: (N, S, E)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.depthwise = CausalConvolution.depthwise(width, kernel)
        self.depthwise_norm = FrameNorm(width)
        self.pointwise = nn.Linear(width, width)

    def initial_state(self, batch: int) -> State:
        return self.depthwise.initial_state(batch)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        gated = F.glu(self.expand(self.norm(frames)), dim=-1)
        convolved, state = self.depthwise(gated, state)
        return self.pointwise(F.silu(self.depthwise_norm(convolved))), state

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        pointwise = linear_flops(self.expand, num_frames) + linear_flops(self.pointwise, num_frames)
        return pointwise + self.depthwise.flops(num_frames)


class ConformerBlock(AttendingBlock):
    """Half an MLP, attention, convolution, half an MLP, norm."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__(config.block_width, config.num_heads)
        self.before = half_mlp(config)
        self.convolution = ConvolutionModule(config.block_width, config.kernel)
        self.after = half_mlp(config)
        self.last_norm = nn.LayerNorm(config.block_width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, memory: Memory, layer: int, state: State) -> tuple[Tensor, State]:
        """(N, S, E) and the convolution's state -> (N, S, E) and its next."""
        hidden = hidden + self.dropout(self.before(hidden)) / 2
        hidden = hidden + self.dropout(self.attend(self.attention_norm(hidden), memory, layer))
        convolved, state = self.convolution(hidden, state)
        hidden = hidden + self.dropout(convolved)
        hidden = hidden + self.dropout(self.after(hidden)) / 2
        return self.last_norm(hidden), state

    def flops(self, num_frames: int, seen_frames: int) -> int:
        """As the base class says."""
        layers = (layer for mlp in (self.before, self.after) for layer in mlp if isinstance(layer, nn.Linear))
        mlps = sum(linear_flops(layer, num_frames) for layer in layers)
        return super().flops(num_frames, seen_frames) + mlps + self.convolution.flops(num_frames)


class Conformer(AttentionEncoder):
    """See the module's text. Of each block the state has what its convolution still needs, (N, K - 1, E)."""

    def __init__(self, config: ConformerConfig, num_mels: int) -> None:
        super().__init__(config, num_mels, lambda: ConformerBlock(config))
        self.config = config

    def block_state(self, batch: int) -> State:
        """As the base class says."""
        states = (block.convolution.initial_state(batch) for block in self.blocks)  # type: ignore[operator, union-attr]
        return tuple(chain.from_iterable(states))

    def through_blocks(self, hidden: Tensor, memory: Memory, state: State) -> BlockPass:
        """As the base class says."""
        after: list[Tensor] = []
        for layer, (block, tail) in enumerate(zip(self.blocks, state, strict=True)):
            hidden, moved = block(hidden, memory, layer, (tail,))
            after += moved
        return BlockPass(hidden, tuple(after))


def half_mlp(config: ConformerConfig) -> nn.Sequential:
    """(.., E) -> (.., E), to be added by half."""
    width, inner = config.block_width, config.mlp_factor * config.block_width
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, inner), nn.SiLU(), nn.Linear(inner, width))
