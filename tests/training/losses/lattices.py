"""Small random transducer problems, and the loss by enumeration of every alignment.

Letters: N sequences, T encoder frames, U labels, V vocabulary.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from training.losses.arcs import arcs_of_sequences


@dataclass(frozen=True)
class Problem:
    """A padded batch: (N, T, U + 1, V) float64 logits, (N, U) targets and due frames, (N,) lengths."""

    logits: Tensor
    targets: Tensor
    token_frames: Tensor
    logit_lengths: Tensor
    target_lengths: Tensor


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    batch, frames, labels = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    vocabulary = draw(st.integers(4, 6))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))

    def integers(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high + 1, shape, generator=random, dtype=torch.int32)

    return Problem(
        logits=torch.randn(batch, frames, labels + 1, vocabulary, generator=random, dtype=torch.float64) * 2,
        targets=integers(1, vocabulary - 1, batch, labels),
        token_frames=integers(0, frames - 1, batch, labels).sort(1).values,
        logit_lengths=integers(1, frames, batch),
        target_lengths=integers(0, labels, batch),
    )


def enumerated_loss(problem: Problem, n: int, penalties: Tensor | None = None) -> Tensor:
    """Minus the log of the summed probability of all ways to say item n's labels; (T, U) nats off every label arc."""
    log_probs = problem.logits[n].log_softmax(-1)
    frames, labels = int(problem.logit_lengths[n]), int(problem.target_lengths[n])
    totals = []
    # An alignment is the frame of each label, never falling; every frame ends in a blank.
    for said_at in combinations_with_replacement(range(frames), labels):
        total = log_probs.new_zeros(())
        for u, t in enumerate(said_at):
            total = total + log_probs[t, u, int(problem.targets[n, u])]
            total = total if penalties is None else total - penalties[t, u]
        for t in range(frames):
            total = total + log_probs[t, sum(said <= t for said in said_at), 0]
        totals.append(total)
    return -torch.logsumexp(torch.stack(totals), 0)


def arcs_of_logits(logits: Tensor, targets: Tensor, *, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """(N, T, U + 1, V) -> (N, max T, max U + 1, 2), as training computes it: the logits stand for a joint's."""

    def joint(frames: Tensor, labels: Tensor) -> Tensor:
        return frames.view(*frames.shape[:2], *logits.shape[2:])[:, :, : labels.shape[1] + 1]

    lengths = {"logit_lengths": logit_lengths.tolist(), "target_lengths": target_lengths.tolist()}
    return arcs_of_sequences(joint, logits.flatten(2), targets, **lengths)


def dense_arcs(logits: Tensor, targets: Tensor) -> Tensor:
    """(N, T, U + 1, V), (N, U) -> (N, T, U + 1, 2) by the log-softmax of all there is, padding and all."""
    log_probs = logits.log_softmax(-1)
    index = targets.long()[:, None, :, None].expand(-1, logits.shape[1], -1, -1)  # (N, T, U, 1)
    label = log_probs[:, :, :-1].gather(3, index).squeeze(3)  # (N, T, U)
    return torch.stack([log_probs[..., 0], F.pad(label, (0, 1))], dim=-1)
