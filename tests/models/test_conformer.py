"""The Conformer: rings and carried caches agree, its convolution looks back as far as its kernel, sizes are checked."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.models.conformer import ConformerConfig, ConvolutionModule
from tests.models.toy_transcriber import random_mels, toy_encoder


@settings(max_examples=10, deadline=None)
@given(chunks=st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_a_ring_gives_what_carried_caches_give(chunks: list[int]) -> None:
    encoder, mels = toy_encoder("conformer"), random_mels(2, 4 * sum(chunks))
    state, streams = encoder.initial_state(2), [encoder.open_stream(2)]
    with torch.inference_mode():
        for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
            expected, state = encoder(piece, state)
            actual, streams = encoder.step_streams(piece, streams)
            torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


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
