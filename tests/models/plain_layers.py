"""Layers in plain lines over the weights of a state dict, for renderings of whole blocks to be compared with.

Letters: T frames, C channels, K kernel frames.
"""

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor

Weights: TypeAlias = Mapping[str, Tensor]
# torch's default.
EPS = 1e-5


def linear(weights: Weights, x: Tensor, name: str) -> Tensor:
    """(.., C) -> (.., C')."""
    mapped = x @ weights[f"{name}.weight"].T
    return mapped + weights[f"{name}.bias"] if f"{name}.bias" in weights else mapped


def layer_norm(weights: Weights, x: Tensor, name: str) -> Tensor:
    """(.., C) -> (.., C)."""
    variance, mean = torch.var_mean(x, dim=-1, keepdim=True, correction=0)
    return (x - mean) / (variance + EPS).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def batch_norm(weights: Weights, x: Tensor, name: str) -> Tensor:
    """(T, C) -> (T, C), by the running statistics."""
    normal = (x - weights[f"{name}.running_mean"]) / (weights[f"{name}.running_var"] + EPS).sqrt()
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def depthwise(weights: Weights, x: Tensor, name: str, *, stride: int = 1, dilation: int = 1) -> Tensor:
    """(T, C) -> (T / stride, C), causal: silence lies before the first frame, and each `stride` frames give one."""
    kernel, bias = weights[f"{name}.weight"][:, 0], weights[f"{name}.bias"]  # (C, K) and (C,)
    taps = kernel.shape[1]
    rows = []
    for last in range(stride - 1, len(x), stride):
        row = bias.clone()
        for tap in range(taps):
            frame = last - (taps - 1 - tap) * dilation
            if frame >= 0:
                row += kernel[:, tap] * x[frame]
        rows.append(row)
    return torch.stack(rows)


def squeeze(weights: Weights, x: Tensor, name: str) -> Tensor:
    """(T, C) -> (T, C): every frame gated by what the mean of all frames up to it says."""
    rows = []
    for frame in range(len(x)):
        inner = linear(weights, x[: frame + 1].mean(0), f"{name}.down")
        rows.append(x[frame] * linear(weights, inner * inner.sigmoid(), f"{name}.up").sigmoid())
    return torch.stack(rows)
