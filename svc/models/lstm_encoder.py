"""The recurrent recognition encoder: four frames side by side, a stack of LSTM layers, a projection."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import Encoder, State, rows_up_to
from svc.models.flops import linear_flops, lstm_flops
from svc.typed_config import check_at_least, check_shares

# The most steps of a live stream's piece that are written out one by one.
FEW_STEPS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmEncoderConfig:
    """Sizes of the recurrent encoder."""

    hidden_width: int = 384
    num_layers: int = 3
    width: int = 384  # D
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "hidden_width", "num_layers", "width")
        check_shares(self, "dropout")


class LstmEncoder(Encoder):
    """Letters as in svc.models.encoder, and H hidden width, L layers."""

    def __init__(self, config: LstmEncoderConfig, num_mels: int) -> None:
        super().__init__(num_mels, config.width)
        self.config = config
        self.memory = stacked_lstm(num_mels * self.stride_frames, config)
        self.project = nn.Linear(config.hidden_width, config.width)
        self.final_norm = nn.LayerNorm(config.width)

    def initial_state(self, batch: int) -> State:
        return zero_lstm_state(self.memory, batch)

    def forward(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, T, M) -> (N, T', D). State: hidden and cell, both (N, L, H)."""
        features = self.map_input(features)
        stacked = features.reshape(len(features), -1, self.stride_frames * self.num_mels)  # (N, T', 4 M)
        outputs, state = run_lstm(self.memory, stacked, state)  # (N, T', H)
        return self.final_norm(self.project(outputs)), state

    def flops(self, num_frames: int) -> int:
        """As the base class says."""
        steps = num_frames // self.stride_frames
        return self.input_flops(num_frames) + lstm_flops(self.memory, steps) + linear_flops(self.project, steps)


class LstmSizes(Protocol):
    """What a stack of LSTM layers must know of a configuration."""

    @property
    def hidden_width(self) -> int: ...

    @property
    def num_layers(self) -> int: ...

    @property
    def dropout(self) -> float: ...


def stacked_lstm(num_inputs: int, sizes: LstmSizes) -> nn.LSTM:
    """(N, T, num_inputs) -> (N, T, H), dropout between its layers."""
    return nn.LSTM(
        num_inputs,
        sizes.hidden_width,
        sizes.num_layers,
        batch_first=True,
        dropout=sizes.dropout if sizes.num_layers > 1 else 0.0,
    )


def run_lstm(lstm: nn.LSTM, inputs: Tensor, state: State, counts: Tensor | None = None) -> tuple[Tensor, State]:
    """(N, T, W) -> (N, T, H), with torch's layer-first state turned so that the batch comes first: two of (N, L, H).

    `counts` (N,), for one layer: steps of each that are its own, at least one; None = all.
    """
    few = inputs.shape[1] <= FEW_STEPS and lstm.num_layers == 1 and not torch.is_grad_enabled()
    if few or counts is not None:
        return run_few_steps(lstm, inputs, state, counts)
    hidden, cell = (tensor.transpose(0, 1).contiguous() for tensor in state)
    if inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # Torch's LSTM takes up to half as long again in bfloat16 on a CPU.
        with torch.autocast("cpu", enabled=False):
            outputs, (hidden, cell) = lstm(inputs.float(), (hidden.float(), cell.float()))
    else:
        outputs, (hidden, cell) = lstm(inputs, (hidden, cell))
    return outputs, (hidden.transpose(0, 1), cell.transpose(0, 1))


def run_few_steps(lstm: nn.LSTM, inputs: Tensor, state: State, counts: Tensor | None = None) -> tuple[Tensor, State]:
    """(N, T, W) -> (N, T, H): `run_lstm` of one layer, written out. torch's own lays the weights out anew at each call,
    which for the few frames of a live step costs two to four times what they do.
    """
    hidden, cell = (tensor[:, 0] for tensor in state)  # (N, H)
    from_inputs, recurrent, bias, other_bias = lstm.parameters()
    gates = F.linear(inputs, from_inputs, bias + other_bias)  # (N, T, 4 H)
    outputs, cells = [], []
    for of_inputs in gates.unbind(1):
        entering, kept, found, shown = torch.addmm(of_inputs, hidden, recurrent.t()).chunk(4, dim=1)
        cell = kept.sigmoid() * cell + entering.sigmoid() * found.tanh()
        hidden = shown.sigmoid() * cell.tanh()
        outputs.append(hidden)
        cells.append(cell)
    together = torch.stack(outputs, dim=1)  # (N, T, H)
    if counts is None:
        return together, (hidden[:, None], cell[:, None])
    return together, (rows_up_to(together, counts, 1), rows_up_to(torch.stack(cells, dim=1), counts, 1))


def zero_lstm_state(lstm: nn.LSTM, batch: int) -> State:
    """The state before the first input: two of (N, L, H)."""
    zeros = next(lstm.parameters()).new_zeros(batch, lstm.num_layers, lstm.hidden_size)
    return zeros, zeros.clone()
