"""Channels on which nobody is heard rest: the encoder passes them by until somebody is heard again.

Of two channels one is empty nearly all the time, and hearing silence costs as much as hearing speech. A channel that
rests keeps its memory as it was: to the encoder the silence is cut out, as in a recording with shorter pauses. Which
frames are heard is decided one by one, so chunks change nothing.

Letters: B streams, C channels, N = B * C, k frames of 40 ms, M mels, D encoder width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from svc.models.encoder import Encoder, State


def still_awake(
    shut: Tensor, quiet: Tensor, rest_after_frames: int, counts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(B, 4 k) mels at which nothing gets through, and for how many frames before them it was so (B,) -> which frames
    (B, k) are heard: not those quiet for more than `rest_after_frames`; 0 = all. And how many are quiet now (B,), after
    `counts` (B,) frames; None = all.
    """
    quiet_here = shut.view(len(shut), -1, Encoder.stride_frames).all(2)  # (B, k)
    place = torch.arange(1, quiet_here.shape[1] + 1, device=shut.device)
    loud = torch.where(quiet_here, -quiet[:, None], place)
    since = place - loud.cummax(1).values  # (B, k) quiet frames up to and with this one
    heard = since <= rest_after_frames if rest_after_frames else torch.ones_like(quiet_here)
    return heard, since[:, -1] if counts is None else since.gather(1, counts[:, None] - 1)[:, 0]


def encode_heard(
    encoder: Encoder, masked: Tensor, heard: Tensor, states: Sequence[State]
) -> tuple[Tensor, list[State]]:
    """(N, 4 k, M), the frames to hear (N, k) and N states of one sequence each -> (N, k, D), zeros where nothing was
    heard, and the next states. The states given are used up.
    """
    frames = masked.new_zeros(*heard.shape, encoder.width)
    blocks = masked.view(*heard.shape, encoder.stride_frames, -1)  # (N, k, 4, M)
    counts, after = heard.sum(1), list(states)
    for rows in together(counts, takes_uneven=encoder.takes_uneven):
        own = counts[rows]
        longest, uneven = int(own.max()), bool((own != own[0]).any())
        row, place = torch.nonzero(heard[rows], as_tuple=True)
        target = torch.nonzero(torch.arange(longest, device=own.device) < own[:, None], as_tuple=True)
        features = blocks.new_zeros(len(rows), longest, *blocks.shape[2:])
        features[target] = blocks[rows[row], place]
        chosen = [states[number] for number in rows.tolist()]
        encoded, moved = encoder.step_streams(features.flatten(1, 2), chosen, own if uneven else None)
        frames[rows[row], place] = encoded[target]
        for number, state in zip(rows.tolist(), moved, strict=True):
            after[number] = state
    return frames, after


def together(counts: Tensor, *, takes_uneven: bool) -> list[Tensor]:
    """Frames that each row hears (N,) -> the rows of each pass: all that hear any, or those that hear equally many."""
    each = sorted(set(counts.tolist()) - {0})
    groups = [counts > 0] if takes_uneven else [counts == count for count in each]
    return [torch.nonzero(group)[:, 0] for group in groups if group.any()]
