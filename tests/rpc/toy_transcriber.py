"""A live transcriber around the tone recogniser of the pipelines' tests: real streams, words known beforehand."""

from dataclasses import dataclass, field

from svc.pipelines.transcription import SilentFollower, StreamOptions, TranscriptionStream
from svc.types import FloatArray
from tests.pipelines.toy_conversation import Said, ToneSession, conversation

# "three" of the second talker falls into the first one's turn.
TALK = (
    Said(0, 0, 0.3, 1.5, ("one", "two", "three")),
    Said(1, 1, 1.2, 2.2, ("three", "one")),
    Said(0, 0, 2.4, 2.9, ("two",)),
)
DURATION_S = 3.2


def talk(said: tuple[Said, ...] = TALK, *, duration_s: float = DURATION_S, rate_hz: int = 16_000) -> FloatArray:
    """(N,) two people, who talk at once for a while."""
    return conversation(said, duration_s=duration_s, rate_hz=rate_hz)


@dataclass
class ToyTranscriber:
    """Knows which of its streams still hold something, and what was asked of each."""

    fingerprint: str = "70ca" * 4
    algorithmic_latency_s: float = 0.08
    held: set[int] = field(default_factory=set)
    asked: list[StreamOptions] = field(default_factory=list)

    def open(self, options: StreamOptions) -> TranscriptionStream:
        number = len(self.asked)
        self.asked.append(options)
        self.held.add(number)
        return TranscriptionStream(
            ToneSession(), SilentFollower(), options=options, on_close=lambda: self.held.discard(number)
        )
