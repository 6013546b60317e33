"""The layers that stream, each against the plain sum it stands for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from svc.models.streaming_layers import CausalConvolution, Chain, CumulativeSqueeze, FrameNorm


def plain_convolution(conv: nn.Conv1d, frames: Tensor) -> Tensor:
    """(T, C) -> (T / stride, C'), tap by tap: the last tap is the newest input of each output."""
    assert conv.bias is not None
    outputs = []
    for newest in range(conv.stride[0] - 1, len(frames), conv.stride[0]):
        total = conv.bias.clone()
        for tap in range(conv.kernel_size[0]):
            at = newest - (conv.kernel_size[0] - 1 - tap) * conv.dilation[0]
            if at >= 0:
                total = total + conv.weight[:, :, tap] @ frames[at]
        outputs.append(total)
    return torch.stack(outputs)


@settings(max_examples=30)
@given(kernel=st.integers(2, 4), stride=st.integers(1, 2), dilation=st.integers(1, 3), outputs=st.integers(1, 6))
def test_a_convolution_is_the_sum_of_its_taps(kernel: int, stride: int, dilation: int, outputs: int) -> None:
    layer = CausalConvolution(nn.Conv1d(3, 5, kernel, stride=stride, dilation=dilation), (3,))
    frames = torch.randn(1, stride * outputs, 3)
    with torch.inference_mode():
        convolved, _ = layer(frames, layer.initial_state(1))
        assert isinstance(layer.conv, nn.Conv1d)
        torch.testing.assert_close(convolved[0], plain_convolution(layer.conv, frames[0]), atol=1e-5, rtol=1e-4)


@settings(max_examples=20)
@given(chunks=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_a_chain_in_chunks_equals_it_whole(chunks: list[int]) -> None:
    chain = Chain([CausalConvolution.depthwise(4, 3, stride=2), CumulativeSqueeze(4, 2)])
    frames, state, pieces = torch.randn(2, 2 * sum(chunks), 4), chain.initial_state(2), []
    with torch.inference_mode():
        whole, last = chain(frames, state)
        for piece in torch.split(frames, [2 * chunk for chunk in chunks], dim=1):
            output, state = chain(piece, state)
            pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-4)


def test_squeeze_excitation_knows_the_mean_so_far() -> None:
    squeeze, frames = CumulativeSqueeze(3, 2), torch.randn(1, 7, 3)
    with torch.inference_mode():
        scaled, _ = squeeze(frames, squeeze.initial_state(1))
        for end in range(1, 8):
            mean = frames[0, :end].mean(0)
            gate = torch.sigmoid(squeeze.up(nn.functional.silu(squeeze.down(mean))))
            torch.testing.assert_close(scaled[0, end - 1], frames[0, end - 1] * gate, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("hours", [1, 1000])
def test_a_mean_over_hours_is_still_a_mean(hours: int) -> None:
    squeeze, count = CumulativeSqueeze(3, 2), hours * 3600 * 25
    mean, frames = torch.tensor([0.1, -3.0, 7.0], dtype=torch.float64), torch.randn(1, 25, 3)
    state = (mean * count).unsqueeze(0), torch.tensor([count])
    with torch.inference_mode():
        _, (total, counted) = squeeze(frames, state)
    exact = mean * count + frames[0].double().sum(0)
    torch.testing.assert_close(total[0], exact, atol=0, rtol=1e-14)
    assert (total[0] - state[0][0]).sub(frames[0].double().sum(0)).abs().max() < 1e-6
    assert counted.item() == count + 25


def test_a_norm_of_frames_is_batch_norm_of_channels() -> None:
    plain, ours, frames = nn.BatchNorm1d(3), FrameNorm(3), torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(frames), plain(frames.transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(ours.norm.running_mean, plain.running_mean)


@pytest.mark.parametrize("conv", [nn.Conv1d(2, 2, 2, stride=3), nn.Conv1d(2, 2, 3, padding=1)])
def test_a_convolution_that_cannot_stream_is_refused(conv: nn.Conv1d) -> None:
    with pytest.raises(ValueError, match="no padding of time"):
        CausalConvolution(conv, (2,))
