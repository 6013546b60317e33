"""The transducer's other two networks: the predictor over labels and the joint.

Graves, "Sequence Transduction with Recurrent Neural Networks", arXiv 1211.3711; the predictor without recurrence is
from Ghodsi et al., "RNN-Transducer with Stateless Prediction Network", ICASSP 2020.

Letters: N sequences, T' encoder frames, U labels, H predictor width, J joint width, D encoder width, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.encoder import State
from svc.models.lstm_encoder import run_lstm, zero_lstm_state
from svc.typed_config import check_at_least, check_shares
from svc.units import BLANK

PREDICTOR_KINDS = ("lstm", "context")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorConfig:
    """`lstm` remembers the whole turn, `context` the last `context_labels` labels."""

    kind: str = "lstm"
    width: int = 256  # H
    context_labels: int = 2
    dropout: float = 0.0
    # In training, the share of labels it does not get to see. A model that trusts them too much waits for the end of a
    # turn it has missed, and drops the words after it.
    label_dropout: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(1, self, "width")
        check_shares(self, "dropout")
        if not 0 <= self.label_dropout < 1:
            raise ValueError(f"label_dropout must be from 0 and below 1, got {self.label_dropout}")
        if self.kind not in PREDICTOR_KINDS:
            raise ValueError(f"predictor kind must be one of {', '.join(PREDICTOR_KINDS)}, got {self.kind!r}")
        if self.context_labels < 1:
            raise ValueError(f"context_labels must be positive, got {self.context_labels}")


class Predictor(nn.Module):
    """Labels so far to what the joint needs of them. Labels fed one by one with the state equal labels fed at once."""

    def __init__(self, config: PredictorConfig, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.embedding = nn.Embedding(num_tokens, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.memory: nn.LSTM | nn.Conv1d
        if config.kind == "lstm":
            self.memory = nn.LSTM(config.width, config.width, batch_first=True)
        else:
            self.memory = nn.Conv1d(config.width, config.width, config.context_labels, groups=config.width)

    def initial_state(self, batch: int) -> State:
        """LSTM: two of (N, 1, H). Context: the labels before the next one (N, context - 1), blank at first."""
        if isinstance(self.memory, nn.LSTM):
            return zero_lstm_state(self.memory, batch)
        shape = batch, self.config.context_labels - 1
        return (torch.full(shape, BLANK, dtype=torch.long, device=self.embedding.weight.device),)

    def forward(self, labels: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, U) ids and the previous state -> (N, U, H) and the next state."""
        if self.training and self.config.label_dropout:
            unseen = torch.rand(labels.shape, device=labels.device) < self.config.label_dropout
            labels = labels.masked_fill(unseen, BLANK)
        if isinstance(self.memory, nn.LSTM):
            return run_lstm(self.memory, self.dropout(self.embedding(labels)), state)
        labels = torch.cat([state[0], labels], dim=1)  # (N, context - 1 + U)
        embedded = self.dropout(self.embedding(labels)).transpose(1, 2)
        mixed = F.relu(self.memory(embedded)).transpose(1, 2)  # (N, U, H)
        return mixed, (labels[:, labels.shape[1] - self.config.context_labels + 1 :],)


class Joint(nn.Module):
    """tanh of the sum of both projections, then one linear layer. Each side is projected once, before they meet."""

    def __init__(self, width: int, frame_width: int, label_width: int, num_tokens: int) -> None:
        super().__init__()
        self.from_frames = nn.Linear(frame_width, width)
        self.from_labels = nn.Linear(label_width, width, bias=False)
        self.output = nn.Linear(width, num_tokens)

    def forward(self, frames: Tensor, labels: Tensor) -> Tensor:
        """(N, T', D), (N, U, H) -> (N, T', U, V) logits."""
        return self.combine(self.from_frames(frames)[:, :, None], self.from_labels(labels)[:, None])

    def combine(self, frames: Tensor, labels: Tensor) -> Tensor:
        """Projected frames and labels, any shapes (.., J) that broadcast -> (.., V) logits."""
        # In place: in training this sum is the largest tensor but one, and tanh's gradient needs only its result.
        return self.output((frames + labels).tanh_())  # type: ignore[no-any-return]
