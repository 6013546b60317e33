"""A recogniser that repeats what it hears, and whose steps end when a test says so."""

import threading
import weakref
from collections.abc import Sequence

import numpy as np

from svc.backends.protocols import RecognisedChunk
from svc.types import FloatArray
from svc.units import Units


class Heard:
    """The state of a stream: what it was fed."""

    def __init__(self) -> None:
        self.marks: list[float] = []


class MarkRecogniser:
    """Answers with the first value of each frame as activity; waits at `gate`; refuses mels below zero."""

    units, fingerprint, frame_s, delay_s, algorithmic_latency_s = Units(()), "0" * 16, 0.04, 0.04, 0.1
    voice_width, voice_embedder = 0, ""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []  # streams, and frames of each
        self.opened: list[weakref.ref[Heard]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def open(self) -> Heard:
        state = Heard()
        self.opened.append(weakref.ref(state))
        return state

    def step(self, states: Sequence[Heard], mels: Sequence[FloatArray]) -> list[RecognisedChunk]:
        self.steps.append((len(states), len(mels[0]) // 4))
        self.entered.release()
        assert self.gate.wait(10)
        if any((one < 0).any() for one in mels):
            raise ArithmeticError("a mel below zero")
        return [chunk_of(state, one) for state, one in zip(states, mels, strict=True)]

    def tell(self, state: Heard, channel: int, voice: FloatArray | None) -> None:
        """Does not ask."""

    def finish(self, state: Heard) -> RecognisedChunk:
        return chunk_of(state, np.zeros((4, 1), np.float32))


def chunk_of(state: Heard, mels: FloatArray) -> RecognisedChunk:
    marks = mels[::4, 0]
    first_frame = len(state.marks)
    state.marks += marks.tolist()
    return RecognisedChunk(
        first_frame=first_frame,
        emissions=((), ()),
        partial=((), ()),
        activity=np.stack([marks, marks]),
        masks=np.ones((2, len(mels), 1), np.float32),
    )
