"""ContextNet: a block against a plain rendering, where its strides are, and what its shortcut adds."""

import pytest
import torch
from torch import Tensor

from svc.models.contextnet import ContextBlock, ContextNet, ContextNetConfig
from tests.models.plain_layers import Weights, batch_norm, depthwise, linear, squeeze
from tests.models.toy_transcriber import CONTEXTNET, NUM_MELS, unsettle_norms


def plain_block(weights: Weights, x: Tensor, *, stride: int) -> Tensor:
    """(T, C) -> (T / stride, C): the block of arXiv 2005.03191, section 2.2, act(SE(f(..f(x))) + P(x))."""
    deep = x
    for number in range(CONTEXTNET.layers_per_block):
        name = f"body.layers.{number}"
        deep = depthwise(weights, deep, f"{name}.depthwise.conv", stride=stride if number == 0 else 1)
        deep = batch_norm(weights, linear(weights, deep, f"{name}.pointwise"), f"{name}.norm.norm")
        deep = deep * deep.sigmoid()
    deep = squeeze(weights, deep, f"body.layers.{CONTEXTNET.layers_per_block}")
    shortcut = batch_norm(weights, linear(weights, x[stride - 1 :: stride], "shortcut"), "shortcut_norm.norm")
    return (deep + shortcut) * (deep + shortcut).sigmoid()


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_equals_the_plain_rendering(stride: int) -> None:
    torch.manual_seed(0)
    block = ContextBlock(CONTEXTNET, stride=stride).eval()
    unsettle_norms(block)
    frames = torch.randn(1, 12, CONTEXTNET.channels)
    with torch.inference_mode():
        found, _ = block(frames, block.initial_state(1))
        torch.testing.assert_close(found[0], plain_block(block.state_dict(), frames[0], stride=stride))


@pytest.mark.parametrize("blocks", [(0, 1, 1), (2, 1, 3), (1, 2, 1)])
def test_every_rate_but_the_first_begins_with_a_stride(blocks: tuple[int, int, int]) -> None:
    encoder = ContextNet(ContextNetConfig(channels=8, blocks_per_rate=blocks, squeeze_factor=2), NUM_MELS)
    strides = [layer.stride for layer in encoder.blocks.each()]
    assert strides == [1, *[1] * blocks[0], 2, *[1] * (blocks[1] - 1), 2, *[1] * (blocks[2] - 1)]
    assert encoder.blocks.stride == encoder.stride_frames


def test_a_block_adds_the_newest_frame_of_each_stride() -> None:
    torch.manual_seed(0)
    block, frames = ContextBlock(CONTEXTNET, stride=2).eval(), torch.randn(1, 6, 8)
    with torch.inference_mode():
        output, _ = block(frames, block.initial_state(1))
        deep, _ = block.body(frames, block.initial_state(1))
        shortcut = block.shortcut_norm(block.shortcut(frames[:, [1, 3, 5]]))
    torch.testing.assert_close(output, torch.nn.functional.silu(deep + shortcut))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a block at 20 and at 40 ms"):
        ContextNetConfig(blocks_per_rate=(1, 0, 1))
    with pytest.raises(ValueError, match="multiples of squeeze_factor"):
        ContextNetConfig(channels=10, squeeze_factor=4)
