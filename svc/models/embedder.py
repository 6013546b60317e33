"""CAM++: log-mel frames to one voice embedding.

Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking",
arXiv 2303.00332. Module names follow the published checkpoints, so that these load strictly.

Letters: B clips, T frames, U = ceil(T / 2) frames after the stride, S segments of 100 such frames, C channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.typed_config import check_at_least

EMBEDDING_WIDTH = 192
SEGMENT_FRAMES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CamPlusPlusConfig:
    """Sizes of the network; the defaults are those of the published zh-en model."""

    num_mels: int = 80
    head_channels: int = 32
    tdnn_channels: int = 128
    growth: int = 32
    bottleneck: int = 128
    block_layers: tuple[int, ...] = (12, 24, 16)
    block_dilations: tuple[int, ...] = (1, 2, 2)
    embedding_width: int = EMBEDDING_WIDTH

    def __post_init__(self) -> None:
        check_at_least(1, self, "num_mels", "head_channels", "tdnn_channels", "growth", "bottleneck", "embedding_width")
        if not self.block_layers or len(self.block_layers) != len(self.block_dilations):
            layers, dilations = list(self.block_layers), list(self.block_dilations)
            raise ValueError(f"need as many block_layers as block_dilations, got {layers} and {dilations}")

    @property
    def head_width(self) -> int:
        """Channels times the mel bins left after three halvings."""
        return self.head_channels * -(-self.num_mels // 8)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Which frames of a padded batch are real, and which segments they form: what pooling and masking need.

    `valid` is (B, 1, U), or None when no clip is padded: then nothing is multiplied at all.
    """

    valid: Tensor | None
    to_context: Tensor  # (B or 1, U, S): a segment's mean plus the clip's mean, as one product
    to_frames: Tensor  # (S, U): spreads a segment's value over its frames
    counts: Tensor  # (B or 1, 1, 1)

    @classmethod
    def unpadded(cls, num_frames: int, like: Tensor) -> "Frames":
        """Every clip has all `num_frames` frames."""
        counts = torch.full((1,), num_frames, dtype=like.dtype, device=like.device)
        ones = torch.ones(1, 1, num_frames, dtype=like.dtype, device=like.device)
        return cls(None, *_pooling(ones, counts))

    @classmethod
    def padded(cls, lengths: Tensor, num_frames: int, like: Tensor) -> "Frames":
        """(B,) lengths: clip b has lengths[b] frames of `num_frames`."""
        positions = torch.arange(num_frames, device=like.device)
        valid = (positions < lengths[:, None]).to(like.dtype)[:, None]  # (B, 1, U)
        return cls(valid, *_pooling(valid, lengths.to(like.dtype)))

    def mask(self, hidden: Tensor) -> Tensor:
        """(B, C, U) or (B, C, mels, U) -> the same with zeros, as a convolution sees past the end, in the padding."""
        if self.valid is None:
            return hidden
        return hidden * (self.valid if hidden.dim() == 3 else self.valid.unsqueeze(1))


def _pooling(valid: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, 1, U), (B,) -> the last three fields of Frames."""
    num_frames = valid.shape[-1]
    segment_of = torch.arange(num_frames, device=valid.device) // SEGMENT_FRAMES  # (U,)
    num_segments = (num_frames + SEGMENT_FRAMES - 1) // SEGMENT_FRAMES
    segments = torch.arange(num_segments, device=valid.device)
    to_frames = (segments[:, None] == segment_of).to(valid.dtype)  # (S, U)
    members = valid.transpose(1, 2) * to_frames.T  # (B, U, S)
    counts = counts[:, None, None]  # (B, 1, 1)
    sizes = members.sum(1, keepdim=True).clamp(min=1)  # (B, 1, S)
    return members / sizes + valid.transpose(1, 2) / counts, to_frames, counts


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; the stride halves the mel axis only."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut.append(nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, image: Tensor, frames: Frames) -> Tensor:
        """(B, C, mels, T) -> (B, C, mels / stride, T)."""
        hidden = frames.mask(F.relu(self.bn1(self.conv1(image))))
        hidden = self.bn2(self.conv2(hidden))
        return frames.mask(F.relu(hidden + self.shortcut(image)))


class ConvolutionHead(nn.Module):
    """Treats the features as an image: lets the same voice pattern sit at any pitch. Mels shrink eightfold."""

    def __init__(self, config: CamPlusPlusConfig) -> None:
        super().__init__()
        width = config.head_channels
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.ModuleList([ResidualBlock(width, 2), ResidualBlock(width, 1)])
        self.layer2 = nn.ModuleList([ResidualBlock(width, 2), ResidualBlock(width, 1)])
        self.conv2 = nn.Conv2d(width, width, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, features: Tensor, frames: Frames) -> Tensor:
        """(B, mels, T) -> (B, C * mels / 8, T)."""
        image = frames.mask(features).unsqueeze(1)  # (B, 1, mels, T)
        image = frames.mask(F.relu(self.bn1(self.conv1(image))))
        for block in (*self.layer1, *self.layer2):
            image = block(image, frames)
        return frames.mask(F.relu(self.bn2(self.conv2(image))).flatten(1, 2))


class Normalised(nn.Module):
    """Batch norm, then ReLU unless told otherwise."""

    def __init__(self, channels: int, *, affine: bool = True, relu: bool = True) -> None:
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels, affine=affine)
        self.relu = relu

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, U) or (B, C) -> the same shape."""
        hidden = self.batchnorm(hidden)
        return F.relu(hidden) if self.relu else hidden


class StridedTdnn(nn.Module):
    """Halves the frame rate."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(width, out_width, 5, stride=2, padding=2, bias=False)
        self.nonlinear = Normalised(out_width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, T) -> (B, out_width, U)."""
        return self.nonlinear(self.linear(hidden))  # type: ignore[no-any-return]


class ContextAwareMask(nn.Module):
    """A local convolution whose channels are gated by the segment's and the whole clip's mean (equations 3 to 6)."""

    def __init__(self, width: int, out_width: int, *, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(width, out_width, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(width, width // 2, 1)
        self.linear2 = nn.Conv1d(width // 2, out_width, 1)

    def forward(self, hidden: Tensor, frames: Frames) -> Tensor:
        """(B, C, U) -> (B, out_width, U)."""
        return self.linear_local(hidden) * self.gate(hidden, frames)  # type: ignore[no-any-return]

    def gate(self, hidden: Tensor, frames: Frames) -> Tensor:
        """(B, C, U) -> (B, out_width, U), in 0..1."""
        # All frames of a segment share its gate, so it is computed per segment and spread at the very end.
        context = hidden @ frames.to_context  # (B, C, S)
        gate = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))  # (B, out_width, S)
        return gate @ frames.to_frames


class DenseTdnnLayer(nn.Module):
    """Narrows everything so far to the bottleneck and adds `growth` new channels."""

    def __init__(self, width: int, config: CamPlusPlusConfig, *, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = Normalised(width)
        self.linear1 = nn.Conv1d(width, config.bottleneck, 1, bias=False)
        self.nonlinear2 = Normalised(config.bottleneck)
        self.cam_layer = ContextAwareMask(config.bottleneck, config.growth, dilation=dilation)

    def forward(self, hidden: Tensor, frames: Frames) -> Tensor:
        """(B, C, U) -> (B, C + growth, U)."""
        narrow = self.nonlinear2(self.linear1(self.nonlinear1(hidden)))  # (B, bottleneck, U)
        return torch.cat([hidden, self.cam_layer(frames.mask(narrow), frames)], dim=1)


class Transition(nn.Module):
    """Halves the channels between dense blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.nonlinear = Normalised(width)
        self.linear = nn.Conv1d(width, width // 2, 1, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, U) -> (B, C / 2, U)."""
        return self.linear(self.nonlinear(hidden))  # type: ignore[no-any-return]


class Projection(nn.Module):
    """Clip statistics to embedding. No ReLU follows: it would throw half of the embedding away."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(width, out_width, 1, bias=False)
        self.nonlinear = Normalised(out_width, affine=False, relu=False)

    def forward(self, statistics: Tensor) -> Tensor:
        """(B, C) -> (B, out_width)."""
        return self.nonlinear(self.linear(statistics.unsqueeze(-1)).squeeze(-1))  # type: ignore[no-any-return]


class DenseTdnn(nn.Module):
    """The densely connected backbone with its pooling and projection."""

    def __init__(self, config: CamPlusPlusConfig) -> None:
        super().__init__()
        self.tdnn = StridedTdnn(config.head_width, config.tdnn_channels)
        width = config.tdnn_channels
        for number, (layers, dilation) in enumerate(zip(config.block_layers, config.block_dilations, strict=True), 1):
            block = nn.ModuleDict()
            for layer in range(1, layers + 1):
                block[f"tdnnd{layer}"] = DenseTdnnLayer(width, config, dilation=dilation)
                width += config.growth
            self.add_module(f"block{number}", block)
            self.add_module(f"transit{number}", Transition(width))
            width //= 2
        self.num_blocks = len(config.block_layers)
        self.out_nonlinear = Normalised(width)
        self.dense = Projection(2 * width, config.embedding_width)

    def forward(self, hidden: Tensor, frames: Frames) -> Tensor:
        """(B, C, T) -> (B, 2C) statistics over the clip, of which `dense` makes an embedding."""
        hidden = self.tdnn(hidden)  # (B, C, U)
        for block, transition in self.stages():
            for layer in block:
                hidden = layer(hidden, frames)
            hidden = transition(hidden)
        return statistics(self.out_nonlinear(hidden), frames)

    def stages(self) -> Iterator[tuple[list[DenseTdnnLayer], Transition]]:
        """The dense blocks, each with the transition that ends it; the checkpoints number them from one."""
        for number in range(1, self.num_blocks + 1):
            yield list(getattr(self, f"block{number}").children()), getattr(self, f"transit{number}")


def statistics(hidden: Tensor, frames: Frames) -> Tensor:
    """(B, C, U) -> (B, 2C): mean and unbiased standard deviation over the clip's own frames."""
    mean = frames.mask(hidden).sum(-1, keepdim=True) / frames.counts
    deviation = frames.mask(hidden - mean)
    variance = deviation.square().sum(-1, keepdim=True) / (frames.counts - 1).clamp(min=1)
    return torch.cat([mean, variance.sqrt()], dim=1).squeeze(-1)


class CamPlusPlus(nn.Module):
    """The whole network. A clip's embedding is the same alone and in a padded batch."""

    def __init__(self, config: CamPlusPlusConfig | None = None) -> None:
        super().__init__()
        self.config = config or CamPlusPlusConfig()
        self.head = ConvolutionHead(self.config)
        self.xvector = DenseTdnn(self.config)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, mels) and (B,) frames of each clip, None when none is padded -> (B, D), not normalised."""
        return self.xvector.dense(self.pooled(features, lengths))  # type: ignore[no-any-return]

    def pooled(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As forward, up to what the projection is given: (B, 2C)."""
        num_frames = features.shape[1]
        half = (num_frames + 1) // 2
        if lengths is None:
            head_frames = frames = Frames.unpadded(half, features)
        else:
            head_frames = Frames.padded(lengths, num_frames, features)
            frames = Frames.padded((lengths + 1) // 2, half, features)
        return self.xvector(self.head(features.transpose(1, 2), head_frames), frames)  # type: ignore[no-any-return]
