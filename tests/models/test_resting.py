"""Channels that rest: decided frame by frame, and to the encoder as if the silence had been cut out."""

from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from svc.models.encoder import Encoder
from svc.models.encoders import ENCODER_KINDS
from svc.models.resting import encode_heard, still_awake
from tests.models.toy_transcriber import random_mels, toy_encoder

every_encoder = pytest.mark.parametrize("encoder", [toy_encoder(kind) for kind in ENCODER_KINDS], ids=ENCODER_KINDS)
chunkings = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def quiet_mels(num_frames: int, seed: int) -> Tensor:
    """(1, 4 frames) that are shut for frames on end now and then."""
    torch.manual_seed(seed)
    return (torch.rand(1, num_frames) < 0.8).repeat_interleave(4, dim=1) & (torch.rand(1, 4 * num_frames) < 0.98)


def quiet_so_far(shut: Tensor) -> list[int]:
    frames = shut[0].view(-1, 4).all(1).tolist()
    return list(accumulate(frames, lambda count, quiet: count + 1 if quiet else 0, initial=0))[1:]


@given(chunks=chunkings, seed=st.integers(0, 99), rest_after=st.integers(1, 3))
def test_a_channel_rests_once_it_was_quiet_for_long_enough_however_it_is_cut(
    chunks: list[int], seed: int, rest_after: int
) -> None:
    shut, quiet, parts = quiet_mels(sum(chunks), seed), torch.zeros(1, dtype=torch.long), []
    for piece in torch.split(shut, [4 * chunk for chunk in chunks], dim=1):
        heard, quiet = still_awake(piece, quiet, rest_after)
        parts.append(heard)
    assert torch.cat(parts, dim=1)[0].tolist() == [count <= rest_after for count in quiet_so_far(shut)]


def test_nobody_rests_unless_told() -> None:
    heard, quiet = still_awake(torch.ones(2, 40, dtype=torch.bool), torch.tensor([0, 90]), 0)
    assert heard.all()
    assert quiet.tolist() == [10, 100]


@every_encoder
@settings(max_examples=10)
@given(chunks=chunkings, seed=st.integers(0, 99))
def test_what_is_heard_is_as_if_the_rest_had_been_cut_out(encoder: Encoder, chunks: list[int], seed: int) -> None:
    mels, heard = random_mels(3, 4 * sum(chunks)), torch.rand(3, sum(chunks)) < 0.6
    states, parts, start = [encoder.open_stream(1) for _ in range(3)], [], 0
    with torch.inference_mode():
        for chunk in chunks:
            piece = slice(start, start + chunk)
            frames, states = encode_heard(encoder, mels[:, 4 * start : 4 * (start + chunk)], heard[:, piece], states)
            parts.append(frames)
            start += chunk
        together = torch.cat(parts, dim=1)
        for row, own in enumerate(heard):
            cut = mels[row].view(-1, 4, mels.shape[2])[own].reshape(1, -1, mels.shape[2])
            assert not together[row][~own].any()
            if len(cut[0]):
                whole, _ = encoder(cut, encoder.initial_state(1))
                torch.testing.assert_close(together[row][own], whole[0], atol=1e-4, rtol=1e-4)


def test_an_encoder_that_looks_across_frames_takes_pieces_of_one_length() -> None:
    for encoder in map(toy_encoder, ("conformer", "lstm", "amortised")):
        states = [encoder.open_stream(1) for _ in range(2)]
        with pytest.raises(ValueError, match="one length only"):
            encoder.step_streams(random_mels(2, 8), states, torch.tensor([1, 2]))
