"""ConvRNN-T's recognition encoder: a local and a global causal convolutional front end side by side, then LSTMs.

Radfar et al., arXiv 2209.14868. Sizes of the local convolutions and the order inside a global block are
those of public re-implementations. Ours are: four frames side by side as the input (as channels of the local part),
the stride over mels, the widths, the squeeze-excitation's bottleneck, and its mean over the frames so far.

Letters: N sequences, T mel frames, T' = T / 4, M mels, C global channels, D encoder width.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import Encoder, State
from svc.models.flops import linear_flops, lstm_flops
from svc.models.lstm_encoder import run_lstm, stacked_lstm, zero_lstm_state
from svc.models.streaming_layers import CausalConvolution, Chain, CumulativeSqueeze, FrameNorm, StreamingLayer
from svc.typed_config import check_at_least

LOCAL_KERNEL, GLOBAL_KERNEL = 5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvRnnEncoderConfig:
    """Sizes. `mel_stride` is that of every local convolution; 1 keeps all mels, which costs far more."""

    local_channels: tuple[int, ...] = (100, 100, 64, 64)
    mel_stride: int = 2
    local_width: int = 192
    global_width: int = 192  # C
    num_global_blocks: int = 6
    squeeze_factor: int = 8
    hidden_width: int = 512
    num_layers: int = 3
    width: int = 384  # D
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "mel_stride", "local_width", "global_width", "squeeze_factor")
        check_at_least(1, self, "hidden_width", "num_layers", "width")
        check_at_least(0, self, "num_global_blocks")
        if min(self.local_channels, default=0) < 1 or self.global_width % self.squeeze_factor:
            raise ValueError(f"need local_channels of 1 or more, squeeze_factor dividing global_width: {self}")


class LocalLayer(StreamingLayer):
    """Causal convolution over frames and mels, normalised, ReLU: (N, T', C, M) -> (N, T', C', M')."""

    def __init__(self, in_channels: int, out_channels: int, *, num_mels: int, mel_stride: int) -> None:
        super().__init__()
        conv = nn.Conv2d(
            in_channels, out_channels, LOCAL_KERNEL, stride=(1, mel_stride), padding=(0, LOCAL_KERNEL // 2)
        )
        self.conv = CausalConvolution(conv, (in_channels, num_mels))
        self.norm = FrameNorm(out_channels)

    def initial_state(self, batch: int) -> State:
        return self.conv.initial_state(batch)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        convolved, state = self.conv(frames, state)
        return F.relu(self.norm(convolved)), state

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        return self.conv.flops(num_frames)


class GlobalBlock(StreamingLayer):
    """Gated pointwise, dilated depthwise and pointwise convolution, squeeze-excitation, residual: (N, T', C)."""

    def __init__(self, channels: int, *, dilation: int, squeezed: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, 2 * channels)
        self.gated_norm = FrameNorm(channels)
        self.depthwise = CausalConvolution.depthwise(channels, GLOBAL_KERNEL, dilation=dilation)
        self.depthwise_norm = FrameNorm(channels)
        self.pointwise = nn.Linear(channels, channels)
        self.squeeze = CumulativeSqueeze(channels, squeezed)

    def initial_state(self, batch: int) -> State:
        return *self.depthwise.initial_state(batch), *self.squeeze.initial_state(batch)

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """As the base class says."""
        gated = self.gated_norm(F.glu(self.expand(frames), dim=-1))
        convolved, tail = self.depthwise(gated, state[:1])
        mixed = self.pointwise(self.depthwise_norm(F.silu(convolved)))
        squeezed, means = self.squeeze(mixed, state[1:])
        return frames + squeezed, (*tail, *means)

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        pointwise = linear_flops(self.expand, num_frames) + linear_flops(self.pointwise, num_frames)
        return pointwise + self.depthwise.flops(num_frames) + self.squeeze.flops(num_frames)


class ConvRnnEncoder(Encoder):
    """See the module's text. State: that of the local part, of the global part, hidden and cell of the LSTMs."""

    def __init__(self, config: ConvRnnEncoderConfig, num_mels: int) -> None:
        super().__init__(num_mels, config.width)
        self.config = config
        self.local = Chain(local_layers(config, self.stride_frames, num_mels))
        left_mels = num_mels
        for _ in config.local_channels:
            left_mels = -(-left_mels // config.mel_stride)
        self.from_local = nn.Linear(config.local_channels[-1] * left_mels, config.local_width)
        self.to_global = nn.Linear(self.stride_frames * num_mels, config.global_width)
        squeezed = config.global_width // config.squeeze_factor
        self.context = Chain(
            GlobalBlock(config.global_width, dilation=2**number, squeezed=squeezed)
            for number in range(config.num_global_blocks)
        )
        self.memory = stacked_lstm(config.local_width + config.global_width, config)
        self.project = nn.Linear(config.hidden_width, config.width)
        self.final_norm = nn.LayerNorm(config.width)

    def initial_state(self, batch: int) -> State:
        front = *self.local.initial_state(batch), *self.context.initial_state(batch)
        return *front, *zero_lstm_state(self.memory, batch)

    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, M) -> (N, T', D)."""
        grouped = self.map_input(features).reshape(
            len(features), -1, self.stride_frames, self.num_mels
        )  # (N, T', 4, M)
        cut = sum(self.local.state_sizes)
        local, local_state = self.local(grouped, state[:cut])  # (N, T', C', M')
        context, context_state = self.context(self.to_global(grouped.flatten(2)), state[cut:-2])  # (N, T', C)
        joined = torch.cat([self.from_local(local.flatten(2)), context], dim=2)
        outputs, memory = run_lstm(self.memory, joined, state[-2:])  # (N, T', H)
        return self.final_norm(self.project(outputs)), (*local_state, *context_state, *memory)

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        steps = num_frames // self.stride_frames
        linear = sum(linear_flops(layer, steps) for layer in (self.from_local, self.to_global, self.project))
        front = self.input_flops(num_frames) + self.local.flops(steps) + self.context.flops(steps)
        return front + linear + lstm_flops(self.memory, steps)


def local_layers(config: ConvRnnEncoderConfig, in_channels: int, num_mels: int) -> Iterator[LocalLayer]:
    """Each convolution, the stride leaving the next fewer mels."""
    for channels in config.local_channels:
        yield LocalLayer(in_channels, channels, num_mels=num_mels, mel_stride=config.mel_stride)
        in_channels, num_mels = channels, -(-num_mels // config.mel_stride)
