"""What the attending encoders share: a live stream's rings against the caches that training carries."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.toy_transcriber import random_mels, toy_encoder


@pytest.mark.parametrize("kind", ["transformer", "conformer"])
@settings(max_examples=20)
@given(chunks=st.lists(st.integers(1, 8), min_size=1, max_size=8))
def test_a_ring_gives_what_carried_caches_give(kind: str, chunks: list[int]) -> None:
    encoder, mels = toy_encoder(kind), random_mels(2, 4 * sum(chunks))
    state, streams = encoder.initial_state(2), [encoder.open_stream(2)]
    with torch.inference_mode():
        for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
            expected, state = encoder(piece, state)
            actual, streams = encoder.step_streams(piece, streams)
            torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)
