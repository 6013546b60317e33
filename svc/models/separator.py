"""The separator: which of the two channels each mel of each frame belongs to.

Letters: B mixtures, C = 2 channels, T frames of 10 ms, M mels, H hidden width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import State
from svc.models.lstm_encoder import run_lstm, zero_lstm_state

NUM_CHANNELS = 2
# What the front end gives for silence: the log of float32's epsilon.
SILENCE = -15.942385


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatorConfig:
    """Sizes of the separator. `lookahead_frames` is how much of the future (in 10 ms) a mask may know."""

    hidden_width: int = 256
    num_layers: int = 2
    stack_frames: int = 2
    lookahead_frames: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.stack_frames not in (1, 2, 4):
            raise ValueError(f"stack_frames must be 1, 2 or 4, got {self.stack_frames}")
        if self.lookahead_frames < 0 or self.lookahead_frames % 4:
            raise ValueError(f"lookahead_frames must be a multiple of 4, got {self.lookahead_frames}")


class Separator(nn.Module):
    """LSTM masks. Causal: it gives the frames it took `lookahead_frames` ago, silence before the first.

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
        self.memory = nn.LSTM(
            config.stack_frames * num_mels,
            config.hidden_width,
            config.num_layers,
            batch_first=True,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.to_masks = nn.Linear(config.hidden_width, config.stack_frames * NUM_CHANNELS * num_mels)

    def initial_state(self, batch: int) -> State:
        """The delayed frames (B, lookahead, M), then the LSTM's two of (B, L, H)."""
        delayed = self.mean.new_full((batch, self.config.lookahead_frames, self.num_mels), SILENCE)
        return delayed, *zero_lstm_state(self.memory, batch)

    def forward(self, mels: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """(B, T, M) -> the delayed mels (B, T, M), the log masks for them (B, C, T, M), the next state."""
        num_frames = mels.shape[1]
        delayed, *memory = state
        delayed = torch.cat([delayed, mels], dim=1)  # (B, lookahead + T, M)
        stacked = ((mels - self.mean) / self.deviation).reshape(len(mels), -1, self.memory.input_size)
        hidden, memory_state = run_lstm(self.memory, stacked, tuple(memory))  # (B, T / stack, H)
        log_masks = F.logsigmoid(self.to_masks(hidden))
        log_masks = log_masks.reshape(len(mels), num_frames, NUM_CHANNELS, self.num_mels)
        return delayed[:, :num_frames], log_masks.transpose(1, 2), (delayed[:, num_frames:], *memory_state)


def mask_mels(mels: Tensor, log_masks: Tensor) -> Tensor:
    """(B, T, M), (B, C, T, M) -> (B, C, T, M): never below silence, as nothing the encoder was trained on is."""
    return (mels[:, None] + log_masks).clamp(min=SILENCE)
