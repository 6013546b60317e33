"""The separator: chunked = whole, its delay, its masks, its floor."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc.audio.filterbank import LOG_FLOOR
from svc.models.separator import SILENCE, Separator, SeparatorConfig, mask_mels
from tests.models.toy_transcriber import NUM_MELS, random_mels


def toy(stack_frames: int = 2, lookahead_frames: int = 4) -> Separator:
    torch.manual_seed(0)
    config = SeparatorConfig(hidden_width=16, stack_frames=stack_frames, lookahead_frames=lookahead_frames)
    return Separator(config, NUM_MELS).eval()


def test_silence_is_the_front_ends_floor() -> None:
    assert np.float32(SILENCE) == np.float32(np.log(LOG_FLOOR))


@settings(max_examples=20, deadline=None)
@given(chunks=st.lists(st.integers(1, 5), min_size=1, max_size=6), stack=st.sampled_from([1, 2, 4]))
def test_chunked_output_equals_whole_output(chunks: list[int], stack: int) -> None:
    separator, mels = toy(stack), random_mels(2, 4 * sum(chunks))
    masks, state = [], separator.initial_state(2)
    with torch.inference_mode():
        delayed, whole, _ = separator(mels, separator.initial_state(2))
        for piece in torch.split(mels, [4 * chunk for chunk in chunks], dim=1):
            _, log_masks, state = separator(piece, state)
            masks.append(log_masks)
    torch.testing.assert_close(torch.cat(masks, dim=2), whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(delayed[:, 4:], mels[:, :-4])
    assert (delayed[:, :4] == SILENCE).all()


@pytest.mark.parametrize("lookahead", [0, 4, 8])
def test_a_mask_knows_as_much_of_the_future_as_it_says(lookahead: int) -> None:
    separator, mels = toy(1, lookahead), random_mels(1, 40)
    mels.requires_grad_()
    _, log_masks, _ = separator(mels, separator.initial_state(1))
    # Output 20 is the mask of input 20 - lookahead: it must see input 20 and nothing past it.
    log_masks[0, :, 20].sum().backward()
    assert mels.grad is not None
    seen = mels.grad[0].abs().sum(dim=1) > 0
    assert seen[20]
    assert not seen[21:].any()


def test_masked_mels_are_the_mixture_less_something_and_never_below_silence() -> None:
    separator, mels = toy(), random_mels(2, 16) - 6
    delayed, log_masks, _ = separator(mels, separator.initial_state(2))
    masked = mask_mels(delayed, log_masks)
    assert masked.shape == (2, 2, 16, NUM_MELS)
    assert (masked <= delayed[:, None].clamp(min=SILENCE)).all()
    assert (masked >= SILENCE).all()


@pytest.mark.parametrize("wrong", [{"stack_frames": 3}, {"lookahead_frames": 2}, {"lookahead_frames": -4}])
def test_sizes_that_do_not_fit_a_chunk_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SeparatorConfig(**wrong)
