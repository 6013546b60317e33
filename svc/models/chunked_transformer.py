"""The transformer recognition encoder: Whisper's, made to stream.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356. Shapes and layers are
those of its encoder, so that its weights load. With a short left context it is the sliding-window Transformer.

Letters: N sequences, S frames of 20 ms, E block width, A heads.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.attention import Memory
from svc.models.attention_encoder import AttendingBlock, AttentionEncoder, check_sizes
from svc.models.flops import linear_flops


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
        check_sizes(self)


class TransformerBlock(AttendingBlock):
    """Pre-norm self-attention and MLP."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__(width, num_heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, memory: Memory, layer: int) -> Tensor:
        """(N, S, E) -> (N, S, E)."""
        hidden = hidden + self.dropout(self.attend(self.attention_norm(hidden), memory, layer))
        return hidden + self.dropout(self.mlp(self.mlp_norm(hidden)))  # type: ignore[no-any-return]

    def mlp(self, normed: Tensor) -> Tensor:
        """(.., E) -> (.., E) to be added."""
        return self.down(F.gelu(self.up(normed)))  # type: ignore[no-any-return]

    def mlp_flops(self, num_frames: int) -> int:
        return linear_flops(self.up, num_frames) + linear_flops(self.down, num_frames)

    def flops(self, num_frames: int, seen_frames: int) -> int:
        """As the base class says."""
        return super().flops(num_frames, seen_frames) + self.mlp_flops(num_frames)


class ChunkedTransformer(AttentionEncoder):
    """See the module's text."""

    takes_uneven = True  # nothing but attention looks from one frame to another

    def __init__(self, config: ChunkedTransformerConfig, num_mels: int) -> None:
        super().__init__(
            config, num_mels, lambda: TransformerBlock(config.block_width, config.num_heads, config.dropout)
        )
        self.config = config
