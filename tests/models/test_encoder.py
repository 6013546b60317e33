"""What holds of every encoder: chunked = whole, causal, sequences apart from each other, bounded state."""

import copy
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from svc.models.encoder import Encoder, State, split_states, stack_states, state_bytes
from svc.models.encoders import ENCODER_KINDS, EncoderConfig
from svc.typed_config import parse_config
from tests.models.toy_transcriber import NUM_MELS, random_mels, toy_encoder

every_encoder = pytest.mark.parametrize("encoder", [toy_encoder(kind) for kind in ENCODER_KINDS], ids=ENCODER_KINDS)
chunkings = st.lists(st.integers(1, 9), min_size=1, max_size=8)  # in encoder frames


def in_chunks(encoder: Encoder, mels: Tensor, chunks: list[int], state: State) -> tuple[Tensor, State]:
    outputs = []
    for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
        frames, state = encoder(piece, state)
        outputs.append(frames)
    return torch.cat(outputs, dim=1), state


@every_encoder
@settings(max_examples=25)
@given(chunks=chunkings)
def test_chunked_output_equals_whole_output(encoder: Encoder, chunks: list[int]) -> None:
    mels = random_mels(3, 4 * sum(chunks))
    with torch.inference_mode():
        whole, whole_state = encoder(mels, encoder.initial_state(3))
        chunked, state = in_chunks(encoder, mels, chunks, encoder.initial_state(3))
    torch.testing.assert_close(chunked, whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(state, whole_state, atol=1e-4, rtol=1e-4)


@every_encoder
@pytest.mark.parametrize("changed", [4, 17, 39])
def test_input_past_a_frame_does_not_change_it(encoder: Encoder, changed: int) -> None:
    mels = random_mels(1, 40)
    other = mels.clone()
    other[:, changed:] += 1
    with torch.inference_mode():
        before, after = (encoder(x, encoder.initial_state(1))[0] for x in (mels, other))
    unchanged = (changed - encoder.lookahead_frames) // 4
    torch.testing.assert_close(before[:, :unchanged], after[:, :unchanged])
    assert not torch.allclose(before[:, changed // 4 :], after[:, changed // 4 :])


@every_encoder
def test_a_sequence_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    mels = random_mels(4, 48)
    with torch.inference_mode():
        together, _ = encoder(mels, encoder.initial_state(4))
        alone = [encoder(one[None], encoder.initial_state(1))[0] for one in mels]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


@every_encoder
def test_streams_of_different_age_step_together_as_alone(encoder: Encoder) -> None:
    old, young, chunk = random_mels(1, 40), random_mels(1, 4, seed=1), random_mels(2, 8, seed=2)
    with torch.inference_mode():
        states = [encoder(mels, encoder.initial_state(1))[1] for mels in (old, young)]
        alone = [encoder(mels[None], state)[0] for mels, state in zip(chunk, states, strict=True)]
        together, after = encoder(chunk, stack_states(states))
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(stack_states(split_states(after)), after)


@every_encoder
def test_the_state_never_grows(encoder: Encoder) -> None:
    state = encoder.initial_state(2)
    sizes = set()
    with torch.inference_mode():
        for seed in range(12):
            _, state = encoder(random_mels(2, 24, seed), state)
            sizes.add(state_bytes(split_states(state)[0]))
    assert sizes == {state_bytes(encoder.initial_state(1))}


@every_encoder
def test_every_weight_learns(encoder: Encoder) -> None:
    encoder = copy.deepcopy(encoder).train()
    frames, _ = encoder(random_mels(2, 40), encoder.initial_state(2))
    (frames * torch.randn_like(frames)).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in encoder.parameters())


@every_encoder
def test_a_broken_chunk_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        encoder(random_mels(1, 6), encoder.initial_state(1))


@every_encoder
def test_the_input_map_is_an_affine_map_of_the_features(encoder: Encoder) -> None:
    mels, turn, shift = random_mels(1, 16), torch.randn(NUM_MELS, NUM_MELS), torch.randn(NUM_MELS)
    with torch.inference_mode():
        expected, _ = encoder(mels @ turn.T + shift, encoder.initial_state(1))
    encoder.input_map.copy_(turn)
    encoder.input_bias.copy_(shift)
    with torch.inference_mode():
        actual, _ = encoder(mels, encoder.initial_state(1))
    encoder.input_map.copy_(torch.eye(NUM_MELS))
    encoder.input_bias.zero_()
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


# The local front end alone may do.
WRONG_SIZES = [
    (kind, each.name, value)
    for kind in ENCODER_KINDS
    for each in fields(getattr(EncoderConfig(), kind))
    for value in (0, -2)
    if isinstance(each.default, int) and (each.name, value) != ("num_global_blocks", 0)
]


@pytest.mark.parametrize(("kind", "name", "value"), WRONG_SIZES)
def test_a_size_that_is_none_is_named(kind: str, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"^{kind}\.{name} must be"):
        parse_config(EncoderConfig, {"kind": kind, kind: {name: value}})
