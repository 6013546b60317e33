"""Beam search over a transducer, frame by frame, several tokens to a frame, equal prefixes merged.

Time-synchronous search (see Saon et al., "Alignment-Length Synchronous Decoding for RNN Transducer", ICASSP 2020), but
expansions and hypotheses that are done with the frame compete for the same places: so a beam of 1 is the greedy search.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import nlargest

import torch
from torch import Tensor

from svc.models.decoding import Decoded, DecoderConfig, Emission, biased, first_label
from svc.models.encoder import State
from svc.models.transducer import Joint, Predictor
from svc.units import BLANK, END_OF_TURN


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """One way to read what is not settled yet. Its prefix before that is common to the whole beam."""

    score: float
    emissions: tuple[Emission, ...]
    labels: Tensor  # (J,) what the joint makes of the labels
    memory: State  # the predictor's, without the batch dimension

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(emission.token_id for emission in self.emissions)


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """A hypothesis and the token that would follow; the predictor has not run for it yet."""

    parent: Hypothesis
    emission: Emission
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Beam:
    """One sequence: the best hypothesis first."""

    next_frame: int
    hypotheses: tuple[Hypothesis, ...]
    last_token: int  # frame of the newest token, whoever of the beam said it
    settled_in_turn: bool = False  # after all that is settled

    @property
    def in_turn(self) -> bool:
        """As the best hypothesis has it."""
        tokens = self.hypotheses[0].tokens
        return tokens[-1] != END_OF_TURN if tokens else self.settled_in_turn


class _Frame:
    """One sequence within one frame: what is done with it, and what may still emit."""

    def __init__(self, active: tuple[Hypothesis, ...], frame: int) -> None:
        self.frame = frame
        self.active = list(active)
        self.finished: dict[tuple[int, ...], Hypothesis] = {}

    def finish(self, hypothesis: Hypothesis, logprob: float) -> None:
        """The blank came. Two alignments of the same tokens are one hypothesis, timed as the likelier one is."""
        done = replace(hypothesis, score=hypothesis.score + logprob)
        twin = self.finished.get(done.tokens)
        if twin is not None:
            likelier = max(done, twin, key=lambda either: either.score)
            done = replace(likelier, score=log_add(done.score, twin.score))
        self.finished[done.tokens] = done

    def prune(self, expansions: list[Expansion], width: int) -> list[Expansion]:
        """Keeps the best `width` of both kinds; returns the expansions among them."""
        everyone: list[Hypothesis | Expansion] = [*self.finished.values(), *expansions]
        kept = nlargest(width, everyone, key=lambda either: either.score)
        self.finished = {one.tokens: one for one in kept if isinstance(one, Hypothesis)}
        return [one for one in kept if isinstance(one, Expansion)]


class BeamDecoder:
    """The likeliest tokens, alignments summed. What the whole beam agrees on is final, and so is all up to an <eot>."""

    def __init__(self, predictor: Predictor, joint: Joint, config: DecoderConfig) -> None:
        self.predictor = predictor
        self.joint = joint
        self.config = config

    def initial_state(self, batch: int, *, first_frame: int = 0) -> list[Beam]:
        labels, memory = first_label(self.predictor, self.joint)
        empty = Hypothesis(0.0, (), labels[0], tuple(tensor[0] for tensor in memory))
        return [Beam(first_frame, (empty,), first_frame) for _ in range(batch)]

    @torch.no_grad()
    def decode(
        self, frames: Tensor, state: list[Beam], heard: Tensor | None = None, counts: Tensor | None = None
    ) -> tuple[list[Decoded], list[Beam]]:
        """As the protocol says."""
        found: list[list[Emission]] = [[] for _ in state]
        whom = [[True] * len(state)] * frames.shape[1] if heard is None else heard.t().tolist()  # k of N
        num_frames = [frames.shape[1]] * len(state) if counts is None else counts.tolist()
        state = list(state)
        for place, projected in enumerate(self.joint.from_frames(frames).unbind(1)):  # (N, J)
            rows = [row for row, number in enumerate(num_frames) if place < number]
            beams = [self._forgotten(state[row]) for row in rows]
            beams = self._decode_frame(projected[rows], beams, [whom[place][row] for row in rows])
            for row, beam in zip(rows, beams, strict=True):
                settled, state[row] = settle(beam, self.config)
                found[row] += settled
        partial = [beam.hypotheses[0].emissions for beam in state]
        return [Decoded(tuple(emissions), rest) for emissions, rest in zip(found, partial, strict=True)], state

    def finish(self, state: list[Beam]) -> list[Decoded]:
        """The best hypothesis of each."""
        return [Decoded(beam.hypotheses[0].emissions) for beam in state]

    def join(self, states: Sequence[list[Beam]]) -> list[Beam]:
        """As the protocol says."""
        return [beam for state in states for beam in state]

    def part(self, state: list[Beam], num_parts: int) -> list[list[Beam]]:
        """As the protocol says."""
        size = len(state) // num_parts
        return [state[start : start + size] for start in range(0, len(state), size)]

    def _forgotten(self, beam: Beam) -> Beam:
        """The best reading so far, and then as if nothing had been said, where the last token is too long ago."""
        patience = self.config.forget_after_frames
        if not patience or beam.next_frame < beam.last_token + patience:
            return beam
        labels, memory = first_label(self.predictor, self.joint, self.config.afresh(in_turn=beam.in_turn))
        fresh = replace(beam.hypotheses[0], labels=labels[0], memory=tuple(tensor[0] for tensor in memory))
        return Beam(beam.next_frame, (fresh,), beam.next_frame, beam.settled_in_turn)

    def _decode_frame(self, projected: Tensor, state: list[Beam], heard: list[bool]) -> list[Beam]:
        """(N, J) -> the beams past this frame."""
        frames = [_Frame(beam.hypotheses, beam.next_frame) for beam in state]
        # What lies before the stream, or was not heard, is skipped as if it had been blank.
        under_way = {row: frame for row, frame in enumerate(frames) if frame.frame >= 0 and heard[row]}
        for depth in range(self.config.max_symbols_per_frame + 1):
            expansions = self._expand(projected, under_way, last=depth == self.config.max_symbols_per_frame)
            self._accept(under_way, expansions)
            under_way = {row: frame for row, frame in under_way.items() if frame.active}
            if not under_way:
                break
        return [after(frame, beam) for frame, beam in zip(frames, state, strict=True)]

    def _expand(self, projected: Tensor, frames: dict[int, _Frame], *, last: bool) -> dict[int, list[Expansion]]:
        """Scores every active hypothesis' next step; the `last` one of a frame can only be the blank."""
        pairs = [(row, hypothesis) for row, frame in frames.items() for hypothesis in frame.active]
        if not pairs:
            return {}
        labels = torch.stack([hypothesis.labels for _, hypothesis in pairs])
        logits = biased(self.joint.combine(projected[[row for row, _ in pairs]], labels), self.config)
        scores = logits.log_softmax(-1)  # (n, V)
        best = scores[:, BLANK + 1 :].topk(min(self.config.beam, scores.shape[1] - 1))
        steps = zip(pairs, scores[:, BLANK].tolist(), best.values.tolist(), best.indices.tolist(), strict=True)
        expansions: dict[int, list[Expansion]] = {row: [] for row in frames}
        for (row, hypothesis), blank, logprobs, indices in steps:
            frames[row].finish(hypothesis, blank)
            for logprob, index in zip(logprobs, indices, strict=True):
                emission = Emission(BLANK + 1 + index, frames[row].frame, logprob)
                expansions[row].append(Expansion(hypothesis, emission, hypothesis.score + logprob))
        return {row: [] if last else found for row, found in expansions.items()}

    def _accept(self, frames: dict[int, _Frame], expansions: dict[int, list[Expansion]]) -> None:
        """Prunes, then runs the predictor once for the expansions of all sequences that are left."""
        kept = [(row, one) for row, frame in frames.items() for one in frame.prune(expansions[row], self.config.beam)]
        for frame in frames.values():
            frame.active = []
        if not kept:
            return
        tokens = torch.tensor([[one.emission.token_id] for _, one in kept], device=self.joint.output.weight.device)
        memories = zip(*(one.parent.memory for _, one in kept), strict=True)
        outputs, after = self.predictor(tokens, tuple(torch.stack(rows) for rows in memories))
        labels = self.joint.from_labels(outputs[:, 0])
        for number, (row, one) in enumerate(kept):
            # Cloned: a view would keep the rows of all other streams alive.
            memory = tuple(tensor[number].clone() for tensor in after)
            emissions = (*one.parent.emissions, one.emission)
            frames[row].active.append(Hypothesis(one.score, emissions, labels[number].clone(), memory))


def after(frame: _Frame, beam: Beam) -> Beam:
    """The beam once the frame is done, best first, the best score put to 0 so that hours do not add up."""
    hypotheses = sorted(frame.finished.values(), key=lambda one: -one.score) or list(beam.hypotheses)
    best = hypotheses[0].score
    newest = [one.emissions[-1].frame for one in hypotheses if one.emissions]
    return Beam(
        beam.next_frame + 1,
        tuple(replace(one, score=one.score - best) for one in hypotheses),
        max(newest, default=beam.last_token),
        beam.settled_in_turn,
    )


def settle(beam: Beam, config: DecoderConfig) -> tuple[tuple[Emission, ...], Beam]:
    """What is final now, and the beam without it and without the hypotheses that say otherwise."""
    best = beam.hypotheses[0]
    tokens = best.tokens
    length = max(common_prefix([one.tokens for one in beam.hypotheses]), len(tokens) - config.max_unstable_tokens)
    if END_OF_TURN in tokens:
        length = max(length, len(tokens) - tokens[::-1].index(END_OF_TURN))
    if not length:
        return (), beam
    agreeing = [one for one in beam.hypotheses if one.tokens[:length] == tokens[:length]]
    rest = tuple(replace(one, emissions=one.emissions[length:]) for one in agreeing)
    in_turn = tokens[length - 1] != END_OF_TURN
    return best.emissions[:length], Beam(beam.next_frame, rest, beam.last_token, in_turn)


def common_prefix(sequences: list[tuple[int, ...]]) -> int:
    """How many leading items all sequences share."""
    for length, items in enumerate(zip(*sequences, strict=False)):
        if len(set(items)) > 1:
            return length
    return min(map(len, sequences))


def log_add(one: float, other: float) -> float:
    """log(exp(one) + exp(other))."""
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
