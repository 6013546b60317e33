"""The separator: which of the two channels each mel of each frame belongs to, or neither.

Letters: B mixtures, C = 2 channels, T frames of 10 ms, T' = T / 4, K stacked frames, M mels, H hidden width, L layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from svc.models.encoder import State, rows_up_to
from svc.models.lstm_encoder import run_lstm
from svc.typed_config import check_at_least

NUM_CHANNELS = 2
ENCODER_STRIDE_FRAMES = 4
# What the front end gives for silence: the log of float32's epsilon.
SILENCE = -15.942385
# Mel frames over which a channel's share of the sound is averaged, and the power of the sound that is shared: loud
# mels weigh more, but do not decide alone.
SHARE_FRAMES = 30
SHARE_POWER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatorConfig:
    """Sizes of the separator. `lookahead_frames` is how much of the future (in 10 ms) a mask may know."""

    hidden_width: int = 256
    num_layers: int = 2
    stack_frames: int = 2
    lookahead_frames: int = 4
    # Channel 1 opens where it had more than this share of the sound over the last 0.3 s; elsewhere channel 0 hears all
    # of it, for a separator in doubt only cuts words to pieces. 0 = always open, as training wants it.
    second_voice_share: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "hidden_width", "num_layers")
        if self.stack_frames not in (1, 2, 4):
            raise ValueError(f"stack_frames must be 1, 2 or 4, got {self.stack_frames}")
        if self.lookahead_frames < 0 or self.lookahead_frames % 4:
            raise ValueError(f"lookahead_frames must be a multiple of 4, got {self.lookahead_frames}")
        if not 0 <= self.second_voice_share < 1:
            raise ValueError(f"second_voice_share must be in [0, 1), got {self.second_voice_share}")


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """What was heard `lookahead_frames` ago, silence before the first, and whose it was."""

    delayed: Tensor  # (B, T, M) log mels
    log_masks: Tensor  # (B, C, T, M)
    shut: Tensor  # (B, T) whether channel 1 was kept from hearing any of it
    activity: Tensor  # (B, C, T') logits of speech; only training uses them


class Separator(nn.Module):
    """LSTM layers with residual connections; a mel's channels and "nobody" share it by a softmax. Causal.

    `mean` and `deviation` of each mel are set from the training data, never learnt.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: SeparatorConfig, num_mels: int) -> None:
        super().__init__()
        self.config = config
        self.num_mels = num_mels
        self.register_buffer("mean", torch.full((num_mels,), -7.0))
        self.register_buffer("deviation", torch.full((num_mels,), 4.0))
        width = config.hidden_width
        self.inflow = nn.Linear(config.stack_frames * num_mels, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.num_layers))
        self.layers = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(width)
        self.to_masks = nn.Linear(width, config.stack_frames * (NUM_CHANNELS + 1) * num_mels)
        self.to_activity = nn.Linear(width, NUM_CHANNELS)

    def initial_state(self, batch: int) -> State:
        """The delayed frames (B, lookahead, M), channel 1's last shares (B, 29), every layer's two of (B, 1, H)."""
        delayed = self.mean.new_full((batch, self.config.lookahead_frames, self.num_mels), SILENCE)
        zeros = self.mean.new_zeros(batch, 1, self.config.hidden_width)
        shares = self.mean.new_zeros(batch, SHARE_FRAMES - 1)
        return delayed, shares, *(zeros.clone() for _ in range(2 * self.config.num_layers))

    @torch.no_grad()
    def hear_all_as_one(self) -> None:
        """Channel 0 gets all of the sound and channel 1 silence, whatever comes: for a transcriber whose separator
        nothing has taught.
        """
        bias = self.to_masks.bias.view(self.config.stack_frames, NUM_CHANNELS + 1, self.num_mels)
        self.to_masks.weight.zero_()
        bias.fill_(SILENCE)
        bias[:, 0] = 0.0

    def forward(self, mels: Tensor, state: State, counts: Tensor | None = None) -> tuple[Separation, State]:
        """(B, T, M), T a multiple of 4, and the previous state -> the separation and the next state.

        `counts` (B,): of how many frames of 40 ms the next state knows; None = all.
        """
        num_frames = mels.shape[1]
        delayed, shares, *memory = state
        delayed = torch.cat([delayed, mels], dim=1)  # (B, lookahead + T, M)
        hidden, memory = self._remember((mels - self.mean) / self.deviation, memory, counts)  # (B, T / K, H)
        logits = self.to_masks(hidden).reshape(len(mels), num_frames, NUM_CHANNELS + 1, self.num_mels)
        log_masks = logits.log_softmax(dim=2)[:, :, :NUM_CHANNELS].transpose(1, 2)
        heard = delayed[:, :num_frames]
        shut = torch.zeros(heard.shape[:2], dtype=torch.bool, device=heard.device)
        if self.config.second_voice_share:
            log_masks, shut, shares = self._gated(heard, log_masks, shares)  # (B, 29 + T)
            shares = next_rows(shares, SHARE_FRAMES - 1, counts)
        every = ENCODER_STRIDE_FRAMES // self.config.stack_frames
        activity = self.to_activity(hidden[:, every - 1 :: every]).transpose(1, 2)
        delayed = next_rows(delayed, self.config.lookahead_frames, counts)
        return Separation(heard, log_masks, shut, activity), (delayed, shares, *memory)

    def _gated(self, heard: Tensor, log_masks: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, M), (B, C, T, M), last shares -> masks, channel 1 shut where in doubt, where (B, T), all shares."""
        sound = (SHARE_POWER * heard).exp()[:, None]
        first, second = ((log_masks.exp() * sound).sum(-1) / sound.sum(-1)).unbind(1)  # (B, T) each
        shares = torch.cat([shares, second / (first + second + 0.05)], dim=1)  # (B, 29 + T)
        averages = shares.unfold(1, SHARE_FRAMES, 1).mean(-1)  # (B, T)
        shut = averages <= self.config.second_voice_share
        everything = log_masks.new_tensor([0.0, SILENCE])[:, None, None]
        masks = torch.where(shut[:, None, :, None], everything, log_masks)
        return masks, shut, shares

    def _remember(self, mels: Tensor, memory: Sequence[Tensor], counts: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """(B, T, M) and the layers' memories -> (B, T / K, H) and their next memories."""
        hidden = self.inflow(mels.reshape(len(mels), -1, self.inflow.in_features))
        steps = None if counts is None else counts * (ENCODER_STRIDE_FRAMES // self.config.stack_frames)
        kept: list[Tensor] = []
        for number, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            found, state = run_lstm(
                cast(nn.LSTM, layer), norm(hidden), tuple(memory[2 * number : 2 * number + 2]), steps
            )
            hidden = hidden + found
            kept += state
        return self.final_norm(hidden), kept


def next_rows(rows: Tensor, length: int, counts: Tensor | None) -> Tensor:
    """(B, length + T, ..) -> (B, length, ..), those before what comes next: after `counts` (B,) frames of 40 ms."""
    if counts is None:
        return rows[:, rows.shape[1] - length :]
    return rows_up_to(rows, length + ENCODER_STRIDE_FRAMES * counts, length)


def mask_mels(mels: Tensor, log_masks: Tensor) -> Tensor:
    """(B, T, M), (B, C, T, M) -> (B, C, T, M): never below silence, as nothing the encoder was trained on is."""
    return (mels[:, None] + log_masks).clamp(min=SILENCE)
