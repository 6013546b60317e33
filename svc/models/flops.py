"""Floating-point operations of layers, by arithmetic.

A multiply-add counts as two, and nothing but products is counted, as in torch.utils.flop_counter, which a test holds
these against. Norms, gates and sums are a percent or two beside them.
"""

import math

from torch import nn


def linear_flops(layer: nn.Linear, rows: int) -> int:
    """Of so many vectors."""
    return 2 * rows * layer.in_features * layer.out_features


def convolution_flops(conv: nn.Conv1d | nn.Conv2d, positions: int) -> int:
    """Of so many outputs of every channel."""
    return 2 * positions * conv.out_channels * (conv.in_channels // conv.groups) * math.prod(conv.kernel_size)


def lstm_flops(lstm: nn.LSTM, steps: int) -> int:
    """Four gates, each of the layer's input and of its own past."""
    inputs = lstm.input_size + (lstm.num_layers - 1) * lstm.hidden_size
    return 2 * steps * 4 * lstm.hidden_size * (inputs + lstm.num_layers * lstm.hidden_size)


def attention_flops(width: int, queries: int, keys: int) -> int:
    """Of scores and of the mixing of values, whatever the number of heads; projections are linear layers."""
    return 2 * 2 * queries * keys * width
