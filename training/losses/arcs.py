"""The transducer's lattice with two symbols: of V log-probabilities at a node only blank and the next label are used.

A lattice of (T, U + 1, 2) costs a hundredth of one of (T, U + 1, V) in the forward-backward pass and in memory; what
remains of V is one log-sum-exp per node. Letters: N sequences, T encoder frames, U labels, V vocabulary, blank = 0.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from svc.units import BLANK

# Times the least gradient the loss gives, still a normal float: a processor multiplies the others ten times
# slower, and all but the neighbourhood of the best alignment is made of them.
LEAST_LOG_POSTERIOR = -45.0


def arc_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """(T, U + 1, V) logits, (U,) targets of one sequence -> (T, U + 1, 2): log P of blank and of the next label.

    The last row has no next label: zeros, without gradient.
    """
    arcs: Tensor = _ArcLogProbs.apply(logits, targets)
    return arcs


class _ArcLogProbs(torch.autograd.Function):
    """Log-softmax at two places of V; of the others only the log-sum-exp of each node is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: ANN401
        nodes = logits.to(exact_dtype(logits))  # (T, U+1, V)
        normaliser = torch.logsumexp(nodes, dim=-1)  # (T, U+1)
        label_logits = nodes[:, :-1].gather(2, _label_index(targets, len(logits))).squeeze(2)  # (T, U)
        ctx.save_for_backward(logits, targets, normaliser)
        label = F.pad(label_logits - normaliser[:, :-1], (0, 1))  # (T, U+1)
        return torch.stack([nodes[..., BLANK] - normaliser, label], dim=-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        logits, targets, normaliser = ctx.saved_tensors
        blank, label = gradients[0].unbind(-1)  # (T, U+1) each
        label = label[:, :-1]  # (T, U)
        log_posterior = logits - normaliser.unsqueeze(-1)  # (T, U+1, V)
        posterior = log_posterior.clamp_(min=LEAST_LOG_POSTERIOR).exp_()
        nodes = posterior.mul_(-(blank + F.pad(label, (0, 1))).unsqueeze(-1))
        nodes[..., BLANK] += blank
        nodes[:, :-1].scatter_add_(2, _label_index(targets, len(logits)), label.unsqueeze(-1))
        return nodes.to(logits.dtype), None


def exact_dtype(tensor: Tensor) -> torch.dtype:
    """What sums of its logarithms need: half precision loses whole nats over the thousands of nodes of a lattice."""
    return torch.promote_types(tensor.dtype, torch.float32)


def _label_index(targets: Tensor, frames: int) -> Tensor:
    """(U,) labels -> (T, U, 1), where they lie in V at every frame."""
    return targets.long().view(1, -1, 1).expand(frames, -1, 1)


def arcs_of_sequences(
    joint_logits: Callable[[Tensor, Tensor], Tensor],
    frames: Tensor,
    targets: Tensor,
    *,
    logit_lengths: list[int],
    target_lengths: list[int],
) -> Tensor:
    """(N, T, D) frames, (N, U) targets -> (N, max T, max U + 1, 2), as `arc_log_probs` of the joint's logits.

    Past a sequence's own lengths there is no lattice: zeros, without gradient.

    The joint sees one sequence at a time, (1, T_n, D) and (1, U_n) -> (1, T_n, U_n + 1, V), without its padding: with a
    silent channel in most mixtures, that is well over half of the nodes, and the joint is most of a step's work.
    """
    longest, most = max(logit_lengths), max(target_lengths)
    arcs = []
    for n, (num_frames, num_labels) in enumerate(zip(logit_lengths, target_lengths, strict=True)):
        labels = targets[n : n + 1, :num_labels]  # (1, U_n)
        logits = joint_logits(frames[n : n + 1, :num_frames], labels)  # (1, T_n, U_n+1, V)
        own = arc_log_probs(logits.squeeze(0), labels.squeeze(0))  # (T_n, U_n+1, 2)
        arcs.append(F.pad(own, (0, 0, 0, most - num_labels, 0, longest - num_frames)))
    return torch.stack(arcs)
