"""The Conformer: a block against a plain rendering, how far its convolution looks back, sizes are checked."""

import pytest
import torch
from torch import Tensor

from svc.models.conformer import ConformerBlock, ConformerConfig, ConvolutionModule
from tests.models.plain_layers import Weights, batch_norm, depthwise, layer_norm, linear
from tests.models.toy_transcriber import CONFORMER, unsettle_norms


class SelfAlone:
    """A memory in which every frame sees its own value."""

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return values


def plain_block(weights: Weights, x: Tensor) -> Tensor:
    """(S, E) -> (S, E): the block of arXiv 2005.08100, section 2.4 and figures 2 to 4, attention to oneself alone."""

    def half(x: Tensor, name: str) -> Tensor:
        inner = linear(weights, layer_norm(weights, x, f"{name}.0"), f"{name}.1")
        return linear(weights, inner * inner.sigmoid(), f"{name}.3")

    def convolution(x: Tensor) -> Tensor:
        name = "convolution"
        value, gate = linear(weights, layer_norm(weights, x, f"{name}.norm"), f"{name}.expand").chunk(2, dim=-1)
        x = depthwise(weights, value * gate.sigmoid(), f"{name}.depthwise.conv")
        x = batch_norm(weights, x, f"{name}.depthwise_norm.norm")
        return linear(weights, x * x.sigmoid(), f"{name}.pointwise")

    x = x + half(x, "before") / 2
    x = x + linear(weights, linear(weights, layer_norm(weights, x, "attention_norm"), "value"), "out")
    x = x + convolution(x)
    x = x + half(x, "after") / 2
    return layer_norm(weights, x, "last_norm")


def test_a_block_equals_the_plain_rendering() -> None:
    torch.manual_seed(0)
    block = ConformerBlock(CONFORMER).eval()
    unsettle_norms(block)
    frames = torch.randn(1, 12, CONFORMER.block_width)
    with torch.inference_mode():
        found, _ = block(frames, SelfAlone(), 0, block.convolution.initial_state(1))
        torch.testing.assert_close(found[0], plain_block(block.state_dict(), frames[0]))


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
