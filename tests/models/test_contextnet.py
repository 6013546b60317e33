"""ContextNet: where its strides are, and what its shortcut adds."""

import pytest
import torch

from svc.models.contextnet import ContextBlock, ContextNet, ContextNetConfig
from tests.models.toy_transcriber import CONTEXTNET, NUM_MELS


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
