"""Holding a fine-tuned model to where it started: elastic weight consolidation, and plain L2 beside it.

Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", arXiv 1612.00796; for the regions of a
transducer arXiv 2207.07850. The loss gains strength / 2 * sum of F_i (theta_i - start_i)^2, as long as its gradients
are not clipped (Anchor.pull); F is the diagonal of the Fisher information, how much what the model says of speech it
knows depends on a weight; 1 for every weight is L2.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
"""Parameters by name."""


def diagonal_fisher(parameters: Weights, losses: Iterable[Tensor]) -> dict[str, Tensor]:
    """Mean of the squared gradients of losses, (), each of one utterance alone: squared sums of several are another
    thing. By name, shaped as the parameters.

    Raises ValueError without a loss.
    """
    totals = {name: torch.zeros_like(value) for name, value in parameters.items()}
    count = 0
    for loss in losses:
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for total, gradient in zip(totals.values(), gradients, strict=True):
            if gradient is not None:
                total.addcmul_(gradient, gradient)
        count += 1
    if not count:
        raise ValueError("the Fisher information needs an utterance")
    return {name: total / count for name, total in totals.items()}


class Anchor:
    """Where some parameters of a model started, and how firmly each is held there; without `importance` all alike."""

    def __init__(self, parameters: Weights, *, strength: float, importance: Weights | None = None) -> None:
        if strength < 0:
            raise ValueError(f"a strength cannot be negative, got {strength}")
        self.parameters = dict(parameters)
        self.strength = strength
        self.start = {name: value.detach().clone() for name, value in parameters.items()}
        self.importance = {
            name: importance[name] if importance else torch.ones_like(value) for name, value in self.start.items()
        }

    @torch.no_grad()
    def penalty(self) -> float:
        """strength / 2 * sum of F_i (theta_i - start_i)^2; 0 of what has not moved, even at an infinite strength."""
        moved = (
            (self.importance[name] * (value - self.start[name]) ** 2).sum() for name, value in self.parameters.items()
        )
        total = torch.stack([*moved]).sum().item()
        return self.strength / 2 * total if total else 0.0

    @torch.no_grad()
    def pull(self, optimizer: torch.optim.AdamW) -> None:
        """The penalty's part of the step that the optimiser has just taken on the loss alone.

        The penalty is quadratic, so its part is solved instead of followed downhill: with a step r_i, which is Adam's
        rate over the root of the mean squared gradient, theta_i - start_i is divided by 1 + r_i strength F_i. Of
        gradients that are not clipped, loss and penalty are in balance where they are with the penalty in the gradient;
        of those clipped to a share c, where they are with strength / c. No strength is too large: in the gradient Adam
        would throw weights to and fro by its rate, and clipping would let a large penalty drown the loss.
        """
        if not self.strength:
            return
        names = {id(value): name for name, value in self.parameters.items()}
        for group in optimizer.param_groups:
            for value in group["params"]:
                if id(value) in names and optimizer.state.get(value):
                    self._pull(names[id(value)], adam_rates(optimizer.state[value], group))

    def _pull(self, name: str, rates: Tensor) -> None:
        value, start = self.parameters[name], self.start[name]
        # Of a weight that nothing depends on, even an infinite strength asks nothing.
        firmness = torch.where(self.importance[name] > 0, rates * self.strength * self.importance[name], 0.0)
        # From the start on, so that what is held for good comes back to the very bit.
        value.copy_(torch.where(firmness > 0, start + (value - start) / (1 + firmness), value))


def adam_rates(state: Mapping[str, Any], group: Mapping[str, Any]) -> Tensor:
    """What Adam multiplied each weight's mean gradient by in the last step; shaped as the weight."""
    unbiased: Tensor = state["exp_avg_sq"] / (1 - group["betas"][1] ** state["step"])
    return group["lr"] / (unbiased.sqrt() + group["eps"])  # type: ignore[no-any-return]
