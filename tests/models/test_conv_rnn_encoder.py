"""ConvRNN-T's front ends: shapes, sizes, and what each of the two hears."""

from dataclasses import replace

import pytest
import torch

from svc.models.conv_rnn_encoder import ConvRnnEncoder, ConvRnnEncoderConfig
from svc.models.streaming_layers import CausalConvolution
from tests.models.toy_transcriber import CONV_RNN, NUM_MELS, random_mels, toy_encoder


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
