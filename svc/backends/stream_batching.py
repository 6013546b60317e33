"""Live streams share one inference thread: whatever waits when it becomes free goes through the model in one step.

The thread never waits for a stream that has nothing: an idle machine answers at once, a busy one finds more streams,
and more frames of each, and so works in larger steps, which cost less per frame.
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
from svc.backends.chunk_pieces import MELS_PER_FRAME, cut_chunk, join_chunks
from svc.backends.protocols import RecognisedChunk, StreamRecogniser, StreamState
from svc.errors import CallAbandonedError, OverloadedError
from svc.types import FloatArray
from svc.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBatchingConfig:
    """Limits; frames are of 40 ms."""

    max_streams: int = 64
    # Longest piece of one stream in one step: more is cheaper per frame, and makes the others wait.
    max_chunk_frames: int = 6
    # Of one stream, waiting; past it OverloadedError.
    max_queued_frames: int = 500

    def __post_init__(self) -> None:
        if min(self.max_streams, self.max_chunk_frames, self.max_queued_frames) < 1:
            raise ValueError(f"need max_streams, max_chunk_frames and max_queued_frames >= 1: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step that ran, for telemetry."""

    num_streams: int
    num_frames: int  # of all
    waited_s: float  # the longest wait for it to begin
    elapsed_s: float
    num_waiting: int  # streams that have something left


@dataclass(slots=True, eq=False)
class _Piece:
    """One call's frames, (4k, M); none stand for the end of the stream."""

    mels: FloatArray
    future: "Future[RecognisedChunk]" = field(default_factory=Future)
    submitted_s: float = field(default_factory=time.monotonic)
    num_taken: int = 0  # frames of 40 ms
    parts: list[RecognisedChunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Who no longer wants an answer closes the session: a future cancelled by itself would be no end of a stream.
        self.future.set_running_or_notify_cancel()

    @property
    def num_left(self) -> int:
        return len(self.mels) // MELS_PER_FRAME - self.num_taken


class LiveSession(Generic[StreamState]):
    """One stream's place in the batcher. One call at a time, but `close` may come from any thread."""

    def __init__(self, batcher: "StreamBatcher[StreamState]", state: StreamState) -> None:
        self._batcher = batcher
        self._recogniser = batcher.recogniser
        self.waiting = _Waiting(state)

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
        state = self.waiting.state
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
        return self._batcher.enqueue(self.waiting, _Piece(np.ascontiguousarray(mels, np.float32)))

    def finish(self) -> RecognisedChunk:
        """The end of the stream: what the delay held back, after all that was submitted. Closes the session."""
        try:
            return _answer(self._batcher.enqueue(self.waiting, _Piece(np.zeros((0, 0), np.float32))))
        finally:
            self.close()

    def close(self) -> None:
        """Frees the state at once; what still waits fails. Of a closed one, too."""
        self._batcher.drop(self.waiting, CallAbandonedError("the stream was closed"))


@dataclass(slots=True, eq=False)
class _Waiting(Generic[StreamState]):
    """What one stream has waiting. Touched under the batcher's lock alone."""

    state: StreamState | None
    pieces: deque[_Piece] = field(default_factory=deque)
    error: Exception | None = None  # why it was dropped

    @property
    def num_frames(self) -> int:
        return sum(piece.num_left for piece in self.pieces)

    @property
    def is_ending(self) -> bool:
        """Nothing but the end of the stream is left."""
        return bool(self.pieces) and not self.num_frames

    def peek(self, num_frames: int) -> FloatArray:
        """The next (4 num_frames, M), which may be of several pieces."""
        parts, missing = [], num_frames * MELS_PER_FRAME
        for piece in self.pieces:
            done = piece.num_taken * MELS_PER_FRAME
            parts.append(piece.mels[done : done + missing])
            missing -= len(parts[-1])
            if not missing:
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def deliver(self, chunk: RecognisedChunk) -> None:
        """Hands an answer to the pieces it is for."""
        start, num_frames = 0, chunk.activity.shape[1]
        while start < num_frames:
            piece = self.pieces[0]
            # The end of a stream has no frames of its own and takes all there are.
            stop = min(num_frames, start + (piece.num_left or num_frames))
            piece.parts.append(cut_chunk(chunk, start, stop))
            piece.num_taken += stop - start
            if piece.num_left <= 0:
                self.pieces.popleft().future.set_result(join_chunks(piece.parts))
            start = stop

    def drop(self, error: Exception) -> None:
        self.state = None
        self.error = self.error or error
        while self.pieces:
            self.pieces.popleft().future.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class _Share(Generic[StreamState]):
    """One stream's part of a step."""

    waiting: _Waiting[StreamState]
    state: StreamState
    mels: FloatArray  # (4k, M); none at the end of the stream
    submitted_s: float


class StreamBatcher(Generic[StreamState]):
    """Opens sessions, and runs the one thread that works for them all."""

    def __init__(
        self,
        recogniser: StreamRecogniser[StreamState],
        config: StreamBatchingConfig,
        *,
        on_step: Callable[[StepReport], None] | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_start` is called once by the thread itself."""
        self.recogniser = recogniser
        self.config = config
        self.on_step = on_step
        self.on_start = on_start
        self._open: set[_Waiting[StreamState]] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="transcriber", daemon=True)
        self._worker.start()

    @property
    def num_streams(self) -> int:
        return len(self._open)

    @property
    def num_queued_frames(self) -> int:
        """Frames of 40 ms that wait, of all streams."""
        with self._changed:
            return sum(waiting.num_frames for waiting in self._open)

    def open(self) -> LiveSession[StreamState]:
        """Raises OverloadedError when there are too many, CallAbandonedError once closed."""
        session = LiveSession(self, self.recogniser.open())
        with self._changed:
            self._check_running()
            if len(self._open) >= self.config.max_streams:
                raise OverloadedError(
                    f"{len(self._open)} streams are open, which is the limit: retry when one has ended",
                    retry_after_s=5.0,
                )
            self._open.add(session.waiting)
        return session

    def enqueue(self, waiting: _Waiting[StreamState], piece: _Piece) -> "Future[RecognisedChunk]":
        """For sessions."""
        with self._changed:
            self._check_running()
            if waiting.error is not None:
                raise waiting.error
            limit = self.config.max_queued_frames
            if waiting.num_frames and waiting.num_frames + piece.num_left > limit:
                raise OverloadedError(
                    f"{waiting.num_frames} frames of this stream wait already, the limit is {limit}: "
                    "send no faster than answers come",
                    retry_after_s=waiting.num_frames * self.recogniser.frame_s,
                )
            waiting.pieces.append(piece)
            self._changed.notify()
        return piece.future

    def drop(self, waiting: _Waiting[StreamState], error: Exception) -> None:
        """For sessions: frees a stream's state, and fails what waits."""
        with self._changed:
            self._open.discard(waiting)
            waiting.drop(error)

    def close(self) -> None:
        """Stops the thread; whatever still waits fails."""
        with self._changed:
            self._closed = True
            for waiting in list(self._open):
                self.drop(waiting, CallAbandonedError("the server is shutting down"))
            self._changed.notify_all()
        self._worker.join()

    def _check_running(self) -> None:
        if self._closed:
            raise CallAbandonedError("the server is shutting down")

    def _work(self) -> None:
        self.on_start()
        while shares := self._take():
            began_s = time.monotonic()
            self._run(shares)
            self._report(shares, began_s)
            # Or a closed stream's state would live on in this frame until somebody else has something to do.
            del shares

    def _take(self) -> list[_Share[StreamState]]:
        """Waits until a stream has something; empty when closed."""
        with self._changed:
            while not self._closed:
                if shares := self._next_shares():
                    return shares
                self._changed.wait()
            return []

    def _next_shares(self) -> list[_Share[StreamState]]:
        """All that every stream has, up to the limit, and the longest-waiting stream's end by itself."""
        ready = sorted((one for one in self._open if one.pieces), key=lambda one: one.pieces[0].submitted_s)
        if not ready:
            return []
        if ready[0].is_ending:
            return self._shares(ready[:1])
        return self._shares([one for one in ready if not one.is_ending])

    def _shares(self, streams: Sequence[_Waiting[StreamState]]) -> list[_Share[StreamState]]:
        most = self.config.max_chunk_frames
        return [
            _Share(one, one.state, one.peek(min(one.num_frames, most)), one.pieces[0].submitted_s)
            for one in streams
            if one.state is not None
        ]

    def _run(self, shares: list[_Share[StreamState]]) -> None:
        try:
            chunks = self._answers(shares)
        except Exception as error:
            if len(shares) == 1:
                self.drop(shares[0].waiting, error)
                return
            # One stream must not end those it happened to share a step with; their states are as they were.
            for share in shares:
                self._run([share])
            return
        with self._changed:
            for share, chunk in zip(shares, chunks, strict=True):
                if share.waiting.state is not None:  # else it was closed meanwhile
                    share.waiting.deliver(chunk)

    def _answers(self, shares: list[_Share[StreamState]]) -> list[RecognisedChunk]:
        if not len(shares[0].mels):
            return [self.recogniser.finish(shares[0].state)]
        return self.recogniser.step([share.state for share in shares], [share.mels for share in shares])

    def _report(self, shares: list[_Share[StreamState]], began_s: float) -> None:
        if self.on_step is None:
            return
        with self._changed:
            num_waiting = sum(bool(waiting.pieces) for waiting in self._open)
        report = StepReport(
            num_streams=len(shares),
            num_frames=sum(len(share.mels) for share in shares) // MELS_PER_FRAME,
            waited_s=began_s - min(share.submitted_s for share in shares),
            elapsed_s=time.monotonic() - began_s,
            num_waiting=num_waiting,
        )
        self.on_step(report)


def _answer(future: "Future[RecognisedChunk]") -> RecognisedChunk:
    """Waits as long as the caller does."""
    scope = current_call.get()
    try:
        return future.result(scope.remaining_s if scope else None)
    except TimeoutError as error:
        raise CallAbandonedError("the deadline passed while the stream was waiting for the transcriber") from error
