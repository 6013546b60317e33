"""A transducer whose log-probabilities are a table: one row of tokens for every frame and every last label."""

import torch
from torch import Tensor

from svc.models.transducer import Joint, Predictor, PredictorConfig

SURE = 10.0  # tanh of it is 1 in float32


def table_transducer(table: Tensor) -> tuple[Predictor, Joint, Tensor]:
    """(T, V, V) log-probabilities [frame, last label, token] -> predictor, joint, and the frames (1, T, T) to decode.

    Joint unit (t, u) is 1 when the frame is t and the last label u, else -1.
    """
    num_frames, num_tokens, _ = table.shape
    predictor = Predictor(PredictorConfig(kind="context", context_labels=1, width=num_tokens), num_tokens).eval()
    joint = Joint(num_frames * num_tokens, num_frames, num_tokens, num_tokens)
    rows = table.reshape(-1, num_tokens)  # (T V, V)
    with torch.no_grad():
        predictor.embedding.weight.copy_(torch.eye(num_tokens))
        for parameter, value in zip(predictor.memory.parameters(), (1.0, 0.0), strict=True):  # weight, bias
            parameter.fill_(value)
        joint.from_frames.weight.copy_(2 * SURE * torch.eye(num_frames).repeat_interleave(num_tokens, dim=0))
        joint.from_frames.bias.fill_(-3 * SURE)
        joint.from_labels.weight.copy_(2 * SURE * torch.eye(num_tokens).repeat(num_frames, 1))
        joint.output.weight.copy_(rows.T / 2)
        joint.output.bias.copy_(rows.sum(0) / 2)
    return predictor, joint, torch.eye(num_frames)[None]


def best_sequence(table: Tensor, max_symbols: int) -> tuple[tuple[int, ...], float]:
    """The likeliest tokens and their log-probability, alignments summed: every path is walked."""
    totals: dict[tuple[int, ...], float] = {}

    def walk(frame: int, emitted_here: int, tokens: tuple[int, ...], probability: float) -> None:
        if frame == len(table):
            totals[tokens] = totals.get(tokens, 0.0) + probability
            return
        row = table[frame, tokens[-1] if tokens else 0].exp().tolist()
        walk(frame + 1, 0, tokens, probability * row[0])
        if emitted_here < max_symbols:
            for token, share in enumerate(row[1:], 1):
                walk(frame, emitted_here + 1, (*tokens, token), probability * share)

    walk(0, 0, (), 1.0)
    best = max(totals, key=lambda tokens: totals[tokens])
    return best, torch.tensor(totals[best]).log().item()
