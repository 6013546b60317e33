"""The live transcriber on torch: the separator-transducer-segmenter and its decoder behind one step.

Letters: B streams, C = 2 channels, k frames of 40 ms, M mels, D encoder width, K cohorts, V width of a voice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svc.backends.protocols import Emission, RecognisedChunk
from svc.backends.transcriber_artifact import load_transcriber
from svc.models.beam import BeamDecoder
from svc.models.decoding import Decoded, Decoder, DecoderConfig, GreedyDecoder
from svc.models.decoding import Emission as Token
from svc.models.encoder import State, state_bytes
from svc.models.separator import NUM_CHANNELS, SILENCE
from svc.models.transcriber import HOP_S, StepOutput, Transcriber
from svc.types import FloatArray
from svc.units import Units

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(slots=True, eq=False)
class LiveState:
    """One stream, between two steps."""

    model: State
    decoder: Any  # what its Decoder keeps
    num_frames: int = 0  # of 40 ms, so far
    cohorts: Tensor | None = None  # (C, K) of who speaks, zeros = unknown; None = a model that is not told

    @property
    def num_bytes(self) -> int:
        """What the model remembers; the decoder's share is a few KB."""
        return state_bytes(self.model)


class TransducerRecogniser:
    """A StreamRecogniser, on as many cores as its caller lets torch have."""

    def __init__(
        self, model: Transcriber, decoder: Decoder[Any], *, units: Units, fingerprint: str, rest_after_frames: int = 0
    ) -> None:
        """`rest_after_frames`: of 40 ms, without a second voice; then channel 1 rests until there is one. 0 = never."""
        self.model = model
        self.decoder = decoder
        self.units = units
        self.fingerprint = fingerprint
        self.rest_after_frames = rest_after_frames
        self._lag_frames = model.delay_frames // model.stride_frames  # of 40 ms

    @property
    def frame_s(self) -> float:
        return HOP_S * self.model.stride_frames

    @property
    def delay_s(self) -> float:
        return HOP_S * self.model.delay_frames

    @property
    def algorithmic_latency_s(self) -> float:
        return self.model.algorithmic_latency_s

    @property
    def voice_width(self) -> int:
        return 0 if self.model.from_cohort is None else self.model.config.voice_width

    @property
    def voice_embedder(self) -> str:
        return "" if self.model.from_cohort is None else self.model.config.voice_embedder

    @torch.inference_mode()
    def open(self) -> LiveState:
        """As the protocol says. The decoder skips what the delay puts before the first sound."""
        decoder = self.decoder.initial_state(NUM_CHANNELS, first_frame=-self._lag_frames)
        known = None if self.model.from_cohort is None else torch.zeros(NUM_CHANNELS, self.model.config.cohort_width)
        return LiveState(self.model.open_stream(), decoder, cohorts=known)

    @torch.inference_mode()
    def tell(self, state: LiveState, channel: int, voice: FloatArray | None) -> None:
        """As the protocol says. Raises ValueError for a voice of another width than `voice_width`."""
        if state.cohorts is None or self.model.from_cohort is None:
            return
        told = state.cohorts.clone()
        told[channel] = 0.0 if voice is None else self.model.from_cohort.shares(torch.from_numpy(voice))
        # In one go: a step may be reading the old one.
        state.cohorts = told

    @torch.inference_mode()
    def step(self, states: Sequence[LiveState], mels: Sequence[FloatArray]) -> list[RecognisedChunk]:
        """As the protocol says. Raises ValueError for pieces that are no whole frames."""
        padded, counts = side_by_side(mels, stride_frames=self.model.stride_frames)
        known = [state.cohorts for state in states if state.cohorts is not None]
        output, models = self.model.step_streams(
            padded,
            [state.model for state in states],
            cohorts=torch.stack(known) if known else None,
            rest_after_frames=self.rest_after_frames,
            counts=counts,
        )
        decoded, decoder = self.decoder.decode(
            output.frames.flatten(0, 1),
            self.decoder.join([state.decoder for state in states]),
            None if output.heard is None else output.heard.flatten(0, 1),
            None if counts is None else counts.repeat_interleave(NUM_CHANNELS),
        )
        numbers = [len(one) // self.model.stride_frames for one in mels]
        chunks = self._chunks(states, output, decoded, num_frames=numbers)
        # Nothing before this line has changed a state but for ring slots, which a second try writes again.
        parts = zip(states, models, self.decoder.part(decoder, len(states)), numbers, strict=True)
        for state, model, kept, number in parts:
            state.model, state.decoder = model, kept
            state.num_frames += number
        return chunks

    def finish(self, state: LiveState) -> RecognisedChunk:
        """As the protocol says."""
        # A frame even without a delay, so that the last tokens have one to stand at.
        num_mels = self.model.stride_frames * max(1, self._lag_frames)
        silence = np.full((num_mels, self.model.config.num_mels), SILENCE, np.float32)
        (chunk,) = self.step([state], [silence])
        rest = tuple(self._emissions(decoded.emissions) for decoded in self.decoder.finish(state.decoder))
        emissions = chunk.emissions[0] + rest[0], chunk.emissions[1] + rest[1]
        return RecognisedChunk(
            first_frame=chunk.first_frame,
            emissions=emissions,
            partial=((), ()),
            activity=chunk.activity,
            masks=chunk.masks,
        )

    def _chunks(
        self, states: Sequence[LiveState], output: StepOutput, decoded: Sequence[Decoded], *, num_frames: Sequence[int]
    ) -> list[RecognisedChunk]:
        activity = to_numpy(output.activity.sigmoid())  # (B, C, k)
        masks = to_numpy(output.masks)  # (B, C, 4 k, M)
        settled = [self._emissions(one.emissions) for one in decoded]
        partial = [self._emissions(one.partial) for one in decoded]
        return [
            RecognisedChunk(
                first_frame=state.num_frames,
                emissions=(settled[NUM_CHANNELS * row], settled[NUM_CHANNELS * row + 1]),
                partial=(partial[NUM_CHANNELS * row], partial[NUM_CHANNELS * row + 1]),
                activity=activity[row, :, :number],
                masks=masks[row, :, : number * self.model.stride_frames],
            )
            for row, (state, number) in enumerate(zip(states, num_frames, strict=True))
        ]

    def _emissions(self, tokens: Sequence[Token]) -> tuple[Emission, ...]:
        """The decoder counts from the first sound, the stream from its first frame."""
        return tuple(
            Emission(token.token_id, token.frame + self._lag_frames, math.exp(token.logprob)) for token in tokens
        )


def side_by_side(mels: Sequence[FloatArray], *, stride_frames: int) -> tuple[Tensor, Tensor | None]:
    """B of (4 k_b, M) -> (B, 4 k, M), silence behind the shorter ones, and the k_b (B,), None where they are one.

    Raises ValueError for what is no positive number of whole frames.
    """
    lengths = [len(one) for one in mels]
    if min(lengths) < stride_frames or any(length % stride_frames for length in lengths):
        raise ValueError(f"need positive multiples of {stride_frames} mel frames, got {lengths}")
    padded = np.full((len(mels), max(lengths), mels[0].shape[1]), SILENCE, np.float32)
    for row, one in zip(padded, mels, strict=True):
        row[: len(one)] = one
    counts = None if min(lengths) == max(lengths) else torch.tensor(lengths) // stride_frames
    return torch.from_numpy(padded), counts


def to_numpy(tensor: Tensor) -> FloatArray:
    return tensor.numpy()


def bfloat16_pays(precision: str) -> bool:
    """Whether to compute in bfloat16: as told, or for `auto` where the processor multiplies it faster.

    Raises ValueError for an unknown word.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    return precision == "bfloat16" or (precision == "auto" and bool(torch.cpu.get_capabilities().get("amx_bf16")))


def build_recogniser(
    model: Transcriber, *, units: Units, fingerprint: str, decoder: DecoderConfig, rest_after_frames: int = 0
) -> TransducerRecogniser:
    """Greedy for a beam of 1."""
    search = GreedyDecoder if decoder.beam == 1 else BeamDecoder
    return TransducerRecogniser(
        model,
        search(model.predictor, model.joint, decoder),
        units=units,
        fingerprint=fingerprint,
        rest_after_frames=rest_after_frames,
    )


def load_recogniser(
    folder: Path, decoder: DecoderConfig | None = None, *, precision: str = "float32", rest_after_frames: int = 0
) -> TransducerRecogniser:
    """From an artifact, whose card says whether it learnt turn tokens, whatever `decoder` does.

    Raises ArtifactError when it is missing, broken, or not a transcriber.

    In bfloat16 a processor with AMX runs half as many streams again, each in half the memory.
    """
    narrow = bfloat16_pays(precision)
    artifact = load_transcriber(folder)
    if narrow:
        artifact.model.encoder.narrow()
    return build_recogniser(
        artifact.model,
        units=artifact.units,
        fingerprint=artifact.fingerprint,
        decoder=replace(decoder or DecoderConfig(), turn_tokens=artifact.turn_tokens),
        rest_after_frames=rest_after_frames,
    )
