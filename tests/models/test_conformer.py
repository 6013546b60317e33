"""The Conformer: its convolution looks back as far as its kernel, sizes are checked."""

import pytest
import torch

from svc.models.conformer import ConformerConfig, ConvolutionModule


@pytest.mark.parametrize("kernel", [2, 5])
def test_the_convolution_looks_back_as_far_as_its_kernel(kernel: int) -> None:
    module, frames = ConvolutionModule(4, kernel).eval(), torch.randn(1, 12, 4)
    other = frames.clone()
    other[:, 3, 0] += 1
    with torch.inference_mode():
        before, after = (module(x, module.initial_state(1))[0] for x in (frames, other))
    changed = (before != after).any(2)[0].nonzero().flatten().tolist()
    assert changed == list(range(3, 3 + kernel))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="kernel"):
        ConformerConfig(kernel=1)
    with pytest.raises(ValueError, match="multiple"):
        ConformerConfig(num_heads=5)
