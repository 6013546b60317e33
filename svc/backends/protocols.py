"""What a pretrained model must offer. Implementations hold the weights; pipelines know only these protocols.

Letters: B clips or windows, N samples at 16 kHz, D embedding width, F frames, K local speakers.
"""

from collections.abc import Sequence
from typing import Protocol

from svc.types import FloatArray


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
