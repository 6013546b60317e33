"""ConvRNN-T's front ends: blocks against plain renderings, shapes, sizes, and what each of the two hears."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from svc.models.conv_rnn_encoder import ConvRnnEncoder, ConvRnnEncoderConfig, GlobalBlock, LocalLayer
from svc.models.streaming_layers import CausalConvolution
from tests.models.plain_layers import Weights, batch_norm, depthwise, linear, squeeze
from tests.models.toy_transcriber import CONV_RNN, NUM_MELS, random_mels, toy_encoder, unsettle_norms


def plain_global_block(weights: Weights, x: Tensor, *, dilation: int) -> Tensor:
    """(T', C) -> (T', C): as the public re-implementations of arXiv 2209.14868 order it."""
    value, gate = linear(weights, x, "expand").chunk(2, dim=-1)
    y = batch_norm(weights, value * gate.sigmoid(), "gated_norm.norm")
    y = depthwise(weights, y, "depthwise.conv", dilation=dilation)
    y = batch_norm(weights, y * y.sigmoid(), "depthwise_norm.norm")
    return x + squeeze(weights, linear(weights, y, "pointwise"), "squeeze")


@pytest.mark.parametrize("dilation", [1, 4])
def test_a_global_block_equals_the_plain_rendering(dilation: int) -> None:
    torch.manual_seed(0)
    block = GlobalBlock(6, dilation=dilation, squeezed=3).eval()
    unsettle_norms(block)
    frames = torch.randn(1, 12, 6)
    with torch.inference_mode():
        found, _ = block(frames, block.initial_state(1))
        torch.testing.assert_close(found[0], plain_global_block(block.state_dict(), frames[0], dilation=dilation))


def test_a_local_layer_convolves_then_norms_then_cuts_off_below_zero() -> None:
    torch.manual_seed(0)
    layer = LocalLayer(4, 3, num_mels=NUM_MELS, mel_stride=2).eval()
    unsettle_norms(layer)
    weights, frames = layer.state_dict(), torch.randn(1, 7, 4, NUM_MELS)
    with torch.inference_mode():
        found, _ = layer(frames, layer.initial_state(1))
        padded = F.pad(frames.transpose(1, 2), (2, 2, 4, 0))  # (1, 4, 4 + T', 2 + M + 2)
        convolved = F.conv2d(padded, weights["conv.conv.weight"], weights["conv.conv.bias"], stride=(1, 2))
        normal = batch_norm(weights, convolved[0].permute(1, 2, 0), "norm.norm")  # (T', M', C)
        torch.testing.assert_close(found[0], normal.clamp(min=0).transpose(1, 2))


def test_the_default_has_the_sizes_of_the_re_implementations() -> None:
    encoder = ConvRnnEncoder(ConvRnnEncoderConfig(), 80)
    convolutions = [module.conv for module in encoder.modules() if isinstance(module, CausalConvolution)]
    assert [conv.out_channels for conv in convolutions[:4]] == [100, 100, 64, 64]
    assert {conv.kernel_size for conv in convolutions[:4]} == {(5, 5)}
    assert [conv.dilation for conv in convolutions[4:]] == [(1,), (2,), (4,), (8,), (16,), (32,)]


@pytest.mark.parametrize("part", ["from_local", "to_global"])
def test_both_front_ends_are_heard(part: str) -> None:
    encoder, mels = toy_encoder("conv_rnn"), random_mels(1, 24)
    with torch.inference_mode():
        before, _ = encoder(mels, encoder.initial_state(1))
        encoder.get_submodule(part).weight.mul_(2)  # type: ignore[operator]
        after, _ = encoder(mels, encoder.initial_state(1))
    assert not torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("mel_stride", [1, 2, 3])
def test_any_stride_over_mels_fits(mel_stride: int) -> None:
    encoder = ConvRnnEncoder(replace(CONV_RNN, mel_stride=mel_stride), NUM_MELS)
    frames, _ = encoder(random_mels(2, 8), encoder.initial_state(2))
    assert frames.shape == (2, 2, CONV_RNN.width)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="squeeze_factor"):
        ConvRnnEncoderConfig(global_width=10, squeeze_factor=4)
