"""What the transcriber should say of a mixture: tokens for each channel, when each is due, and who speaks when.

Letters: C = 2 channels, U tokens, T' encoder frames.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from svc.types import FloatArray, Span
from svc.units import BLANK, END_OF_TURN, START_OF_TURN
from training.data.arrangement import NUM_CHANNELS
from training.data.mixture_recipe import MixtureRecipe, PlacedTurn

IntArray = npt.NDArray[np.int32]
HOP_S = 0.01


class WordEncoder(Protocol):
    """Spells words in the model's tokens."""

    def encode(self, word: str) -> list[int]:
        """Token ids of one word; at least one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetConfig:
    """`delay_frames` (10 ms) puts everything off by as much as the model's frames lag behind the sound."""

    turn_tokens: bool = True
    stride_frames: int = 4
    delay_frames: int = 0
    # Shorter pauses within a turn count as speech.
    bridged_pause_s: float = 0.25

    @property
    def frame_s(self) -> float:
        return self.stride_frames * HOP_S


@dataclass(frozen=True, slots=True, eq=False)
class ChannelTargets:
    """(U,) tokens and the frame each is due in; (T',) activity 0 or 1, and the token due in each frame, else blank."""

    tokens: IntArray
    frames: IntArray
    activity: FloatArray
    labels: IntArray


def channel_targets(
    recipe: MixtureRecipe, units: WordEncoder, *, num_frames: int, config: TargetConfig
) -> tuple[ChannelTargets, ...]:
    """The targets of both channels over `num_frames` encoder frames; a silent channel has no tokens."""
    return tuple(
        _targets([turn for turn in recipe.turns if turn.channel == channel], units, num_frames, config)
        for channel in range(NUM_CHANNELS)
    )


def due_tokens(turn: PlacedTurn, units: WordEncoder, *, turn_tokens: bool = True) -> list[tuple[int, float]]:
    """(token, seconds at which it is due): `<sot>` at the start, pieces spread over their word, `<eot>` at the end."""
    due: list[tuple[int, float]] = [(START_OF_TURN, turn.span.start_s)] if turn_tokens else []
    for word in turn.words:
        pieces = units.encode(word.text)
        step_s = (word.end_s - word.start_s) / max(1, len(pieces))
        due += ((piece, word.start_s + step_s * number) for number, piece in enumerate(pieces, 1))
    return due + ([(END_OF_TURN, turn.span.end_s)] if turn_tokens else [])


def spoken_spans(turns: Iterable[PlacedTurn], *, bridged_pause_s: float) -> list[Span]:
    """Where words are, in order of start; pauses of at most `bridged_pause_s` are spoken over."""
    spans: list[Span] = []
    for word in (word for turn in turns for word in turn.words):
        if spans and word.start_s - spans[-1].end_s <= bridged_pause_s:
            spans[-1] = Span(spans[-1].start_s, max(spans[-1].end_s, word.end_s))
        else:
            spans.append(Span(word.start_s, word.end_s))
    return spans


def _targets(turns: Sequence[PlacedTurn], units: WordEncoder, num_frames: int, config: TargetConfig) -> ChannelTargets:
    due = [token for turn in turns for token in due_tokens(turn, units, turn_tokens=config.turn_tokens)]
    delay_s = config.delay_frames * HOP_S
    at = np.floor((np.array([at_s for _, at_s in due]) + delay_s) / config.frame_s + 1e-6).astype(np.int32)
    at = np.minimum(np.maximum.accumulate(at), num_frames - 1)
    tokens = np.array([token for token, _ in due], np.int32)
    activity = np.zeros(num_frames, np.float32)
    for span in spoken_spans(turns, bridged_pause_s=config.bridged_pause_s):
        first, last = ((edge_s + delay_s) / config.frame_s for edge_s in (span.start_s, span.end_s))
        activity[round(first) : max(round(last), round(first) + 1)] = 1
    return ChannelTargets(tokens, at, activity, _labels(tokens, at, num_frames))


def _labels(tokens: IntArray, at: IntArray, num_frames: int) -> IntArray:
    """(T',) one token a frame: where several are due, the later ones wait; what waits past the end is left out."""
    labels = np.full(num_frames, BLANK, np.int32)
    free = 0
    for token, frame in zip(tokens.tolist(), at.tolist(), strict=True):
        free = max(free, frame)
        if free == num_frames:
            break
        labels[free] = token
        free += 1
    return labels
