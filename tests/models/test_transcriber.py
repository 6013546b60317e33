"""The whole model: chunked = whole, causal, streams apart from each other, latency, gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from svc.models.encoder import split_states, stack_states, state_bytes
from svc.models.encoders import ENCODER_KINDS, EncoderConfig
from svc.models.separator import SILENCE, mask_mels
from svc.models.transcriber import StepOutput, Transcriber, TranscriberConfig
from svc.typed_config import parse_config
from tests.models.toy_transcriber import NUM_MELS, NUM_TOKENS, random_mels, toy_config, toy_transcriber

every_kind = pytest.mark.parametrize("kind", ENCODER_KINDS)


def in_steps(model: Transcriber, mels: Tensor, chunks: list[int]) -> StepOutput:
    """Feeds chunks of so many encoder frames, then the delay's worth of silence; drops what lies before the start."""
    mels = F.pad(mels, (0, 0, 0, model.delay_frames), value=SILENCE)
    state, outputs = model.initial_state(len(mels)), []
    for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
        output, state = model.step(piece, state)
        outputs.append(output)
    lag = model.delay_frames
    return StepOutput(
        frames=torch.cat([output.frames for output in outputs], dim=2)[:, :, lag // 4 :],
        activity=torch.cat([output.activity for output in outputs], dim=2)[:, :, lag // 4 :],
        masks=torch.cat([output.masks for output in outputs], dim=2)[:, :, lag:],
    )


@every_kind
@pytest.mark.parametrize("lookahead", [0, 4])
@settings(max_examples=10)
@given(chunks=st.lists(st.integers(1, 6), min_size=2, max_size=6))
def test_chunked_output_equals_whole_output(kind: str, lookahead: int, chunks: list[int]) -> None:
    model = toy_transcriber(kind, lookahead_frames=lookahead)
    mels = random_mels(2, 4 * sum(chunks) - lookahead)
    with torch.inference_mode():
        whole, stepped = model(mels), in_steps(model, mels, chunks)
    torch.testing.assert_close(stepped.frames, whole.frames, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(stepped.activity, whole.activity, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(stepped.masks, whole.log_masks.exp(), atol=1e-4, rtol=1e-4)


@every_kind
@pytest.mark.parametrize("changed", [5, 20, 33])
def test_input_past_the_lookahead_does_not_change_a_frame(kind: str, changed: int) -> None:
    model, mels = toy_transcriber(kind), random_mels(1, 40)
    other = mels.clone()
    other[:, changed:] += 1
    with torch.inference_mode():
        before, after = model(mels).frames, model(other).frames
    unchanged = max(0, changed - model.delay_frames) // 4
    torch.testing.assert_close(before[:, :, :unchanged], after[:, :, :unchanged])
    assert not torch.allclose(before, after)


@every_kind
def test_streams_step_together_as_alone(kind: str) -> None:
    model, chunk = toy_transcriber(kind), random_mels(3, 8)
    with torch.inference_mode():
        states = [model.step(random_mels(1, 4 * age, age), model.initial_state(1))[1] for age in (1, 2, 9)]
        alone = [model.step(mels[None], state)[0] for mels, state in zip(chunk, states, strict=True)]
        together, after = model.step(chunk, stack_states(states))
    torch.testing.assert_close(together.frames, torch.cat([one.frames for one in alone]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(stack_states(split_states(after)), after)


@every_kind
def test_live_streams_of_different_age_step_together_as_alone(kind: str) -> None:
    model = toy_transcriber(kind)
    ages, streams, alone = (1, 2, 9), [], []
    with torch.inference_mode():
        for age in ages:
            _, after = model.step_streams(random_mels(1, 4, age), [model.open_stream()])
            _, state = model.step(random_mels(1, 4, age), model.initial_state(1))
            for seed in range(age):
                mels = random_mels(1, 8, seed)
                _, after = model.step_streams(mels, after)
                _, state = model.step(mels, state)
            streams += after
            alone.append(model.step(random_mels(1, 8, seed=99), state)[0])
        together, _ = model.step_streams(random_mels(1, 8, seed=99).repeat(3, 1, 1), streams)
    for name in ("frames", "activity", "masks"):
        expected = torch.cat([getattr(one, name) for one in alone])
        torch.testing.assert_close(getattr(together, name), expected, atol=1e-4, rtol=1e-4)


@every_kind
def test_a_live_stream_never_grows(kind: str) -> None:
    model = toy_transcriber(kind)
    streams, sizes = [model.open_stream() for _ in range(2)], set()
    with torch.inference_mode():
        for seed in range(60):
            _, streams = model.step_streams(random_mels(2, 12, seed), streams)
            sizes |= {tensor.untyped_storage().nbytes() for tensor in streams[0]}
    assert sizes == {tensor.untyped_storage().nbytes() for tensor in model.open_stream()}


@every_kind
@pytest.mark.parametrize("minutes", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_a_long_stream_leaves_the_state_as_large_as_it_was(kind: str, minutes: int) -> None:
    model = toy_transcriber(kind)
    state = model.initial_state(1)
    mels = random_mels(1, 800)
    with torch.inference_mode():
        for _ in range(minutes * 60 // 8):
            _, state = model.step(mels, state)
    assert state_bytes(state) == state_bytes(model.initial_state(1))
    assert all(torch.isfinite(tensor).all() for tensor in state)


@every_kind
@pytest.mark.parametrize("predictor", ["lstm", "context"])
def test_every_weight_learns(kind: str, predictor: str) -> None:
    model = Transcriber(toy_config(kind, predictor))
    mels = random_mels(2, 40)
    output = model(mels)
    assert output.ctc is not None
    logits = model.joint_logits(output.frames.flatten(0, 1), torch.randint(1, NUM_TOKENS, (4, 5), dtype=torch.int32))
    activity = output.activity.square().mean() + model.separate_whole(mels).activity.square().mean()
    (logits.square().mean() + activity + output.ctc.square().mean()).backward()
    dead = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum()]
    assert not dead


@every_kind
def test_the_parts_one_by_one_equal_the_whole(kind: str) -> None:
    model, mels = toy_transcriber(kind), random_mels(2, 40)
    with torch.inference_mode():
        whole = model(mels)
        padded = F.pad(mels, (0, 0, 0, 4), value=SILENCE)
        separation, _ = model.separator(padded, model.separator.initial_state(2))
        masked = mask_mels(separation.delayed, separation.log_masks)
        frames, _ = model.encode(masked.flatten(0, 1))
    torch.testing.assert_close(masked[:, :, 4:], whole.masked, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(frames[:, 1:].reshape(2, 2, 10, -1), whole.frames, atol=1e-5, rtol=1e-4)


def test_any_length_is_padded_to_whole_frames() -> None:
    output = toy_transcriber()(random_mels(1, 41))
    assert output.masked.shape == (1, 2, 41, NUM_MELS)
    assert output.frames.shape[:3] == (1, 2, 11)


def test_shapes_of_the_joint() -> None:
    logits = toy_transcriber().joint_logits(torch.randn(3, 7, 10), torch.zeros(3, 4, dtype=torch.int32))
    assert logits.shape == (3, 7, 5, NUM_TOKENS)


def test_the_default_model_answers_within_120_ms() -> None:
    model = Transcriber(TranscriberConfig(num_tokens=500, encoder=EncoderConfig(kind="lstm")))
    assert model.algorithmic_latency_s <= 0.120
    assert toy_transcriber().algorithmic_latency_s <= 0.120


def test_the_configuration_can_be_read_from_a_table() -> None:
    table = {"num_tokens": 9, "separator": {"hidden_width": 8}, "encoder": {"kind": "lstm", "lstm": {"num_layers": 1}}}
    config = parse_config(TranscriberConfig, table)
    assert (config.separator.hidden_width, config.encoder.lstm.num_layers) == (8, 1)
    with pytest.raises(ValueError, match="encoder kind"):
        EncoderConfig(kind="gru")


def test_a_head_that_was_not_built_is_refused() -> None:
    model = Transcriber(TranscriberConfig(num_tokens=9, ctc=False))
    with pytest.raises(ValueError, match="no CTC head"):
        model.ctc(torch.zeros(1, 1, 384))
