"""ContextNet's recognition encoder, made to stream: separable convolutions with squeeze-excitation, nothing recurrent.

Han et al., arXiv 2005.03191. Ours are: causal convolutions, squeeze-excitation over the frames so far, a stride of 4 in
all and not 8, taken by the first layer of a block, and one width for all blocks.

Letters: N sequences, T mel frames, T' = T / 4, M mels, C channels, D encoder width.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import Encoder, State
from svc.models.flops import linear_flops
from svc.models.streaming_layers import CausalConvolution, Chain, CumulativeSqueeze, FrameNorm, StreamingLayer
from svc.typed_config import check_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextNetConfig:
    """Sizes. `blocks_per_rate`: how many run at frames of 10, 20 and 40 ms."""

    channels: int = 256  # C
    blocks_per_rate: tuple[int, int, int] = (1, 3, 8)
    layers_per_block: int = 5
    kernel: int = 5
    squeeze_factor: int = 8
    width: int = 384  # D
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "channels", "layers_per_block", "squeeze_factor", "width")
        check_at_least(2, self, "kernel")
        if self.blocks_per_rate[0] < 0 or min(self.blocks_per_rate[1:]) < 1:
            raise ValueError(f"need a block at 20 and at 40 ms, got {self}")
        if self.channels % self.squeeze_factor:
            raise ValueError(f"need channels in multiples of squeeze_factor, got {self}")


class SeparableLayer(StreamingLayer):
    """Depthwise causal, then pointwise convolution, normalised, swish."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = CausalConvolution.depthwise(in_channels, kernel, stride=stride)
        self.pointwise = nn.Linear(in_channels, out_channels)
        self.norm = FrameNorm(out_channels)

    def initial_state(self, batch: int) -> State:
        return self.depthwise.initial_state(batch)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        convolved, state = self.depthwise(frames, state)
        return F.silu(self.norm(self.pointwise(convolved))), state

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        return self.depthwise.flops(num_frames) + linear_flops(self.pointwise, num_frames // self.stride)


class ContextBlock(StreamingLayer):
    """Separable layers and squeeze-excitation beside a pointwise residual: (N, T, C) -> (N, T / stride, C)."""

    def __init__(self, config: ContextNetConfig, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        channels = config.channels
        self.body = Chain(
            [
                *(
                    SeparableLayer(channels, channels, kernel=config.kernel, stride=stride if number == 0 else 1)
                    for number in range(config.layers_per_block)
                ),
                CumulativeSqueeze(channels, channels // config.squeeze_factor),
            ]
        )
        self.shortcut = nn.Linear(channels, channels)
        self.shortcut_norm = FrameNorm(channels)
        self.dropout = nn.Dropout(config.dropout)

    def initial_state(self, batch: int) -> State:
        return self.body.initial_state(batch)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        shortcut = self.shortcut_norm(self.shortcut(frames[:, self.stride - 1 :: self.stride]))
        deep, state = self.body(frames, state)
        return self.dropout(F.silu(deep + shortcut)), state

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        return self.body.flops(num_frames) + linear_flops(self.shortcut, num_frames // self.stride)


class ContextNet(Encoder):
    """See the module's text. State: that of the first layer and of every block."""

    def __init__(self, config: ContextNetConfig, num_mels: int) -> None:
        super().__init__(num_mels, config.width)
        self.config = config
        first = SeparableLayer(num_mels, config.channels, kernel=config.kernel)
        self.blocks = Chain([first, *blocks_of(config)])
        self.project = nn.Linear(config.channels, config.width)
        self.final_norm = nn.LayerNorm(config.width)

    def initial_state(self, batch: int) -> State:
        return self.blocks.initial_state(batch)

    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, M) -> (N, T', D)."""
        hidden, state = self.blocks(self.map_input(features), state)  # (N, T', C)
        return self.final_norm(self.project(hidden)), state

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        projected = linear_flops(self.project, num_frames // self.stride_frames)
        return self.input_flops(num_frames) + self.blocks.flops(num_frames) + projected


def blocks_of(config: ContextNetConfig) -> Iterator[ContextBlock]:
    """The first block at each rate but the input's takes every other frame."""
    for rate, num_blocks in enumerate(config.blocks_per_rate):
        for number in range(num_blocks):
            yield ContextBlock(config, stride=2 if rate and number == 0 else 1)
