"""Live streams share one inference thread: whatever waits when it becomes free goes through the model in one step.

The thread never waits for a stream that has nothing: an idle machine answers at once, a busy one finds more streams, and
more frames of each, and so works in larger steps, which cost less per frame.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic

import numpy as np

from svc.backends.batching import current_call
from svc.backends.protocols import Emission, RecognisedChunk, StreamRecogniser, StreamState
from svc.errors import CallAbandonedError, OverloadedError
from svc.types import FloatArray
from svc.units import Units

MELS_PER_FRAME = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBatchingConfig:
    """Limits, in frames of 40 ms."""

    max_streams: int = 64
    # Longest piece of one stream in one step: more is cheaper per frame, and makes the others wait.
    max_chunk_frames: int = 3
    # Of one stream, waiting; past it OverloadedError.
    max_queued_frames: int = 500

    def __post_init__(self) -> None:
        if min(self.max_streams, self.max_chunk_frames, self.max_queued_frames) < 1:
            raise ValueError(f"need max_streams, max_chunk_frames and max_queued_frames >= 1: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step that ran, for telemetry."""

    num_streams: int
    num_frames: int  # of each
    waited_s: float  # the longest wait in it
    elapsed_s: float
    num_waiting: int  # streams that have something left


@dataclass(slots=True, eq=False)
class _Piece:
    """One `recognise`, or one `finish` when there are no mels: done when all of its frames are."""

    mels: FloatArray  # (4k, M)
    is_last: bool
    future: "Future[RecognisedChunk]" = field(default_factory=Future)
    submitted_s: float = field(default_factory=time.monotonic)
    num_taken: int = 0  # frames
    parts: list[RecognisedChunk] = field(default_factory=list)

    @property
    def num_frames(self) -> int:
        return len(self.mels) // MELS_PER_FRAME

    @property
    def num_left(self) -> int:
        return self.num_frames - self.num_taken

    def add(self, part: RecognisedChunk) -> None:
        self.parts.append(part)
        if sum(one.activity.shape[1] for one in self.parts) == self.num_frames:
            settle(self.future, join_chunks(self.parts))


class LiveSession(Generic[StreamState]):
    """One stream's place in the batcher. One call at a time; `close` may come from any thread."""

    def __init__(self, batcher: "StreamBatcher[StreamState]", state: StreamState) -> None:
        self._batcher = batcher
        self._state: StreamState | None = state
        self._pieces: deque[_Piece] = deque()

    @property
    def units(self) -> Units:
        return self._batcher.recogniser.units

    @property
    def frame_s(self) -> float:
        return self._batcher.recogniser.frame_s

    @property
    def delay_s(self) -> float:
        return self._batcher.recogniser.delay_s

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        """(4k, M) the next frames; waits for the answer.

        Raises OverloadedError when too much waits, CallAbandonedError when the stream is closed or the caller gone.
        """
        return answer_of(self.submit(mels))

    def submit(self, mels: FloatArray) -> "Future[RecognisedChunk]":
        """`recognise` without the wait. Raises ValueError for what is not a positive number of whole frames."""
        if not len(mels) or len(mels) % MELS_PER_FRAME:
            raise ValueError(f"need a positive multiple of {MELS_PER_FRAME} mel frames, got {len(mels)}")
        return self._batcher.enqueue(self, _Piece(np.ascontiguousarray(mels, np.float32), is_last=False))

    def finish(self) -> RecognisedChunk:
        """The end of the stream: what the delay held back, after all that was submitted. Closes the session."""
        piece = _Piece(np.zeros((0, 0), np.float32), is_last=True)
        try:
            return answer_of(self._batcher.enqueue(self, piece))
        finally:
            self.close()

    def close(self) -> None:
        """Frees the state at once; what still waits fails. Of a closed one, too."""
        self._batcher.close_session(self, CallAbandonedError("the stream was closed"))

    # What follows is the batcher's, under its lock.
    @property
    def num_queued_frames(self) -> int:
        return sum(piece.num_left for piece in self._pieces)

    @property
    def is_closed(self) -> bool:
        return self._state is None
