"""The separator-transducer-segmenter: one streaming model that separates, recognises and segments up to two talkers.

Sklyar et al., "Separator-Transducer-Segmenter", arXiv 2205.05199. Separator -> encoder, predictor and joint, which both
channels share. Turn borders are vocabulary items; a head on the encoder tells where each channel has speech.

Letters: B streams, C = 2 channels, N = B * C, T mel frames of 10 ms, T' = T / 4 encoder frames of 40 ms, M mels, D
encoder width, U labels, V vocabulary, K cohorts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svc.models.attention_encoder import AttentionEncoder
from svc.models.cohort_input import CohortInput
from svc.models.encoder import State, split_states, stack_states
from svc.models.encoders import EncoderConfig, build_encoder
from svc.models.resting import encode_heard, still_awake
from svc.models.separator import NUM_CHANNELS, SILENCE, Separation, Separator, SeparatorConfig, mask_mels
from svc.models.transducer import Joint, Predictor, PredictorConfig
from svc.typed_config import check_at_least
from svc.units import BLANK

# The front end's window and hop.
WINDOW_S, HOP_S = 0.025, 0.010
# The logit of speech where nothing is listened to.
NOBODY = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriberConfig:
    """The whole model. `num_tokens` is V, blank and the other special tokens included."""

    num_tokens: int
    num_mels: int = 80
    separator: SeparatorConfig = field(default_factory=SeparatorConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    joint_width: int = 256
    # A second head that names tokens frame by frame; only training uses it.
    ctc: bool = True
    # Cohorts of talkers the encoder can be told of (K), and the width of the voices that are put to them; 0 = none.
    cohort_width: int = 0
    voice_width: int = 192
    # Fingerprint of what embedded the voices of their centroids; empty = not known.
    voice_embedder: str = ""

    def __post_init__(self) -> None:
        check_at_least(0, self, "num_tokens", "cohort_width", "voice_width")
        check_at_least(1, self, "num_mels", "joint_width")


@dataclass(frozen=True, slots=True, eq=False)
class TranscriberOutput:
    """A whole pass, aligned with its input: nothing here lags."""

    masked: Tensor  # (B, C, T, M)
    log_masks: Tensor  # (B, C, T, M)
    frames: Tensor  # (B, C, T', D)
    activity: Tensor  # (B, C, T') logits
    ctc: Tensor | None  # (B, C, T', V) logits
    compute_share: Tensor | None = None  # (B, C, T') of the encoder's operations; None = always all


@dataclass(frozen=True, slots=True, eq=False)
class StepOutput:
    """What a step gives; all of it lags the input by `delay_frames`."""

    frames: Tensor  # (B, C, k, D)
    activity: Tensor  # (B, C, k) logits
    masks: Tensor  # (B, C, 4 k, M) linear, 0..1
    heard: Tensor | None = None  # (B, C, k) whether the encoder heard it; None = all


class Transcriber(nn.Module):
    """Causal: feeding a stream in chunks of multiples of 4 frames equals feeding it whole."""

    def __init__(self, config: TranscriberConfig) -> None:
        super().__init__()
        self.config = config
        self.separator = Separator(config.separator, config.num_mels)
        self.encoder = build_encoder(config.encoder, config.num_mels)
        width = self.encoder.width
        self.predictor = Predictor(config.predictor, config.num_tokens)
        self.joint = Joint(config.joint_width, width, config.predictor.width, config.num_tokens)
        self.to_activity = nn.Linear(width, 1)
        self.to_ctc = nn.Linear(width, config.num_tokens) if config.ctc else None
        cohort_sizes = config.cohort_width, config.voice_width, config.num_mels
        self.from_cohort = CohortInput(*cohort_sizes) if config.cohort_width else None

    @property
    def stride_frames(self) -> int:
        """Mel frames in one encoder frame."""
        return self.encoder.stride_frames

    @property
    def delay_frames(self) -> int:
        """Mel frames by which a step's output lags its input; a multiple of the stride."""
        return self.config.separator.lookahead_frames + self.encoder.lookahead_frames

    @property
    def algorithmic_latency_s(self) -> float:
        """From a sound to the output that knows it, on an infinitely fast machine."""
        return WINDOW_S + HOP_S * (self.stride_frames + self.delay_frames)

    def encode(self, masked: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(N, T, M) -> (N, T', D) and the next state."""
        frames, state = self.encoder(masked, state or self.encoder.initial_state(len(masked)))
        return frames, state

    def activity(self, frames: Tensor) -> Tensor:
        """(.., D) -> (..) logits of speech."""
        return self.to_activity(frames).squeeze(-1)  # type: ignore[no-any-return]

    def ctc(self, frames: Tensor) -> Tensor:
        """(.., D) -> (.., V) logits. Raises ValueError when the model was built without this head."""
        if self.to_ctc is None:
            raise ValueError("this transcriber has no CTC head: set ctc in its config")
        return self.to_ctc(frames)  # type: ignore[no-any-return]

    def forward(
        self, mels: Tensor, offset: Tensor | None = None, *, cohorts: Tensor | None = None
    ) -> TranscriberOutput:
        """(B, T, M) -> everything a loss needs but the joint's logits.

        `offset` (B,) starts the ring of positions elsewhere; only encoders that attend have one. `cohorts` (B, C, K):
        of each channel's talker, zeros = unknown; without them all are.
        """
        masked, separation = self._separate_lagging(mels)
        heard = self._told(masked, cohorts)
        return self._recognise(heard, masked, separation.log_masks, num_frames=mels.shape[1], offset=offset)

    def separate_whole(self, mels: Tensor) -> TranscriberOutput:
        """(B, T, M) -> the separator's part of a pass, its own idea of the activity included; no frames, no CTC."""
        masked, separation = self._separate_lagging(mels)
        lag = self.config.separator.lookahead_frames
        aligned = slice(lag, lag + mels.shape[1])
        return TranscriberOutput(
            masked=masked[:, :, aligned],
            log_masks=separation.log_masks[:, :, aligned],
            frames=mels.new_zeros(0),
            activity=separation.activity[:, :, lag // self.stride_frames :],
            ctc=None,
        )

    def recognise_whole(
        self, separated: Tensor, offset: Tensor | None = None, *, cohorts: Tensor | None = None
    ) -> TranscriberOutput:
        """(B, C, T, M), any number of channels that are separate already -> the pass without the separator."""
        lag = self.config.separator.lookahead_frames
        masked = F.pad(separated, (0, 0, lag, -separated.shape[2] % self.stride_frames), value=SILENCE)
        heard, log_masks = self._told(masked, cohorts), torch.zeros_like(masked)
        return self._recognise(heard, masked, log_masks, num_frames=separated.shape[2], offset=offset)

    def _separate_lagging(self, mels: Tensor) -> tuple[Tensor, Separation]:
        """(B, T, M) -> masked (B, C, lag + T, M), T rounded up to the stride: silence, then what a stream would get."""
        padding = self.config.separator.lookahead_frames + -mels.shape[1] % self.stride_frames
        mels = F.pad(mels, (0, 0, 0, padding), value=SILENCE)
        separation, _ = self.separator(mels, self.separator.initial_state(len(mels)))
        return mask_mels(separation.delayed, separation.log_masks), separation

    def _told(self, masked: Tensor, cohorts: Tensor | None) -> Tensor:
        """(B, C, T, M) and (B, C, K) -> (B, C, T, M) as the encoder hears it."""
        if self.from_cohort is None or cohorts is None or not cohorts.shape[-1]:
            return masked
        return self.from_cohort(masked.flatten(0, 1), cohorts.flatten(0, 1)).view_as(masked)  # type: ignore[no-any-return]

    def _recognise(
        self, heard: Tensor, masked: Tensor, log_masks: Tensor, *, num_frames: int, offset: Tensor | None
    ) -> TranscriberOutput:
        lag, (batch, channels) = self.config.separator.lookahead_frames, masked.shape[:2]
        frames, _, share = self.encoder.forward_counted(
            heard.flatten(0, 1), self._encoder_state(batch, channels, offset)
        )
        frames = frames[:, lag // self.stride_frames :].reshape(batch, channels, -1, self.encoder.width)
        if share is not None:
            share = share[:, lag // self.stride_frames :].reshape(batch, channels, -1)
        aligned = slice(lag, lag + num_frames)
        return TranscriberOutput(
            masked=masked[:, :, aligned],
            log_masks=log_masks[:, :, aligned],
            frames=frames,
            activity=self.activity(frames),
            ctc=None if self.to_ctc is None else self.to_ctc(frames),
            compute_share=share,
        )

    def joint_logits(self, frames: Tensor, targets: Tensor) -> Tensor:
        """(N, T', D), (N, U) ids, any id as padding -> (N, T', U + 1, V)."""
        return self.joint(frames, self._predict(targets))  # type: ignore[no-any-return]

    def joint_nodes(self, frames: Tensor, targets: Tensor, nodes: Tensor) -> Tensor:
        """As `joint_logits`, at some nodes only: (K, 3), each sequence, frame and label -> (K, V)."""
        sequence, frame, label = nodes.unbind(1)
        projected = self.joint.from_frames(frames).flatten(0, 1)  # (N * T', J)
        labels = self.joint.from_labels(self._predict(targets))  # (N, U + 1, J)
        of_frames = projected.index_select(0, sequence * frames.shape[1] + frame)  # (K, J)
        of_labels = labels.flatten(0, 1).index_select(0, sequence * labels.shape[1] + label)
        return self.joint.combine(of_frames, of_labels)

    def _predict(self, targets: Tensor) -> Tensor:
        """(N, U) -> (N, U + 1, H): what each label's predecessors say of it."""
        labels = F.pad(targets.long(), (1, 0), value=BLANK)  # (N, U + 1)
        predicted, _ = self.predictor(labels, self.predictor.initial_state(len(labels)))
        return predicted  # type: ignore[no-any-return]

    def initial_state(self, batch: int) -> State:
        """The separator's tensors, then the encoder's as (B, C, ..)."""
        encoder = self.encoder.initial_state(batch * NUM_CHANNELS)
        return *self.separator.initial_state(batch), *map(by_channel, encoder)

    def step(self, mels: Tensor, state: State, *, cohorts: Tensor | None = None) -> tuple[StepOutput, State]:
        """(B, 4 k, M), the previous state and (B, C, K) -> k encoder frames and the next state."""
        cut = self._num_separator_tensors
        encoder_state = tuple(tensor.flatten(0, 1) for tensor in state[cut:])
        separation, separator_state = self.separator(mels, state[:cut])
        masked = self._told(mask_mels(separation.delayed, separation.log_masks), cohorts).flatten(0, 1)
        frames, encoder_state = self.encoder(masked, encoder_state)
        return self._step_output(frames, separation.log_masks), (*separator_state, *map(by_channel, encoder_state))

    def open_stream(self) -> State:
        """The state of one live stream, for `step_streams` alone: the separator's, for how many frames channel 1 was
        shut (1,), then the encoder's of each channel.
        """
        quiet = torch.zeros(1, dtype=torch.long, device=self.separator.mean.device)
        return *self.separator.initial_state(1), quiet, *self.encoder.open_stream(1), *self.encoder.open_stream(1)

    def step_streams(
        self,
        mels: Tensor,
        states: Sequence[State],
        *,
        cohorts: Tensor | None = None,
        rest_after_frames: int = 0,
        counts: Tensor | None = None,
    ) -> tuple[StepOutput, list[State]]:
        """(B, 4 k, M) of B live streams, their states and (B, C, K) -> k encoder frames and the next states.

        What `step` gives, without copying what an encoder remembers. The states given are used up. Where channel 1 was
        shut for more than `rest_after_frames` it rests: see svc.models.resting; 0 = never. `counts` (B,): frames out of
        k that each stream has, at least one, what lies behind them means nothing; None = all.
        """
        cut = self._num_separator_tensors
        before = stack_states([state[:cut] for state in states])
        separation, separator_state = self.separator(mels, before, counts)
        quiet = torch.cat([state[cut] for state in states])
        second, quiet = still_awake(separation.shut, quiet, rest_after_frames, counts)
        own = torch.ones_like(second)
        if counts is not None:
            own = torch.arange(second.shape[1], device=counts.device) < counts[:, None]
        heard = torch.stack([own, own & second], dim=1)  # (B, C, k)
        masked = self._told(mask_mels(separation.delayed, separation.log_masks), cohorts).flatten(0, 1)
        frames, channels = encode_heard(self.encoder, masked, heard.flatten(0, 1), channels_of(states, cut + 1))
        separated = split_states((*separator_state, quiet))
        after = [
            (*first, *channels[NUM_CHANNELS * row], *channels[NUM_CHANNELS * row + 1])
            for row, first in enumerate(separated)
        ]
        return self._step_output(frames, separation.log_masks, heard), after

    @property
    def _num_separator_tensors(self) -> int:
        return len(self.separator.initial_state(0))

    def _step_output(self, frames: Tensor, log_masks: Tensor, heard: Tensor | None = None) -> StepOutput:
        frames = by_channel(frames)
        activity = self.activity(frames)
        if heard is not None:
            activity = activity.masked_fill(~heard, NOBODY)
        return StepOutput(frames=frames, activity=activity, masks=log_masks.exp(), heard=heard)

    def _encoder_state(self, batch: int, channels: int, offset: Tensor | None) -> State:
        if isinstance(self.encoder, AttentionEncoder) and offset is not None:
            return self.encoder.initial_state(batch * channels, offset.repeat_interleave(channels))
        return self.encoder.initial_state(batch * channels)


def by_channel(tensor: Tensor) -> Tensor:
    """(B * C, ..) -> (B, C, ..)."""
    return tensor.reshape(-1, NUM_CHANNELS, *tensor.shape[1:])


def channels_of(states: Sequence[State], start: int) -> list[State]:
    """B states of C channels' tensors from `start` on -> N states of one channel each."""
    size = (len(states[0]) - start) // NUM_CHANNELS
    starts = range(start, start + NUM_CHANNELS * size, size)
    return [state[first : first + size] for state in states for first in starts]
