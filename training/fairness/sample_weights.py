"""From an adversary's opinion of each sample to weights of mean one that cannot collapse onto a few.

Letters: n samples of a batch.
"""

import math

import torch
from torch import Tensor

BISECTIONS = 30


def arl_weights(log_opinions: Tensor) -> Tensor:
    """(n,) logarithms of opinions f in 0..1 -> (n,) of mean 1: half of adversarially reweighted learning's
    1 + n f / sum f.

    Lahoti et al. 2020 (arXiv 2006.13114), whose weights have mean 2: with them the learning rate would in effect double
    when a warm-up of uniform weights ends. No weight is below 0.5. Equal opinions are weights of exactly 1.
    """
    return log_opinions.softmax(0) * (len(log_opinions) / 2) + 0.5


def guarded(weights: Tensor, *, largest: float, least_entropy: float) -> Tensor:
    """(n,) of mean 1 -> the same mixed with uniform weights just as far as both guards ask for.

    After it no weight is above `largest`, and the normalised entropy is at least `least_entropy`. The mean stays 1, and
    the order of the weights too.
    """
    asked = weights.detach()
    kept = min(_kept_under(asked, largest), _kept_above(asked, least_entropy))
    return 1 + kept * (weights - 1) if kept < 1 else weights


def normalised_entropy(weights: Tensor) -> float:
    """(n,) of mean 1 -> 0 (all on one sample) to 1 (uniform)."""
    if len(weights) < 2:
        return 1.0
    return 1 + float(torch.special.entr(weights.double()).mean()) / math.log(len(weights))


def _kept_under(weights: Tensor, largest: float) -> float:
    excess = float(weights.max()) - 1
    return 1.0 if excess <= largest - 1 else (largest - 1) / excess


def _kept_above(weights: Tensor, least_entropy: float) -> float:
    # No entropy is below minus the logarithm of the largest share, which is nearly always enough to know.
    if 1 - math.log(float(weights.max())) / math.log(max(2, len(weights))) >= least_entropy:
        return 1.0
    if normalised_entropy(weights) >= least_entropy:
        return 1.0
    # Entropy falls steadily on the way from uniform weights to these.
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        enough = normalised_entropy(1 + middle * (weights - 1)) >= least_entropy
        low, high = (middle, high) if enough else (low, middle)
    return low
