"""How a run of the ablation study is judged: whole conversations decoded as served, counted one by one.

Turns come out as the service makes them of tokens (svc.pipelines.live.turns), speech activity left aside, which some
variants never learnt. Without `<sot>` and `<eot>` a turn is words on one channel no further apart than a pause. How
long a pause, each run has chosen for it on conversations of dev talkers: the best that pauses can do. Every run is
counted by pauses too, so that what the tokens add can be told from what else changed.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.backends.loading import decoder_config
from svc.backends.protocols import Emission
from svc.config import TranscriptionConfig
from svc.models.transcriber import HOP_S, WINDOW_S, Transcriber, TranscriberOutput
from svc.pipelines.live.turns import NUM_CHANNELS, TurnConfig, TurnTracker
from svc.units import Units, is_silent
from training.data.conversation_sets import Conversation
from training.data.rendering import Sounds, render
from training.data.transcripts import Transcript
from training.evaluate_transcription import as_spoken
from training.event_transcript import EventTranscript
from training.metrics.transcription import transcription_errors
from training.transcriber_validation import greedy_emissions

# From the end of one word to the end of the next, so a long word looks like a pause.
PAUSES_S = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 2.0)
WATCHDOG = TurnConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The tokens of each channel of a conversation. A frame's tokens come out `delay_s` after its end, for its last
    window ends later and the separator looks ahead.
    """

    reference: Transcript
    emissions: tuple[tuple[Emission, ...], ...]
    num_frames: int
    frame_s: float
    delay_s: float

    def without_turn_tokens(self) -> tuple[tuple[Emission, ...], ...]:
        return tuple(tuple(token for token in row if not is_silent(token.token_id)) for row in self.emissions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationScore:
    """Counts of one conversation; delays in seconds, of turns that were found."""

    uri: str
    words: int
    errors: int
    turns: int
    turns_found: int
    turns_by_pauses: int
    start_delays_s: tuple[float, ...]
    end_delays_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """A run on all conversations, and the pause it takes for the end of a turn where it counts by pauses."""

    steps: int
    pause_s: float
    conversations: tuple[ConversationScore, ...]


@torch.no_grad()
def hear(model: Transcriber, conversation: Conversation, sounds: Sounds, *, turn_tokens: bool) -> Heard:
    """The model, in evaluation, over the whole of a conversation."""
    output = model(mels_of(model, conversation, sounds))
    return heard_of(model, conversation, output, turn_tokens=turn_tokens)


def mels_of(model: Transcriber, conversation: Conversation, sounds: Sounds) -> Tensor:
    """(1, T, M), T a multiple of the stride."""
    mels = Filterbank(FilterbankConfig())(render(conversation.recipe, sounds, with_sources=False).samples)
    return torch.from_numpy(mels[: len(mels) // model.stride_frames * model.stride_frames])[None]


def heard_of(model: Transcriber, conversation: Conversation, output: TranscriberOutput, *, turn_tokens: bool) -> Heard:
    """The pass over one conversation, decoded as served, but that a model which has learnt no `turn_tokens` is told of
    none; of a single channel the other is silent.
    """
    frames = output.frames.flatten(0, 1)  # (C, T', D)
    num_frames = frames.shape[1]
    lengths = torch.full((len(frames),), num_frames)
    decoder = replace(decoder_config(TranscriptionConfig()), turn_tokens=turn_tokens)
    emitted = greedy_emissions(model, frames, lengths, decoder)
    rows = [tuple(Emission(token.token_id, token.frame) for token in row) for row in emitted]
    return Heard(
        reference=conversation.reference,
        emissions=(*rows, *[()] * (NUM_CHANNELS - len(rows))),
        num_frames=num_frames,
        frame_s=HOP_S * model.stride_frames,
        delay_s=WINDOW_S - HOP_S + HOP_S * model.delay_frames,
    )


def turns_of(heard: Heard, units: Units, *, pause_s: float | None = None) -> Transcript:
    """Turns by their tokens, or with `pause_s` by pauses between words alone, with the times they were reported at."""
    config = WATCHDOG if pause_s is None else TurnConfig(idle_s=pause_s)
    tracker = TurnTracker(units, frame_s=heard.frame_s, delay_s=0.0, config=config)
    emissions = heard.emissions if pause_s is None else heard.without_turn_tokens()
    at: dict[int, list[list[Emission]]] = defaultdict(lambda: [[] for _ in range(NUM_CHANNELS)])
    for channel, row in enumerate(emissions):
        for token in row:
            at[token.frame][channel].append(token)
    transcript, silence = EventTranscript(), np.zeros(NUM_CHANNELS, np.float32)
    for frame in range(heard.num_frames):
        transcript.add(tracker.step(frame, at[frame], silence), (frame + 1) * heard.frame_s + heard.delay_s)
    transcript.add(tracker.flush(), heard.num_frames * heard.frame_s + heard.delay_s)
    return transcript.turns


def best_pause_s(heard: Sequence[Heard], units: Units) -> float:
    """By which the most conversations have the right number of turns; of several the one with fewest turns amiss."""

    def amiss(pause_s: float) -> tuple[int, int]:
        counts = [(len(one.reference), len(turns_of(one, units, pause_s=pause_s))) for one in heard]
        return sum(true != found for true, found in counts), sum(abs(true - found) for true, found in counts)

    return min(PAUSES_S, key=amiss)


def score(uri: str, heard: Heard, units: Units, *, pause_s: float, turn_tokens: bool) -> ConversationScore:
    """One conversation, by tokens or else by pauses."""
    by_pauses = turns_of(heard, units, pause_s=pause_s)
    found = turns_of(heard, units) if turn_tokens else by_pauses
    errors = transcription_errors(as_spoken(heard.reference), as_spoken(found))
    return ConversationScore(
        uri=uri,
        words=errors.orc.words,
        errors=errors.orc.errors,
        turns=len(heard.reference),
        turns_found=len(found),
        turns_by_pauses=len(by_pauses),
        start_delays_s=errors.start_latency.seconds,
        end_delays_s=errors.end_latency.seconds,
    )


def judge(
    units: Units, *, dev: Iterable[Heard], test: Iterable[tuple[str, Heard]], turn_tokens: bool
) -> tuple[float, tuple[ConversationScore, ...]]:
    """The pause chosen on dev, and every test conversation's counts."""
    pause_s = best_pause_s(list(dev), units)
    return pause_s, tuple(score(uri, heard, units, pause_s=pause_s, turn_tokens=turn_tokens) for uri, heard in test)


def read_scores(path: Path) -> RunScores | None:
    """None when there are none yet."""
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    return RunScores(**fields | {"conversations": conversations_of(fields["conversations"])})


def conversations_of(rows: Iterable[Mapping[str, Any]]) -> tuple[ConversationScore, ...]:
    """As they were written to JSON."""
    delays = ("start_delays_s", "end_delays_s")
    return tuple(ConversationScore(**{**row, **{name: tuple(row[name]) for name in delays}}) for row in rows)
