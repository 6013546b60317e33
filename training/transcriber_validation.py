"""How well a transcriber hears talkers it was not trained on, while it is trained: greedy words against the targets.

Each channel is compared with what was arranged on it, which is stricter than ORC-WER: a turn on the other channel
counts as lost there and inserted here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.functional import edit_distance

from svc.models.decoding import DecoderConfig, Emission, GreedyDecoder
from svc.models.transcriber import Transcriber
from svc.units import END_OF_TURN, Units
from training.data.batches import TrainingExample, collate
from training.losses.transcriber_loss import encoder_lengths
from training.metrics.additive import Additive

BATCH = 8
DECODED_FRAMES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelErrors(Additive):
    """Counts of words and turns over channels; they add."""

    words: int = 0
    errors: int = 0
    turns: int = 0
    turns_found: int = 0

    @property
    def word_error_rate(self) -> float:
        return self.errors / max(1, self.words)


def validate(
    model: Transcriber, examples: Sequence[TrainingExample], units: Units, *, separated: bool
) -> dict[str, float]:
    """Word error rate and turns found over turns spoken; `separated` takes the mixture for its own separation."""
    total = ChannelErrors()
    for start in range(0, len(examples), BATCH):
        errors = channel_errors(model, examples[start : start + BATCH], units, separated=separated)
        total += sum(errors, ChannelErrors())
    return {"wer": total.word_error_rate, "turns": total.turns_found / max(1, total.turns), "words": total.words}


@torch.no_grad()
def channel_errors(
    model: Transcriber,
    examples: Sequence[TrainingExample],
    units: Units,
    *,
    separated: bool,
    decoder: DecoderConfig | None = None,
) -> list[ChannelErrors]:
    """Of each channel of each example, or where each is `separated` already of each example."""
    batch = collate(examples).to(model.joint.output.weight.device)
    if separated:
        output = model.recognise_whole(batch.mels[:, None], cohorts=batch.cohorts[:, :1])
    else:
        output = model(batch.mels, cohorts=batch.cohorts)
    channels = output.frames.shape[1]
    lengths = encoder_lengths(batch.mel_lengths, model.stride_frames).repeat_interleave(channels)
    said = greedy_tokens(model, output.frames.flatten(0, 1), lengths, decoder)
    wanted = [example.targets[channel].tokens.tolist() for example in examples for channel in range(channels)]
    return [_compare(units, *pair) for pair in zip(wanted, said, strict=True)]


def greedy_tokens(
    model: Transcriber, frames: Tensor, lengths: Tensor, decoder: DecoderConfig | None = None
) -> list[list[int]]:
    """(N, T', D), (N,) -> the tokens of each sequence, without what is said in its padding."""
    return [[emission.token_id for emission in row] for row in greedy_emissions(model, frames, lengths, decoder)]


def greedy_emissions(
    model: Transcriber, frames: Tensor, lengths: Tensor, decoder: DecoderConfig | None = None
) -> list[list[Emission]]:
    """As `greedy_tokens`, with the frame each comes out at."""
    search = GreedyDecoder(model.predictor, model.joint, decoder)
    state = search.initial_state(len(frames))
    emissions: list[list[Emission]] = [[] for _ in frames]
    for chunk in torch.split(frames.float(), DECODED_FRAMES, dim=1):
        decoded, state = search.decode(chunk, state)
        for row, length, found in zip(emissions, lengths.tolist(), decoded, strict=True):
            row.extend(emission for emission in found.emissions if emission.frame < length)
    return emissions


def _compare(units: Units, wanted: list[int], said: list[int]) -> ChannelErrors:
    words, found = units.text(wanted).split(), units.text(said).split()
    return ChannelErrors(
        words=len(words),
        errors=edit_distance(words, found),
        turns=wanted.count(END_OF_TURN),
        turns_found=said.count(END_OF_TURN),
    )
