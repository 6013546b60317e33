"""What a pretrained model must offer. Implementations hold the weights; pipelines know only these protocols.

Letters: B clips or windows, N samples at 16 kHz, D embedding width, F frames, K local speakers, C = 2 separated
channels, k transcriber frames of 40 ms, M mels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from svc.types import FloatArray, RecognisedWord
from svc.units import Units

StreamState = TypeVar("StreamState")


class Embedder(Protocol):
    """Speech to voice embedding. Safe to call from several threads at once."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits naming weights and front end; the same on every runtime that is at parity."""
        ...

    @property
    def dimension(self) -> int:
        """D."""
        ...

    @property
    def runtime(self) -> str:
        """onnxruntime or torch."""
        ...

    def embed(self, clips: Sequence[FloatArray]) -> FloatArray:
        """B clips (N_b,) of at least 0.1 s at 16 kHz, lengths may differ -> (B, D), unit length.

        A clip's embedding does not depend on which clips it is batched with.
        """
        ...


class VoiceActivityDetector(Protocol):
    """Speech probability over time. Safe to call from several threads at once."""

    @property
    def frame_s(self) -> float:
        """Seconds a frame covers."""
        ...

    def speech_probabilities(self, samples: FloatArray) -> FloatArray:
        """(N,) at 16 kHz -> (F,) in 0..1; the last frame may be partly padding."""
        ...


class Segmenter(Protocol):
    """Who of at most K local speakers is active in each frame of a window. Safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits naming the weights."""
        ...

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        ...

    @property
    def frame_s(self) -> float:
        """Hop between frames in seconds."""
        ...

    @property
    def frame_offset_s(self) -> float:
        """Seconds from the start of a window to the start of the stretch its first frame stands for."""
        ...

    def activities(self, windows: FloatArray) -> FloatArray:
        """(B, window_s * 16000) -> (B, F, K), 1 where a local speaker talks, else 0 (powerset decoded)."""
        ...


@dataclass(frozen=True, slots=True)
class Emission:
    """A token the transcriber emitted, the 40 ms frame of the stream it came out at, and its probability."""

    token_id: int
    frame: int
    confidence: float = 1.0


Emissions = tuple[tuple[Emission, ...], tuple[Emission, ...]]
"""Per channel, in order."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RecognisedChunk:
    """What the transcriber made of k frames of 40 ms."""

    first_frame: int
    emissions: Emissions
    # All emissions that may still be taken back, of this chunk and of earlier ones; empty for a greedy decoder.
    partial: Emissions
    activity: FloatArray  # (C, k) probability that somebody speaks
    masks: FloatArray  # (C, 4k, M) the separator's share of each mel's power, 0..1


class StreamRecogniser(Protocol[StreamState]):
    """The live transcriber. Safe to call from several threads; one state may be in one call at a time."""

    @property
    def units(self) -> Units:
        """What the token ids spell."""
        ...

    @property
    def fingerprint(self) -> str:
        """16 hex digits naming weights, configuration and vocabulary."""
        ...

    @property
    def frame_s(self) -> float:
        """Seconds an output frame covers: 0.04, four mel frames."""
        ...

    @property
    def delay_s(self) -> float:
        """Output frame i speaks of the audio from i * frame_s - delay_s on."""
        ...

    @property
    def algorithmic_latency_s(self) -> float:
        """From a sound to the output that knows it, on an infinitely fast machine."""
        ...

    @property
    def voice_width(self) -> int:
        """V, of the voices it wants to be told; 0 = it does not ask."""
        ...

    @property
    def voice_embedder(self) -> str:
        """Fingerprint of the embedder whose voices it knows; empty = it does not ask, or that is not known."""
        ...

    def open(self) -> StreamState:
        """The state of a stream of which nothing was heard. Constant in size, however long the stream."""
        ...

    def tell(self, state: StreamState, channel: int, voice: FloatArray | None) -> None:
        """Whose voice, (V,), the channel carries from the next step on; None = unknown. Also while a step runs."""
        ...

    def step(self, states: Sequence[StreamState], mels: Sequence[FloatArray]) -> list[RecognisedChunk]:
        """The next (4k, M) frames of each of B streams, k its own -> what they made of them.

        Moves the states on; when it raises they are as they were. A stream's results depend on no other stream.
        """
        ...

    def finish(self, state: StreamState) -> RecognisedChunk:
        """The frames the delay held back, at least one, and every token for good. The state is used up."""
        ...


class OpenVocabularyRecogniser(Protocol):
    """Speech to words of any vocabulary, offline."""

    def transcribe(self, samples: FloatArray) -> Sequence[RecognisedWord]:
        """(N,) at 16 kHz -> the words in order."""
        ...
