"""One live stream as its caller sees it: frames in, answers out, and an end."""

from concurrent.futures import Future
from typing import Generic

import numpy as np

from svc.backends.call_scope import current_call
from svc.backends.chunk_pieces import MELS_PER_FRAME
from svc.backends.protocols import RecognisedChunk, StreamRecogniser, StreamState
from svc.backends.stream_queue import Piece
from svc.backends.stream_scheduler import StreamScheduler
from svc.errors import CallAbandonedError, DeadlinePassedError
from svc.types import FloatArray
from svc.units import Units


class LiveSession(Generic[StreamState]):
    """One stream's place among all. One call at a time, but `close` may come from any thread."""

    def __init__(self, recogniser: StreamRecogniser[StreamState], scheduler: StreamScheduler[StreamState]) -> None:
        """Raises OverloadedError when there are too many, CallAbandonedError once the scheduler is closed."""
        self._recogniser = recogniser
        self._scheduler = scheduler
        self._queue = scheduler.admit(recogniser.open())

    @property
    def units(self) -> Units:
        return self._recogniser.units

    @property
    def frame_s(self) -> float:
        return self._recogniser.frame_s

    @property
    def delay_s(self) -> float:
        return self._recogniser.delay_s

    def tell(self, channel: int, voice: FloatArray | None) -> None:
        """Whose voice, (V,), the channel carries from now on; None = unknown. Of a closed session, too."""
        state = self._queue.state
        if state is not None:
            self._recogniser.tell(state, channel, voice)

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        """(4k, M) the next frames; waits for the answer.

        Raises OverloadedError when too much waits, CallAbandonedError when the stream is closed or its caller gone, and
        what the model raised.
        """
        return _answer(self.submit(mels))

    def submit(self, mels: FloatArray) -> "Future[RecognisedChunk]":
        """`recognise` without the wait. Raises ValueError for what is not a positive number of whole frames."""
        if not len(mels) or len(mels) % MELS_PER_FRAME:
            raise ValueError(f"need a positive multiple of {MELS_PER_FRAME} mel frames, got {len(mels)}")
        return self._scheduler.enqueue(self._queue, Piece(np.ascontiguousarray(mels, np.float32)))

    def finish(self) -> RecognisedChunk:
        """The end of the stream: what the delay held back, after all that was submitted. Closes the session."""
        try:
            return _answer(self._scheduler.enqueue(self._queue, Piece(np.zeros((0, 0), np.float32))))
        finally:
            self.close()

    def close(self) -> None:
        """Frees the state at once; what still waits fails. Of a closed one, too."""
        self._scheduler.drop(self._queue, CallAbandonedError("the stream was closed"))


def _answer(future: "Future[RecognisedChunk]") -> RecognisedChunk:
    """Waits as long as the caller does."""
    scope = current_call.get()
    try:
        return future.result(scope.remaining_s if scope else None)
    except TimeoutError as error:
        raise DeadlinePassedError("the deadline passed while the stream was waiting for the transcriber") from error
