"""A live transcriber around the tone recogniser of the pipelines' tests: real streams, words known beforehand."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from svc.backends.protocols import RecognisedChunk
from svc.pipelines.live.transcription import SilentFollower, StreamOptions, TranscriptionStream
from svc.types import FloatArray
from tests.pipelines.live.toy_conversation import Said, ToneSession, conversation

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


SPEECH = talk()


@dataclass
class SlowSession(ToneSession):
    """Takes its time over every block of at most a second, and tells when it is closed."""

    block_s: Callable[[], float] = lambda: 0.0
    on_close: Callable[[], None] = lambda: None

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        time.sleep(self.block_s())
        return super().recognise(mels)

    def close(self) -> None:
        super().close()
        self.on_close()


@dataclass
class ToyTranscriber:
    """Knows which of its streams still hold something, and what was asked of each."""

    fingerprint: str = "70ca" * 4
    algorithmic_latency_s: float = 0.08
    block_s: float = 0.0
    held: set[int] = field(default_factory=set)
    asked: list[StreamOptions] = field(default_factory=list)

    def open(self, options: StreamOptions) -> TranscriptionStream:
        number = len(self.asked)
        self.asked.append(options)
        self.held.add(number)
        session = SlowSession(block_s=lambda: self.block_s, on_close=lambda: self.held.discard(number))
        return TranscriptionStream(session, SilentFollower(), options=options)

    def close(self) -> None:
        """Has no threads."""
