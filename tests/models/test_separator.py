"""The separator: chunked = whole, its delay, its masks, its floor."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.audio.filterbank import LOG_FLOOR
from svc.models.separator import SILENCE, Separator, SeparatorConfig, mask_mels
from tests.models.toy_transcriber import NUM_MELS, random_mels


def toy(stack_frames: int = 2, lookahead_frames: int = 4, *, share: float = 0.0) -> Separator:
    torch.manual_seed(0)
    config = SeparatorConfig(
        hidden_width=16, stack_frames=stack_frames, lookahead_frames=lookahead_frames, second_voice_share=share
    )
    return Separator(config, NUM_MELS).eval()


def test_silence_is_the_front_ends_floor() -> None:
    assert np.float32(SILENCE) == np.float32(np.log(LOG_FLOOR))


@settings(max_examples=20)
@given(
    chunks=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    stack=st.sampled_from([1, 2, 4]),
    share=st.sampled_from([0.0, 0.4, 0.5]),
)
def test_chunked_output_equals_whole_output(chunks: list[int], stack: int, share: float) -> None:
    separator, mels = toy(stack, share=share), random_mels(2, 4 * sum(chunks))
    parts, state = [], separator.initial_state(2)
    with torch.inference_mode():
        whole, _ = separator(mels, separator.initial_state(2))
        for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
            part, state = separator(piece, state)
            parts.append(part)
    for name in ("log_masks", "activity"):
        together = torch.cat([getattr(part, name) for part in parts], dim=2)
        torch.testing.assert_close(together, getattr(whole, name), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whole.delayed[:, 4:], mels[:, :-4])
    assert (whole.delayed[:, :4] == SILENCE).all()


@pytest.mark.parametrize("lookahead", [0, 4, 8])
def test_a_mask_knows_as_much_of_the_future_as_it_says(lookahead: int) -> None:
    separator, mels = toy(1, lookahead), random_mels(1, 40)
    mels.requires_grad_()
    separation, _ = separator(mels, separator.initial_state(1))
    # Output 20 is the mask of input 20 - lookahead: it must see input 20 and nothing past it.
    separation.log_masks[0, :, 20].sum().backward()
    assert mels.grad is not None
    seen = mels.grad[0].abs().sum(dim=1) > 0
    assert seen[20]
    assert not seen[21:].any()


def test_masked_mels_are_the_mixture_less_something_and_never_below_silence() -> None:
    separator, mels = toy(), random_mels(2, 16) - 6
    separation, _ = separator(mels, separator.initial_state(2))
    masked = mask_mels(separation.delayed, separation.log_masks)
    assert masked.shape == (2, 2, 16, NUM_MELS)
    assert (masked <= separation.delayed[:, None].clamp(min=SILENCE)).all()
    assert (masked >= SILENCE).all()
    assert (separation.log_masks.exp().sum(dim=1) < 1).all()


def test_a_second_voice_in_doubt_leaves_everything_to_channel_0() -> None:
    separator, mels = toy(share=0.99), random_mels(2, 16) - 6
    separation, _ = separator(mels, separator.initial_state(2))
    masked = mask_mels(separation.delayed, separation.log_masks)
    torch.testing.assert_close(masked[:, 0], separation.delayed.clamp(min=SILENCE))
    assert (masked[:, 1] == SILENCE).all()


def test_a_second_voice_without_doubt_is_masked_as_without_a_gate() -> None:
    gated, free, mels = toy(share=1e-6), toy(), random_mels(1, 64)
    (after, _), (alike, _) = (each(mels, each.initial_state(1)) for each in (gated, free))
    torch.testing.assert_close(after.log_masks[:, :, 4:], alike.log_masks[:, :, 4:])


@pytest.mark.parametrize(
    "wrong", [{"stack_frames": 3}, {"lookahead_frames": 2}, {"lookahead_frames": -4}, {"second_voice_share": 1.0}]
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SeparatorConfig(**wrong)
