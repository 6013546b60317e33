"""The adversary: looks at an embedding and where it lies, and says how much its sample should weigh.

Letters: n samples, D embedding width, R width of the region feature.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ADAGRAD_EPSILON = 1e-10


class Adversary(nn.Module):
    """sigmoid of a linear map, or of a map with one hidden layer. It starts out with the same opinion of everyone.

    Linear first, as that of adversarially reweighted learning (arXiv 2006.13114): one that can single out any sample
    would only find the broken recordings.
    """

    def __init__(self, width: int, region_width: int = 0, *, hidden_width: int = 0) -> None:
        super().__init__()
        inputs = width + region_width
        last = nn.Linear(hidden_width or inputs, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(inputs, hidden_width), nn.ReLU(), last) if hidden_width else last
        for number, parameter in enumerate(self.parameters()):
            self.register_buffer(f"squares_{number}", torch.zeros_like(parameter))

    def forward(self, unit: Tensor, regions: Tensor) -> Tensor:
        """(n, D) unit length and (n, R), neither with a gradient -> (n,) logarithms of opinions in 0..1."""
        return F.logsigmoid(self.layers(torch.cat([unit, regions], dim=-1)).squeeze(-1))

    @torch.no_grad()
    def climb(self, gradients: Sequence[Tensor], rate: float) -> None:
        """A step of Adagrad up these gradients of the parameters, in their order.

        As torch.optim has it, whose wrappers take longer than so small a step.
        """
        for parameter, gradient, squares in zip(self.parameters(), gradients, self.buffers(), strict=True):
            parameter.grad = gradient  # as after any pass backward, for whoever looks on
            squares.addcmul_(gradient, gradient)
            parameter.addcdiv_(gradient, squares.sqrt().add_(ADAGRAD_EPSILON), value=rate)
