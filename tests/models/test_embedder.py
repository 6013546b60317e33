"""CAM++ against its plain rendering, and a padded clip against the clip alone."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from svc.models.embedder import CamPlusPlus, CamPlusPlusConfig
from tests.models.plain_campplus import PlainCamPlusPlus

SMALL = CamPlusPlusConfig(head_channels=8, tdnn_channels=16, growth=8, bottleneck=16, block_layers=(2, 2, 1))


@cache
def random_model(config: CamPlusPlusConfig = SMALL) -> CamPlusPlus:
    """Random weights and random running statistics, so that no batch norm is the identity."""
    torch.manual_seed(0)
    model = CamPlusPlus(config).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
    return model


@pytest.fixture(scope="module")
def model() -> CamPlusPlus:
    return random_model()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for each other on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# U = 100 frames end a segment: half of 199, 200 and 201.
@pytest.mark.parametrize("num_frames", [8, 97, 199, 200, 201, 450])
def test_equals_the_plain_rendering_of_the_paper(model: CamPlusPlus, num_frames: int) -> None:
    plain = PlainCamPlusPlus(model.state_dict(), SMALL.block_layers, SMALL.block_dilations)
    features = torch.randn(num_frames, 80)
    with torch.inference_mode():
        torch.testing.assert_close(model(features[None])[0], plain(features), atol=1e-5, rtol=1e-4)


@settings(max_examples=12)
@given(lengths=st.lists(st.integers(4, 450), min_size=2, max_size=3))
def test_a_padded_clip_equals_the_clip_alone(lengths: list[int]) -> None:
    model, longest = random_model(), max(lengths)
    # What stands in the padding must not matter.
    features = torch.randn(len(lengths), longest, 80)
    with torch.inference_mode():
        batched = model(features, torch.tensor(lengths))
        alone = torch.cat([model(clip[None, :length]) for clip, length in zip(features, lengths, strict=True)])
    torch.testing.assert_close(batched, alone, atol=1e-4, rtol=0)


def test_the_published_sizes_are_the_defaults() -> None:
    assert sum(parameter.numel() for parameter in CamPlusPlus().parameters()) == 6_848_544


def test_no_rectifier_ends_the_network(model: CamPlusPlus) -> None:
    with torch.inference_mode():
        assert (model(torch.randn(4, 100, 80)) < 0).float().mean() > 0.2


def test_gradients_reach_the_first_layer_through_a_padded_batch(model: CamPlusPlus) -> None:
    model(torch.randn(2, 60, 80), torch.tensor([60, 31])).square().sum().backward()
    gradient = model.head.conv1.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
