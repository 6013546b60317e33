"""From encoder frames to tokens as they arrive: what a decoder is, and the greedy one.

Letters: N sequences (streams x channels), k frames of 40 ms in this chunk, D encoder width, J joint width, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from svc.models.encoder import State, split_states, stack_states
from svc.models.transducer import Joint, Predictor
from svc.units import BLANK, END_OF_TURN, START_OF_TURN

Kept = TypeVar("Kept")
# What a predictor has seen before the first word of a stream, and of a turn.
OUTSIDE, INSIDE = (BLANK,), (BLANK, START_OF_TURN)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """How to search. A beam of 1 is the greedy search."""

    beam: int = 1
    # So many tokens may leave one frame; a model that would emit for ever is cut there.
    max_symbols_per_frame: int = 4
    # Taken off the blank's logit: more than 0 emits more, and earlier.
    blank_penalty: float = 0.0
    # Added to the end of turn's logit: more than 0 hears more ends, and some where nobody stopped.
    end_of_turn_bonus: float = 0.0
    # After so long without a token the next is sought as if it were its turn's first, or outside a turn the stream's;
    # 0 = never. A predictor that remembers everything can wait for ever for a word that was not said.
    forget_after_frames: int = 0
    # Whether the model learnt <sot>. One that did not is never started afresh inside a turn: it would hear a label that
    # means nothing to it.
    turn_tokens: bool = True
    # A beam that disagrees on more tokens than this gives in to its best hypothesis.
    max_unstable_tokens: int = 24

    def __post_init__(self) -> None:
        if self.forget_after_frames < 0:
            raise ValueError(f"forget_after_frames must not be negative, got {self.forget_after_frames}")
        if min(self.beam, self.max_symbols_per_frame, self.max_unstable_tokens) < 1:
            raise ValueError(f"beam, max_symbols_per_frame and max_unstable_tokens must be positive: {self}")

    def afresh(self, *, in_turn: bool) -> tuple[int, ...]:
        """What a predictor is told that forgets all it has seen."""
        return INSIDE if in_turn and self.turn_tokens else OUTSIDE


@dataclass(frozen=True, slots=True)
class Emission:
    """A token, the 40 ms frame of its stream at which it came out, and its log-probability there."""

    token_id: int
    frame: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one sequence's chunk added for good, and everything the decoder may yet take back."""

    emissions: tuple[Emission, ...] = ()
    partial: tuple[Emission, ...] = ()


class Decoder(Protocol, Generic[Kept]):
    """Decoding a stream in chunks, each with the state the last one returned, equals decoding it whole."""

    def initial_state(self, batch: int, *, first_frame: int = 0) -> Kept:
        """Of `batch` streams whose next frame is `first_frame`. Frames below 0 lie before it: skipped."""
        ...

    def decode(
        self, frames: Tensor, state: Kept, heard: Tensor | None = None, counts: Tensor | None = None
    ) -> tuple[list[Decoded], Kept]:
        """(N, k, D) and the previous state -> N results and the next state. Where a frame was not `heard` (N, k), it
        is blank whatever it holds; behind `counts` (N,) frames a sequence has none; None = all.
        """
        ...

    def finish(self, state: Kept) -> list[Decoded]:
        """What was still partial, for good."""
        ...

    def join(self, states: Sequence[Kept]) -> Kept:
        """The states of several batches as that of one, in that order."""
        ...

    def part(self, state: Kept, num_parts: int) -> list[Kept]:
        """The state of a batch as those of so many equal batches."""
        ...


class GreedyDecoder:
    """The best token of every frame.

    State: next frame (N,), frames since the last token (N,), whether a turn is open (N,), the labels as the joint
    projects them (N, J), memory.
    """

    def __init__(self, predictor: Predictor, joint: Joint, config: DecoderConfig | None = None) -> None:
        self.predictor = predictor
        self.joint = joint
        self.config = config or DecoderConfig()

    def initial_state(self, batch: int, *, first_frame: int = 0) -> State:
        labels, memory = first_label(self.predictor, self.joint)
        next_frame = torch.full((batch,), first_frame, device=labels.device)
        outside = torch.zeros_like(next_frame, dtype=torch.bool)
        return (
            next_frame,
            torch.zeros_like(next_frame),
            outside,
            *(tensor.repeat(batch, *[1] * (tensor.dim() - 1)) for tensor in (labels, *memory)),
        )

    @torch.no_grad()
    def decode(
        self, frames: Tensor, state: State, heard: Tensor | None = None, counts: Tensor | None = None
    ) -> tuple[list[Decoded], State]:
        """As the protocol says. A row leaves the loop at its last blank, so most rows pass the joint once."""
        next_frame, quiet, in_turn, labels, *memory = state
        num_frames = torch.full_like(next_frame, frames.shape[1]) if counts is None else counts  # (N,)
        own = torch.arange(frames.shape[1], device=frames.device) < num_frames[:, None]
        chunk = _Chunk(
            projected=self.joint.from_frames(frames),
            heard=own if heard is None else own & heard,
            num_frames=num_frames,
            found=[[] for _ in frames],
            cursor=(-next_frame).clamp(0, frames.shape[1]),
            emitted_here=torch.zeros_like(next_frame),
            last=-quiet,
            in_turn=in_turn.clone(),
            said=(labels, *memory),
        )
        rows = torch.arange(len(frames), device=frames.device)
        while len(rows):
            rows = self._advance(rows, chunk, next_frame)
        found = [Decoded(tuple(emissions)) for emissions in chunk.found]
        return found, (next_frame + num_frames, num_frames - chunk.last, chunk.in_turn, *chunk.said)

    def finish(self, state: State) -> list[Decoded]:
        """Nothing: all of it went out at once."""
        return [Decoded() for _ in state[0]]

    def join(self, states: Sequence[State]) -> State:
        """As the protocol says."""
        return stack_states(states)

    def part(self, state: State, num_parts: int) -> list[State]:
        """As the protocol says."""
        return split_states(state, num_parts)

    def _advance(self, rows: Tensor, chunk: "_Chunk", next_frame: Tensor) -> Tensor:
        """Takes rows (n,) to their next token, or starts afresh those that wait too long; returns who is not done."""
        num_frames, labels = chunk.projected.shape[1], chunk.said[0]
        scores = self._scores(chunk.projected[rows], labels[rows])  # (n, k, V)
        tokens = scores.argmax(-1)  # (n, k)
        ahead = torch.arange(num_frames, device=rows.device) >= chunk.cursor[rows, None]
        frame = first_true((tokens != BLANK) & ahead & chunk.heard[rows])
        if self._forget_late(rows, frame, chunk):
            return rows
        emits = frame < num_frames
        rows, frame = rows[emits], frame[emits]
        if not len(rows):
            return rows
        token = tokens[emits, frame]
        logprob = scores[emits, frame].log_softmax(-1).gather(1, token[:, None])[:, 0]
        record(chunk.found, rows, token, next_frame[rows] + frame, logprob)
        chunk.note(rows, token, frame, most=self.config.max_symbols_per_frame)
        chunk.said = self._accept(token, rows, chunk.said)
        return rows

    def _forget_late(self, rows: Tensor, frame: Tensor, chunk: "_Chunk") -> bool:
        """Whether any of the rows, whose next token is at `frame` (n,), had waited too long and was started afresh."""
        if not self.config.forget_after_frames:
            return False
        until = chunk.last[rows] + self.config.forget_after_frames
        late = (until <= frame) & (until < chunk.num_frames[rows])
        chosen = rows[late]
        if len(chosen):
            chunk.said = self._forget(chosen, chunk.in_turn[chosen], chunk.said)
            chunk.last[chosen] = chunk.cursor[chosen] = until[late]
            chunk.emitted_here[chosen] = 0
        return bool(late.any())

    def _scores(self, frames: Tensor, labels: Tensor) -> Tensor:
        """Projected (n, k, J), (n, J) -> (n, k, V)."""
        return biased(self.joint.combine(frames, labels[:, None]), self.config)

    def _forget(self, rows: Tensor, in_turn: Tensor, state: State) -> State:
        """As if these rows had emitted nothing yet, but the <sot> of an open turn."""
        for open_turn in (False, True):
            chosen = rows[in_turn == open_turn]
            label, memory = first_label(self.predictor, self.joint, self.config.afresh(in_turn=open_turn))
            fresh = (tensor.expand(len(chosen), *tensor.shape[1:]) for tensor in (label, *memory))
            state = tuple(old.index_copy(0, chosen, new) for old, new in zip(state, fresh, strict=True))
        return state

    def _accept(self, token: Tensor, rows: Tensor, state: State) -> State:
        """Runs the predictor for the rows that emitted, and only these."""
        labels, *memory = state
        outputs, after = self.predictor(token[:, None], tuple(tensor[rows] for tensor in memory))
        projected = self.joint.from_labels(outputs[:, 0])
        changed = (old.index_copy(0, rows, new) for old, new in zip(memory, after, strict=True))
        return labels.index_copy(0, rows, projected), *changed


@dataclass(slots=True, eq=False, kw_only=True)
class _Chunk:
    """A chunk under way. Letters as above; frames count from the chunk's first."""

    projected: Tensor  # (N, k, J)
    heard: Tensor  # (N, k), also false behind a row's own frames
    num_frames: Tensor  # (N,)
    found: list[list[Emission]]
    cursor: Tensor  # (N,) the frame a row has come to
    emitted_here: Tensor  # (N,) tokens that left this frame
    last: Tensor  # (N,) the frame of the last token, below 0 when it came before the chunk
    in_turn: Tensor  # (N,)
    said: State  # the labels as the joint projects them (N, J), and the predictor's memory

    def note(self, rows: Tensor, token: Tensor, frame: Tensor, *, most: int) -> None:
        """The rows emit a token each; one that has emitted `most` in a frame goes on to the next."""
        self.last[rows] = frame
        self.in_turn[rows] = token != END_OF_TURN
        count = torch.where(frame == self.cursor[rows], self.emitted_here[rows], 0) + 1
        full = count >= most
        self.cursor[rows] = frame + full
        self.emitted_here[rows] = count * ~full


def first_label(predictor: Predictor, joint: Joint, labels: Sequence[int] = OUTSIDE) -> tuple[Tensor, State]:
    """(1, J) and the predictor's state once it has seen `labels`: at first the blank with which every stream begins."""
    with torch.no_grad():
        start = torch.tensor([labels], device=joint.output.weight.device)
        outputs, memory = predictor(start, predictor.initial_state(1))
        return joint.from_labels(outputs[:, -1]), memory


def biased(logits: Tensor, config: DecoderConfig) -> Tensor:
    """(.., V) -> (.., V), blank made less likely and the end of a turn more so, as configured."""
    if config.blank_penalty:
        logits[..., BLANK] -= config.blank_penalty
    if config.end_of_turn_bonus:
        logits[..., END_OF_TURN] += config.end_of_turn_bonus
    return logits


def first_true(flags: Tensor) -> Tensor:
    """(n, k) -> (n,): the column of the first true flag, k where there is none."""
    return torch.where(flags.any(1), flags.int().argmax(1), flags.shape[1])


def record(found: Sequence[list[Emission]], rows: Tensor, *columns: Tensor) -> None:
    """Adds one emission to each of the rows (R,), of columns (R,): token, frame and log-probability."""
    table = zip(rows.tolist(), *(column.tolist() for column in columns), strict=True)
    for row, token, frame, logprob in table:
        found[row].append(Emission(token, frame, logprob))
