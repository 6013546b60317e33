"""The transducer's lattice where an alignment band lets it be entered: the joint is computed at those nodes alone.

With words some 0.3 s apart and a band of one second, five or so of the U + 1 nodes of a frame remain, so a step costs a
fraction of the full lattice. The idea is that of pruned transducers (Kuang et al., Interspeech 2022), with the
reference's own alignment, which simulated mixtures have, in the place of a cheap first pass.
Letters: N sequences, T encoder frames, U labels, D encoder width, V vocabulary, K nodes.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from svc.units import BLANK
from training.losses.arc_biases import AlignmentBand
from training.losses.arcs import exact_dtype

# (N, T, D) frames, (N, U) targets and (K, 3) nodes, each sequence, frame and label -> (K, V) logits.
JointNodes = Callable[[Tensor, Tensor, Tensor], Tensor]


def arcs_in_band(
    joint_nodes: JointNodes,
    frames: Tensor,
    targets: Tensor,
    *,
    nodes: Tensor,
    outside_nats: float,
) -> Tensor:
    """(N, T, D) frames, (N, U) targets, (K, 3) nodes -> (N, T, U + 1, 2): log P of blank and of the next label.

    At all other nodes both are `-outside_nats`.
    """
    logits = joint_nodes(frames, targets, nodes)  # (K, V)
    logits = logits.to(exact_dtype(logits))
    next_labels = F.pad(targets.long(), (0, 1))[nodes[:, 0], nodes[:, 2]]  # (K,)
    chosen = torch.stack([torch.full_like(next_labels, BLANK), next_labels], dim=1)  # (K, 2)
    pairs = logits.gather(1, chosen) - logits.logsumexp(1, keepdim=True)
    lattice = logits.new_full((*frames.shape[:2], targets.shape[1] + 1, 2), -outside_nats)
    return lattice.index_put(tuple(nodes.unbind(1)), pairs)


def nodes_in_band(
    token_frames: Tensor, *, logit_lengths: Tensor, target_lengths: Tensor, band: AlignmentBand
) -> Tensor:
    """(N, U) due frames and (N,) lengths -> (K, 3) the nodes on a path that says every token within the band.

    Node (t, u) is on one when label u - 1 may have been said by t, and label u need not have been.
    """
    due = token_frames.minimum(logit_lengths[:, None] - 1).cummax(1).values if token_frames.shape[1] else token_frames
    never, always = torch.iinfo(torch.int32).max, torch.iinfo(torch.int32).min
    said_from = F.pad(due - int(band.left_frames), (1, 0), value=always)[:, None]  # (N, 1, U + 1)
    unsaid_until = F.pad(due + int(band.right_frames), (0, 1), value=never)[:, None]
    frame = torch.arange(int(logit_lengths.max()), device=due.device)[None, :, None]  # (1, T, 1)
    label = torch.arange(token_frames.shape[1] + 1, device=due.device)[None, None]  # (1, 1, U + 1)
    last = target_lengths[:, None, None]
    inside = (frame < logit_lengths[:, None, None]) & (label <= last)
    return (inside & (frame >= said_from) & ((frame <= unsaid_until) | (label == last))).nonzero()
